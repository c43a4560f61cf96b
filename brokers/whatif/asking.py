"""What-ifs that people ask: written down, put before IBKR by the connection's lane, and ended with an answer or a reason.

Nobody signs in for one: it is asked over the session that is there, and ends at once where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.connections import sessions
from brokers.domain.orders import OrderIntent
from brokers.domain.sentences import cut, ended
from brokers.domain.sessions import SessionStatus
from brokers.domain.whatif.figures import OrderPreview, WhatIfStatus
from brokers.models import BrokerageAccount, Connection, WhatIf
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.whatif.orders import described

# What was not answered by then is not answered: the lane is away, or busy with orders.
WAITS_FOR = timedelta(seconds=60)
# Of what nobody has answered: so much of it is ended, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 2_000, 50, 1.0
# A plan has one or two orders that open or close by themselves; whoever calls an address by hand fills no queue.
MOST_OF_A_PLAN = 4
_ASKED = str(WhatIfStatus.ASKED)


class WhatIfRefused(Refusal):
    """IBKR is not asked."""


@transaction.atomic
def ask(
    account: BrokerageAccount,
    key: UUID,
    orders: Sequence[tuple[int, OrderIntent]],
    *,
    actor: User | None,
    now: datetime,
) -> int:
    """Ask for IBKR's previews of a plan's orders, each with its place in the plan; how many were not being asked already.

    Nothing is placed. Raises WhatIfRefused where there is no session to ask over.
    """
    _demand_session(account.connection, now)
    open_ones = WhatIf.objects.filter(key=key, status=_ASKED)
    asked = set(open_ones.values_list("position", flat=True))
    fresh = [each for each in orders[:MOST_OF_A_PLAN] if each[0] not in asked]
    if not fresh:
        return 0
    # Who asks at the same moment asks the same: the second row is left out.
    WhatIf.objects.bulk_create(
        (
            WhatIf(
                team_id=account.team_id,
                account=account,
                key=key,
                position=position,
                request=described(intent),
                asked_by=actor,
                asked_at=now,
            )
            for position, intent in fresh
        ),
        ignore_conflicts=True,
    )
    audit.record(
        team=account.team,
        actor=actor,
        action="what_if.asked",
        subject=account.account_id,
        after={"plan": str(key), "orders": [described(intent) for _, intent in fresh]},
        now=now,
    )
    notify(ORDERS_CHANNEL, str(account.connection_id))
    live.what_if_changed(open_ones.earliest("pk"))
    return len(fresh)


def _demand_session(connection: Connection, now: datetime) -> None:
    if not connection.enabled:
        raise WhatIfRefused(
            "The connection of this account is switched off, so IBKR cannot be asked. Switch it on first.",
            "connection-off",
        )
    if not sessions.believed_active(connection, now):
        raise WhatIfRefused(_no_session(connection), "no-session")


def _no_session(connection: Connection) -> str:
    if connection.session_status == SessionStatus.ACTIVE:
        # Nobody has looked lately, or something went wrong a moment ago.
        return "Halyard looks whether this connection's session is still there. Ask again in a moment."
    return f"IBKR cannot be asked over this connection now: {ended(connection.session_reason or 'nobody is signed in')}"


def of_plan(key: UUID) -> dict[int, WhatIf]:
    """The latest what-if of each order of a plan, by the order's place."""
    latest: dict[int, WhatIf] = {}
    for row in WhatIf.objects.filter(key=key).select_related("asked_by").order_by("pk"):
        latest[row.position] = row
    return latest


def by_people() -> QuerySet[WhatIf]:
    """What people ask and nobody has answered."""
    return WhatIf.objects.filter(status=_ASKED, by_policy=False)


def next_one(connection_pk: int) -> WhatIf | None:
    """The what-if of a connection that waits longest; those of entries that wait for them are asked for apart."""
    rows = by_people().filter(account__connection=connection_pk)
    return rows.select_related("account").order_by("asked_at", "pk").first()


def answer(row: WhatIf, preview: OrderPreview, now: datetime) -> None:
    """Write down what IBKR said; an answer without a figure and without a refusal is none."""
    if not preview.says_something:
        warning = f' IBKR: "{cut(preview.warning, 120)}"' if preview.warning else ""
        no_answer(row, f"IBKR's preview told no figures. Ask again later.{warning}", "preview-without-figures", now)
        return
    _end([row], now, status=str(WhatIfStatus.ANSWERED), answer=preview.to_json())


def no_answer(row: WhatIf, reason: str, code: str, now: datetime) -> None:
    """Write down why IBKR gave no preview."""
    _give_up([row], reason, code, now)


def give_up(connection: Connection, now: datetime, reason: str = "", code: str = "no-session") -> None:
    """End what waits at a connection over which nobody can be asked now."""
    waiting = by_people().filter(account__connection=connection)
    _give_up(waiting, reason or _no_session(connection), code, now)


def expire(now: datetime) -> int:
    """End what nobody has answered in time, team by team in turn, portion by portion; of how many that was tried."""
    late = WhatIf.objects.filter(status=_ASKED, asked_at__lte=now - WAITS_FOR)
    seconds = int(WAITS_FOR.total_seconds())
    reason = (
        f"IBKR was not asked within {seconds} seconds: orders came first, or nobody works this connection. Ask again."
    )
    keys = in_turn(late, MOST, order="asked_at")

    def portion(some: list[int]) -> int:
        _give_up(late.filter(pk__in=some).order_by("pk"), reason, "preview-too-late", now)
        return len(some)

    return in_portions(keys, portion, at_once=AT_ONCE, seconds=LONGEST_SECONDS)


def _give_up(rows: Iterable[WhatIf], reason: str, code: str, now: datetime) -> None:
    _end(rows, now, status=str(WhatIfStatus.UNANSWERED), reason=cut(ended(reason), 300), reason_code=code)


@transaction.atomic
def _end(rows: Iterable[WhatIf], now: datetime, **values: object) -> None:
    for row in rows:
        if WhatIf.objects.filter(pk=row.pk, status=_ASKED).update(answered_at=now, **values):
            live.what_if_changed(row)
