from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """Loads, in every process, the Celery application, so that a task enqueued anywhere finds the broker, and the dumper of lists."""

    name = "config"

    def ready(self) -> None:
        from config import arrays, celery  # noqa: F401

        arrays.register()
