"""Which chats and programs a notice goes to."""

from __future__ import annotations

from datetime import datetime

from accounts.models import Membership, Role
from brokers.models import Delivery, Destination, Notice


def address(notice: Notice, now: datetime) -> None:
    """A delivery for each destination of the team's owners that this kind goes to; call it with the notice's transaction."""
    owners = Membership.objects.filter(
        team=notice.connection.team_id, role=Role.OWNER, user__is_active=True, user__deleted_at=None
    )
    places = Destination.objects.filter(membership__in=owners, paused=False, is_broken=False)
    Delivery.objects.bulk_create(
        (
            Delivery(notice=notice, destination=place, due_at=now)
            for place in places
            if notice.kind not in place.silenced
        ),
        ignore_conflicts=True,
    )
