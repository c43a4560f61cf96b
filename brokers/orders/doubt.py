"""Orders in doubt: sent, and their answer lost. Found by reference, proven absent, or left to a person; never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from brokers import live
from brokers.connections import nights
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.choices import Shape, differs
from brokers.domain.doubts.evidence import REAL, SIMULATED, Evidence, Origin, Sight, Source, Terms, by_clock, looked
from brokers.domain.doubts.limits import is_old
from brokers.domain.doubts.verdicts import Matter, Resend, Step, Verdict, judge
from brokers.domain.orders import IN_DOUBT, IN_FLIGHT, OVER, OrderStatus, OrderType, Release, Side
from brokers.domain.sentences import cut
from brokers.domain.sessions import Environment, Region, SessionStatus
from brokers.models import Connection, Doubt, Order, SubmissionAttempt, Ticket
from brokers.models.unclaimed import change_by
from brokers.orders.unsent import finish_ticket_if_done
from brokers.orders.waits import behind_cancels
from brokers.orders.waits.wished_cancels import back_in_the_queue
from brokers.postgres.notices import ORDERS_CHANNEL, notify

MOST_LOOKS = 20
# Nobody looked for so long: whoever looks then begins to be patient anew.
PAUSE = timedelta(minutes=1)
ALREADY_REGISTERED = "already-registered"
PROVEN_ABSENT = "proven-absent"
_LEFT_OPEN = (SubmissionAttempt.Kind.POST, SubmissionAttempt.Kind.REPLY, SubmissionAttempt.Kind.CANCEL)
# A write takes 25 seconds at the most; what IBKR's pace makes it wait comes on top.
LONGEST_WRITE = timedelta(seconds=60)
INTERRUPTED = "Halyard was interrupted before IBKR answered."
# By whose midnight IBKR's day ends.
_CLOCKS = {
    Region.NORTH_AMERICA: "America/New_York",
    Region.EUROPE: "Europe/Zurich",
    Region.ASIA: "Asia/Hong_Kong",
}


@transaction.atomic
def doubt_abandoned(connection_pk: int, now: datetime) -> int:
    """Orders that a dead worker left between "sent" and "heard" become unknown. Call it only under the connection's lock."""
    submitted = Order.objects.filter(connection_id=connection_pk, status=str(OrderStatus.SUBMITTED))
    left = submitted.select_for_update().order_by("pk")
    reason = "Halyard was interrupted while IBKR's answer was on its way; looking for the order. It was not sent again."
    count = 0
    for order in left:
        count += Order.objects.move(order, OrderStatus.UNKNOWN, now=now, cause=reason, reason=reason)
        live.order_changed(order)
    _close_attempts(connection_pk, now)
    return count


def _close_attempts(connection_pk: int, now: datetime) -> None:
    """Complete what a dead worker asked and never wrote an answer to, also where the stream has told of the order since.

    Changes are left open: for those an empty outcome means that they are looked up before they are repeated.
    """
    left = SubmissionAttempt.objects.filter(order__connection=connection_pk, kind__in=_LEFT_OPEN, outcome="")
    left.update(outcome="ambiguous", answered_at=now, answer=INTERRUPTED)


def abandoned(now: datetime) -> QuerySet[SubmissionAttempt]:
    """Orders, replies and cancels sent so long ago that nobody waits for their answers any more."""
    return SubmissionAttempt.objects.filter(kind__in=_LEFT_OPEN, outcome="", sent_at__lte=now - LONGEST_WRITE)


def unknown_orders(connection_pk: int) -> list[Order]:
    """Orders whose answer was lost, oldest first."""
    return list(
        Order.objects.filter(connection_id=connection_pk, status=str(OrderStatus.UNKNOWN))
        .select_related("account")
        .order_by("id")
    )


def terms_of(connection: Connection) -> Terms:
    """What proves to this connection that IBKR does not have an order."""
    if connection.environment == Environment.SIMULATED:
        return SIMULATED
    return replace(REAL, zone=_CLOCKS[nights.region_of(connection)])


def sight_of(connection: Connection, now: datetime) -> Sight:
    """What makes a look through this connection believable now."""
    trades = connection.session_status == SessionStatus.ACTIVE
    real = connection.environment != Environment.SIMULATED
    return Sight(
        session_since=connection.turned_at if trades else None,
        stream_since=connection.stream_since,
        heard_at=connection.stream_heard_at,
        resetting=real and nights.resets().away_at(now, nights.region_of(connection)) is not None,
    )


