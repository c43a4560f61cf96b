"""A person, or a program with a token, asks for a change of one working order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.models import User
from brokers.domain.contracts.changes import with_end
from brokers.domain.contracts.combos import combo_named
from brokers.domain.contracts.lifetimes import in_words as in_words_of_end
from brokers.domain.contracts.rules import ContractRules
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    MAY_FILL,
    Contract,
    Lifetime,
    Modification,
    OrderStatus,
    OrderType,
    Role,
    Side,
)
from brokers.models import ContractLookup, Order, OrderModification
from brokers.orders.closings import combos
from brokers.orders.modifications import checks, ends, wishes
from brokers.orders.modifications.checks import NotChangeable
from brokers.rulebook.products.abroad import lot_of

# What a person has asked for leaves at once or not at all: an hour later it may be wrong.
LEAVES_WITHIN = timedelta(minutes=2)


@transaction.atomic
def change(
    *, order: Order, values: dict[str, Decimal], actor: User | None, now: datetime, lifetime: Lifetime | None = None
) -> OrderModification:
    """Ask IBKR to change an order where it stands; its legs get its size. `lifetime`: its new end, which is given here at
    once. Raises NotChangeable, and nothing is changed then.

    What is as it is wanted already is written down as not made, and nothing is sent. Of both, the change at IBKR is returned.
    """
    locked = _held_with_its_ticket(order)
    contract = contract_of(locked)
    ticks = {value: contract.tick_at(value) for name, value in values.items() if name != "quantity"}
    if values or lifetime is None:
        checks.check(subject_of(locked, now), values, ticks)
    if lifetime is not None and (why := ends.refused(locked, lifetime, now)) is not None:
        raise NotChangeable(why[1], why[0])
    before = in_words_of_end(Lifetime(locked.good_till))
    asker = wishes.Asker(expires_at=now + LEAVES_WITHIN, actor=actor)
    rows = wishes.ask([*_with_end(locked, lifetime), *_with_legs(locked, values)], asker, now)
    audit.record(
        team=locked.team,
        actor=actor,
        action="order.change_requested",
        subject=locked.reference,
        now=now,
        before=None if lifetime is None else {"end": before},
        after={"change": with_end(values, lifetime)},
    )
    return next(row for row in reversed(rows) if row.order_id == locked.pk)


def _held_with_its_ticket(order: Order) -> Order:
    """The order, held with all that a change of it may take along: its legs, and the other parts of its entry.

    By their keys, as everybody holds orders: of two people who change two parts of one entry the second waits.
    """
    together = Q(ticket=order.ticket_id) | Q(parent=order.pk) | Q(pk=order.pk)
    held = Order.objects.select_for_update().filter(together).order_by("pk")
    return next(each for each in held if each.pk == order.pk)


def subject_of(order: Order, now: datetime) -> checks.Subject:
    """An order as the checks need it."""
    position = combos.held_in(order, now)
    combo = combo_named(order.ticker) if order.conid < 0 else None
    return checks.Subject(
        role=Role(order.role),
        side=Side(order.side),
        type=OrderType(order.type),
        status=OrderStatus(order.status),
        quantity=order.quantity,
        filled=order.filled_quantity,
        market=None if position is None else position.market_price,
        lot=lot_of_order(order),
        divided=bool(order.fa_group),
        combo="" if combo is None else combo.spoken,
        width=None if combo is None else combo.width,
    )


def lot_of_order(order: Order) -> int:
    """How many units of an order make a lot; one where its contract has none, or IBKR has not said."""
    lookup = lookup_of(order)
    rules = None if lookup is None else ContractRules.from_json(lookup.rules)
    return lot_of(order.ticker, None if rules is None else rules.size_step)


def lookup_of(order: Order) -> ContractLookup | None:
    """What is known of the order's contract; None where nobody has looked it up under its name."""
    return ContractLookup.objects.filter(
        connection=order.connection_id, asset_class=order.asset_class, ticker=order.ticker, conid=order.conid
    ).first()


def contract_of(order: Order) -> Contract:
    """The order's contract as its connection knows it."""
    lookup = lookup_of(order)
    return lookup.value() if lookup else Contract(instrument=order.instrument, conid=order.conid)


def _with_end(order: Order, lifetime: Lifetime | None) -> list[Modification]:
    """The new end of the order, and of the other parts of an entry as far as they end with it."""
    if lifetime is None:
        return []
    same = {"good_till": order.good_till, "time_in_force": order.time_in_force}
    # Also those that wait, are on their way or are looked for: each would work beyond the end of the others.
    ending = {OrderStatus.CREATED, *MAY_FILL} - {OrderStatus.PENDING_CANCEL}
    parts = [order.reference, *(part.reference for part in _parts(order, same, ending))]
    return [Modification(reference=reference, lifetime=lifetime) for reference in parts]


def _with_legs(order: Order, values: dict[str, Decimal]) -> list[Modification]:
    """The change, and that of the legs behind the order: before it where they shrink, so that they never close more than
    it opens. A price of an entry that was sent in parts is that of all of them."""
    if not values:
        return []
    own = Modification.at_ibkr(order.reference, values)
    quantity = values.get("quantity")
    if quantity is None:
        return [own, *_other_parts(order, values)]
    legs = order.children.filter(
        role__in=[Role.STOP_LOSS, Role.TAKE_PROFIT], status__in=[str(status) for status in CHANGED_IN_PLACE]
    ).order_by("pk")
    resized = [Modification(reference=leg.reference, quantity=quantity) for leg in legs]
    return [*resized, own] if quantity < order.quantity else [own, *resized]


def _other_parts(order: Order, values: dict[str, Decimal]) -> list[Modification]:
    """The same change of the other parts of an entry, as far as they stand where this one stands."""
    same = {name: getattr(order, name) for name in values}
    return [Modification.at_ibkr(part.reference, values) for part in _parts(order, same)]


def _parts(
    order: Order, same: Mapping[str, object], statuses: Collection[OrderStatus] = CHANGED_IN_PLACE
) -> QuerySet[Order]:
    """The other parts of an entry in these statuses that have the same values; none of another order."""
    parts = Order.objects.filter(
        **same,
        ticket=order.ticket_id,
        account=order.account_id,
        role=str(Role.ENTRY),
        type=order.type,
        status__in=[str(status) for status in statuses],
    ).exclude(pk=order.pk)
    return parts.order_by("pk") if order.role == Role.ENTRY else parts.none()
