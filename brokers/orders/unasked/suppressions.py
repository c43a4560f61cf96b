"""What IBKR is told not to ask: chosen for a connection, written down before it is told, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.connections import sessions
from brokers.domain.questions import always_confirmed
from brokers.domain.sentences import cut
from brokers.models import Connection, Suppression
from brokers.orders.questions import asked_to_cancel_all, chosen_by
from brokers.orders.unasked import wishes

# Until IBKR asks again what the team does not answer with yes any more, it is told so this often.
AGAIN_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What IBKR is told now: to ask everything again where `resets`, and then not to ask `message_ids`."""

    connection_pk: int
    row_pk: int
    wanted_at: datetime
    message_ids: tuple[str, ...]
    resets: bool


@transaction.atomic
def switch(*, connection: Connection, suppresses: bool, actor: User | None, now: datetime) -> None:
    """Let IBKR not be asked to ask what the team always answers with yes, or let it ask everything again."""
    locked = Connection.objects.select_for_update().select_related("team").get(pk=connection.pk)
    connection.suppresses_questions = suppresses
    if locked.suppresses_questions == suppresses:
        return
    rows = Connection.objects.filter(pk=locked.pk)
    rows.update(suppresses_questions=suppresses)
    wishes.wish(rows, now)
    live.session_changed(locked)
    audit.record(
        team=locked.team,
        actor=actor,
        action="connection.suppresses" if suppresses else "connection.asks",
        subject=locked.username,
        before={"suppresses_questions": not suppresses},
        after={"suppresses_questions": suppresses},
        now=now,
    )


@transaction.atomic
def begin(connection_pk: int, now: datetime) -> Wish | None:
    """Write down what IBKR is about to be told; None where there is nothing to tell. Under the connection's lock."""
    connection = Connection.objects.select_for_update().get(pk=connection_pk)
    wanted_at = connection.suppression_wanted_at
    if wanted_at is None or wanted_at > now or not sessions.is_undoubted(connection_pk):
        # Somebody else may have signed in: their session is told nothing.
        return None
    kept, chosen = asked_to_cancel_all(connection.team_id), chosen_by(connection.team_id)
    message_ids = always_confirmed(chosen, kept) if connection.suppresses_questions else ()
    last = last_of(connection)
    told = set(last.message_ids) if last is not None else set()
    resets = bool(told - set(message_ids))
    if not message_ids and not resets:
        Connection.objects.filter(pk=connection_pk).update(suppression_wanted_at=None)
        live.session_changed(connection)
        return None
    # Until IBKR says that it asks again, what it was told before counts as well.
    row = Suppression.objects.create(connection=connection, message_ids=sorted(told | set(message_ids)), asked_at=now)
    return Wish(connection_pk=connection_pk, row_pk=row.pk, wanted_at=wanted_at, message_ids=message_ids, resets=resets)


def asks_again(wish: Wish) -> None:
    """IBKR asks everything again; what it is told next is all that counts."""
    Suppression.objects.filter(pk=wish.row_pk).update(message_ids=list(wish.message_ids))


@transaction.atomic
def told(wish: Wish, answer: str) -> None:
    """IBKR took what it was told; a wish that came meanwhile stays."""
    Suppression.objects.filter(pk=wish.row_pk).update(confirmed=True, answer=answer)
    _of(wish).update(suppression_wanted_at=None)
    live.session_changed(Connection.objects.get(pk=wish.connection_pk))


@transaction.atomic
def failed(wish: Wish, reason: str, now: datetime) -> None:
    """IBKR did not take it. What it asks is answered as before; only where it may keep back what it is to ask again is
    it told so once more."""
    row = Suppression.objects.get(pk=wish.row_pk)
    Suppression.objects.filter(pk=row.pk).update(confirmed=False, answer=cut(reason, 300))
    again = bool(set(row.message_ids) - set(wish.message_ids))
    _of(wish).update(suppression_wanted_at=now + AGAIN_AFTER if again else None)
    live.session_changed(Connection.objects.get(pk=wish.connection_pk))


def _of(wish: Wish) -> QuerySet[Connection]:
    return Connection.objects.filter(pk=wish.connection_pk, suppression_wanted_at=wish.wanted_at)


def last_of(connection: Connection) -> Suppression | None:
    """What IBKR was told last for this connection; without a query where `with_latest` loaded it."""
    loaded: list[Suppression] | None = getattr(connection, "latest_suppressions", None)
    if loaded is not None:
        return loaded[0] if loaded else None
    return connection.suppressions.order_by("-pk").first()


def with_latest(connections: QuerySet[Connection]) -> QuerySet[Connection]:
    """Connections, each with what IBKR was told last for it: one query for all of them."""
    latest = Suppression.objects.order_by("connection_id", "-pk").distinct("connection_id")
    return connections.prefetch_related(Prefetch("suppressions", queryset=latest, to_attr="latest_suppressions"))


def in_force_at(connection_pk: int, at: datetime) -> Suppression | None:
    """What IBKR had been told not to ask by then; None where it asked everything."""
    row = Suppression.objects.filter(connection=connection_pk, asked_at__lte=at).order_by("-pk").first()
    return row if row is not None and row.message_ids else None
