"""takeProfit and stopLoss: one mode and one value each, or a refusal. A broken stop never becomes a naked entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from strategies.domain.message.message import Bracket
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields
from strategies.reading.strict_json import printable

_STOP_TYPES = {name: name for name in ("stop", "stop_limit", "trailing_stop")}
_DASHED = {
    "limitPrice": "limit-price",
    "stopPrice": "stop-price",
    "pnlAmount": "pnl-amount",
    "trailAmount": "trail-amount",
    "trailPercent": "trail-percent",
}
_FORMS = {
    "takeProfit": '"takeProfit": {"limitPrice": 105}',
    "stopLoss": '"stopLoss": {"type": "stop", "stopPrice": 95}',
}


def take_profit(value: object, warnings: list[str]) -> Bracket:
    """Exactly one of limitPrice, percent, amount, pnlAmount."""
    given = _object("takeProfit", value, {"limitPrice", "percent", "amount", "pnlAmount"}, warnings)
    mode = _one_of("takeProfit", given, absolute="limitPrice")
    return Bracket(mode=mode, value=_number("takeProfit", mode, given[mode]))


def stop_loss(value: object, warnings: list[str]) -> Bracket:
    """Exactly one of percent, amount, stopPrice, pnlAmount; or trailAmount or trailPercent with type trailing_stop."""
    known = {
        "type",
        "percent",
        "amount",
        "stopPrice",
        "pnlAmount",
        "limitPrice",
        "trailAmount",
        "trailPercent",
        "trailPrice",
    }
    given = _object("stopLoss", value, known, warnings)
    kind = None
    if "type" in given:
        kind = fields.word("stopLoss.type", given.pop("type"), _STOP_TYPES, "invalid-stop-loss-type")
    if "trailPrice" in given:
        # The old name, still sent by the vendor's own library.
        given.setdefault("trailAmount", given.pop("trailPrice"))
        given.pop("trailPrice", None)
    trails: list[str] = [name for name in ("trailAmount", "trailPercent") if name in given]
    if kind == "trailing_stop":
        return _trailing(given, trails)
    if trails:
        raise _refused("stopLoss", "trail-value", f'has {trails[0]}, which goes with type "trailing_stop" only')
    limit = _limit(given, kind)
    mode = _one_of("stopLoss", given, absolute="stopPrice", limited=limit is not None)
    return Bracket(mode=mode, value=_number("stopLoss", mode, given[mode]), type=kind, limit=limit)


def _trailing(given: dict[str, Any], trails: list[str]) -> Bracket:
    if not trails:
        raise _refused("stopLoss", "trail-value-required", 'of type "trailing_stop" needs trailAmount or trailPercent')
    if len(given) > 1:
        raise _refused("stopLoss", "trail-value", f"has {' and '.join(sorted(given))}; a trailing stop takes one value")
    mode = trails[0]
    return Bracket(mode=mode, value=_number("stopLoss", mode, given[mode]), type="trailing_stop")


def _limit(given: dict[str, Any], kind: str | None) -> Decimal | None:
    if "limitPrice" not in given:
        return None
    if kind != "stop_limit":
        raise _refused("stopLoss", "limit-price", 'has limitPrice, which goes with type "stop_limit" only')
    return _number("stopLoss", "limitPrice", given.pop("limitPrice"))


def _one_of(name: str, given: dict[str, Any], *, absolute: str, limited: bool = False) -> str:
    modes = list(given)
    if "pnlAmount" in given and len(modes) > 1:
        raise _refused(name, "pnl-amount", "has pnlAmount beside another value; it takes one")
    if absolute in given and len(modes) > 1:
        raise _refused(name, "relative-and-absolute", f"mixes {absolute} with a distance; it takes one value")
    if len(modes) > 1:
        raise _refused(name, "amount-and-percent", "has both percent and amount; it takes one")
    if not modes and limited:
        raise _refused(name, "stop-price-required", "has a limitPrice but no stopPrice")
    if not modes:
        raise _refused(name, "value-required", "has no value to work with")
    if limited and modes != [absolute]:
        raise _refused(name, "relative-and-absolute", "mixes limitPrice with a distance; send stopPrice with it")
    return modes[0]


def _object(name: str, value: object, known: set[str], warnings: list[str]) -> dict[str, Any]:
    fields.refuse_placeholder(name, value)
    if not isinstance(value, dict):
        code = "invalid-take-profit" if name == "takeProfit" else "invalid-stop-loss"
        raise invalid(code, f"{name} is {fields.shown(value)}. Send it as an object.", field=name, hint=_FORMS[name])
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if key not in known:
            warnings.append(f"unknown-field:{name}.{printable(key)}")
        elif fields.is_blank(inner):
            warnings.append(f"blank-field:{name}.{key}")
        else:
            found[key] = inner
    return found


def _number(name: str, mode: str, value: object) -> Decimal:
    prefix = "invalid-take-profit" if name == "takeProfit" else "invalid-stop-loss"
    return fields.above_zero(f"{name}.{mode}", value, f"{prefix}-{_DASHED.get(mode, mode)}")


def _refused(name: str, code: str, what: str) -> Refused:
    prefix = "invalid-take-profit" if name == "takeProfit" else "invalid-stop-loss"
    return invalid(f"{prefix}-{code}", f"{name} {what}.", field=name, hint=_FORMS[name])
