"""What of a change no fills explain, where any of some fills may count or not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

# Sums are bits of a number as long as they reach no further than so many steps of the smallest part there is.
LONGEST_REACH = 1 << 16


def least_left(change: Decimal, fills: Sequence[Decimal], most: int) -> Decimal | None:
    """What is left of a change once those of the fills count that leave least; of two ways that leave as much, the lower.

    None where more than `most` sums would have to be tried.
    """
    exponent = min(_exponent(each) for each in (change, *fills))
    whole, *parts = (int(each.scaleb(-exponent)) for each in (change, *fills))
    step = math.gcd(*parts) or 1
    reach = sum(map(abs, parts)) // step
    if reach <= LONGEST_REACH:
        left = _by_bits(whole, step, [part // step for part in parts], most)
    else:
        left = _by_sums(whole, parts, most)
    return None if left is None else Decimal(left).scaleb(exponent)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "quantities are finite"
    return exponent


def _by_bits(whole: int, step: int, parts: Iterable[int], most: int) -> int | None:
    """Each sum of parts is a bit: a part moves all of them at once, where a set would be made anew."""
    parts = list(parts)
    lowest = sum(part for part in parts if part < 0)
    bits, tried = 1 << -lowest, 0
    for part in parts:
        tried += bits.bit_count()
        if tried > most:
            return None
        bits |= bits << part if part > 0 else bits >> -part
    # The nearest sums at or below the change, and above it; a change beyond all sums has none on one side.
    place = min(max(whole // step - lowest + 1, 0), bits.bit_length())
    below, above = bits & ((1 << place) - 1), bits >> place
    sums = [below.bit_length() - 1] if below else []
    if above:
        sums.append(place + (above & -above).bit_length() - 1)
    return min((whole - (each + lowest) * step for each in sums), key=lambda left: (abs(left), left))


def _by_sums(whole: int, parts: Iterable[int], most: int) -> int | None:
    sums, tried = {0}, 0
    for part in parts:
        tried += len(sums)
        if tried > most:
            return None
        sums |= {each + part for each in sums}
    return min((whole - each for each in sums), key=lambda left: (abs(left), left))
