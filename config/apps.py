from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """Loads the Celery application in every process, so that a task enqueued anywhere finds the broker."""

    name = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401
