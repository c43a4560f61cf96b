"""What IBKR only tells by the live stream, kept for people: the newest of a connection, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from brokers import live
from brokers.domain.questions import Told
from brokers.models import BrokerMessage, Connection

# Of one connection: beyond that the oldest go.
KEPT = 50
# New ones that are written down within a minute: no honest gateway has more to tell, and each is a push to open pages.
MOST = 10
MINUTE = timedelta(minutes=1)


@transaction.atomic
def heard(connection: Connection, told: Sequence[Told], now: datetime) -> int:
    """Write down what IBKR told; one that is known already counts once more. How many were new."""
    # One after the other, so that what is kept stays bounded.
    Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    rows = BrokerMessage.objects.filter(connection=connection)
    room = max(0, MOST - rows.filter(first_seen_at__gt=now - MINUTE).count())
    new = 0
    for message in told[: 2 * MOST]:
        same = {"topic": message.topic, "key": _key(message)}
        if rows.filter(**same).update(seen_at=now, times=F("times") + 1) or new >= room:
            continue
        words = {"title": message.title, "text": message.text, "url": message.url}
        team = connection.team_id
        BrokerMessage.objects.create(
            team_id=team, connection=connection, first_seen_at=now, seen_at=now, **same, **words
        )
        new += 1
    if new:
        kept = rows.order_by("-seen_at", "-pk").values_list("pk", flat=True)[:KEPT]
        rows.exclude(pk__in=list(kept)).delete()
        live.session_changed(connection)
    return new


def of(connection: Connection, most: int = KEPT) -> list[BrokerMessage]:
    """What IBKR told this connection's user, the newest first."""
    return list(connection.messages.order_by("-seen_at", "-pk")[:most])


def _key(message: Told) -> str:
    return message.number or hashlib.sha256(f"{message.title}\n{message.text}".encode()).hexdigest()
