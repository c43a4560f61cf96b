"""The Celery edge of this floor."""

from __future__ import annotations

from celery import current_app, shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts import schedule
from accounts.feed import needs
from accounts.pulse import beat


@shared_task(name="accounts.tick", ignore_result=True, acks_late=True)
def tick() -> None:
    """Show that a worker runs tasks, and begin what is due. Each worker asks for this every second."""
    beat("worker")
    entries = current_app.conf["schedule"]
    due = schedule.claim({name: entry["seconds"] for name, entry in entries.items()}, timezone.now())
    try:
        while due:
            current_app.send_task(entries[due[0]]["task"], expires=entries[due[0]]["expires"])
            del due[0]
    finally:
        schedule.give_back(due)


@shared_task(name="accounts.refresh_needs", ignore_result=True, acks_late=True)
def refresh_needs() -> None:
    """Show on open pages what has come to need somebody, or no longer does, as time went by."""
    needs.refresh()


@shared_task(name="accounts.tidy", ignore_result=True, acks_late=True)
def tidy() -> None:
    """Delete sessions that have expired: nobody is signed in by them, and their rows hold who once was."""
    call_command("clearsessions")
