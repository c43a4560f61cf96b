"""What needs somebody at the broker: ways out that failed, positions without their stop, orders in doubt, lost sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse

from accounts.feed.needs import Need, Urgency
from accounts.models import Team
from brokers.domain.orders import MAY_FILL, WORKING, OrderStatus, Role, Side
from brokers.domain.questions import WAYS_OUT
from brokers.domain.sentences import grouped
from brokers.domain.sessions import SessionStatus
from brokers.models import Closing, Connection, Order, Position, SubmissionAttempt

# A closing that failed longer ago was dealt with, or it is no emergency any more.
REMEMBERED = timedelta(days=1)
MOST = 5
_WAYS_OUT = [str(role) for role in WAYS_OUT]
_CAME_TO_NOTHING = [
    str(each) for each in (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
]
# IBKR ends these by itself, within minutes.
_PASSING = {SessionStatus.RESETTING, SessionStatus.UNREACHABLE}


def needs(team: Team, now: datetime) -> list[Need]:
    """What waits for a person at the broker."""
    return [*_unclosed(team, now), *_declined(team, now), *_unprotected(team), *_doubts(team), *_sessions(team)]


def unprotected(team: Team) -> QuerySet[Position]:
    """Positions whose entry came with a stop loss and in which none works any more."""
    here = Order.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"))
    stops = here.filter(role=str(Role.STOP_LOSS))
    alive = stops.filter(status__in=[str(status) for status in MAY_FILL])
    entries = here.filter(role=str(Role.ENTRY), filled_quantity__gt=0)
    last = entries.order_by("-pk").values("ticket_id")[:1]
    had_stop_loss = Exists(Order.objects.filter(ticket_id=OuterRef("last_ticket"), role=str(Role.STOP_LOSS)))
    closing = Closing.objects.filter(
        account_id=OuterRef("account_id"), conid=OuterRef("conid"), status=Closing.Status.OPEN
    )
    rows = Position.objects.filter(team=team).annotate(last_ticket=last).filter(had_stop_loss).exclude(Exists(alive))
    return rows.exclude(Exists(closing)).select_related("account").order_by("pk")


def _unclosed(team: Team, now: datetime) -> Iterator[Need]:
    still_held = Position.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"))
    failed = Closing.objects.filter(team=team, status=Closing.Status.FAILED, ended_at__gte=now - REMEMBERED)
    for each in failed.filter(Exists(still_held)).select_related("account").order_by("-ended_at")[:MOST]:
        yield Need(
            key=f"closing-{each.code}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{each.ticker} in {each.account.account_id} could not be closed",
            text=each.note,
            href=_of_account(team, each.account.code),
            action="See the account",
            alarm=True,
            since=each.ended_at,
        )


def declined(team: Team, now: datetime) -> QuerySet[Order]:
    """Ways out that IBKR asked about and nobody confirmed, while the position is held and nothing else closes it."""
    here = {"account_id": OuterRef("account_id"), "conid": OuterRef("conid")}
    long, short = Position.objects.filter(**here, quantity__gt=0), Position.objects.filter(**here, quantity__lt=0)
    replies = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.REPLY, request__confirmed=False
    )
    later = Order.objects.filter(**here, pk__gt=OuterRef("pk"), side=OuterRef("side"), role=OuterRef("role"))
    closing = Closing.objects.filter(**here, asked_at__gte=OuterRef("created_at"))
    return (
        Order.objects.filter(
            Q(side=str(Side.SELL)) & Exists(long) | Q(side=str(Side.BUY)) & Exists(short),
            Exists(replies),
            team=team,
            role__in=_WAYS_OUT,
            status=str(OrderStatus.REJECTED),
            changed_at__gte=now - REMEMBERED,
        )
        .exclude(Exists(later.exclude(status__in=_CAME_TO_NOTHING)))
        # Superseded by a later one that was declined too; a closing speaks for itself.
        .exclude(Exists(later.filter(status=str(OrderStatus.REJECTED))))
        .exclude(Exists(closing))
        .select_related("account")
        .order_by("-pk")
    )


def _declined(team: Team, now: datetime) -> Iterator[Need]:
    for order in declined(team, now)[:MOST]:
        outcome = "closed" if order.role == Role.EXIT else "protected as planned"
        yield Need(
            key=f"declined-{order.code}",
            urgency=Urgency.DANGER,
            symbol="alert",
            title=f"{order.ticker} in {order.account.account_id} is not {outcome}: IBKR asked",
            text=order.reason.removeprefix("Not confirmed: "),
            href=_of_order(team, order),
            action="See the order",
            alarm=True,
            since=order.changed_at,
        )


def _unprotected(team: Team) -> Iterator[Need]:
    for position in unprotected(team)[:MOST]:
        yield Need(
            key=f"position-{position.account.code}-{position.conid}",
            urgency=Urgency.DANGER,
            symbol="shield",
            title=f"{position.ticker} in {position.account.account_id} is not protected",
            text="Its entry came with a stop loss, and no stop works for it any more. Close it, or protect it at IBKR.",
            href=_of_account(team, position.account.code),
            action="See it",
            alarm=True,
        )


def _doubts(team: Team) -> Iterator[Need]:
    """Orders whose answer was lost, and ways out that IBKR has and holds back."""
    unsure = Q(status__in=[str(OrderStatus.UNKNOWN), str(OrderStatus.NEEDS_ATTENTION)])
    held = Q(role__in=_WAYS_OUT, status__in=[str(status) for status in WORKING]) & ~Q(held_reason="")
    for order in Order.objects.filter(unsure | held, team=team).order_by("-pk")[: 2 * MOST]:
        matter, meaning = _doubt(order)
        yield Need(
            key=f"order-{order.code}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=f"{order.side.capitalize()} {grouped(order.quantity)} {order.ticker}: {matter}",
            text=meaning,
            href=_of_order(team, order),
            action="See the order",
            alarm=True,
            since=order.changed_at,
        )


def _doubt(order: Order) -> tuple[str, str]:
    if order.status == OrderStatus.UNKNOWN:
        meaning = "Halyard is asking IBKR for it by its reference, and sends nothing again until it knows."
        return "IBKR's answer was lost", meaning
    if order.status == OrderStatus.NEEDS_ATTENTION:
        meaning = "Look for it in IBKR's own order list; the order's page says what was tried."
        return "nobody knows whether IBKR has it", meaning
    return "IBKR holds it back", f"{order.held_reason.rstrip('.')}. Until it works, it does not close the position."


def _sessions(team: Team) -> Iterator[Need]:
    rows = Connection.objects.filter(team=team, enabled=True).exclude(session_reason="")
    lost = rows.exclude(session_status__in=[str(SessionStatus.ACTIVE), str(SessionStatus.CONNECTING)])
    for connection in lost.order_by("pk")[: 2 * MOST]:
        yield Need(
            key=f"session-{connection.code}",
            urgency=Urgency.SESSION,
            symbol="connections",
            title=f"{connection.name} cannot trade: {connection.session_status.replace('_', ' ')}",
            text=connection.session_reason,
            href=reverse("connection", args=[team.code, connection.code]),
            action="See the session",
            alarm=SessionStatus(connection.session_status) not in _PASSING,
            since=connection.session_changed_at,
        )


def _of_account(team: Team, code: object) -> str:
    return reverse("account", args=[team.code, code])


def _of_order(team: Team, order: Order) -> str:
    return reverse("order", args=[team.code, order.code])
