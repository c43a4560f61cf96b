"""What an option is worth: Black and Scholes on the forward price, with a smile."""

from __future__ import annotations

import math
from dataclasses import dataclass

RATE = 0.03
YEAR_S = 365.0 * 86_400.0
_DAYS = 365.0
# Below the money options are dearer, as people insure themselves; far from it both sides are.
_SKEW, _SMILE, _FURTHEST = -0.06, 0.02, 4.0
_LEAST_YEARS = 60.0 / YEAR_S


@dataclass(frozen=True, slots=True)
class Greeks:
    """How an option's value moves: with the underlying (twice), a day, and a point of volatility."""

    delta: float
    gamma: float
    theta: float
    vega: float
    volatility: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """An option at a moment; `carry` is the yearly growth of the underlying's forward."""

    call: bool
    level: float
    strike: float
    years: float
    volatility: float
    carry: float = RATE

    @property
    def forward(self) -> float:
        return self.level * math.exp(self.carry * self.years)

    @property
    def discount(self) -> float:
        return math.exp(-RATE * self.years)


def smile(base: float, forward: float, strike: float, years: float) -> float:
    """The volatility of one strike, from the volatility at the money."""
    distance = math.log(strike / forward) / (base * math.sqrt(max(years, 1 / _DAYS)))
    distance = min(max(distance, -_FURTHEST), _FURTHEST)
    return base * (1 + _SKEW * distance + _SMILE * distance * distance)


def value(terms: Terms, *, american: bool) -> float:
    """The price; American options are worth at least what exercising them brings."""
    if terms.years <= 0:
        return intrinsic(terms)
    one, two = _distances(terms)
    sign = 1 if terms.call else -1
    european = terms.discount * sign * (terms.forward * _normal(sign * one) - terms.strike * _normal(sign * two))
    return max(european, intrinsic(terms)) if american else max(european, 0.0)


def intrinsic(terms: Terms) -> float:
    """What exercising brings."""
    return max(terms.level - terms.strike if terms.call else terms.strike - terms.level, 0.0)


def greeks(terms: Terms) -> Greeks:
    """The sensitivities, per unit of the underlying, per day and per point of volatility."""
    years = max(terms.years, _LEAST_YEARS)
    one, two = _distances(terms)
    sign = 1 if terms.call else -1
    # The underlying and its forward move together.
    growth = math.exp((terms.carry - RATE) * years)
    density = math.exp(-one * one / 2) / math.sqrt(2 * math.pi)
    root = math.sqrt(years)
    decay = growth * terms.level * density * terms.volatility / (2 * root)
    interest = sign * RATE * terms.strike * terms.discount * _normal(sign * two)
    carried = sign * (terms.carry - RATE) * terms.level * growth * _normal(sign * one)
    return Greeks(
        delta=sign * growth * _normal(sign * one),
        gamma=growth * density / (terms.level * terms.volatility * root),
        theta=(-decay - interest - carried) / _DAYS,
        vega=growth * terms.level * density * root / 100,
        volatility=terms.volatility,
    )


def _distances(terms: Terms) -> tuple[float, float]:
    spread = terms.volatility * math.sqrt(max(terms.years, _LEAST_YEARS))
    one = math.log(terms.forward / terms.strike) / spread + spread / 2
    return one, one - spread


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
