"""The strikes an option can have, and which of them are listed around a price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

# Below 20 by halves, then by ones, by two and a half, and coarser the higher the share.
SHARES = "0.5<20 1<200 2.5<500 5<1500 10<3000 50<10000"
_LEAST_SPREAD, _MOST_SPREAD = 0.12, 0.8
# How far strikes reach, in standard deviations of the underlying until the option ends.
_REACH = 4.0
_LEAST_YEARS = 7 / 365


@dataclass(frozen=True, slots=True)
class Ladder:
    """All strikes of a series in ascending order; a strike is known by its place, which never changes."""

    strikes: tuple[Decimal, ...]
    steps: tuple[Decimal, ...]
    places: dict[Decimal, int]

    def around(self, price: float, volatility: float, years: float, *, fine: bool) -> list[Decimal]:
        """The strikes listed around a price: all of them near it, every other one further out."""
        spread = _REACH * volatility * math.sqrt(max(years, _LEAST_YEARS))
        spread = min(max(spread, _LEAST_SPREAD), _MOST_SPREAD)
        low, high, near = price * math.exp(-spread), price * math.exp(spread), spread / 3
        listed = []
        for strike, step in zip(self.strikes, self.steps, strict=True):
            if not low <= strike <= high:
                continue
            close = abs(math.log(float(strike) / price)) <= near
            if (close and fine) or strike % (2 * step) == 0:
                listed.append(strike)
        return listed


@cache
def ladder(text: str) -> Ladder:
    """A ladder from its steps, each with the strike it ends before: `1<200 2.5<500`."""
    strikes: list[Decimal] = []
    steps: list[Decimal] = []
    strike = Decimal(0)
    for part in text.split():
        step, end = (Decimal(number) for number in part.split("<"))
        strike = strike or step
        while strike < end:
            strikes.append(strike)
            steps.append(step)
            strike += step
    return Ladder(tuple(strikes), tuple(steps), {each: place for place, each in enumerate(strikes)})
