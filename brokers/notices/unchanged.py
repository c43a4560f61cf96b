"""Owners are told of orders at IBKR that stay as they were: what Halyard was to cancel works on, what it was to move stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.turns import in_turn
from brokers.domain.contracts.changes import in_words
from brokers.domain.doubts.limits import ASK_SOON, MOST_REFUSALS
from brokers.domain.notices import NoticeKind
from brokers.domain.orders import CHANGED_IN_PLACE, MAY_FILL, MODIFIABLE, Role
from brokers.domain.sentences import cut, ended, grouped
from brokers.models import Notice, Order, OrderModification, SubmissionAttempt
from brokers.notices.telling import STALE, tell_once

# Of each kind, one call writes so many notices.
MOST = 100
# Signals may move one stop each minute, and IBKR refuse it each time: of one order owners are told once in so long.
QUIET = timedelta(hours=1)
_WORKING = sorted(map(str, CHANGED_IN_PLACE))
_MAY_FILL = sorted(map(str, MAY_FILL))
# Why a change was not made although the order works on as it was: not for it had ended, nor since somebody wanted another.
STAYS = (
    "change-too-late",
    "contract-not-known",
    "does-not-trail",
    "fills-not-told",
    "no-such-price",
    "pair-not-made",
    "price-on-wrong-side",
    "second-order",
    "size-under-way",
    "split-meanwhile",
)


def tell_of_ends(now: datetime) -> int:
    """Write notices down about orders whose date is over and whose cancel IBKR refused; how many are new."""
    refused = SubmissionAttempt.refused_past_the_end().filter(
        order__status__in=_WORKING, order__good_till__lte=now, answered_at__gt=now - STALE, notice=None
    )
    keys = in_turn(refused, MOST, team="order__team_id", order="answered_at")
    rows = refused.select_related("order__account", "order__connection").in_bulk(keys)
    return sum(_tell_of_end(rows[key], now) for key in keys if key in rows)


def _tell_of_end(refused: SubmissionAttempt, now: datetime) -> bool:
    order: Order = refused.order
    times = SubmissionAttempt.refused_past_the_end().filter(order=order.pk, pk__lte=refused.pk).count()
    why = why_it_works_on(order, times, str(refused.answer or ""))
    return tell_once(order.connection, NoticeKind.NOT_CANCELED, f"{refused.pk}", why, now, refused=refused)


def why_it_works_on(order: Order, times: int, answer: str) -> str:
    """What owners are told of an order whose cancel IBKR has refused so many `times` since its end, last with this answer."""
    assert order.good_till is not None, "it is over by that"
    name = f"{order.side.capitalize()} {grouped(order.quantity)} {order.ticker} in {order.account.account_id}"
    said = f"IBKR did not cancel it: {ended(cut(answer, 250))}" if answer else "IBKR did not cancel it."
    opens = order.cancel_again_at
    when = "" if opens is None else f", {_moment(opens)}"
    soon = opens is not None and opens - order.changed_at <= ASK_SOON
    next_time = "in a few minutes" if soon else "when its market opens next"
    again = f"Halyard asks again {next_time}{when}; until then it may fill. Or cancel it in TWS."
    if times >= MOST_REFUSALS:
        again = f"Halyard has asked {times} times and asks no more: it may fill until somebody cancels it in TWS."
    return f"{name} was good till {_moment(order.good_till)} and works on. {said} {again}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def tell_of_changes(now: datetime) -> int:
    """Write notices down about stops, and what was to be counted from a fill, that no person was to change and that stay as
    they were; how many are new."""
    untold = _untold(now)
    keys = in_turn(untold, MOST, team="team_id", order="ended_at")
    rows = untold.select_related("order__account", "order__connection").in_bulk(keys)
    # Of one order the last says what is true.
    last = {rows[key].order_id: rows[key] for key in sorted(keys) if key in rows}
    return sum(_tell_of_change(row, now) for row in last.values())


def _untold(now: datetime) -> QuerySet[OrderModification]:
    status = OrderModification.Status
    lately = Notice.objects.filter(modification__order=OuterRef("order"), created_at__gt=now - QUIET)
    ended_rows = OrderModification.objects.filter(
        ~Exists(lately),
        status__in=[status.REFUSED, status.NOT_MADE],
        asked_by=None,
        ended_at__gt=now - STALE,
        notice=None,
    )
    matters = Q(from_fill=True) | Q(order__role=str(Role.STOP_LOSS))
    stays = Q(status=status.REFUSED) | Q(reason_code__in=STAYS)
    return ended_rows.filter(matters, stays, order__status__in=_MAY_FILL)


def _tell_of_change(row: OrderModification, now: datetime) -> bool:
    order: Order = row.order
    what = "stop loss" if order.role == Role.STOP_LOSS else "target"
    name = f"The {what} of {order.ticker} in {order.account.account_id} ({order.side} {grouped(order.quantity)})"
    stands = _prices(order, row)
    wanted = f" It was to have {in_words(row.values())}." if row.values() else ""
    why = f"{name} stands at {stands} at IBKR.{wanted} {ended(cut(row.reason, 300))}"
    return tell_once(order.connection, NoticeKind.NOT_MOVED, f"{row.pk}", why, now, modification=row)


def _prices(order: Order, row: OrderModification) -> str:
    """What IBKR has of it, as far as it has shown it: its prices or its trail, and its size where that was to change."""
    columns = [name for name in MODIFIABLE if name != "quantity" or row.quantity is not None]
    shown: dict[str, Decimal] = {name: value for name in columns if (value := getattr(order, name)) is not None}
    return in_words(shown)
