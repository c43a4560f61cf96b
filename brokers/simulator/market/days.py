"""The day's open, high and low, and yesterday's close, from half-hourly samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from brokers.simulator.catalogue import hours
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.market.quotes import TICK_S, DayStats, Quote, on_tick

_DAY_S = 86_400.0
_SAMPLE_S = 1800.0
# An option is dear to price, and a screen shows a hundred of them at once.
_OPTION_SAMPLE_S = 7200.0
_CACHED = 5_000


class Prices(Protocol):
    """What the days need of the market; moments are epoch seconds, prices and volumes the contract's own."""

    @property
    def always_open(self) -> Callable[[], bool]:
        """Whether no exchange ever closes."""

    def alive(self, instrument: Instrument, at: float) -> float:
        """The moment whose prices are shown: now, or when the exchange was last open."""

    def price(self, instrument: Instrument, at: float) -> float:
        """The generated price, between ticks."""

    def volume(self, instrument: Instrument, begin: float, seconds: float) -> int:
        """How much is traded in a while."""


class Days:
    """The days of all contracts; what was sampled is remembered until the next half hour."""

    def __init__(self, market: Prices) -> None:
        self.market = market
        self._sampled: dict[int, tuple[float, int, list[Decimal]]] = {}

    def stats(self, instrument: Instrument, quote: Quote, at: float) -> DayStats:
        """The figures of the day in progress, or of the last one while the exchange is closed."""
        at = self.market.alive(instrument, at)
        begin, before = self._day(instrument, at)
        step = _OPTION_SAMPLE_S if instrument.is_option else _SAMPLE_S
        count = int(max(at - begin, 0.0) // step) + 1
        known = self._sampled.get(instrument.conid)
        if known is None or known[:2] != (begin, count):
            known = self._sampled_anew(instrument, begin, before, step, count)
        opened, high, low, prior = known[2]
        return DayStats(
            open=opened,
            high=max(high, quote.last),
            low=min(low, quote.last),
            prior_close=prior,
            volume=self.market.volume(instrument, begin, max(at - begin, 0.0)),
        )

    def _sampled_anew(
        self, instrument: Instrument, begin: float, before: float, step: float, count: int
    ) -> tuple[float, int, list[Decimal]]:
        samples = [self.market.price(instrument, begin + i * step) for i in range(count)]
        figures = (samples[0], max(samples), min(samples), self.market.price(instrument, before))
        if len(self._sampled) >= _CACHED:
            self._sampled.clear()
        known = self._sampled[instrument.conid] = (begin, count, [on_tick(f, instrument) for f in figures])
        return known

    def _day(self, instrument: Instrument, at: float) -> tuple[float, float]:
        """When the day of a moment begins, and the moment whose price closed the day before."""
        if self.market.always_open():
            midnight = math.floor(at / _DAY_S) * _DAY_S
            return midnight, midnight - TICK_S
        day = hours.local_day(instrument, at)
        opens = [begin for begin, _, regular in hours.sessions(instrument, day) if regular]
        all_day = [begin for begin, _, _ in hours.sessions(instrument, day)]
        # Before the regular open the day is the one of the early session.
        begin = float(opens[0]) if opens and at >= opens[0] else float(all_day[0]) if all_day else at
        before = hours.previous_close(instrument, day)
        return begin, before if before is not None else begin - TICK_S
