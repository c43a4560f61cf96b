"""What the tests of `decide` share: messages, snapshots and orders at work, and plans drawn as one line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderStatus, OrderType, Release, Role, Side
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.message import symbols
from strategies.domain.message.message import Action, Bracket, Message, OrderShape
from strategies.domain.plan.plan import Plan

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AAPL = Contract(instrument=Instrument(ticker="AAPL"), conid=265598)
BETWEEN = {Release.WITH_PARENT: "+", Release.IN_GROUP: "/", Release.AFTER_PARENT_FILLS: ">", Release.BY_ACCOUNT: "&"}


def message(action: str, quantity: str | int | None = None, **values: Any) -> Message:
    values.setdefault("symbol", symbols.read("AAPL", symbols.Kind.STOCK, NOW))
    return Message(action=Action(action), quantity=None if quantity is None else Decimal(quantity), **values)


def shape(kind: str | None = None, **prices: Any) -> OrderShape:
    for name in {"limit", "stop", "touch", "trail_amount", "trail_percent", "limit_offset"} & prices.keys():
        prices[name] = Decimal(prices[name])
    return OrderShape(type=kind, **prices)


def bracket(mode: str, value: str | int, kind: str | None = None, limit: str | None = None) -> Bracket:
    return Bracket(mode=mode, value=Decimal(value), type=kind, limit=None if limit is None else Decimal(limit))


def snapshot(position: str | int | Decimal = 0, *working: WorkingOrder, **values: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "account_id": "SIM1",
        "contract": AAPL,
        "average_cost": None,
        "equity": None,
        "buying_power": None,
        "currency": "USD",
        "quote": None,
        "as_of": NOW,
        **values,
    }
    return Snapshot(position=Decimal(position), working=working, **fields)


def quote(bid: str, ask: str, last: str | None = None, at: datetime = NOW) -> Quote:
    return Quote(bid=Decimal(bid), ask=Decimal(ask), last=None if last is None else Decimal(last), as_of=at)


def working(
    role: str, side: str, remaining: str | int, reference: str = "w1", kind: str = "limit", **values: Any
) -> WorkingOrder:
    values.setdefault("status", OrderStatus.ACCEPTED)
    return WorkingOrder(
        reference=reference,
        role=Role(role),
        side=Side(side),
        type=OrderType(kind),
        remaining=Decimal(remaining),
        **values,
    )


def drawn(plan: Plan) -> str:
    """ "cancel w1 | exit buy 5 > entry buy 10 + stop_loss sell 10 stop 95"."""
    parts = [f"cancel {' '.join(plan.cancels)}"] if plan.cancels else []
    parts += [f"{each.reference} to {each.quantity:f}" for each in plan.resizes]
    return " | ".join([*parts, *(_drawn(intent) for intent in plan.intents)])


def _drawn(intent: OrderIntent) -> str:
    prices = (
        ("limit", intent.limit_price),
        ("stop", intent.stop_price),
        ("trail", intent.trail_amount),
        ("trail%", intent.trail_percent),
    )
    text = f"{intent.role} {intent.side} {intent.quantity:f}"
    text += "".join(f" {name} {price.normalize():f}" for name, price in prices if price is not None)
    return text + "".join(f" {BETWEEN[child.release]} {_drawn(child)}" for child in intent.then)


def every_intent(intents: Iterable[OrderIntent]) -> Iterable[OrderIntent]:
    for intent in intents:
        yield intent
        yield from every_intent(intent.then)
