"""takeProfit and stopLoss: one mode and one value each, or a refusal. A broken stop never becomes a naked entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.domain.sentences import all_of
from strategies.domain.message.message import Bracket
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields
from strategies.reading.strict_json import printable

_STOP_TYPES = fields.vocabulary("stop stop_limit trailing_stop trailing_stop_limit")
_TAKE_PROFIT_FIELDS = frozenset(fields.names("limitPrice percent amount pnlAmount"))
_STOP_LOSS_FIELDS = frozenset(
    fields.names("type percent amount stopPrice pnlAmount limitPrice trailAmount trailPercent trailPrice limitOffset")
)
_DASHED = {
    "limitPrice": "limit-price",
    "stopPrice": "stop-price",
    "pnlAmount": "pnl-amount",
    "trailAmount": "trail-amount",
    "trailPercent": "trail-percent",
    "limitOffset": "limit-offset",
}
_TRAILING = frozenset({"trailing_stop", "trailing_stop_limit"})
_CODES = {"takeProfit": "invalid-take-profit", "stopLoss": "invalid-stop-loss"}
_FORMS = {
    "takeProfit": '"takeProfit": {"limitPrice": 105}',
    "stopLoss": '"stopLoss": {"type": "stop", "stopPrice": 95}',
}


def take_profit(name: str, value: object, warnings: list[str]) -> Bracket:
    """Exactly one of limitPrice, percent, amount, pnlAmount. Unusable keys are added to `warnings`."""
    leg = _object(name, value, _TAKE_PROFIT_FIELDS, warnings)
    mode = _one_of(name, leg, absolute="limitPrice")
    return Bracket(mode=mode, value=_number(name, mode, leg[mode]))


def stop_loss(name: str, value: object, warnings: list[str]) -> Bracket:
    """Exactly one of percent, amount, stopPrice, pnlAmount; or trailAmount or trailPercent with type trailing_stop, and with
    type trailing_stop_limit limitOffset beside it.

    Unusable keys are added to `warnings`.
    """
    leg = _object(name, value, _STOP_LOSS_FIELDS, warnings)
    kind = None
    if "type" in leg:
        kind = fields.word("stopLoss.type", leg.pop("type"), _STOP_TYPES, "invalid-stop-loss-type")
    if "trailPrice" in leg:
        # The old name, still sent by the vendor's own library.
        warnings.append("deprecated-field:stopLoss.trailPrice")
        leg.setdefault("trailAmount", leg.pop("trailPrice"))
        leg.pop("trailPrice", None)
    trails: list[str] = [name for name in ("trailAmount", "trailPercent") if name in leg]
    offset = _offset(name, leg, kind)
    if kind in _TRAILING:
        return _trailing(name, leg, trails, kind, offset)
    if trails:
        raise _refused(
            name, "trail-value", f'has {trails[0]}, which goes with type "trailing_stop" or "trailing_stop_limit" only'
        )
    limit = _limit(name, leg, kind)
    mode = _one_of(name, leg, absolute="stopPrice", limited=limit is not None)
    return Bracket(mode=mode, value=_number(name, mode, leg[mode]), type=kind, limit=limit)


def _offset(name: str, leg: dict[str, Any], kind: str | None) -> Decimal | None:
    if kind == "trailing_stop_limit":
        if "limitOffset" not in leg:
            problem = 'of type "trailing_stop_limit" needs limitOffset: how far beyond its stop it may fill'
            raise _refused(name, "limit-offset", problem)
        return _number(name, "limitOffset", leg.pop("limitOffset"))
    if "limitOffset" in leg:
        raise _refused(name, "limit-offset", 'has limitOffset, which goes with type "trailing_stop_limit" only')
    return None


def _trailing(name: str, leg: dict[str, Any], trails: list[str], kind: str | None, offset: Decimal | None) -> Bracket:
    if not trails:
        raise _refused(name, "trail-value-required", f'of type "{kind}" needs trailAmount or trailPercent')
    if len(leg) > 1:
        raise _refused(name, "trail-value", f"has {all_of(sorted(leg))}; a trailing stop takes one value")
    mode = trails[0]
    return Bracket(mode=mode, value=_number(name, mode, leg[mode]), type=kind, offset=offset)


def _limit(name: str, leg: dict[str, Any], kind: str | None) -> Decimal | None:
    if "limitPrice" not in leg:
        return None
    if kind != "stop_limit":
        raise _refused(name, "limit-price", 'has limitPrice, which goes with type "stop_limit" only')
    return _number(name, "limitPrice", leg.pop("limitPrice"))


def _one_of(name: str, leg: dict[str, Any], *, absolute: str, limited: bool = False) -> str:
    modes = list(leg)
    if "pnlAmount" in leg and len(modes) > 1:
        raise _refused(name, "pnl-amount", "has pnlAmount beside another value; it takes one")
    if absolute in leg and len(modes) > 1:
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


def _object(name: str, value: object, known: frozenset[str], warnings: list[str]) -> dict[str, Any]:
    fields.refuse_placeholder(name, value)
    if not isinstance(value, dict):
        raise invalid(
            _CODES[name], f"{name} is {fields.shown(value)}. Send it as an object.", field=name, hint=_FORMS[name]
        )
    leg: dict[str, Any] = {}
    for key, inner in value.items():
        if key not in known:
            warnings.append(f"unknown-field:{name}.{printable(key)}")
        elif fields.is_absent(inner):
            warnings.append(f"blank-field:{name}.{key}")
        else:
            leg[key] = inner
    return leg


def _number(name: str, mode: str, value: object) -> Decimal:
    return fields.above_zero(f"{name}.{mode}", value, f"{_CODES[name]}-{_DASHED.get(mode, mode)}")


def _refused(name: str, code: str, problem: str) -> Refused:
    return invalid(f"{_CODES[name]}-{code}", f"{name} {problem}.", field=name, hint=_FORMS[name])
