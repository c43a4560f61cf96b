"""Prices that are not generated: replayed from a file, or taken from the signals that trade on them."""

from __future__ import annotations

import csv
import io
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.market.quotes import Quote

Source = Literal["generated", "replay", "signal"]
SOURCES: tuple[Source, ...] = ("generated", "replay", "signal")
_MOST_ROWS = 100_000
_MOST_PASSED = 5_000
_FASTEST = 1e6
_SIZE = 100
_BASIS_POINTS = 10_000
_MOST_SLIPPAGE = 1_000
# What the books can keep.
_HIGHEST, _PLACES = Decimal(10**12), Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Recorded quotes: at their own times, or from a moment on and so many times as fast."""

    times: list[float]
    quotes: list[Quote]
    started_at: float
    speed: float | None = None
    loop: bool = False
    name: str = ""

    def moment(self, at: float) -> float:
        """The recording's time at a moment."""
        if self.speed is None:
            return at
        along, span = (at - self.started_at) * self.speed, self.times[-1] - self.times[0]
        if self.loop and span > 0:
            along %= span
        return self.times[0] + along

    def at(self, at: float) -> Quote:
        """The quote in force; the first before the recording begins, the last after it has ended."""
        return self.quotes[max(bisect_right(self.times, self.moment(at)) - 1, 0)]

    def between(self, since: float, until: float) -> list[Quote]:
        """The quotes that came after one moment, up to another."""
        if self.speed is not None and since < self.started_at:
            since = self.started_at
        if since >= until:
            return []
        first, last = (bisect_right(self.times, self.moment(at)) for at in (since, until))
        # A recording that began anew meanwhile: the rest of it, and the part since.
        passed = self.quotes[first:last] if first <= last else self.quotes[first:] + self.quotes[:last]
        return passed[-_MOST_PASSED:]


class Feeds:
    """Where each contract's prices come from, when that is not the generator."""

    def __init__(self) -> None:
        self.replays: dict[int, Replay] = {}
        self.sources: dict[int, Source] = {}

    def choose(self, conid: int, source: Source, replay: Replay | None = None) -> None:
        """From now on a contract's prices come from here."""
        self.replays.pop(conid, None)
        self.sources[conid] = source
        if replay is not None:
            self.replays[conid] = replay

    def clear(self, conid: int | None = None) -> None:
        """Back to the default, for one contract or all."""
        for known in (self.replays, self.sources):
            if conid is None:
                known.clear()
            else:
                known.pop(conid, None)

    def quote(self, conid: int, at: float) -> Quote | None:
        replay = self.replays.get(conid)
        return None if replay is None else replay.at(at)

    def passed(self, conid: int, since: float, until: float) -> Iterable[Quote]:
        """The quotes between two moments but the last, which is the one in force."""
        replay = self.replays.get(conid)
        return () if replay is None else replay.between(since, until)[:-1]

    def points(self, conid: int, begin: float, end: float) -> list[Decimal]:
        """The last prices replayed within a bar."""
        replay = self.replays.get(conid)
        return [] if replay is None else [quote.last for quote in replay.between(begin, end)]

    def described(self, conid: int) -> dict[str, Any]:
        """One contract's source, as the control plane shows it."""
        shown: dict[str, Any] = {"conid": conid, "source": self.sources.get(conid, "generated")}
        if (replay := self.replays.get(conid)) is not None:
            shown |= {
                "file": replay.name,
                "rows": len(replay.times),
                "speed": replay.speed if replay.speed is not None else "clock",
                "loop": replay.loop,
            }
        return shown


