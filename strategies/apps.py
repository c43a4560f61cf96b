from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    name = "strategies"
    verbose_name = "Strategies and signals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Here, not above: template libraries need the apps.
        from accounts.audit import words
        from accounts.templatetags import ui
        from strategies.display import subjects
        from strategies.templatetags import decisions

        ui.add_badges(decisions.BADGES, decisions.LABELS)
        if subjects.names not in words.NAMES:
            words.NAMES.append(subjects.names)
