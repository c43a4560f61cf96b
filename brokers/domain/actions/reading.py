"""Whether a change of what is held, which no fill explains, is a split: size and average price have changed by one ratio.

A fill moves the cost of a holding, a transfer brings its own average: a split leaves size times average as it was. So does
who sells all and buys again for the same money, which is asked about where nothing may have been held in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from fractions import Fraction

NOTHING = Decimal(0)
# Averages are rounded, and carry fees: so much of a ratio may be lost in them.
TOLERANCE = Decimal("0.001")
# A holding whose cost has changed by no more than this, although its size has, may have been split by a ratio nobody names.
ABOUT = Decimal("0.02")
# Splits as companies announce them: so many for one, one for so many, or two small numbers.
MOST_FOR_ONE, SMALL = 1_000, 25
# Beyond so many fills beside it nobody can tell which were before the split.
MOST_FILLS = 8


class State(StrEnum):
    """known: by its figures. asked: it may be a split, and a person has to say. said: a person has named the ratio.

    none: a person has said that it was no split.
    """

    KNOWN = "known"
    ASKED = "asked"
    SAID = "said"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A holding: signed units, and what one has cost; None where IBKR names no average."""

    quantity: Decimal
    average: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """A fill: signed units and its price."""

    signed: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Ratio:
    """`new` shares for `old` ones; one for one where only the contract's number has changed."""

    new: int
    old: int

    @property
    def factor(self) -> Decimal:
        """What a price is multiplied by: old shares for each new one."""
        return Decimal(self.old) / self.new

    @property
    def is_one(self) -> bool:
        return self.new == self.old

    def exact(self, quantity: Decimal) -> Decimal:
        """So many shares after the split, fractions included."""
        return quantity * self.new / self.old

    def whole(self, quantity: Decimal) -> Decimal:
        """So many shares after the split; a fraction is paid in cash."""
        return self.exact(quantity).to_integral_value(ROUND_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A split by this ratio. `fraction`: the part of a share that was paid in cash; `place`: how many fills came before it."""

    ratio: Ratio
    fraction: Decimal = NOTHING
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """It looks like a split, and its ratio is not plain; `ratios` are those that fit, none where none does."""

    ratios: tuple[Ratio, ...] = ()


ONE_FOR_ONE = Ratio(new=1, old=1)


def read(
    before: Held, after: Held, fills: Sequence[Dealt] = (), *, renumbered: bool = False
) -> Plain | Doubtful | None:
    """What a change is that no fill explains; None where it is no split, but a transfer or a fill that is on its way.

    `fills`: those since `before`, in their order; the last ones may be missing in `after`. `renumbered`: what was held under
    one number of the contract is held under another one.
    """
    if before.quantity * after.quantity <= 0 or len(fills) > MOST_FILLS:
        return Doubtful() if renumbered and before.quantity * after.quantity > 0 else None
    doubtful, plain = False, dict[Ratio, tuple[int, Decimal]]()
    for place, then, now in _orders_of_events(before, after, fills):
        found = _ratios(then, now)
        doubtful |= len(found) > 1 or (not found and _costs_the_same(then, now))
        if len(found) == 1:
            fraction = max(found[0].exact(then.quantity) - now.quantity, NOTHING, key=abs)
            plain[found[0]] = min(plain.get(found[0], (place, fraction)), (place, fraction))
    if renumbered and _is_the_same(before, after, fills):
        return Plain(ratio=ONE_FOR_ONE)
    if len(plain) == 1:
        ((ratio, (place, fraction)),) = plain.items()
        return Plain(ratio=ratio, fraction=fraction, place=place)
    if plain or doubtful or renumbered:
        return Doubtful(ratios=tuple(sorted(plain)))
    return None


def may_have_been_flat(held: Decimal, told: Iterable[Decimal], untold: Iterable[Decimal] = ()) -> bool:
    """Whether nothing may have been held for a moment: then what is held since may have been bought for the same money.

    Signed units. `told`: fills since, in any order. `untold`: what orders of ours may have dealt beside them; these alone count
    only where what they may have closed may also have been opened again.
    """
    sign = 1 if held > 0 else -1
    known, possible = [each * sign for each in told], [each * sign for each in untold]
    left = abs(held) + sum((each for each in known if each < 0), NOTHING)
    if left <= 0:
        return True
    left += sum((each for each in possible if each < 0), NOTHING)
    return left <= 0 and any(each > 0 for each in (*known, *possible))


def reading_of(before: Decimal, after: Decimal) -> Ratio | None:
    """The ratio of two sizes in lowest terms, for a person to judge; None where nobody would call it one."""
    if before * after <= 0:
        return None
    ratio = Fraction(after) / Fraction(before)
    return Ratio(new=ratio.numerator, old=ratio.denominator) if _is_announced(ratio) else None


def fits(ratio: Ratio, before: Held, after: Held, fills: Sequence[Dealt] = ()) -> bool:
    """Whether a split by this ratio, wherever among the fills, makes of one size the other: but for a fraction of a share."""
    return any(
        abs(ratio.exact(then.quantity) - now.quantity) < 1
        for _, then, now in _orders_of_events(before, after, fills[:MOST_FILLS])
    )


def _orders_of_events(before: Held, after: Held, fills: Sequence[Dealt]) -> Iterator[tuple[int, Held, Held]]:
    """Just before the split and just after it, for every place that the split may have among the fills: how many before it."""
    for shown in range(len(fills), -1, -1):
        for place in range(shown + 1):
            then, now = before, after
            for fill in fills[:place]:
                then = _dealt(then, fill)
            for fill in reversed(fills[place:shown]):
                now = _undone(now, fill)
            if then.quantity * now.quantity > 0:
                yield place, then, now


def _dealt(held: Held, fill: Dealt) -> Held:
    quantity = held.quantity + fill.signed
    if held.average is None or held.quantity * fill.signed <= 0:
        flipped = held.quantity * quantity <= 0
        return Held(quantity=quantity, average=fill.price if flipped else held.average)
    cost = held.quantity * held.average + fill.signed * fill.price
    return Held(quantity=quantity, average=cost / quantity)


def _undone(held: Held, fill: Dealt) -> Held:
    """What was held before a fill that is in it."""
    quantity = held.quantity - fill.signed
    if held.average is None or quantity == 0 or quantity * fill.signed <= 0:
        return Held(quantity=quantity, average=held.average)
    return Held(quantity=quantity, average=(held.quantity * held.average - fill.signed * fill.price) / quantity)


def _ratios(before: Held, after: Held) -> list[Ratio]:
    """The announced ratios by which both size and average have changed; the one that leaves no fraction alone, if any does."""
    if not before.average or not after.average or before.average * after.average <= 0:
        return []
    by_average = Fraction(before.average) / Fraction(after.average)
    by_size = Fraction(after.quantity) / Fraction(before.quantity)
    fitting = [
        ratio
        for ratio in sorted({by_size, *_announced_near(by_average)})
        if _is_announced(ratio) and abs(ratio / by_average - 1) <= Fraction(TOLERANCE)
    ]
    if by_size in fitting:
        fitting = [by_size]
    named = [Ratio(new=ratio.numerator, old=ratio.denominator) for ratio in fitting]
    return [ratio for ratio in named if after.quantity in {ratio.exact(before.quantity), ratio.whole(before.quantity)}]


def _announced_near(ratio: Fraction) -> Iterator[Fraction]:
    for old in range(1, SMALL + 1):
        if new := round(ratio * old):
            yield Fraction(new, old)
    if ratio < 1:
        yield Fraction(1, max(round(1 / ratio), 1))


def _is_announced(ratio: Fraction) -> bool:
    low, high = sorted((ratio.numerator, ratio.denominator))
    return ratio != 1 and (high <= SMALL or (low == 1 and high <= MOST_FOR_ONE))


def _costs_the_same(before: Held, after: Held) -> bool:
    """Whether size and average have changed against each other, as in a split: the cost is as it was, about.

    A sale leaves the average as it was, and a purchase adds to the cost.
    """
    if not before.average or not after.average or before.average * after.average <= 0:
        return False
    by_average = before.average / after.average
    if abs(by_average - 1) <= ABOUT:
        return False
    exact, size = abs(before.quantity) * by_average, abs(after.quantity)
    # A fraction of a share, which was paid in cash, is missing at most.
    return size - exact <= size * ABOUT and exact - size < max(Decimal(1), size * ABOUT)


def _is_the_same(before: Held, after: Held, fills: Sequence[Dealt]) -> bool:
    """Whether nothing but the number has changed, where the fills are counted or are not in it yet."""
    held = [before]
    for fill in fills:
        held.append(_dealt(held[-1], fill))
    return any(
        each.quantity == after.quantity
        and each.average is not None
        and after.average is not None
        and _is_near(each.average, after.average)
        for each in held
    )


def _is_near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= abs(one) * TOLERANCE


def in_a_row(ratios: Sequence[Ratio]) -> Ratio:
    """One ratio for several splits, one after the other."""
    product = Fraction(1)
    for ratio in ratios:
        product *= Fraction(ratio.new, ratio.old)
    return Ratio(new=product.numerator, old=product.denominator)
