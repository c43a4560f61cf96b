"""What must hold: at every moment, and of both books at the end. Each breach is a sentence that begins with its name."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from brokers.domain.orders import IN_DOUBT, OVER, WORKING, OrderStatus
from brokers.models import Doubt, Order, SubmissionAttempt
from brokers.simulator.exchange import records
from brokers.tests.soak import elsewhere
from brokers.tests.soak.tenant import Tenant

# What may be confirmed without asking anybody: the table of docs, written out.
MAY_BE_CONFIRMED = {"o354", "o10151", "o10152", "o10153", "o10331", "o403"}
# IBKR's limits: the paths, how many calls, within how many seconds.
_SLOW = {"/iserver/account/orders": 5.0, "/iserver/account/trades": 5.0, "/tickle": 1.0}
_PER_SECOND = 10
# So soon an order leaves that nothing holds back, by the clock of the simulated IBKR.
AT_ONCE_SECONDS = 1.0
_SHOWN_AS = {
    "Filled": {OrderStatus.FILLED},
    "Cancelled": {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED},
    "Inactive": {OrderStatus.REJECTED},
}
_UNDER_WAY = {"submitted", "unknown", "pending_cancel", "needs_attention"}
_WORKS = {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_CANCEL}
_ASKED = {OrderStatus.PENDING_CANCEL}


def at_any_time(tenant: Tenant) -> list[str]:
    """What must hold at every moment."""
    rows = tenant.rows
    return [*_said_to_be_over(tenant, rows), *_accepted_once(tenant), *_never_left(tenant, rows)]


def under_way(tenant: Tenant) -> list[Order]:
    """The orders of which something is still to come, as they were read last."""
    return [order for order in tenant.rows.values() if order.status in _UNDER_WAY or _waits(order)]


def undecided_seconds(tenant: Tenant) -> list[Order]:
    """Second orders that work, and of which a person has not said that both are to stay."""
    return [each for each in tenant.rows.values() if each.second_of_id and each.status in _WORKS - _ASKED]


def _waits(order: Order) -> bool:
    return order.status == "created" and order.release != "after_parent_fills"


def at_the_end(tenant: Tenant) -> list[str]:
    """What must hold once everything has come to rest."""
    orders = Order.objects.filter(connection=tenant.key).select_related("parent").order_by("pk")
    all_of_them = orders.prefetch_related("events", "executions", "doubts", "attempts", "parent__attempts")
    rows = {order.reference: order for order in all_of_them}
    return [
        *_accepted_once(tenant),
        *_both_books_agree(tenant, rows),
        *_fills_agree(tenant, rows),
        *_legs_close_what_was_opened(tenant, rows),
        *_explained(tenant, rows),
        *_sent_again_after_a_proof(tenant, rows),
        *_answers_to_questions(tenant),
        *_within_limits(tenant),
        *elsewhere.wrong(tenant),
        *tenant.guard.at_the_end(tenant, rows),
    ]


def _named(orders: Iterable[records.Order]) -> Iterator[records.Order]:
    return (each for each in orders if each.reference)


def _paired(tenant: Tenant, rows: dict[str, Order]) -> Iterator[tuple[records.Order, Order | None]]:
    """IBKR's orders that bear a reference, each with its row here: an order has one number for good.

    None: a second order, which a change left beside the first, and of which there is no row yet.
    """
    by_number = {each.broker_order_id: each for each in rows.values() if each.broker_order_id}
    for theirs in _named(tenant.at_ibkr()):
        named, number = rows.get(theirs.reference), str(theirs.order_id)
        is_first = named is not None and named.broker_order_id in {"", number}
        yield theirs, by_number.get(number) or (named if is_first else None)


def _accepted_once(tenant: Tenant) -> Iterator[str]:
    """I1: no reference is accepted twice, but where a change was taken as another order."""
    counts = Counter(each.reference for each in _named(tenant.at_ibkr()))
    if sum(count - 1 for count in counts.values()) <= tenant.seconds:
        return
    for reference, count in counts.items():
        if count > 1:
            yield f"I1: IBKR has accepted {reference} {count} times."


def _said_to_be_over(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    """Nothing that works at IBKR is said to be over or never sent."""
    for theirs, ours in _paired(tenant, rows):
        if ours is None or not theirs.working or tenant.is_hidden(theirs):
            continue
        if OrderStatus(ours.status) in OVER and ours.status != "filled":
            yield f"I3: {_about(ours)} is said to be {ours.status} ({ours.reason_code}), and works at IBKR."


def _never_left(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    for _, ours in _paired(tenant, rows):
        if ours is not None and ours.status == "created":
            yield f"I3: {_about(ours)} waits to leave, and IBKR has it."


def _both_books_agree(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    """I3: what IBKR accepted is shown with its order, in the state that it has there; and nothing else is."""
    at_ibkr = set()
    for each, ours in _paired(tenant, rows):
        if ours is None:
            yield f"I3: IBKR has an order {each.order_id} of {each.reference} that nobody here knows."
            continue
        at_ibkr.add(ours.pk)
        shown = _WORKS if each.working else _SHOWN_AS[each.status]
        if each.filled and not each.working and each.status != "Filled":
            shown = shown | {OrderStatus.FILLED} if each.filled == each.quantity else shown
        if OrderStatus(ours.status) not in shown:
            yield f"I3: {_about(ours)} is {ours.status} here and {each.status} at IBKR."
    for ours in rows.values():
        if OrderStatus(ours.status) in WORKING | {OrderStatus.FILLED} and ours.pk not in at_ibkr:
            yield f"I3: {_about(ours)} is {ours.status} here, and IBKR never had it."


def _legs_close_what_was_opened(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    """The legs that an entry took along have filled and may fill no more than it: not one unit more is ever closed."""
    by_key = {row.pk: row for row in rows.values()}
    filled: dict[int, Decimal] = defaultdict(Decimal)
    opened: dict[int, Decimal] = defaultdict(Decimal)
    for each, ours in _paired(tenant, rows):
        if ours is None or ours.second_of_id:
            continue
        opened[ours.pk] = each.filled
        if ours.parent_id and ours.release == "with_parent":
            filled[ours.parent_id] += each.filled
    for key, closed in filled.items():
        if key in by_key and closed > opened[key]:
            yield f"I7: the legs of {_about(by_key[key])} have filled {closed}, and it has filled {opened[key]}."


def _fills_agree(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    filled: dict[int, Decimal] = defaultdict(Decimal)
    for each, ours in _paired(tenant, rows):
        if ours is not None:
            filled[ours.pk] += each.filled
    for ours in rows.values():
        if ours.filled_quantity != filled[ours.pk]:
            yield f"I3: {_about(ours)} has filled {ours.filled_quantity} here and {filled[ours.pk]} at IBKR."
        executed = sum((fill.quantity for fill in ours.executions.all()), Decimal(0))
        if executed != filled[ours.pk]:
            yield f"I3: {_about(ours)} has fills of {executed} here and of {filled[ours.pk]} at IBKR."


def _explained(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    """Every order that ended without being filled says why; every order that is not over has its state's evidence."""
    for ours in rows.values():
        if ours.status in _UNDER_WAY or _waits(ours):
            yield f"I3: {_about(ours)} does not come to rest; it is {ours.status}."
        status, last = OrderStatus(ours.status), max(ours.events.all(), key=lambda event: event.pk, default=None)
        if status in OVER and (last is None or not last.cause):
            yield f"I3: {_about(ours)} ended as {status} without a cause."
        if status in {OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.DENIED} and not ours.reason:
            yield f"I3: {_about(ours)} ended as {status} without a reason."
    open_attempts = SubmissionAttempt.objects.filter(
        order__connection=tenant.key, kind__in=("post", "reply"), outcome=""
    )
    for attempt in open_attempts.select_related("order"):
        yield f"I3: the {attempt.kind} of {_about(attempt.order)} has no outcome."
    for doubt in Doubt.objects.filter(order__connection=tenant.key, closed_at=None).select_related("order"):
        if OrderStatus(doubt.order.status) not in IN_DOUBT:
            yield f"I3: {_about(doubt.order)} is {doubt.order.status}, and its doubt is open."


