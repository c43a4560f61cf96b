"""The control plane's other client: what a person does in TWS in an account, and what no order explains."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.records import Order, Position, Ticket
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User

TYPES = frozenset({"MKT", "LMT", "STP", "STOP_LIMIT", "MIT", "LIT"})
_PRICED = {"LMT": ("limit_price",), "STP": ("stop_price",), "MIT": ("stop_price",)}
_BOTH = ("limit_price", "stop_price")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A contract of one of the user's accounts, and how many units of it."""

    account_id: str
    instrument: Instrument
    quantity: Decimal


def place(gateway: Gateway, user: User, body: dict[str, Any], *, listed: bool = True) -> Order:
    """Place an order as TWS does. A reference is a client's; an order that is not `listed` shows by its fills alone."""
    wanted = _wanted(gateway, user, body)
    side, order_type = str(body.get("side", "BUY")).upper(), str(body.get("type", "MKT")).upper()
    if side not in {"BUY", "SELL"} or order_type not in TYPES:
        raise ValueError(f"side is BUY or SELL, and type one of {', '.join(sorted(TYPES))}.")
    if wanted.quantity <= 0:
        raise ValueError("quantity is above zero.")
    prices = _prices(body, order_type)
    ticket = Ticket(
        account_id=wanted.account_id,
        conid=wanted.instrument.conid,
        side=side,
        order_type=order_type,
        quantity=wanted.quantity,
        tif=str(body.get("tif", "DAY")).upper(),
        limit_price=prices.get("limit_price"),
        stop_price=prices.get("stop_price"),
        reference=str(body.get("reference") or ""),
    )
    order = gateway.engine.place(user.name, ticket, gateway.clock())
    if not listed:
        user.unlisted.add(order.order_id)
    if order.reference:
        user.references.register(order.reference, gateway.clock())
    gateway.commit()
    gateway.settle_new([order])
    return order


def move(gateway: Gateway, user: User, body: dict[str, Any]) -> Order:
    """Give a working order of the user's other prices, as a person does in TWS."""
    order = gateway.engine.orders.get(int(_number(body.get("order_id"))))
    if order is None or order.account_id not in user.account_ids or not order.working:
        raise ValueError("order_id is none of the user's working orders.")
    prices = {name: _number(body[name]) for name in _BOTH if name in body}
    if not prices:
        raise ValueError("An order is moved by its limit_price, its stop_price or both.")
    order.limit_price = prices.get("limit_price", order.limit_price)
    order.stop_price = prices.get("stop_price", order.stop_price)
    gateway.engine.set_status(order, order.status, gateway.clock())
    gateway.commit()
    gateway.settle_new([order])
    return order


def hold(gateway: Gateway, user: User, body: dict[str, Any]) -> Position:
    """Book a holding in as a transfer does: no order, no fill, no money. A quantity of zero takes it out."""
    wanted = _wanted(gateway, user, body)
    account, conid = gateway.engine.accounts[wanted.account_id], wanted.instrument.conid
    held = account.positions.setdefault(conid, Position(account_id=account.account_id, conid=conid))
    held.quantity = wanted.quantity
    held.average_price = _number(body["average_price"]) if "average_price" in body else gateway.mark(conid)
    gateway.store.save([held])
    return held


def _wanted(gateway: Gateway, user: User, body: dict[str, Any]) -> Wanted:
    account_id = str(body.get("account") or user.account_ids[0])
    if account_id not in user.account_ids:
        raise ValueError("account is none of the user's.")
    conid = catalogue.conid(body.get("conid", ""))
    symbol = str(body.get("symbol") or "")
    instrument = catalogue.find(conid) if conid is not None else catalogue.resolve(symbol, gateway.today())
    if instrument is None:
        raise ValueError("No contract has this conid or symbol.")
    return Wanted(account_id, instrument, _number(body.get("quantity")))


def _prices(body: dict[str, Any], order_type: str) -> dict[str, Decimal]:
    needed = () if order_type == "MKT" else _PRICED.get(order_type, _BOTH)
    if missing := [name for name in needed if name not in body]:
        raise ValueError(f"An order of this type has a {missing[0]}.")
    return {name: _number(body[name]) for name in needed}


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("Quantities and prices are numbers.") from None
    if not number.is_finite() or abs(number) >= 10**12:
        raise ValueError("Quantities and prices are numbers below a million million.")
    return number
