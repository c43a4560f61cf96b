"""Ways out behind a cancel that IBKR has, outside the contract's hours: it is acknowledged at the open, so they wait.

An entry alone does not wait so long: its signal is of yesterday by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers import live
from brokers.domain.orders import OF_FUTURES, AssetClass, OrderStatus, Release
from brokers.domain.questions import WAYS_OUT
from brokers.domain.sentences import cut, grouped
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from brokers.models import ContractLookup, Order, SubmissionAttempt, Ticket
from brokers.orders.waits import good_till
from brokers.rulebook.calendars import us_shares

CODE = "waits-for-open"
# What IBKR needs after the open to acknowledge the cancel, and the order to leave.
AFTER_OPEN = timedelta(minutes=5)


def opens_at(order: Order, now: datetime) -> datetime | None:
    """When the market opens in which an order works; None where it is open, or nobody says when it opens.

    IBKR's hours of the contract count, else the calendar of US shares. The simulated market never closes.
    """
    if order.connection.environment == Environment.SIMULATED:
        return None
    hours = _hours_of(order)
    all_night = order.outside_rth or order.asset_class in OF_FUTURES
    if hours is not None and (is_open := hours.is_open(now, extended=all_night)) is not None:
        return None if is_open else hours.opens_after(now, extended=all_night)
    if not _is_us_share(order):
        return None
    calendar = us_shares()
    return None if calendar.is_open(now, extended=order.outside_rth) else calendar.open_after(now)


def is_open(order: Order, *moments: datetime) -> bool | None:
    """Whether the regular session of an order's market is open at all of these moments; None where nobody says of one.

    Known as for `opens_at`. What works outside of regular hours as well may be in no list then.
    """
    if order.connection.environment == Environment.SIMULATED:
        return True
    hours, opens = _hours_of(order), list[bool | None]()
    for at in moments:
        told = None if hours is None else hours.is_open(at)
        if told is None and _is_us_share(order):
            told = us_shares().is_open(at)
        opens.append(told)
    if False in opens:
        return False
    return None if None in opens else True


def _hours_of(order: Order) -> TradingHours | None:
    lookup = ContractLookup.objects.numbered(order.connection_id, order.conid).first()
    return TradingHours.from_json(lookup.hours) if lookup is not None else None


def _is_us_share(order: Order) -> bool:
    return order.asset_class == AssetClass.STOCK and order.currency == "USD"


def held_by(orders: Iterable[Order], now: datetime) -> tuple[Order, datetime] | None:
    """The last of these orders that IBKR cancels at an open, and when that is; None where none is such."""
    asked = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"),
        kind=SubmissionAttempt.Kind.CANCEL,
        outcome="accepted",
        sent_at__gte=OuterRef("changed_at"),
    )
    keys = [order.pk for order in orders]
    waiting = Order.objects.filter(Exists(asked), pk__in=keys, status=str(OrderStatus.PENDING_CANCEL))
    opens = [(order, at) for order in waiting.select_related("connection") if (at := opens_at(order, now)) is not None]
    return max(opens, key=lambda pair: pair[1], default=None)


def heard_at(order: Order) -> datetime | None:
    """When IBKR took the cancel that was asked for last, or said that it had no such order."""
    if not order.broker_order_id:
        return None
    asked = order.attempts.filter(kind=SubmissionAttempt.Kind.CANCEL).order_by("-pk")
    outcome, answered_at = asked.values_list("outcome", "answered_at").first() or ("", None)
    return answered_at if outcome in {"accepted", "gone"} else None


def why_waiting(canceled: Order, opens: datetime) -> str:
    """What somebody reads who waits for such a cancel."""
    name = f"the order to {canceled.side} {grouped(canceled.quantity)} {canceled.ticker}"
    return f"IBKR has been asked to cancel {name} and does so when its market opens, {opens:%A %H:%M} UTC."


def look_behind(canceled: Order, now: datetime) -> None:
    """Let what stands behind a cancel wait for the open, as soon as IBKR has the request."""
    behind = Ticket.objects.filter(
        account=canceled.account_id, worked_at__isnull=True, cancels__contains=[{"reference": canceled.reference}]
    )
    for order in _unsent(behind):
        wait(order, now)


def _unsent(tickets: QuerySet[Ticket]) -> QuerySet[Order]:
    rows = Order.objects.filter(ticket__in=tickets, status=str(OrderStatus.CREATED)).order_by("pk")
    return rows.select_related("ticket", "parent", "connection").select_for_update(of=("self",))


def wait(order: Order, now: datetime) -> bool:
    """Give a way out, and the entry that follows it in a flip, until shortly after the open; True where it waits."""
    leaves_a_position = order.role in WAYS_OUT or (
        order.release == Release.AFTER_PARENT_FILLS and order.parent is not None and order.parent.role in WAYS_OUT
    )
    is_over = order.good_till is not None and order.good_till <= now
    held = _held(order, now) if leaves_a_position and not is_over else None
    if held is None:
        return False
    until = good_till.before_its_end(order, held[1] + AFTER_OPEN)
    reason = cut(f"{why_waiting(*held)} It leaves then.", 400)
    if order.expires_at < until or order.reason_code != CODE:
        rows = Order.objects.filter(Q(reason="") | Q(reason_code=CODE), pk=order.pk, status=str(OrderStatus.CREATED))
        rows.update(expires_at=max(until, order.expires_at), reason=reason, reason_code=CODE)
        live.order_changed(order)
    return True


def why_late(order: Order, now: datetime) -> str:
    """Why an order that does not wait for the open is too late; "" where nothing of it waits for one."""
    held = _held(order, now)
    return f"Not sent: {why_waiting(*held)} An entry does not wait so long. Send it again then." if held else ""


def _held(order: Order, now: datetime) -> tuple[Order, datetime] | None:
    references = [str(cancel["reference"]) for cancel in order.ticket.cancels]
    return held_by(Order.objects.filter(reference__in=references), now) if references else None
