"""Numbers of a gateway: the one way to read them. Whatever it sends, reading costs little and the result is bounded."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

# More than this is no price, no quantity and no amount; our tables hold no more either.
LIMIT = Decimal(10) ** 15
# Finer than this is nothing.
_FINEST = -18
_LONGEST = 64
_LONGEST_MOMENT = 32
# Until the year 2100, in milliseconds.
_LAST_MOMENT = Decimal(4_102_444_800_000)
_EXACT = Context(prec=50)

# Tried on a short text only, so that no text makes it slow.
_NUMBER = re.compile(r"[CH]?(-?[0-9,]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)(?:\s.*|%)?\Z")


def number(value: Any) -> Decimal | None:
    """A number in any of IBKR's spellings: 5, "5.0", "1,977.60 USD", "C189.10" (prior close); None for "" and null,
    and for what is longer or larger than any number of a broker."""
    match value:
        case None | bool():
            return None
        case int():
            return Decimal(value) if abs(value) < 10**15 else None
        case float():
            return bounded(Decimal(repr(value))) if math.isfinite(value) else None
        case Decimal():
            return bounded(value)
        case str():
            return _spelled(value)
        case _:
            return None


def _spelled(text: str) -> Decimal | None:
    text = text.strip() if len(text) <= _LONGEST else ""
    match = _NUMBER.match(text)
    if match is None:
        return None
    try:
        return bounded(Decimal(match[1].replace(",", "")))
    except InvalidOperation:
        return None


def bounded(value: Decimal) -> Decimal | None:
    """The value without what is finer than any price; None where it is larger than any amount."""
    if not value.is_finite() or (value and value.adjusted() >= LIMIT.adjusted()):
        return None
    if not value or value.adjusted() < _FINEST:
        return Decimal(0)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < _FINEST:
        return value.quantize(Decimal(1).scaleb(_FINEST), context=_EXACT)
    return value


def quantity(value: Any) -> Decimal | None:
    """A number of shares or contracts, without the zeros IBKR puts behind the point."""
    exact = number(value)
    if exact is None:
        return None
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize(_EXACT)


def whole(value: Any) -> int | None:
    """An integer that may be spelled as a string (conid, order id); None for anything else."""
    exact = number(value)
    return int(exact) if exact is not None and exact == exact.to_integral_value() else None


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    """One number of a gateway divided by another; None where that is no number we keep."""
    if not divisor:
        return None
    try:
        return bounded(dividend / divisor)
    except (InvalidOperation, ArithmeticError):
        return None


def plain(value: Decimal) -> int | float:
    """A decimal as a JSON number: an integer where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)


def moment(milliseconds: Any, text: Any = None) -> datetime | None:
    """A moment from epoch milliseconds, else from IBKR's spellings in UTC: 20231211-18:00:49 and 231211180049."""
    exact = number(milliseconds)
    if exact is not None and 0 < exact < _LAST_MOMENT:
        return datetime.fromtimestamp(float(exact) / 1000, UTC)
    if not isinstance(text, str | int) or len(spelled := str(text)[: _LONGEST_MOMENT + 1]) > _LONGEST_MOMENT:
        return None
    for pattern in ("%Y%m%d-%H:%M:%S", "%y%m%d%H%M%S"):
        try:
            return datetime.strptime(spelled, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
