from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    name = "strategies"
    verbose_name = "Strategies and signals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Here, not above: template libraries need the apps.
        from accounts.audit import words
        from accounts.templatetags import ui
        from brokers.book import in_use
        from strategies.display import subjects
        from strategies.templatetags import decisions
        from strategies.usage import followed_connections

        ui.add_badges(decisions.BADGES, decisions.LABELS)
        if subjects.names not in words.NAMES:
            words.NAMES.append(subjects.names)
        if followed_connections not in in_use.USES:
            in_use.USES.append(followed_connections)
