"""What closes open pages from outside them: the end of the session that they were opened in."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.feed import pushes


@receiver(post_delete, sender=Session)
def close_pages(sender: Any, instance: Session, **kwargs: Any) -> None:
    """Signed out here or from another browser: the pages of this session stop hearing of the team at once."""
    pushes.end_session_on_commit(instance.session_key)
