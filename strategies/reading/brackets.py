"""takeProfit and stopLoss: one mode and one value each, or a refusal. A broken stop never becomes a naked entry."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.domain.orders import MoveTo, StopMove
from brokers.domain.sentences import all_of
from strategies.domain.message.message import MOST_RUNGS, Bracket
from strategies.domain.message.refusals import Refused, invalid
from strategies.reading import fields
from strategies.reading.strict_json import printable

_STOP_TYPES = fields.vocabulary("stop stop_limit trailing_stop trailing_stop_limit")
TAKE_PROFIT_FIELDS = frozenset(fields.names("limitPrice percent amount pnlAmount"))
_MOVE_FIELDS = fields.names("moveTo moveAfter moveOffset moveTrailAmount moveTrailPercent")
_STOP_LOSS_FIELDS = frozenset(
    fields.names("type percent amount stopPrice pnlAmount limitPrice trailAmount trailPercent trailPrice limitOffset")
) | {*_MOVE_FIELDS}
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
_MOVES = fields.vocabulary("breakeven trail")
_ALL = Decimal(100)
_MOVE_FORM = '"stopLoss": {"stopPrice": 95, "moveTo": "breakeven", "moveAfter": 1}'
_FORMS = {
    "takeProfit": '"takeProfit": {"limitPrice": 105}',
    "stopLoss": '"stopLoss": {"type": "stop", "stopPrice": 95}',
}


def take_profit(name: str, value: object, warnings: list[str]) -> Bracket:
    """Exactly one of limitPrice, percent, amount, pnlAmount. Unusable keys are added to `warnings`."""
    return target_of(name, leg_of(name, value, TAKE_PROFIT_FIELDS, warnings))


def target_of(name: str, leg: dict[str, Any]) -> Bracket:
    """The take profit of its usable fields; `name` is takeProfit, or one of a list of them: takeProfit[2]."""
    mode = _one_of(name, leg, absolute="limitPrice")
    return Bracket(mode=mode, value=_number(name, mode, leg[mode]))


def stop_loss(name: str, value: object, warnings: list[str]) -> Bracket:
    """Exactly one of percent, amount, stopPrice, pnlAmount; or trailAmount or trailPercent with type trailing_stop, and with
    type trailing_stop_limit limitOffset beside it.

    Unusable keys are added to `warnings`.
    """
    leg = leg_of(name, value, _STOP_LOSS_FIELDS, warnings)
    moves = _moves(name, {each: leg.pop(each) for each in _MOVE_FIELDS if each in leg})
    bracket = _stop(name, leg, warnings)
    if moves is not None and bracket.type in _TRAILING:
        raise _move_refused(f"moves, and it is of type {bracket.type}, which follows the market by itself")
    return replace(bracket, moves=moves)


def _moves(name: str, sent: dict[str, Any]) -> StopMove | None:
    """What becomes of the stop once targets have filled; None where nothing is said of it."""
    if not sent:
        return None
    if "moveTo" not in sent:
        raise _move_refused(f"has {next(iter(sent))} without moveTo, which says where the stop goes")
    code = "invalid-stop-loss-move"
    to = fields.word(f"{name}.moveTo", sent.pop("moveTo"), _MOVES, code)
    after = fields.whole(f"{name}.moveAfter", sent.pop("moveAfter", 1), code, 1, MOST_RUNGS)
    fitting = {"moveOffset"} if to == "breakeven" else {"moveTrailAmount", "moveTrailPercent"}
    if stray := sorted(sent.keys() - fitting):
        raise _move_refused(f"has {stray[0]}, which does not go with moveTo {to}")
    if to == "breakeven":
        offset = fields.zero_or_more(f"{name}.moveOffset", sent.get("moveOffset", 0), code)
        return StopMove(after=after, to=MoveTo.BREAK_EVEN, by=offset)
    if len(sent) != 1:
        raise _move_refused("moves to trail, which takes one of moveTrailAmount and moveTrailPercent")
    ((key, value),) = sent.items()
    trail = MoveTo.TRAIL_AMOUNT if key == "moveTrailAmount" else MoveTo.TRAIL_PERCENT
    by = fields.above_zero(f"{name}.{key}", value, code)
    if trail is MoveTo.TRAIL_PERCENT and by >= _ALL:
        raise _move_refused("trails by 100 % or more, which is a price of zero")
    return StopMove(after=after, to=trail, by=by)


def _move_refused(problem: str) -> Refused:
    return invalid("invalid-stop-loss-move", f"stopLoss {problem}.", field="stopLoss", hint=_MOVE_FORM)


def _stop(name: str, leg: dict[str, Any], warnings: list[str]) -> Bracket:
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


def leg_of(name: str, value: object, known: frozenset[str], warnings: list[str]) -> dict[str, Any]:
    """The usable fields of a leg; the others are added to `warnings`."""
    fields.refuse_placeholder(name, value)
    if not isinstance(value, dict):
        raise invalid(
            _code(name), f"{name} is {fields.shown(value)}. Send it as an object.", field=name, hint=_form(name)
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
    return fields.above_zero(f"{name}.{mode}", value, f"{_code(name)}-{_DASHED.get(mode, mode)}")


def _refused(name: str, code: str, problem: str) -> Refused:
    return invalid(f"{_code(name)}-{code}", f"{name} {problem}.", field=name, hint=_form(name))


def _code(name: str) -> str:
    return _CODES[name.partition("[")[0]]


def _form(name: str) -> str:
    return _FORMS[name.partition("[")[0]]