def open_doubt(order: Order, origin: Origin, now: datetime, shown: dict[str, Any] | None = None) -> Doubt:
    """The order's open doubt, begun where it has none; call it inside a transaction that holds the order."""
    values = {"team_id": order.team_id, "origin": origin, "opened_at": now, "shown": shown}
    return Doubt.objects.get_or_create(order=order, closed_at=None, defaults=values)[0]


@transaction.atomic
def note_looks(
    order: Order, sources: Iterable[Source], rows: int, now: datetime, *, is_empty: bool = False
) -> Verdict | None:
    """Complete lists of the broker, `rows` long together, did not name the order: count them, and follow the verdict.

    `is_empty`: the list of orders had none, which says nothing of what was to be canceled. None: it is not in doubt now.
    """
    locked = Order.objects.select_for_update(of=("self",)).select_related("connection", "parent")
    fresh = locked.get(pk=order.pk)
    if fresh.status != OrderStatus.UNKNOWN:
        return None
    origin = Origin.REGISTERED if fresh.reason_code == ALREADY_REGISTERED else Origin.ANSWER_LOST
    doubt = open_doubt(fresh, origin, fresh.changed_at)
    terms, sight = terms_of(fresh.connection), sight_of(fresh.connection, now)
    if doubt.looked_at is None or now - doubt.looked_at > PAUSE:
        doubt.looking_since = now
    posts = _posts(fresh)
    evidence = by_clock(_evidence_of(doubt, posts[fresh.pk][-1] if posts[fresh.pk] else fresh.submitted_at), now)
    read, matter = set(sources), _matter_of(fresh, posts)
    if Source.ORDERS in read:
        fresh.unlisted_since = (fresh.unlisted_since or now) if is_empty else None
        matter = replace(matter, unlisted_since=fresh.unlisted_since)
        if is_empty and matter.canceled and is_old(fresh.acknowledged_at, now):
            read.remove(Source.ORDERS)
    for source in read:
        evidence = looked(evidence, source, sight, terms, now)
    verdict = judge(evidence, sight, matter, terms, now)
    _keep(doubt, evidence, verdict, {"rows": rows, "counted": evidence.count(Source.ORDERS)}, now)
    Order.objects.filter(pk=fresh.pk).update(
        absences=evidence.count(Source.ORDERS), checked_at=now, unlisted_since=fresh.unlisted_since
    )
    _follow(fresh, verdict, now)
    return verdict


def _posts(order: Order) -> dict[int, list[datetime]]:
    """When an order was sent, and the order that it is a leg of: by their keys, the last of each at the end."""
    sent: dict[int, list[datetime]] = {order.pk: [], _head_of(order).pk: []}
    rows = SubmissionAttempt.objects.filter(order__in=list(sent), kind=SubmissionAttempt.Kind.POST)
    for pk, sent_at in rows.order_by("pk").values_list("order_id", "sent_at"):
        sent[pk].append(sent_at)
    return sent


def _head_of(order: Order) -> Order:
    return order.parent if _is_leg(order) and order.parent is not None else order


def _evidence_of(doubt: Doubt, sent_at: datetime | None) -> Evidence:
    """The looks that a doubt's row has counted. `sent_at`: when its order left last."""
    last = {Source.ORDERS: doubt.orders_read_at, Source.TRADES: doubt.trades_read_at}
    return Evidence(
        origin=Origin(doubt.origin),
        since=doubt.opened_at,
        sent_at=sent_at or doubt.opened_at,
        reads=((Source.ORDERS, doubt.order_reads), (Source.TRADES, doubt.trade_reads)),
        last_at=tuple((source, at) for source, at in last.items() if at is not None),
        counting_since=doubt.counting_since,
        looking_since=doubt.looking_since,
    )


def _matter_of(order: Order, posts: Mapping[int, Sequence[datetime]]) -> Matter:
    """What of an order decides whether it may leave again; a leg leaves by what counts for the order it belongs to."""
    head, heard = _head_of(order), behind_cancels.heard_at(order)
    change = change_by(order)
    if change is None and head.pk != order.pk and OrderStatus(head.status) not in OVER:
        # What came in one request is there, or is not there, together.
        change = change_by(head)
    return Matter(
        posts=len(posts[head.pk]),
        expires_at=head.expires_at,
        type=OrderType(head.type),
        resend=Resend(order.connection.resends),
        alone=_can_leave_again(order),
        head_in_doubt=head.pk != order.pk and OrderStatus(head.status) in IN_FLIGHT,
        canceled=heard is not None,
        cancel_taken_at=heard,
        unlisted_since=order.unlisted_since,
        moved=Decimal(0) if change is None else change.quantity,
        moved_at=None if change is None else change.since,
    )


