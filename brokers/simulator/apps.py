from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    name = "brokers.simulator"
    label = "simulator"
    verbose_name = "Simulated broker"
    default_auto_field = "django.db.models.BigAutoField"