def replay(text: str, conid: int, *, now: float, speed: Any = "clock", loop: bool = False, name: str = "") -> Replay:
    """A recording from CSV text with the columns time, bid, ask and last; ValueError says which line is wrong."""
    times: list[float] = []
    quotes: list[Quote] = []
    for line, row in _rows(text):
        if len(times) >= _MOST_ROWS:
            raise ValueError(f"A recording has at most {_MOST_ROWS} rows. Cut it into several.")
        at = _time(row.get("time"), line)
        if times and at < times[-1]:
            raise ValueError(f"Line {line}: the times must not go back.")
        times.append(at)
        quotes.append(_quote(row, conid, at, line))
    if not times:
        raise ValueError("The recording is empty. Its first line names the columns: time,bid,ask,last.")
    return Replay(times=times, quotes=quotes, started_at=now, speed=_speed(speed), loop=loop, name=name)


def _rows(text: str) -> Iterator[tuple[int, dict[str, str | None]]]:
    try:
        yield from enumerate(csv.DictReader(io.StringIO(text.strip())), start=2)
    except csv.Error as problem:
        raise ValueError(f"The recording is no CSV: {problem}.") from None


def _speed(speed: Any) -> float | None:
    if speed == "clock" or speed is None:
        return None
    try:
        times = float(speed)
    except (TypeError, ValueError):
        times = math.nan
    if not 0 < times <= _FASTEST:
        raise ValueError('speed is "clock" (at the recorded times) or a number: 1 as recorded, 60 a minute a second.')
    return times


def _time(text: str | None, line: int) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = _iso(text or "", line)
    if not math.isfinite(number):
        raise ValueError(f"Line {line}: time is a number of seconds since 1970, or like 2026-11-20T14:30:00Z.")
    return number


def _iso(text: str, line: int) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"Line {line}: time is a number of seconds since 1970, or like 2026-11-20T14:30:00Z."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _quote(row: dict[str, str | None], conid: int, at: float, line: int) -> Quote:
    try:
        values = {name: Decimal(text) for name in ("bid", "ask", "last") if (text := (row.get(name) or "").strip())}
    except InvalidOperation:
        raise ValueError(f"Line {line}: prices are numbers.") from None
    try:
        return completed(values, conid, at)
    except ValueError as problem:
        raise ValueError(f"Line {line}: {problem}") from None


def _is_price(price: Decimal) -> bool:
    """Whether the books can keep a price: above zero, not astronomical, and with no more digits than they have."""
    return price.is_finite() and 0 < price <= _HIGHEST and price == price.quantize(_PLACES)


def completed(prices: dict[str, Decimal], conid: int, at: float) -> Quote:
    """A quote from any of bid, ask and last; the missing ones follow from the rest."""
    if not prices or not all(_is_price(price) for price in prices.values()):
        raise ValueError("Give at least one of bid, ask, last, each more than zero.")
    last = prices.get("last") or prices.get("bid") or prices["ask"]
    ask = prices.get("ask", max(last, prices.get("bid", last)))
    bid = prices.get("bid", min(last, ask))
    if bid > ask:
        raise ValueError("The bid is not above the ask.")
    return Quote(conid, bid, ask, last, _SIZE, _SIZE, at)


def signalled(instrument: Instrument, price: Decimal, slippage_bps: Decimal, at: float) -> Quote:
    """A quote that fills orders at a signal's price, worse by the slippage, on the tick."""
    if not _is_price(price):
        raise ValueError("The price of a signal is a number above zero.")
    if not slippage_bps.is_finite() or not 0 <= slippage_bps <= _MOST_SLIPPAGE:
        raise ValueError(f"slippage_bps is between 0 and {_MOST_SLIPPAGE} hundredths of a percent.")
    tick = instrument.tick(price)
    part = slippage_bps / _BASIS_POINTS
    price = price.quantize(tick) if not price % tick else price
    if not part:
        return Quote(instrument.conid, price, price, price, _SIZE, _SIZE, at)
    low, high = price * (1 - part), price * (1 + part)
    below, above = instrument.tick(low), instrument.tick(high)
    bid = max(math.floor(low / below) * below, min(instrument.increment, below))
    ask = math.ceil(high / above) * above
    return Quote(instrument.conid, bid, max(ask, bid), price, _SIZE, _SIZE, at)
