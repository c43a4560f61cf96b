"""Orders that a person has to decide about, since nothing that Halyard can read does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.choices import Choice, differs
from brokers.domain.doubts.evidence import Origin
from brokers.domain.orders import OVER, OrderStatus
from brokers.domain.sentences import cut
from brokers.models import Connection, Doubt, Order, Ticket
from brokers.orders import reconciliation
from brokers.orders.doubt import open_doubt, shape_of, shape_shown
from brokers.orders.unsent import finish_ticket_if_done
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, WORK, notify

UNDECIDED = str(OrderStatus.NEEDS_ATTENTION)
GIVEN_UP = "given-up"
PLACED_ANEW = "placed-anew"


class ChoiceRefused(Refusal):
    """The choice cannot be followed."""


@transaction.atomic
def choose(*, order: Order, choice: Choice, number: str = "", actor: User | None, now: datetime) -> None:
    """Follow what a person says about an order. To adopt one of IBKR's, its lane compares the two first.

    `number` is IBKR's number of the order to adopt. Raises ChoiceRefused.
    """
    locked = _held_with_its_ticket(order)
    if locked.status != OrderStatus.NEEDS_ATTENTION:
        raise ChoiceRefused("This order is decided by now; look at it again.", "order-decided")
    doubt = open_doubt(locked, Origin.ANSWER_LOST, locked.changed_at)
    if choice is Choice.ADOPT and not (number.isascii() and number.isalnum() and len(number) <= 32):
        raise ChoiceRefused(
            "Say IBKR's number of the order: digits, as TWS and the list of orders show it.", "no-order-number"
        )
    if choice is Choice.AGAIN and (refusal := why_not_again(locked)):
        raise ChoiceRefused(refusal, "not-placed-anew")
    doubt.choice, doubt.number, doubt.chosen_by, doubt.chosen_at = choice, number, actor, now
    doubt.objection = ""
    doubt.save()
    about = {"choice": str(choice), **({"number": number} if number else {})}
    audit.record(team=locked.team, actor=actor, action="order.decided", subject=locked.reference, now=now, after=about)
    match choice:
        case Choice.ADOPT:
            notify(ORDERS_CHANNEL, str(locked.connection_id))
        case Choice.ABSENT:
            had = "No longer there" if locked.acknowledged_at else "Not placed"
            _end(locked, f"{had}: {actor} looked, and IBKR does not have it.", GIVEN_UP, now)
        case Choice.AGAIN:
            _place_anew(locked, actor, now)
    live.order_changed(locked)


def _held_with_its_ticket(order: Order) -> Order:
    """The order, held with the others of its ticket by their keys, as everybody holds orders: some may end with it."""
    rows = Order.objects.select_for_update(of=("self",)).select_related("ticket", "team")
    return next(each for each in rows.filter(ticket=order.ticket_id).order_by("pk") if each.pk == order.pk)


def why_not_again(order: Order) -> str:
    """Why the order's decision cannot be taken again, as a sentence; "" where it can."""
    if getattr(order.ticket, "decision", None) is None:
        return "No signal stands behind this order, so there is nothing to decide again. Close the position by hand."
    siblings = order.ticket.orders.exclude(pk=order.pk).exclude(status__in=[*map(str, OVER), UNDECIDED])
    if siblings.exists():
        return "Other orders of the same signal still work, so it cannot be decided again. Cancel them first."
    return ""


def _end(order: Order, reason: str, code: str, now: datetime) -> None:
    reason = cut(reason, 400)
    if Order.objects.move(order, OrderStatus.EXPIRED, now=now, cause=reason, reason=reason, reason_code=code):
        finish_ticket_if_done(order.ticket_id, now)


def _place_anew(order: Order, actor: User | None, now: datetime) -> None:
    """Give up all of the ticket that is undecided, and let its signal be decided again by the position as it is now."""
    reason = f"Given up: {actor} asked for a new decision. IBKR may have this order all the same."
    for each in order.ticket.orders.filter(status=UNDECIDED).order_by("pk"):
        _end(each, reason, PLACED_ANEW, now)
        live.order_changed(each)
    Ticket.objects.filter(pk=order.ticket_id).update(unfit_at=now)
    notify(DECISIONS_CHANNEL, f"{WORK}{order.connection_id}")


def _named() -> QuerySet[Doubt]:
    """Doubts in which a person named IBKR's order, and nobody has compared the two so far."""
    return Doubt.objects.filter(
        closed_at=None, choice=str(Choice.ADOPT), objection="", order__status=UNDECIDED, order__connection__enabled=True
    )


def named_orders() -> QuerySet[Order]:
    """Orders of which a person said which of IBKR's they are."""
    return Order.objects.filter(pk__in=_named().values("order"))


def to_adopt(connection_pk: int) -> list[Doubt]:
    """The doubts of a connection in which IBKR's order is named, oldest first."""
    return list(_named().filter(order__connection=connection_pk).select_related("order__account").order_by("pk"))


def adopt(connection: Connection, doubt: Doubt, facts: Sequence[OrderFacts], now: datetime) -> None:
    """Take the order that a person named for ours, where contract, side and size are alike and nobody else has it."""
    shown = next((fact for fact in facts if fact.broker_order_id == doubt.number), None)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=doubt.order_id)
        if order.status != OrderStatus.NEEDS_ATTENTION:
            return
        objection = _objection(order, doubt.number, shown)
        if objection or shown is None:
            Doubt.objects.filter(pk=doubt.pk).update(objection=cut(objection, 400))
            live.order_changed(order)
            return
        Order.objects.filter(pk=order.pk).update(broker_order_id=doubt.number)
        if shown.status is None:
            Order.objects.move(order, OrderStatus.ACCEPTED, now=now, cause="adopted: IBKR shows it")
    reconciliation.apply(connection, orders=[shown], now=now)


def _objection(order: Order, number: str, shown: OrderFacts | None) -> str:
    if shown is None:
        return f"IBKR shows no order {number} in this account. Look for its number again, or say that there is none."
    if Order.objects.filter(account=order.account_id, broker_order_id=number).exclude(pk=order.pk).exists():
        return f"IBKR's order {number} belongs to another order of Halyard."
    return differs(shape_of(order), shape_shown(shown))
