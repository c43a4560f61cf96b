"""What an option became when its share was split: told by its name, beside its size and average. Pure.

A whole split (4 for 1) makes N contracts of one, at a N-th of the strike. Any other leaves number and strike as they were, in
a class of its own: AAPL1 delivers other than a hundred shares (`brokers.rulebook.splits.split_option`). A gateway shows each
under another contract number, or under the same one by another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from brokers.domain.actions.reading import MOST_FOR_ONE, ONE_FOR_ONE, Held, Ratio
from brokers.domain.contracts.options import SHARES_OF_A_CONTRACT, OptionName

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


def pairs(before: Mapping[int, Listed], after: Mapping[int, Listed]) -> Iterator[tuple[int, int, Ratio]]:
    """Which option of before is which of now, by number, and by which ratio: of each share one ratio alone is told.

    `before`: what is gone. `after`: what has come. Where a share's options would fit several ratios, that is taken by which
    most of them have changed in size as well; what fits nothing by it is left out.
    """
    for root in sorted({each.name.root for each in before.values()}):
        gone = {conid: each for conid, each in before.items() if each.name.root == root}
        found = [
            (conid, other, ratio)
            for conid, was in sorted(gone.items())
            for other, now in sorted(after.items())
            if now.currency == was.currency and was.held.quantity * now.held.quantity > 0
            if (ratio := became(was.name, now.name)) is not None
        ]
        by_ratio = {ratio: [pair for pair in found if pair[2] == ratio] for ratio in {pair[2] for pair in found}}
        if by_ratio:
            best = max(sorted(by_ratio), key=lambda ratio: _fitting(by_ratio[ratio], gone, after))
            yield from _one_to_one(by_ratio[best], gone, after)


def _fitting(
    found: list[tuple[int, int, Ratio]], before: Mapping[int, Listed], after: Mapping[int, Listed]
) -> tuple[int, int]:
    """How many pairs have the sizes of the ratio, and how many there are."""
    return sum(_fits(pair, before, after) for pair in found), len(found)


def _fits(pair: tuple[int, int, Ratio], before: Mapping[int, Listed], after: Mapping[int, Listed]) -> bool:
    was, now, ratio = pair
    return ratio.exact(before[was].held.quantity) == after[now].held.quantity


def _one_to_one(
    found: list[tuple[int, int, Ratio]], before: Mapping[int, Listed], after: Mapping[int, Listed]
) -> Iterator[tuple[int, int, Ratio]]:
    """Each option once: where several of now may be one of before, the one of its size, if one alone has it."""
    taken: set[int] = set()
    for was in sorted({pair[0] for pair in found}):
        mine = [pair for pair in found if pair[0] == was and pair[1] not in taken]
        chosen = mine if len(mine) == 1 else [pair for pair in mine if _fits(pair, before, after)]
        if len(chosen) == 1:
            taken.add(chosen[0][1])
            yield chosen[0]


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
