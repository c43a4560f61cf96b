"""The Celery edge of this floor."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from accounts.feed import needs
from accounts.pulse import beat


@shared_task(ignore_result=True, acks_late=True)
def pulse() -> None:
    """A worker that runs this is alive."""
    beat("worker")


@shared_task(name="accounts.refresh_needs", ignore_result=True, acks_late=True)
def refresh_needs() -> None:
    """Show on open pages what has come to need somebody, or no longer does, as time went by."""
    needs.refresh()


@shared_task(name="accounts.tidy", ignore_result=True, acks_late=True)
def tidy() -> None:
    """Delete sessions that have expired: nobody is signed in by them, and their rows hold who once was."""
    call_command("clearsessions")
