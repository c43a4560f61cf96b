"""Bytes -> Message, or one coded sentence. Nothing that shapes an order is ever dropped or guessed.

The whole contract is read (`strategies.contract`); what the decision cannot act on yet is then refused by name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brokers.domain.orders import AssetClass, OrderType
from strategies import contract
from strategies.domain.message import Action, Message
from strategies.domain.payload import Payload
from strategies.domain.refusals import Refused, invalid
from strategies.domain.symbols import WORDS, Kind
from strategies.fields import is_blank
from strategies.strict_json import read_object, read_text, text_of

__all__ = ["Reading", "Refused", "evaluate", "parse", "text_of"]

BODY_LIMIT = 64 * 1024

_ORDER_TYPES = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
# They change the order and we cannot do that yet: refused by name, since without them the order is another one.
_TO_COME = (
    "sentiment", "stopPrice", "trailAmount", "trailPercent", "quantityType", "takeProfit", "stopLoss", "timeInForce",
    "extendedHours", "ignoreTradingWindows", "cancel", "cancelOrderType", "cancelAfter", "delay", "breakevenOffset",
    "bidAskSpreadFilter", "bidAskSpreadFilterPercent", "marketPriceType", "expiresAt", "test",
)  # fmt: skip
# What these say is what happens without them.
_NEUTRAL: dict[str, object] = {
    "test": False, "ignoreTradingWindows": False, "extendedHours": False, "quantityType": "fixed_quantity"
}  # fmt: skip
_VERBS = frozenset(str(action) for action in Action)
_CLASSES = {"stocks": "stock", "futures": "future", "options": "option"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says, and what we noticed on the way (codes such as `unknown-field:alertName`)."""

    message: Message
    warnings: tuple[str, ...]
    text: str


def parse(body: bytes, *, asset_class: AssetClass, allowed_tickers: Collection[str] = (), now: datetime) -> Reading:
    """The reading of a body for a strategy of this class; raises Refused."""
    text = text_of(body)
    values = read_text(text)
    payload, warnings = contract.read(values, kind=Kind(asset_class), allowed_tickers=allowed_tickers, now=now)
    _refuse_what_is_to_come(payload, values)
    return Reading(_message(payload), warnings, text)


def evaluate(case: dict[str, Any]) -> dict[str, Any]:
    """The contract's answer to a case: its `body` under its `context` (asset_class, now, allowed_tickers)."""
    context = case.get("context", {})
    kind = context.get("asset_class", "stocks")
    now = datetime.fromisoformat(context["now"])
    body = case.get("body", "")
    raw = body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass")
    try:
        if len(raw) > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        payload, warnings = contract.read(
            read_object(raw),
            kind=Kind(_CLASSES.get(kind, kind)),
            allowed_tickers=context.get("allowed_tickers") or context.get("allow_list") or (),
            now=now,
        )
    except Refused as refused:
        return {"expect": "reject", "status": refused.status, "messageCode": refused.code, "message": refused.message,
                "field": refused.field}  # fmt: skip
    canonical = payload.canonical()
    return {"expect": "accept", "canonical": {**canonical, "warnings": list(warnings)} if warnings else canonical}


def too_large(limit: int) -> Refused:
    """The 413 of a body over the limit."""
    sentence = f"The message is over {limit // 1024} KiB. Leave out what the order does not need."
    return Refused(413, "payload-too-large", sentence)


def _refuse_what_is_to_come(payload: Payload, values: dict[str, Any]) -> None:
    if payload.verb not in _VERBS:
        sentence = f"The action {payload.verb} is not taken yet. Use buy, sell or exit."
        raise invalid("unsupported-action", sentence, field="action")
    if payload.order.type is not None and payload.order.type not in _ORDER_TYPES:
        sentence = f"orderType {payload.order.type} is not taken yet. Use market or limit."
        raise invalid("unsupported-order-type", sentence, field="orderType")
    if values.keys().isdisjoint(_TO_COME):
        return
    for name in _TO_COME:
        if name not in values or is_blank(values[name]) or (name in _NEUTRAL and values[name] == _NEUTRAL[name]):
            continue
        sentence = f"The field {name} is not taken yet, and the order would be another one without it. Leave it out."
        raise invalid("unsupported-field", sentence, field=name)


def _message(payload: Payload) -> Message:
    instrument = payload.symbol.instrument()
    if instrument is None:
        sentence = f"{payload.symbol.name} is {WORDS[payload.symbol.kind][0]}, and we do not trade those."
        raise invalid("invalid-asset-class", sentence, field="ticker")
    return Message(
        instrument=instrument,
        action=Action(str(payload.verb)),
        quantity=payload.quantity,
        signal_price=payload.signal_price,
        order_type=_ORDER_TYPES[payload.order.type] if payload.order.type else None,
        limit_price=payload.order.limit,
        signal_id=payload.signal_id,
    )
