"""What an option became when its share was split: told by its name, beside its size and average. Pure.

A whole split (4 for 1) makes N contracts of one, at a N-th of the strike. Any other leaves number and strike as they were, in
a class of its own: AAPL1 delivers other than a hundred shares (`brokers.rulebook.splits.split_option`). A gateway shows each
under another contract number, or under the same one by another name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from operator import itemgetter

from brokers.domain.actions.reading import MOST_FOR_ONE, ONE_FOR_ONE, Held, Ratio
from brokers.domain.contracts.combos import combo_named, legs_of
from brokers.domain.contracts.options import SHARES_OF_A_CONTRACT, OptionName, named

# Nobody holds more options that are gone at once; a list of positions may be as long as its gateway likes.
MOST_PAIRED = 500
# IBKR has one contract of a name; which one of more than so many a split has made, nobody can tell.
MOST_OF_A_NAME = 10
# Contract numbers of before and of now, and the ratio.
Pair = tuple[int, int, Ratio]
# Strikes come to the cent.
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An option as a list of positions shows it."""

    name: OptionName
    currency: str
    held: Held


def became(before: OptionName, after: OptionName) -> Ratio | None:
    """By which ratio one option may have become another, by their names alone; None where it cannot have."""
    if (before.root, before.right, before.expiry) != (after.root, after.right, after.expiry) or before.future:
        return None
    if before.series != after.series:
        return ONE_FOR_ONE if after.series and before.strike == after.strike else None
    if after.strike >= before.strike:
        return None
    times = int((before.strike / after.strike).to_integral_value())
    # Strikes of a few cents are rounded by more than what tells one ratio from the next.
    for new in (times, times - 1, times + 1):
        if 1 < new <= MOST_FOR_ONE and _divided(before.strike, new) == after.strike:
            return Ratio(new=new, old=1)
    return None


def pairs(before: Mapping[int, Listed], after: Mapping[int, Listed]) -> Iterator[Pair]:
    """Which option of before is which of now, by number, and by which ratio: of each share one ratio alone is told.

    `before`: what is gone. `after`: what has come. Where a share's options would fit several ratios, that is taken by which
    most of them have changed in size as well; what fits nothing by it is left out.
    """
    come: dict[tuple[object, ...], dict[Decimal, list[tuple[int, Listed]]]] = defaultdict(lambda: defaultdict(list))
    for conid, now in sorted(after.items()):
        come[_chain(now.name)][now.name.strike].append((conid, now))
    roots: dict[str, dict[Ratio, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for conid, was in sorted(before.items())[:MOST_PAIRED]:
        for other, now in _may_be(was.name, come.get(_chain(was.name), {})):
            if now.currency == was.currency and was.held.quantity * now.held.quantity > 0:
                ratio = became(was.name, now.name)
                if ratio is not None:
                    roots[was.name.root][ratio].append((conid, other, ratio))
    for root in sorted(roots):
        by_ratio = roots[root]
        best = max(sorted(by_ratio), key=lambda ratio: _fitting(by_ratio[ratio], before, after))
        yield from _one_to_one(by_ratio[best], before, after)


def _chain(name: OptionName) -> tuple[object, ...]:
    return name.root, name.right, name.expiry


def _may_be(name: OptionName, come: Mapping[Decimal, Sequence[tuple[int, Listed]]]) -> list[tuple[int, Listed]]:
    """What has come in its chain at a strike that a split may have made of this one."""
    strikes = [strike for strike in come if strike <= name.strike]
    if len(strikes) > MOST_FOR_ONE:
        strikes = [name.strike, *(_divided(name.strike, new) for new in range(2, MOST_FOR_ONE + 1))]
    found = [
        each
        for strike in dict.fromkeys(strikes)
        if len(come.get(strike, ())) <= MOST_OF_A_NAME
        for each in come.get(strike, ())
    ]
    return sorted(found, key=itemgetter(0))


def _fitting(found: Sequence[Pair], before: Mapping[int, Listed], after: Mapping[int, Listed]) -> tuple[int, int]:
    """How many pairs have the sizes of the ratio, and how many there are."""
    return sum(_fits(pair, before, after) for pair in found), len(found)


def _fits(pair: Pair, before: Mapping[int, Listed], after: Mapping[int, Listed]) -> bool:
    was, now, ratio = pair
    return ratio.exact(before[was].held.quantity) == after[now].held.quantity


def _one_to_one(found: Sequence[Pair], before: Mapping[int, Listed], after: Mapping[int, Listed]) -> Iterator[Pair]:
    """Each option once: where several of now may be one of before, the one of its size, if one alone has it."""
    taken: set[int] = set()
    of_one: dict[int, list[Pair]] = defaultdict(list)
    for pair in found:
        of_one[pair[0]].append(pair)
    for _, pairs_of_it in sorted(of_one.items()):
        mine = [pair for pair in pairs_of_it if pair[1] not in taken]
        chosen = mine if len(mine) == 1 else [pair for pair in mine if _fits(pair, before, after)]
        if len(chosen) == 1:
            taken.add(chosen[0][1])
            yield chosen[0]


def called_otherwise(number: int, ticker: str, listed: Mapping[int, str]) -> str | None:
    """As what else an option, or a leg of a combo of two, is listed under its own number, where a split makes such names; None
    where it is not. `listed`: names in a list of positions by contract number."""
    combo = combo_named(ticker)
    names = [named(ticker)] if combo is None else list(combo.legs)
    for conid, name in zip(legs_of(number) or (number,), names, strict=False):
        other = named(listed.get(conid, ""))
        if name is not None and other is not None and became(name, other) is not None:
            return listed[conid]
    return None


def delivered(ratios: list[Ratio]) -> Decimal | None:
    """How many shares a contract delivers after these splits of its share; None where none is known."""
    if not ratios:
        return None
    shares = SHARES_OF_A_CONTRACT
    for ratio in ratios:
        if ratio.new % ratio.old:
            shares = ratio.exact(shares)
    return shares


def _divided(strike: Decimal, new: int) -> Decimal:
    return max((strike / new).quantize(_CENT, ROUND_HALF_UP), _CENT)
