"""takeProfit as a list: several targets of one entry, each with its price and its part, or one refusal for all of them."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.message.message import MOST_RUNGS, Action, Bracket, Ladder, Rung
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.numbers import plain, snap
from strategies.reading import brackets, fields

_HUNDRED = Decimal(100)
_NAME = "takeProfit"
_PARTS = ("quantity", "quantityPercent")
_EXAMPLE = '"takeProfit": [{"limitPrice": 105, "quantityPercent": 50}, {"limitPrice": 110, "quantityPercent": 50}]'


def targets(name: str, value: object, warnings: list[str], action: Action) -> Bracket | Ladder:
    """One take profit, or a list of them: each with one of limitPrice, percent, amount and pnlAmount, and with quantity,
    quantityPercent or neither. Unusable keys are added to `warnings`.
    """
    if not isinstance(value, list):
        return brackets.take_profit(name, value, warnings)
    if action is Action.MODIFY:
        raise _refused("rungs", "is a list, and modify moves one target. Send it as an object")
    if not 1 <= len(value) <= MOST_RUNGS:
        raise _refused("rungs", f"has {len(value)} targets. Send 1 to {MOST_RUNGS}")
    rungs = tuple(_rung(f"{name}[{place}]", each, warnings) for place, each in enumerate(value, 1))
    _check_parts(rungs)
    if len(rungs) == 1 and rungs[0].quantity is None and rungs[0].percent in {None, _HUNDRED}:
        return rungs[0].target
    return Ladder(rungs)


def _rung(name: str, value: object, warnings: list[str]) -> Rung:
    leg = brackets.leg_of(name, value, brackets.TAKE_PROFIT_FIELDS | {*_PARTS}, warnings)
    parts = {part: leg.pop(part) for part in _PARTS if part in leg}
    if len(parts) > 1:
        raise _refused("quantity", "has quantity and quantityPercent in one target; each takes one")
    code = "invalid-take-profit-quantity"
    sizes = {part: fields.above_zero(f"{name}.{part}", each, code) for part, each in parts.items()}
    return Rung(
        target=brackets.target_of(name, leg), quantity=sizes.get("quantity"), percent=sizes.get("quantityPercent")
    )


def _check_parts(rungs: tuple[Rung, ...]) -> None:
    counted = sum(rung.quantity is not None for rung in rungs)
    percents = [rung.percent for rung in rungs if rung.percent is not None]
    if counted and percents:
        raise _refused("quantity", "counts some targets in units and some in percent; use one for all of them")
    total = snap(sum(percents, Decimal(0)))
    open_ended = len(percents) < len(rungs)
    if total > _HUNDRED or (percents and open_ended and total == _HUNDRED):
        more = ", and leaves nothing for the target without one" if open_ended and total <= _HUNDRED else ""
        raise _refused("sum", f"sums up to {plain(total)} %{more}. Send 100 % of the entry at most")


def _refused(code: str, problem: str) -> Refused:
    return invalid(f"invalid-take-profit-{code}", f"{_NAME} {problem}.", field=_NAME, hint=_EXAMPLE)
