"""Prices: a seeded random walk that is a pure function of contract and time, and prices somebody posted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.catalogue import Instrument

TICK_S = 0.25
_DAY_S = 86_400.0
_SAMPLE_S = 1800.0
_YEAR_S = 365.25 * _DAY_S
_MASK = (1 << 64) - 1
# Noise of growing period adds up to a path that looks like a walk, can be asked for any moment, and
# never runs away: after a restart, or a year later, the same market goes on.
_PERIODS = tuple(2.0 * 4.0**k for k in range(11))


@dataclass(frozen=True, slots=True)
class Quote:
    """The top of the book at a moment (epoch seconds)."""

    conid: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: int
    ask_size: int
    at: float

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class DayStats:
    """Open, high, low and yesterday's close."""

    open: Decimal
    high: Decimal
    low: Decimal
    prior_close: Decimal
    volume: int


def _mix(*parts: int) -> int:
    """64 well-mixed bits from a few integers (splitmix64)."""
    x = 0x9E3779B97F4A7C15
    for part in parts:
        x = (x + part * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
        x ^= x >> 31
    return x


def _noise(*parts: int) -> float:
    """A repeatable number between -1 and 1."""
    return _mix(*parts) / float(1 << 63) - 1.0


class Market:
    """The prices of one gateway."""

    def __init__(self, seed: int, find: Callable[[int], Instrument | None]) -> None:
        self.seed = seed
        self.find = find
        self.posted: dict[int, tuple[Quote, float]] = {}
        self._cache: dict[int, tuple[int, Quote]] = {}
        self._days: dict[int, tuple[float, int, list[Decimal]]] = {}
        self._lattice: dict[tuple[int, int], tuple[int, float, float]] = {}

    def quote(self, conid: int, at: float) -> Quote | None:
        """The quote of a contract; a posted price goes before the generated one until it lapses."""
        if (posted := self.posted.get(conid)) is not None:
            if at < posted[1]:
                return posted[0]
            del self.posted[conid]
        step = math.floor(at / TICK_S)
        if (cached := self._cache.get(conid)) is not None and cached[0] == step:
            return cached[1]
        instrument = self.find(conid)
        if instrument is None:
            return None
        quote = self._generate(instrument, step)
        self._cache[conid] = (step, quote)
        return quote

    def post(self, quote: Quote, until: float) -> None:
        """Let a contract trade at this quote until the given moment."""
        self.posted[quote.conid] = (quote, until)

    def day(self, conid: int, at: float) -> DayStats | None:
        """The day's figures, from half-hourly samples and the price now."""
        instrument, quote = self.find(conid), self.quote(conid, at)
        if instrument is None or quote is None:
            return None
        midnight = math.floor(at / _DAY_S) * _DAY_S
        count = int((at - midnight) // _SAMPLE_S) + 1
        if self._days.get(conid, (0, 0))[:2] != (midnight, count):
            samples = [self._price(instrument, midnight + i * _SAMPLE_S) for i in range(count)]
            figures = (samples[0], max(samples), min(samples), self._price(instrument, midnight - TICK_S))
            self._days[conid] = (midnight, count, [_round(f, instrument) for f in figures])
        opened, high, low, before = self._days[conid][2]
        return DayStats(
            open=opened,
            high=max(high, quote.last),
            low=min(low, quote.last),
            prior_close=before,
            volume=int((at - midnight) * (20 + _mix(self.seed, conid, 7) % 900)),
        )

    def bars(self, conid: int, start: float, step_s: float, count: int) -> list[tuple[float, list[Decimal], int]]:
        """Bars (time, [open, high, low, close], volume) for a chart."""
        instrument = self.find(conid)
        if instrument is None:
            return []
        made = []
        for index in range(count):
            begin = start + index * step_s
            points = [_round(self._price(instrument, begin + step_s * part / 4), instrument) for part in range(5)]
            volume = int(step_s * (20 + _mix(self.seed, conid, int(begin)) % 900))
            made.append((begin, [points[0], max(points), min(points), points[-1]], volume))
        return made

    def _price(self, instrument: Instrument, at: float) -> float:
        # All months of a future move together, as they share an underlying.
        key = instrument.underlying_conid or instrument.conid
        drift = 0.0
        for octave, period in enumerate(_PERIODS):
            index = math.floor(at / period)
            ends = self._lattice.get((key, octave))
            if ends is None or ends[0] != index:
                ends = (
                    index,
                    _noise(self.seed, key, octave, index),
                    _noise(self.seed, key, octave, index + 1),
                )
                self._lattice[key, octave] = ends
            along = at / period - index
            drift += math.sqrt(period / _YEAR_S) * (ends[1] * (1 - along) + ends[2] * along)
        return instrument.base_price * math.exp(instrument.volatility * drift * 1.2)

    def _generate(self, instrument: Instrument, step: int) -> Quote:
        at = step * TICK_S
        middle = self._price(instrument, at)
        ticks = round(middle / float(instrument.increment))
        spread = 1 if instrument.sec_type != "STK" else 1 + int(middle // 250)
        bits = _mix(self.seed, instrument.conid, step)
        bid = (ticks - spread // 2) * instrument.increment
        ask = bid + spread * instrument.increment
        return Quote(
            conid=instrument.conid,
            bid=bid,
            ask=ask,
            last=ask if bits & 1 else bid,
            bid_size=100 * (1 + (bits >> 8) % 12),
            ask_size=100 * (1 + (bits >> 16) % 12),
            at=at,
        )


def _round(price: float, instrument: Instrument) -> Decimal:
    return round(price / float(instrument.increment)) * instrument.increment
