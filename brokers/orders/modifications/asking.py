"""A person, or a program with a token, asks for a change of one working order."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers.domain.contracts.combos import combo_named
from brokers.domain.contracts.rules import ContractRules
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    MODIFIABLE,
    Contract,
    Modification,
    OrderStatus,
    OrderType,
    Role,
    Side,
)
from brokers.models import ContractLookup, Order, OrderModification
from brokers.orders.closings import combos
from brokers.orders.modifications import checks, wishes
from brokers.orders.modifications.words import in_words
from brokers.rulebook.products.abroad import lot_of

# What a person has asked for leaves at once or not at all: an hour later it may be wrong.
LEAVES_WITHIN = timedelta(minutes=2)


@transaction.atomic
def change(*, order: Order, values: dict[str, Decimal], actor: User | None, now: datetime) -> OrderModification:
    """Ask IBKR to change an order where it stands; its legs get its size. Raises NotChangeable.

    What is as it is wanted already is written down as not made, and nothing is sent.
    """
    locked = Order.objects.select_for_update().get(pk=order.pk)
    contract = contract_of(locked)
    ticks = {value: contract.tick_at(value) for name, value in values.items() if name != "quantity"}
    checks.check(subject_of(locked, now), values, ticks)
    asker = wishes.Asker(expires_at=now + LEAVES_WITHIN, actor=actor)
    rows = wishes.ask(_with_legs(locked, values), asker, now)
    audit.record(
        team=locked.team,
        actor=actor,
        action="order.change_requested",
        subject=locked.reference,
        now=now,
        after={"change": in_words(values)},
    )
    return next(row for row in rows if row.order_id == locked.pk)


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
        lot=_lot_of(order),
        divided=bool(order.fa_group),
        combo="" if combo is None else combo.spoken,
        width=None if combo is None else combo.width,
    )


def _lot_of(order: Order) -> int:
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


def _with_legs(order: Order, values: dict[str, Decimal]) -> list[Modification]:
    """The change, and that of the legs behind the order: before it where they shrink, so that they never close more than
    it opens. A price of an entry that was sent in parts is that of all of them."""
    own = Modification(reference=order.reference, **{name: values.get(name) for name in MODIFIABLE})
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
    if order.role != Role.ENTRY:
        return []
    same = {name: getattr(order, name) for name in values}
    parts = Order.objects.filter(
        **same,
        ticket=order.ticket_id,
        account=order.account_id,
        role=str(Role.ENTRY),
        type=order.type,
        status__in=[str(status) for status in CHANGED_IN_PLACE],
    ).exclude(pk=order.pk)
    change = {name: values.get(name) for name in MODIFIABLE}
    return [Modification(reference=part.reference, **change) for part in parts.order_by("pk")]