def _keep(doubt: Doubt, evidence: Evidence, verdict: Verdict, look: dict[str, Any], now: datetime) -> None:
    doubt.order_reads, doubt.trade_reads = evidence.count(Source.ORDERS), evidence.count(Source.TRADES)
    doubt.orders_read_at = evidence.read_at(Source.ORDERS)
    doubt.trades_read_at = evidence.read_at(Source.TRADES)
    doubt.opened_at, doubt.looking_since = evidence.since, evidence.looking_since
    doubt.counting_since = evidence.counting_since
    doubt.code, doubt.sentence, doubt.looked_at = verdict.code, cut(verdict.sentence, 400), now
    doubt.looks = [*doubt.looks, {"at": now.isoformat(), "code": verdict.code, **look}][-MOST_LOOKS:]
    doubt.save()


def _follow(order: Order, verdict: Verdict, now: datetime) -> None:
    match verdict.step:
        case Step.LOOK:
            # The page says what was looked at.
            live.order_changed(order)
        case Step.SEND_AGAIN:
            _send_again(order, verdict, now)
        case Step.ABSENT:
            _end_absent(order, now)
        case Step.CANCELED:
            _end(order, OrderStatus.CANCELED, verdict.sentence, verdict.code, now)
        case Step.ASK:
            ask_person(order, verdict.sentence, verdict.code, now)


def ask_person(order: Order, sentence: str, code: str, now: datetime) -> None:
    """Nothing that Halyard can read decides it: from here on a person does."""
    status = OrderStatus.NEEDS_ATTENTION
    if Order.objects.move(order, status, now=now, cause=sentence, reason=cut(sentence, 400), reason_code=code):
        live.order_changed(order)


def _end_absent(order: Order, now: datetime) -> None:
    reason = "Not placed: IBKR shows no such order. Send the signal again if it is still wanted."
    if _is_leg(order) and order.parent is not None and order.parent.reason_code == PROVEN_ABSENT:
        reason = "Not placed: IBKR has neither this leg nor the order that it came with."
    elif _is_leg(order):
        reason = "Not placed: IBKR has the order that this leg came with, and not the leg. Check how it is protected."
    _end(order, OrderStatus.EXPIRED, reason, PROVEN_ABSENT, now)


def _end(order: Order, status: OrderStatus, reason: str, code: str, now: datetime) -> None:
    if Order.objects.move(order, status, now=now, cause=reason, reason=reason, reason_code=code):
        finish_ticket_if_done(order.ticket_id, now)
        live.order_changed(order)


def _is_leg(order: Order) -> bool:
    return order.release in {str(Release.WITH_PARENT), str(Release.IN_GROUP)}


def _can_leave_again(order: Order) -> bool:
    """A leg leaves with its parent or not at all: alone it would wait for good."""
    return not _is_leg(order) or (order.parent is not None and order.parent.status == OrderStatus.CREATED)


def _send_again(order: Order, verdict: Verdict, now: datetime) -> None:
    """Proven absent and still fresh: the same reference may leave once more; IBKR refuses it if it has it after all."""
    # Two moves, since "proven absent" and "back in the queue" are two facts.
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, cause=verdict.sentence)
    Order.objects.move(
        order, OrderStatus.CREATED, now=now, cause=verdict.sentence, submitted_at=None, absences=0, reason=""
    )
    Ticket.objects.filter(pk=order.ticket_id).update(worked_at=None)
    back_in_the_queue(order, now)
    notify(ORDERS_CHANNEL)


def shape_of(order: Order) -> Shape:
    """What of our order must be alike in IBKR's."""
    return Shape(conid=order.conid, side=Side(order.side), quantity=order.quantity)


def shape_shown(shown: OrderFacts) -> Shape:
    """What IBKR shows of an order, to compare."""
    return Shape(conid=shown.conid, side=shown.side, quantity=shown.quantity)


def ask_about_another(order: Order, shown: OrderFacts, now: datetime) -> bool:
    """Leave an order in doubt to a person, where IBKR shows another order under its reference; True where it does.

    Call it inside a transaction that holds the order.
    """
    if OrderStatus(order.status) not in IN_DOUBT:
        return False
    difference = differs(shape_of(order), shape_shown(shown))
    if not difference:
        return False
    values = {"number": shown.broker_order_id, "conid": shown.conid, "side": str(shown.side or "")}
    values["quantity"] = "" if shown.quantity is None else f"{shown.quantity:f}"
    doubt = open_doubt(order, Origin.ANOTHER, now)
    Doubt.objects.filter(pk=doubt.pk).update(origin=str(Origin.ANOTHER), shown=values, sentence=cut(difference, 400))
    sentence = f"IBKR shows another order under this reference. {difference}"
    ask_person(order, sentence, "another-order", now)
    return True
