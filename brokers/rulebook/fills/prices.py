"""Which price a rule reads, and how fresh it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.rulebook.answers import Caution
from brokers.rulebook.fills.market import ONE_HOUR, Candle, Market, Prices, Scan, Tick


def select_prices(*, buy: bool, subscriptions: frozenset[str], market: Market) -> Prices | None:
    """The last tick, else the quote bar's own side, else the trade bar; only what is subscribed."""
    if "tick" in subscriptions and market.ticks:
        tick = market.ticks[-1]
        price = tick_price(tick, buy=buy)
        if price:
            return _flat(tick.at, price)
    if "quote_bar" in subscriptions and market.quote_bar is not None:
        side = market.quote_bar.ask if buy else market.quote_bar.bid
        if side is not None:
            return _of(market.quote_bar.start, market.quote_bar.end, side)
    if "trade_bar" in subscriptions and market.trade_bar is not None:
        return _of(market.trade_bar.start, market.trade_bar.end, market.trade_bar.candle)
    return None


def own_side(scan: Scan) -> Prices | None:
    """What the order would trade against."""
    return select_prices(buy=scan.order.is_buy, subscriptions=scan.feed.subscriptions, market=scan.market)


def fresh(prices: Prices | None, scan: Scan) -> Prices | None:
    """Only data that ended after the order was placed may fill it."""
    return prices if prices is not None and prices.end > scan.ordered_at else None


def trades(scan: Scan, *, after: datetime | None = None) -> Prices | None:
    """Trade data only: the subscribed trade ticks as one bar, else the trade bar."""
    if "tick" in scan.feed.subscriptions:
        ticks = [t for t in scan.market.ticks if t.kind == "trade" and t.price > 0 and (after is None or t.at > after)]
        return _aggregated(ticks)
    bar = scan.market.trade_bar
    if bar is None or "trade_bar" not in scan.feed.subscriptions:
        return None
    return _of(bar.start, bar.end, bar.candle)


def last_trade(scan: Scan) -> Prices | None:
    """The newest trade: the last subscribed trade tick, else the trade bar."""
    if "tick" not in scan.feed.subscriptions:
        return trades(scan)
    ticks = [t for t in scan.market.ticks if t.kind == "trade" and t.price > 0]
    return _flat(ticks[-1].at, ticks[-1].price) if ticks else None


def tick_price(tick: Tick, *, buy: bool) -> Decimal:
    """The side of a quote; a trade, or a quote without that side, shows its last price."""
    return (tick.ask if buy else tick.bid) or tick.price


@dataclass(frozen=True, slots=True)
class Best:
    """A price with the moment it is from; `caution` when it is older than allowed."""

    price: Decimal
    end: datetime
    caution: Caution | None = None


def best_effort(scan: Scan, *, buy: bool) -> Best | None:
    """The first fresh one of quote tick, quote bar, trade tick, trade bar; else the newest of them, marked stale."""
    candidates = list(_candidates(scan, buy=buy))
    for candidate in candidates:
        if not is_stale(candidate.end, scan):
            return candidate
    if not candidates:
        return None
    newest = max(candidates, key=lambda candidate: candidate.end)
    return Best(newest.price, newest.end, stale_caution(newest.end))


def is_stale(end: datetime, scan: Scan) -> bool:
    return end + scan.settings.stale_after < scan.ordered_at


def stale_caution(end: datetime) -> Caution:
    return Caution("stale_price", {"as_of": f"{end:%Y-%m-%d %H:%M:%S} UTC"})


def must_wait(end: datetime, scan: Scan) -> bool:
    """Whether a stale price is too old for a market order: more than one bar; ticks never, long bars always."""
    if scan.feed.resolution == "tick":
        return False
    if scan.feed.bar_length >= ONE_HOUR:
        return True
    return scan.ordered_at - end > scan.feed.bar_length


def quoted(scan: Scan, *, bid: bool) -> Decimal | None:
    """The newest bid or ask, or the last trade where nobody quotes."""
    prices = select_prices(buy=not bid, subscriptions=scan.feed.subscriptions, market=scan.market)
    return None if prices is None else prices.close


def _candidates(scan: Scan, *, buy: bool) -> Iterable[Best]:
    subscribed, market = scan.feed.subscriptions, scan.market
    if "tick" in subscribed:
        quotes = [t for t in market.ticks if t.kind == "quote" and (t.ask if buy else t.bid) > 0]
        if quotes:
            yield Best(quotes[-1].ask if buy else quotes[-1].bid, quotes[-1].at)
    if "quote_bar" in subscribed and market.quote_bar is not None:
        side = market.quote_bar.ask if buy else market.quote_bar.bid
        if side is not None:
            yield Best(side.close, market.quote_bar.end)
    if "tick" in subscribed:
        dealt = [t for t in market.ticks if t.kind == "trade" and t.price > 0]
        if dealt:
            yield Best(dealt[-1].price, dealt[-1].at)
    if "trade_bar" in subscribed and market.trade_bar is not None:
        yield Best(market.trade_bar.candle.close, market.trade_bar.end)


def _of(start: datetime, end: datetime, side: Candle) -> Prices:
    return Prices(start=start, end=end, open=side.open, high=side.high, low=side.low, close=side.close)


def _flat(at: datetime, price: Decimal) -> Prices:
    return Prices(start=at, end=at, open=price, high=price, low=price, close=price)


def _aggregated(ticks: list[Tick]) -> Prices | None:
    if not ticks:
        return None
    prices = [tick.price for tick in ticks]
    return Prices(
        start=ticks[0].at,
        end=ticks[-1].at,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
    )
