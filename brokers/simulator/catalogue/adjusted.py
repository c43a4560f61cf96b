"""Options on a share that was split: the series of before go on under their new terms, and new usual ones stand beside them.

By a whole split the contracts of before are usual ones again, at a part of their strike: those whose new strike is one of the
new ladder are its contracts, and the others are listed beside them. By any other split they get a class of their own, AAPL1.
No number of before means anything any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.rulebook.splits import split_option
from brokers.simulator.catalogue import options, series
from brokers.simulator.catalogue.ladders import Ladder
from brokers.simulator.catalogue.series import Series

# Slots behind those of the tables.
_FIRST, _MOST = 466, 1 << 9
_ADJUSTED = re.compile(r"([A-Z]+)([1-9])")
_LAST = 9


@dataclass(frozen=True, slots=True)
class Successors:
    """What has replaced a series: the contracts of before under their new terms, and usual ones beside them where it was usual."""

    carried: Series
    fresh: Series | None = None

    def __iter__(self) -> Iterator[Series]:
        yield self.carried
        if self.fresh is not None:
            yield self.fresh


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a split of a share makes of options on it: by the slots of before, and how many contracts come for each one."""

    contracts: int
    successors: Mapping[int, Successors]

    def becomes(self, conid: int) -> int | None:
        """The number that an option has since; nothing where the split is none of its share."""
        slot = options.slot_of(conid)
        successors = None if slot is None else self.successors.get(slot)
        return None if successors is None else options.in_series(conid, successors.fresh, successors.carried)


def has_room(symbol: str) -> bool:
    """Whether numbers are left for the options on a share that is to be split."""
    return _next_slot() + 2 * len(series.of_root(symbol)) <= _MOST


def apply(symbol: str, new: int, old: int) -> Adjustment:
    """List the options on a share as they are since its split."""
    found: dict[int, Successors] = {}
    for each in series.of_root(symbol):
        slot = _next_slot()
        found[each.slot] = successors = successors_of(each, slot, new=new, old=old)
        series.replace_by(each.slot, successors)
    series.relisted()
    options.relisted()
    return Adjustment(new // old if new % old == 0 else 1, found)


def successors_of(before: Series, slot: int, *, new: int, old: int) -> Successors:
    """What becomes of a series by a split, in this slot and the next one."""
    delivers = before.multiplier if before.delivers is None else before.delivers
    after = [split_option(strike, delivers, new=new, old=old) for strike in before.ladder.strikes]
    fresh = None if before.carried else replace(before, slot=slot + 1)
    carried = replace(before, slot=slot, carried=True)
    if after[0].adjusted:
        carried = replace(carried, trading_class=_next_class(before.trading_class), delivers=after[0].delivers)
    else:
        carried = replace(carried, ladder=_divided(before.ladder, [each.strike for each in after], fresh))
    return Successors(carried, fresh)


def _divided(before: Ladder, strikes: list[Decimal], fresh: Series | None) -> Ladder:
    """The strikes of before, divided; those of the new ladder are listed there."""
    times = before.strikes[-1] / strikes[-1]
    listed = {} if fresh is None else fresh.ladder.places
    places = {strike: place for place, strike in enumerate(strikes) if strike not in listed}
    return Ladder(tuple(strikes), tuple(step / times for step in before.steps), places)


def _next_class(trading_class: str) -> str:
    """The class of contracts that a split has changed: AAPL1 of AAPL, AAPL2 of AAPL1."""
    match = _ADJUSTED.fullmatch(trading_class)
    if match is None:
        return f"{trading_class}1"
    return f"{match[1]}{min(int(match[2]) + 1, _LAST)}"


def _next_slot() -> int:
    return max(_FIRST - 1, *series.by_slot()) + 1
