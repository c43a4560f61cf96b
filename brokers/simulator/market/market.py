"""Prices of everything: generated ones, and ones that came from elsewhere and go before them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from brokers.simulator.catalogue import hours
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.market import options
from brokers.simulator.market.bars import Span
from brokers.simulator.market.days import Days
from brokers.simulator.market.feeds import Feeds
from brokers.simulator.market.options import YEAR_S, Greeks, Terms
from brokers.simulator.market.quotes import TICK_S, DayStats, Quote, on_tick, quote_at
from brokers.simulator.market.walk import Walks, mix

__all__ = ["TICK_S", "DayStats", "Market", "Quote"]

Find = Callable[[int], Instrument | None]
# How much the volatility that options are priced with swings around the yearly one, and how slowly.
_MOOD, _MOOD_S = 0.12, 2 * 86_400.0
_CACHED = 20_000
_BAR_PARTS = 3
Bar = tuple[float, list[Decimal], int]


def _always() -> bool:
    return True


class Market:
    """The prices of one gateway."""

    def __init__(self, seed: int, find: Find, always_open: Callable[[], bool] = _always) -> None:
        self.seed = seed
        self.find = find
        self.always_open = always_open
        self.posted: dict[int, tuple[Quote, float]] = {}
        self.feeds = Feeds()
        self.walks = Walks(seed)
        self._shown: dict[int, Quote] = {}
        self._days = Days(self)
        self._cache: dict[int, tuple[int, Quote]] = {}

    # -- quotes --------------------------------------------------------------------------------------------------

    def quote(self, conid: int, at: float) -> Quote | None:
        """The quote of a contract; a posted price goes before a replayed one, and that before the generated one."""
        if (supplied := self._supplied(conid, at)) is not None:
            return supplied
        instrument = self.find(conid)
        if instrument is None:
            return None
        at = self.alive(instrument, at)
        if instrument.sec_type == "CFD" and instrument.underlying_type == "STK":
            return self._of_share(instrument, at)
        return self._generated(instrument, at)

    def _generated(self, instrument: Instrument, at: float) -> Quote:
        step, conid = math.floor(at / TICK_S), instrument.conid
        # A price that follows a supplied one is not remembered: the supplied one changes at any moment.
        led = bool(instrument.underlying_conid) and self._supplied(instrument.underlying_conid, at) is not None
        if not led and (cached := self._cache.get(conid)) is not None and cached[0] == step:
            return cached[1]
        quote = quote_at(instrument, self.price(instrument, at), mix(self.seed, conid, step), step * TICK_S)
        if not led:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[conid] = (step, quote)
        return quote

    @contextmanager
    def showing(self, quote: Quote) -> Iterator[None]:
        """Let a quote that passed be the market's for a moment, so that orders meet it."""
        self._shown[quote.conid] = quote
        try:
            yield
        finally:
            self._shown.pop(quote.conid, None)

    def _supplied(self, conid: int, at: float) -> Quote | None:
        """A quote that is posted or replayed, or that passes at this moment."""
        if self._shown and (shown := self._shown.get(conid)) is not None:
            return shown
        if (posted := self.posted.get(conid)) is not None:
            if at < posted[1]:
                return posted[0]
            del self.posted[conid]
        return self.feeds.quote(conid, at)

    def _of_share(self, cfd: Instrument, at: float) -> Quote | None:
        """A CFD on a share trades at the share's own quote."""
        quote = self.quote(cfd.underlying_conid, at)
        return None if quote is None else replace(quote, conid=cfd.conid)

    def post(self, quote: Quote, until: float) -> None:
        """Let a contract trade at this quote until a moment."""
        self.posted[quote.conid] = (quote, until)

    def forget(self, conid: int) -> None:
        """Show the contract's price anew: it is listed at another one now."""
        self._cache.pop(conid, None)

    def passed(self, conid: int, since: float, until: float) -> Iterable[Quote]:
        """The replayed quotes between two moments that nobody would see who only looks now and then."""
        return () if conid in self.posted else self.feeds.passed(conid, since, until)

    def is_frozen(self, instrument: Instrument, at: float) -> bool:
        """Whether no new prices come, because the exchange is closed."""
        return self.alive(instrument, at) < at and self._supplied(instrument.conid, at) is None

    # -- prices --------------------------------------------------------------------------------------------------

    def alive(self, instrument: Instrument, at: float) -> float:
        """The moment whose prices are shown: now, or when the exchange, or the contract, was last open."""
        if instrument.expiry is not None:
            at = min(at, hours.closes_at(instrument, instrument.expiry))
        return at if self.always_open() else hours.last_open(instrument, at)

    def level(self, conid: int, at: float) -> float:
        """The price that options and CFDs follow: a posted or replayed one, else the generated one."""
        if (supplied := self._supplied(conid, at)) is not None:
            return float(supplied.mid)
        instrument = self.find(conid)
        return self.price(instrument, at) if instrument is not None else 0.0

    def price(self, instrument: Instrument, at: float) -> float:
        """The generated price, between ticks."""
        if instrument.is_option:
            terms = self.terms(instrument, at)
            return options.value(terms, american=instrument.style == "american")
        if instrument.sec_type == "CFD":
            return self.level(instrument.underlying_conid, at)
        moved = sum(
            weight * self.walks.drift(walker, at)
            for walker, weight in instrument.walks or ((instrument.conid, instrument.volatility),)
        )
        if instrument.carry and instrument.expiry is not None:
            moved += instrument.carry * self._years(instrument, at)
        return instrument.base_price * math.exp(moved)

    @staticmethod
    def _years(instrument: Instrument, at: float) -> float:
        """Years until the contract ends."""
        assert instrument.expiry is not None
        return max(hours.closes_at(instrument, instrument.expiry) - at, 0.0) / YEAR_S

    # -- options -------------------------------------------------------------------------------------------------

    def terms(self, option: Instrument, at: float) -> Terms:
        """Everything an option's value depends on at a moment."""
        years, level = self._years(option, at), self.level(option.underlying_conid, at) * float(option.units)
        carry = 0.0 if option.underlying_type == "FUT" else options.RATE
        strike = float(option.strike)
        terms = Terms(
            call=option.right == "C",
            level=level,
            strike=strike,
            years=years,
            volatility=self.implied(option.underlying_conid, option.volatility, at),
            carry=carry,
        )
        return replace(terms, volatility=options.smile(terms.volatility, terms.forward, strike, years))

    def implied(self, conid: int, volatility: float, at: float) -> float:
        """The volatility that options at the money are priced with."""
        listed = self.find(conid)
        if listed is not None and listed.sec_type == "STK" and listed.walks:
            # A share that a split has renumbered walks on.
            conid = listed.walks[0][0]
        return volatility * (1 + _MOOD * self.walks.mood(conid, at, _MOOD_S))

    def greeks(self, option: Instrument, at: float) -> Greeks:
        return options.greeks(self.terms(option, self.alive(option, at)))

    # -- days and bars -------------------------------------------------------------------------------------------

    def day(self, conid: int, at: float) -> DayStats | None:
        """The day's figures, from half-hourly samples and the price now."""
        instrument, quote = self.find(conid), self.quote(conid, at)
        return None if instrument is None or quote is None else self._days.stats(instrument, quote, at)

    def bars(self, conid: int, spans: Iterable[Span]) -> list[Bar]:
        """Bars (time, [open, high, low, close], volume) for a chart."""
        instrument = self.find(conid)
        if instrument is None:
            return []
        made: list[Bar] = []
        last_length = 0.0
        for begin, length in spans:
            points = self.feeds.points(conid, begin, begin + length)
            if not points:
                parts = (begin + length * part / _BAR_PARTS for part in range(1, _BAR_PARTS + 1))
                # Where one bar ends the next begins; its price is known.
                first = made[-1][1][3] if made and made[-1][0] + last_length == begin else None
                points = [on_tick(self.price(instrument, begin), instrument)] if first is None else [first]
                points += [on_tick(self.price(instrument, at), instrument) for at in parts]
            made.append(
                (begin, [points[0], max(points), min(points), points[-1]], self.volume(instrument, begin, length))
            )
            last_length = length
        return made

    def volume(self, instrument: Instrument, begin: float, seconds: float) -> int:
        """How much is traded in a while."""
        if instrument.sec_type in {"IND", "CASH", "CFD"}:
            return 0
        rate = 20 + mix(self.seed, instrument.conid, int(begin)) % 900
        return int(seconds * rate / (200 if instrument.is_option else 1))
