"""How many units each of several targets takes: of an entry, and of what an account of an advisor's group got of one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor

ZERO = Decimal(0)
ALL = Fraction(1)
# What a sender's thirds lack of the whole.
NOISE = Fraction(1, 10**9)


def cut(total: Decimal, shares: Sequence[Fraction], step: Decimal) -> tuple[Decimal, ...]:
    """So much of `total` for each share of it, in whole steps rounded down; shares that sum up to all of it leave nothing over:
    the last takes the rest."""
    units = [floor(Fraction(total) * share / Fraction(step) + NOISE) * step for share in shares]
    if shares and are_all(shares):
        units[-1] = total - sum(units[:-1], ZERO)
    return tuple(units)


def are_all(shares: Sequence[Fraction]) -> bool:
    """Whether nothing is left over beside them."""
    return sum(shares) >= ALL - NOISE


def kept(shares: Sequence[Fraction], sizes: Sequence[Decimal]) -> list[Fraction]:
    """The shares of those that get something; what the others had goes to the last where all shares together are all."""
    left = [share for share, size in zip(shares, sizes, strict=True) if size]
    if left and are_all(shares):
        left[-1] = ALL - sum(left[:-1])
    return left


def beyond(total: Decimal, shares: Sequence[Fraction], step: Decimal, placed: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """How the units of `total` that are in no part yet are divided: one for each share, and at last what has no target.

    `placed` has the same places. The parts come as near to those of the whole `total` as what is placed allows, the nearest
    target first: whoever fills by and by ends with the parts of whoever fills at once.
    """
    wanted = cut(total, shares, step)
    lacks = [max(want - there, ZERO) for want, there in zip((*wanted, total - sum(wanted, ZERO)), placed, strict=True)]
    left, parts = total - sum(placed, ZERO), []
    for lack in lacks:
        parts.append(min(lack, max(left, ZERO)))
        left -= parts[-1]
    return tuple(parts)


def without(parts: Sequence[Decimal], leaves: Decimal) -> tuple[Decimal, ...]:
    """The parts less so many units that have left: of what has no target first, then of the furthest."""
    rest = []
    for part in reversed(parts):
        taken = min(part, max(leaves, ZERO))
        leaves -= taken
        rest.append(part - taken)
    return tuple(reversed(rest))
