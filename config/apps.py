from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """Loads the Celery application in every process, so that a task enqueued anywhere finds the broker; and how lists travel."""

    name = "config"

    def ready(self) -> None:
        from config import arrays, celery  # noqa: F401

        arrays.register()
