"""Options: chains follow from the date and the price, and a number says all of a contract.

A number is 31 bits: a leading one, then the slot of the series (9), the week or month from 2024 on (10), the place of
the strike in its ladder (10), and the right (1). So no list of contracts is kept, and none is ever renumbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache

from brokers.simulator.catalogue import futures
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.series import Series, by_slot, is_replaced, periods, series_of

FIRST = 1 << 30
_PLACES = 1 << 10
_PERIODS = 1 << 10
# How many times the price a strike may be, or the price the strike, to be served although it is not listed.
_WIDEST = Decimal(4)
_LATER = 0.5


def find(conid: int) -> Instrument | None:
    """The option with this number, whether it is listed today, has expired, or never was."""
    if not FIRST <= conid < 2 * FIRST:
        return None
    slot, period, place, right = _parts(conid)
    series = by_slot().get(slot)
    if series is None or place >= len(series.ladder.strikes) or series.expiry(period) is None:
        return None
    return _option(series, period, place, right)


def _parts(conid: int) -> tuple[int, int, int, str]:
    """The slot, the period, the place of the strike and the right that a number says."""
    rest, right = divmod(conid - FIRST, 2)
    rest, place = divmod(rest, _PLACES)
    slot, period = divmod(rest, _PERIODS)
    return slot, period, place, "P" if right else "C"


def _conid(series: Series, period: int, place: int, right: str) -> int:
    return FIRST + ((series.slot * _PERIODS + period) * _PLACES + place) * 2 + (right == "P")


def in_series(conid: int, fresh: Series | None, carried: Series) -> int:
    """The number that an option has in the series that have replaced its own; `fresh` where that lists its strike."""
    _, period, place, right = _parts(conid)
    strike = carried.ladder.strikes[place]
    if fresh is not None and fresh.delivers == carried.delivers and strike in fresh.ladder.places:
        return _conid(fresh, period, fresh.ladder.places[strike], right)
    return _conid(carried, period, place, right)


def slot_of(conid: int) -> int | None:
    """The slot of the series of a number; nothing where it is no option's."""
    return _parts(conid)[0] if FIRST <= conid < 2 * FIRST else None


@lru_cache(maxsize=8192)
def _option(series: Series, period: int, place: int, right: str) -> Instrument:
    root, last = series.underlying, series.expiry(period)
    assert last is not None
    on_future = series.root_type == "FUT"
    named_after = series.month(period)
    return Instrument(
        conid=_conid(series, period, place, right),
        symbol=root.symbol,
        name=root.name,
        sec_type="FOP" if on_future else "OPT",
        exchange=root.exchange if on_future else "SMART",
        listing=root.exchange if on_future else "CBOE",
        currency=root.currency,
        base_price=root.base_price,
        increment=series.bands[0][1],
        volatility=root.volatility,
        multiplier=series.multiplier,
        kind="",
        underlying_conid=_future(root, named_after, last).conid if on_future else root.conid,
        underlying_type=series.root_type,
        expiry=last,
        month=named_after,
        right=right,
        strike=series.ladder.strikes[place],
        trading_class=series.class_in(period),
        style=series.style,
        settlement=series.settlement,
        bands=series.bands,
        delivers=series.delivers,
    )


def relisted() -> None:
    """Make the options of a share anew, which is listed at another price or under another number."""
    _option.cache_clear()


def is_gone(conid: int) -> bool:
    """Whether the share of an option was split since, so that orders of this number are refused."""
    return FIRST <= conid < 2 * FIRST and is_replaced(_parts(conid)[0])


def _future(product: Instrument, named_after: date, last: date) -> Instrument:
    number = futures.number_of(product.symbol)
    assert number is not None
    return futures.first_after(number, named_after, last)


def months(conid: int, today: date) -> list[date]:
    """The months in which options on an underlying are listed, nearest first."""
    return sorted({series.month(period) for series in series_of(conid) for period in periods(series, today)})


def expirations(conid: int, today: date) -> list[date]:
    """The last days of all listed options on an underlying, nearest first."""
    days = {series.expiry(period) for series in series_of(conid) for period in periods(series, today)}
    return sorted(day for day in days if day is not None)


def _of_month(conid: int, month: date, today: date) -> Iterator[tuple[Series, int]]:
    for series in series_of(conid):
        for period in periods(series, today):
            if series.month(period) == month:
                yield series, period


def _strikes(series: Series, period: int, price: float, today: date) -> list[Decimal]:
    """The strikes of one last day: what ends soon has them all, what ends in half a year or later every other one."""
    last = series.expiry(period)
    assert last is not None
    years = max((last - today).days, 0) / 365
    if series.delivers is not None:
        price *= float(series.delivers / series.multiplier)
    return series.ladder.around(price, series.underlying.volatility, years, fine=years < _LATER)


def strikes(conid: int, month: date, price: float, today: date) -> list[Decimal]:
    """The strikes listed in a month, around the price of the underlying."""
    return sorted(
        {k for series, period in _of_month(conid, month, today) for k in _strikes(series, period, price, today)}
    )


def options(conid: int, month: date, *, strike: Decimal, rights: str, price: float, today: date) -> list[Instrument]:
    """The options of a month with a strike, nearest first; calls before puts."""
    matching = []
    for series, period in _of_month(conid, month, today):
        place = series.ladder.places.get(strike)
        level = Decimal(price) * (1 if series.delivers is None else series.delivers / series.multiplier)
        if place is not None and strike / _WIDEST <= level <= strike * _WIDEST:
            matching += [_option(series, period, place, right) for right in rights]
    return sorted(matching, key=lambda option: (option.expiry or today, option.right, option.trading_class))


def chain(conid: int, month: date, price: float, today: date) -> list[Instrument]:
    """Every listed option of a month."""
    return [
        _option(series, period, series.ladder.places[strike], right)
        for series, period in _of_month(conid, month, today)
        for strike in _strikes(series, period, price, today)
        if strike in series.ladder.places
        for right in "CP"
    ]


def is_listed(option: Instrument, today: date) -> bool:
    """Whether an option of the catalogue trades: its period is one that is listed, and has not ended."""
    assert option.month is not None
    root = option.underlying_conid
    if option.sec_type == "FOP":
        product = futures.underlying(option.symbol)
        assert product is not None
        root = product.conid
    return any(series.expiry(period) == option.expiry for series, period in _of_month(root, option.month, today))
