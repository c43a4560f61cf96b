from django.apps import AppConfig


class BrokersConfig(AppConfig):
    name = "brokers"
    verbose_name = "Orders, accounts and connections"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Here, not above: template libraries need the apps.
        from accounts.templatetags import ui
        from brokers.templatetags import trading

        ui.add_badges(trading.BADGES)
