"""The Celery edge of the strategies."""

from __future__ import annotations

from celery import shared_task

from strategies import decisions
from strategies.drain import drain


@shared_task(name="strategies.decide", queue="signals", ignore_result=True, acks_late=True)
def decide() -> None:
    """Drain waiting signals; ends at once when another worker does it already."""
    drain()


@shared_task(name="strategies.sweep", queue="housekeeping", ignore_result=True, acks_late=True)
def sweep() -> None:
    """Heal a lost nudge: when something waits, see that somebody drains."""
    if decisions.has_waiting():
        decide.delay()
