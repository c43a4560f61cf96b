"""What people and signals ask for in a schedule: orders, cancels, and what somebody does in TWS instead."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    MAY_FILL,
    Instrument,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Resize,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.protection.choices import USUAL, MissingStop
from brokers.models import Connection, Order
from brokers.orders import cancels, tickets
from brokers.orders.together.handing import Handing
from brokers.simulator.control import by_hand
from brokers.tests.soak.schedules import Bracket, ByHand, Cancel, CancelAll, Flip, Place, Shrink, Step
from brokers.tests.soak.tenant import NEAR, PRICE, Tenant

FAR = Decimal(30)


def ask(tenant: Tenant, step: Step) -> None:
    """Write down what people and signals ask for."""
    match step:
        case Place():
            values = {"convert_after": step.convert, "cancel_after": step.cancel}
            _open(tenant, step.stock, (_intent(tenant, step, Role.ENTRY, **values),), ttl=step.ttl)
        case Bracket():
            parts = tuple(_bracket(tenant, part, number) for number, part in enumerate(_parts(step)))
            _open(tenant, step.stock, parts, ttl=step.ttl, missing_stop=MissingStop(step.missing))
        case Flip():
            _flip(tenant, step)
        case Shrink(number, to):
            _shrink(tenant, number, Decimal(to))
        case Cancel(number):
            if (order := _nth(tenant, number)) is not None:
                cancels.request_cancel(order=order, actor=None, now=timezone.now())
        case CancelAll():
            every = Order.objects.filter(connection=tenant.key)
            cancels.cancel_all(every, actor=None, cause="All orders are to be canceled.", now=timezone.now())


def _nth(tenant: Tenant, number: int) -> Order | None:
    orders = list(Order.objects.filter(connection=tenant.key).order_by("pk"))
    return orders[number % len(orders)] if orders else None


def _open(
    tenant: Tenant,
    stock: int,
    intents: tuple[OrderIntent, ...],
    *,
    cancels: tuple[str, ...] = (),
    resizes: tuple[Resize, ...] = (),
    ttl: int = 60,
    missing_stop: MissingStop = USUAL,
) -> None:
    now = timezone.now()
    draft = tickets.Draft(
        account=tenant.account,
        key=uuid.uuid4(),
        conid=tenant.stocks[stock],
        currency="USD",
        multiplier=Decimal(1),
        intents=intents,
        cancels=cancels,
        resizes=resizes,
        expires_at=now + timedelta(seconds=ttl),
        missing_stop=missing_stop,
    )
    # As a single decision is written down.
    with Handing() as handing, transaction.atomic():
        handing.ask(Connection.objects.get(pk=tenant.key))
        (ticket,) = tickets.open_tickets([draft], now, told=not handing.asked)
        handing.take(ticket, timezone.now())
        handed = Order.objects.filter(ticket=ticket, status="submitted").exists()
    tenant.handed += handed


def _intent(tenant: Tenant, step: Place | Bracket, role: Role, **values: object) -> OrderIntent:
    side, price = Side(step.side), tenant.prices[step.stock]
    against = -side.sign
    prices: dict[str, dict[str, object]] = {
        "market": {"type": OrderType.MARKET},
        "far": {"type": OrderType.LIMIT, "limit_price": PRICE + against * FAR},
        "near": {"type": OrderType.LIMIT, "limit_price": price + against * NEAR},
        "stop": {"type": OrderType.STOP, "stop_price": price - against * NEAR},
    }
    quantity = Decimal(step.quantity)
    return _of(tenant, step.stock, role, side, quantity, **prices[step.kind], **values)


def _of(tenant: Tenant, stock: int, role: Role, side: Side, quantity: Decimal, **values: object) -> OrderIntent:
    instrument = Instrument(ticker=tenant.symbol(stock))
    return OrderIntent(role=role, instrument=instrument, side=side, quantity=quantity, **values)  # type: ignore[arg-type]


def _parts(step: Bracket) -> list[Bracket]:
    """The entries that an entry with several targets leaves as, each with its part of the stop; the last takes the rest."""
    each, rest = divmod(step.quantity, step.targets)
    last = step.targets - 1
    return [replace(step, quantity=each + (rest if number == last else 0)) for number in range(step.targets)]


def _bracket(tenant: Tenant, step: Bracket, number: int) -> OrderIntent:
    """The n-th part of an entry, with its target one step further from the entry than the one before."""
    side, price = Side(step.side), tenant.prices[step.stock]
    legs = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC}
    quantity, way = Decimal(step.quantity), side.opposite
    loss, gain = price - side.sign * 3 * NEAR, price + side.sign * (3 + number) * NEAR
    stop = _of(tenant, step.stock, Role.STOP_LOSS, way, quantity, type=OrderType.STOP, stop_price=loss, **legs)
    profit = _of(tenant, step.stock, Role.TAKE_PROFIT, way, quantity, type=OrderType.LIMIT, limit_price=gain, **legs)
    return _intent(tenant, step, Role.ENTRY, then=(stop, profit))


def _flip(tenant: Tenant, step: Flip) -> None:
    working = Order.objects.filter(
        connection=tenant.key, conid=tenant.stocks[step.stock], status__in=[str(each) for each in MAY_FILL]
    )
    side, quantity = Side(step.side), Decimal(step.quantity)
    market = {"type": OrderType.MARKET}
    entry = _of(tenant, step.stock, Role.ENTRY, side, quantity, release=Release.AFTER_PARENT_FILLS, **market)
    leave = _of(tenant, step.stock, Role.EXIT, side, quantity, then=(entry,), **market)
    references = tuple(working.order_by("pk").values_list("reference", flat=True))
    _open(tenant, step.stock, (leave,), cancels=references)


def _shrink(tenant: Tenant, number: int, to: Decimal) -> None:
    order = _nth(tenant, number)
    if order is None or OrderStatus(order.status) not in CHANGED_IN_PLACE or order.quantity <= to:
        return
    stock = tenant.stocks.index(order.conid)
    part = _of(tenant, stock, Role.EXIT, Side(order.side), order.quantity - to, type=OrderType.MARKET)
    _open(tenant, stock, (part,), resizes=(Resize(reference=order.reference, quantity=to),))


def by_hand_at_ibkr(tenant: Tenant, step: ByHand) -> None:
    """What a person does in TWS, of which nobody tells Halyard but IBKR."""
    gateway, user = tenant.world.gateway, tenant.user
    if step.deed in {"cancel", "cancel_stop"}:
        mine = [each for each in tenant.at_ibkr() if each.working and each.conid == tenant.stocks[step.stock]]
        if step.deed == "cancel_stop":
            mine = [each for each in mine if each.order_type == "STP"]
        for each in mine[-1:]:
            gateway.engine.cancel(each, gateway.clock(), "Cancelled in TWS.")
            gateway.commit()
        return
    sign, price = (1 if step.side == "buy" else -1), tenant.prices[step.stock]
    prices: dict[str, dict[str, str]] = {
        "market": {"type": "MKT"},
        "far": {"type": "LMT", "limit_price": str(PRICE - sign * FAR)},
        "stop": {"type": "STP", "tif": "GTC", "stop_price": str(price + sign * 4 * NEAR)},
    }
    wanted = {"conid": str(tenant.stocks[step.stock]), "side": step.side.upper(), "quantity": str(step.quantity)}
    by_hand.place(gateway, user, wanted | prices[step.deed])