def _sent_again_after_a_proof(tenant: Tenant, rows: dict[str, Order]) -> Iterator[str]:
    """I2: a reference leaves again only after it provably had not left, or IBKR provably did not have it."""
    sent: Counter[str] = Counter()
    for entry in _requests(tenant, "POST", "/orders"):
        sent.update({ticket["cOID"] for ticket in json.loads(entry["body"])["orders"]})
    for reference, count in sent.items():
        ours = rows.get(reference)
        if ours is None:
            yield f"I2: {reference} was sent, and nobody here knows it."
            continue
        events = [(event.old, event.new) for event in ours.events.all()]
        allowed = events.count(("submitted", "created")) + 1
        proven = sum((doubt.became, doubt.code) == ("submitted", "proven-absent") for doubt in ours.doubts.all())
        if count > allowed:
            yield f"I2: {_about(ours)} was sent {count} times, with leave for {allowed}."
        if events.count(("unknown", "submitted")) != proven:
            yield f"I2: {_about(ours)} left again without a proof."
        head = ours.parent or ours
        posts = sum(attempt.kind == SubmissionAttempt.Kind.POST for attempt in head.attempts.all())
        if posts < count:
            yield f"I2: {_about(ours)} was sent {count} times and written down {posts} times."


def _answers_to_questions(tenant: Tenant) -> Iterator[str]:
    """I4: no yes to a question that is not on the list; and no reply is sent twice."""
    replies = SubmissionAttempt.objects.filter(order__connection=tenant.key, kind=SubmissionAttempt.Kind.REPLY)
    for reply in replies:
        if reply.request["confirmed"] and not set(reply.request["messages"]) <= MAY_BE_CONFIRMED:
            yield f"I4: {reply.request['messages']} was confirmed."
    for path, count in Counter(entry["path"] for entry in _requests(tenant, "POST", "/iserver/reply/")).items():
        if count > 1:
            yield f"I4: {path} was sent {count} times."


