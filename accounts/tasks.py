"""The Celery edge of this floor."""

from __future__ import annotations

from celery import shared_task

from accounts.pulse import beat


@shared_task(queue="housekeeping", ignore_result=True, acks_late=True)
def pulse() -> None:
    """A worker that runs this is alive."""
    beat("worker")
