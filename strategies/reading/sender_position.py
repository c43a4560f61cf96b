"""Reads what the sender's own strategy held before its order and holds after it, in TradingView's words.

From two of side, size and order the third follows, so that a text with any of them is as exact as it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.domain.message.message import Action
from strategies.domain.message.refusals import invalid
from strategies.domain.message.sender_position import UNKNOWN, SenderPosition
from strategies.reading import fields
from strategies.reading.fields import names
from strategies.reading.sent import SentFields

FIELDS = names("marketPosition marketPositionSize prevMarketPosition prevMarketPositionSize")
_SIGNS = {"long": 1, "bullish": 1, "short": -1, "bearish": -1, "flat": 0}
_SENTIMENTS = {1: "bullish", -1: "bearish", 0: "flat"}
# A strategy adds its sizes up in binary: 0.3 less 0.1 less 0.2 leaves a rest of this order.
_NOISE = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class SenderReading:
    """The sender's position, and the sentiment that follows from it where the message named none."""

    position: SenderPosition = UNKNOWN
    sentiment: str | None = None


def read(sent: SentFields, action: Action, sentiment: str | None, quantity: dict[str, Any]) -> SenderReading:
    """The sender's position around this order. With other actions than buy and sell it says nothing."""
    if sent.has_none_of(FIELDS):
        return SenderReading(sentiment=sentiment)
    after_side, after = _position(sent, "marketPosition", "marketPositionSize")
    before_side, before = _position(sent, "prevMarketPosition", "prevMarketPositionSize")
    if action not in {Action.BUY, Action.SELL}:
        return SenderReading()
    if after_side is None and sentiment is not None:
        after_side = _SIGNS[sentiment]
        after = _signed(after_side, after)
    elif after_side is not None and sentiment is not None and _SENTIMENTS[after_side] != sentiment:
        raise invalid(
            "invalid-market-position",
            f"sentiment is {sentiment} and the position afterwards is {_SENTIMENTS[after_side]}. Send one of them.",
            field="marketPosition",
        )
    change = _change(action, quantity)
    size_before = before if before_side is None else None
    signed_before = before if before_side is not None else None
    if signed_before is None and change is not None and after is not None and after_side is not None:
        implied = _snapped(after - change)
        if size_before is None or abs(implied) == size_before:
            signed_before, size_before = implied, None
    if after_side is None and signed_before is not None and change is not None:
        after = _snapped(signed_before + change)
        after_side = (after > 0) - (after < 0)
    known_after = after if after_side is not None else None
    position = SenderPosition(before=signed_before, after=known_after, size_before=size_before)
    return SenderReading(position, sentiment if after_side is None else _SENTIMENTS[after_side])


def _position(sent: SentFields, side_field: str, size_field: str) -> tuple[int | None, Decimal | None]:
    """The sign of the side, and the size with that sign; an unsigned size where no side was sent."""
    side: int | None = sent.read(side_field, fields.word, _SIGNS, "invalid-market-position")
    size: Decimal | None = sent.read(size_field, _size)
    if size is not None and side is None and size <= 0:
        side = -1 if size < 0 else 0
    return side, _signed(side, size)


def _signed(side: int | None, size: Decimal | None) -> Decimal | None:
    if side == 0:
        return Decimal(0)
    return size if size is None or side is None else side * abs(size)


def _size(name: str, value: object) -> Decimal:
    fields.refuse_placeholder(name, value)
    size = fields.number(value)
    if size is None:
        raise invalid(
            "invalid-market-position-size",
            f"{name} is {fields.shown(value)}. Send the size of the strategy's position in digits, 0 for none.",
            field=name,
        )
    return size


def _change(action: Action, quantity: dict[str, Any]) -> Decimal | None:
    """The signed units of the order; None where its quantity counts something else."""
    units = quantity.get("quantity")
    if units is None or quantity.get("quantity_type", "fixed_quantity") != "fixed_quantity":
        return None
    return Decimal(units if action is Action.BUY else -units)


def _snapped(position: Decimal) -> Decimal:
    return Decimal(0) if abs(position) < _NOISE else position


def old_text(sent: SentFields, action: Action) -> str:
    """The warning about the text of a TradingView strategy that leaves its position or its order open; else empty.

    Our earlier texts, and TradersPost's: TradingView puts all it fills in between quotation marks.
    """
    filled_in = all(isinstance(sent.values.get(name), str) for name in ("quantity", "price", "time"))
    if action not in {Action.BUY, Action.SELL} or not filled_in or "signalId" in sent.known:
        return ""
    alternatives = (
        ("sentiment", "marketPosition", "prevMarketPosition"),
        ("orderId",),
        ("prevMarketPositionSize", "marketPositionSize"),
    )
    missing = [names[0] for names in alternatives if sent.has_none_of(names)]
    return f"old-tradingview-text:{','.join(missing)}" if missing else ""