def _within_limits(tenant: Tenant) -> Iterator[str]:
    """I6: never more calls than IBKR allows a user."""
    calls: list[Any] = [entry.fields for entry in tenant.user.journal]
    times = [entry["arrived"] for entry in calls]
    for first, last in zip(times, times[_PER_SECOND:], strict=False):
        if last - first < 1.0:
            yield f"I6: {_PER_SECOND + 1} requests within {last - first:.2f} s."
            break
    for path, seconds in _SLOW.items():
        arrived = [entry["arrived"] for entry in calls if entry["path"].rstrip("/") == path]
        if any(later - earlier < seconds for earlier, later in pairwise(arrived)):
            yield f"I6: {path} was asked for twice within {seconds:.0f} s."
    if any(entry["status"] == 429 for entry in calls):
        yield "I6: IBKR asked us to slow down."


def left_in_time(tenant: Tenant) -> list[str]:
    """I5: nobody's fault keeps another's order from leaving."""
    arrived: dict[str, float] = {}
    for entry in _requests(tenant, "POST", "/orders"):
        for ticket in json.loads(entry["body"])["orders"]:
            arrived.setdefault(ticket["cOID"], entry["arrived"])
    orders = Order.objects.filter(connection=tenant.key)
    wrong = [] if orders.exists() else ["I5: it has placed nothing."]
    for order in orders:
        waited = arrived.get(order.reference, math.inf) - order.created_at.timestamp()
        if waited > AT_ONCE_SECONDS:
            wrong.append(f"I5: {_about(order)} left after {waited:.2f} s.")
    return wrong


def _requests(tenant: Tenant, method: str, part: str) -> Iterator[dict[str, Any]]:
    return (
        entry
        for entry in (each.fields for each in tenant.user.journal)
        if entry["method"] == method and part in entry["path"]
    )


def _about(order: Order) -> str:
    return f"the {order.role} {order.pk} ({order.type} {order.side} {order.quantity:f})"
