"""Fill rules where the vectors leave room: gaps, sides, freshness, sessions, auctions, combos, exercise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.rulebook.calendars import calendar
from brokers.rulebook.errors import BadInput, UnknownWord, UnsupportedOrderType
from brokers.rulebook.fills import fill
from brokers.rulebook.fills.combos import Combo, ComboOutcome, Leg, combo_fill
from brokers.rulebook.fills.exercise import exercise
from brokers.rulebook.fills.market import Candle, Feed, Market, Outcome, QuoteBar, Scan, Settings, Tick, TradeBar
from brokers.rulebook.fills.opening import last_span, session_open
from brokers.rulebook.fills.prices import best_effort, select_prices
from brokers.rulebook.fills.trailing import initial_stop, moved_stop
from brokers.rulebook.values import Instrument, Order

D = Decimal
DAY = datetime(2025, 7, 15, tzinfo=UTC)
NYSE, GLOBEX, OPTIONS = calendar("us_equity"), calendar("cme_es"), calendar("us_option")
BOTH = frozenset({"trade_bar", "quote_bar"})
TICKS = frozenset({"tick"})


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return DAY.replace(hour=hour, minute=minute, second=second)


def candle(o: Any, h: Any, low: Any, c: Any) -> Candle:
    return Candle(open=D(o), high=D(h), low=D(low), close=D(c))


def trades(start: datetime, values: tuple[Any, Any, Any, Any], minutes: int = 1) -> TradeBar:
    return TradeBar(start=start, end=start + timedelta(minutes=minutes), candle=candle(*values))


def quotes(start: datetime, bid: Any, ask: Any, minutes: int = 1) -> QuoteBar:
    def flat(price: Any) -> Candle | None:
        return None if price is None else candle(price, price, price, price)

    return QuoteBar(start=start, end=start + timedelta(minutes=minutes), bid=flat(bid), ask=flat(ask))


def tick(when: datetime, kind: str = "trade", price: Any = 0, bid: Any = 0, ask: Any = 0) -> Tick:
    return Tick(at=when, kind=kind, price=D(price), bid=D(bid), ask=D(ask))


def order(kind: str, quantity: int = 100, **prices: Any) -> Order:
    numbers: dict[str, Any] = {key: D(value) for key, value in prices.items()}
    return Order(type=kind, quantity=D(quantity), **numbers)


def scan(placed: Order, market: Market, now: datetime, **rest: Any) -> Scan:
    facts: dict[str, Any] = {
        "ordered_at": at(14),
        "calendar": NYSE,
        "feed": Feed(subscriptions=BOTH),
        "settings": Settings(),
        **rest,
    }
    return Scan(order=placed, market=market, now=now, **facts)


def price(outcome: Outcome) -> Decimal | None:
    return None if outcome.fill is None else outcome.fill.price


BAR = trades(at(15), (102, 104, 100, 101))
SEEN = Market(trade_bar=BAR)
NOW = at(15, 1)


@pytest.mark.parametrize(
    ("asset_class", "quantity", "slipped"),
    [("equity", 1, "101.5"), ("equity", -1, "100.5"), ("cfd", 1, "101.5"), ("future", -1, "100.5")],
)
def test_slippage_hurts_market_orders_of_both_sides(asset_class: str, quantity: int, slipped: str) -> None:
    outcome = fill(asset_class, scan(order("market", quantity), SEEN, NOW, settings=Settings(slippage=D("0.5"))))
    assert price(outcome) == D(slipped)


@pytest.mark.parametrize(
    ("asset_class", "kind", "quantity", "expected"),
    [
        ("equity", "stop_market", 1, "103.5"),
        ("equity", "stop_market", -1, "100.5"),
        ("option", "stop_market", 1, "103"),
        ("option", "stop_market", -1, "100.5"),
        ("option", "trailing_stop", 1, "103"),
        ("option", "trailing_stop", -1, "100.5"),
        ("equity", "market_on_close", 1, "101.5"),
        ("cfd", "market_on_close", -1, "100.5"),
        ("cfd", "market_on_open", 1, "102.5"),
        ("equity", "market_on_open", -1, "101.5"),
    ],
)
def test_slippage_hurts_stops_and_auctions(asset_class: str, kind: str, quantity: int, expected: str) -> None:
    stop = 103 if quantity > 0 else 101
    placed = order(kind, quantity, stop_price=stop, trailing_amount=5)
    closed = kind == "market_on_close"
    looked = scan(
        placed,
        SEEN,
        at(20) if closed else NOW,
        ordered_at=at(12),
        settings=Settings(slippage=D("0.5")),
    )
    assert price(fill(asset_class, looked)) == D(expected)


def test_a_fill_is_what_is_left_of_the_order() -> None:
    partly = replace(order("market", 100), filled_quantity=D(40))
    outcome = fill("equity", scan(partly, SEEN, NOW))
    assert outcome.fill is not None
    assert outcome.fill.quantity == D(60)


@pytest.mark.parametrize("kind", ["limit", "stop_market", "market_on_open"])
def test_only_a_market_order_may_fill_at_the_instant_it_is_placed(kind: str) -> None:
    placed = order(kind, limit_price=200, stop_price=1)
    assert price(fill("equity", scan(placed, SEEN, NOW, ordered_at=NOW))) is None
    assert price(fill("equity", scan(order("market"), SEEN, NOW, ordered_at=NOW))) == D(101)
    assert price(fill("equity", scan(order("market"), SEEN, NOW, ordered_at=NOW + timedelta(seconds=1)))) is None


def test_it_refuses_to_fill_nothing_and_what_it_has_no_rule_for() -> None:
    with pytest.raises(BadInput, match="quantity"):
        fill("equity", scan(order("market", 0), SEEN, NOW))
    with pytest.raises(UnsupportedOrderType, match="combo_limit"):
        fill("option", scan(order("combo_limit"), SEEN, NOW))
    with pytest.raises(UnknownWord, match="week"):
        Feed(resolution="week")


@pytest.mark.parametrize(
    ("kind", "name"), [("limit", "limit_price"), ("stop_market", "stop_price"), ("limit_if_touched", "trigger_price")]
)
@pytest.mark.parametrize("asset_class", ["equity", "option"])
def test_it_refuses_an_order_without_its_price(asset_class: str, kind: str, name: str) -> None:
    with pytest.raises(BadInput, match=name):
        fill(asset_class, scan(order(kind), SEEN, NOW))


def test_it_refuses_a_trailing_stop_without_stop_or_amount() -> None:
    with pytest.raises(BadInput, match="stop_price"):
        fill("equity", scan(order("trailing_stop", trailing_amount=1), SEEN, NOW))
    with pytest.raises(BadInput, match="trailing_amount"):
        fill("equity", scan(order("trailing_stop", stop_price=200), SEEN, NOW))
    with pytest.raises(BadInput, match="stop_price"):
        fill("equity", scan(order("stop_limit", limit_price=1), SEEN, NOW))
    with pytest.raises(BadInput, match="limit_price"):
        fill("equity", scan(order("stop_limit", stop_price=1), SEEN, NOW))


@pytest.mark.parametrize(
    "kind",
    [
        "market",
        "limit",
        "stop_market",
        "stop_limit",
        "trailing_stop",
        "limit_if_touched",
        "market_on_open",
        "market_on_close",
    ],
)
@pytest.mark.parametrize("asset_class", ["equity", "option", "future"])
def test_nothing_fills_without_data(asset_class: str, kind: str) -> None:
    placed = order(kind, limit_price=200, stop_price=50, trigger_price=200, trailing_amount=1)
    assert fill(asset_class, scan(placed, Market(), at(20, 30))) == Outcome(order=placed)


# sessions


@pytest.mark.parametrize(
    ("asset_class", "kind", "extended", "fills"),
    [
        ("equity", "market", True, False),
        ("equity", "limit", True, True),
        ("equity", "limit", False, False),
        ("equity", "stop_limit", True, True),
        ("equity", "stop_limit", False, False),
        ("equity", "limit_if_touched", True, True),
        ("equity", "limit_if_touched", False, False),
        ("equity", "stop_market", True, False),
        ("equity", "trailing_stop", True, False),
        ("option", "market", True, False),
        ("option", "limit", True, True),
        ("option", "stop_market", True, False),
        ("option", "limit_if_touched", False, False),
        ("option", "stop_limit", True, True),
        ("option", "stop_limit", False, False),
        ("option", "trailing_stop", True, False),
        ("future", "market", False, True),
        ("future_option", "market", False, True),
        ("future", "limit", False, False),
        ("future", "limit", True, True),
        ("future", "stop_market", True, True),
        ("future", "stop_market", False, False),
        ("future", "trailing_stop", True, False),
    ],
)
def test_each_type_keeps_to_its_session(asset_class: str, kind: str, extended: bool, fills: bool) -> None:
    before_the_open = trades(at(12), (102, 104, 100, 101))
    placed = order(kind, limit_price=103, stop_price=101, trigger_price=103, trailing_amount=50)
    looked = scan(
        placed,
        Market(trade_bar=before_the_open, quote_bar=quotes(at(12), 101, 101)),
        at(12, 1),
        ordered_at=at(11),
        feed=Feed(subscriptions=frozenset({"trade_bar"}), extended_hours=extended),
    )
    assert (fill(asset_class, looked).fill is not None) == fills


def test_a_bar_that_is_just_ending_keeps_its_session_open() -> None:
    last = Market(trade_bar=trades(at(19, 59), (1, 1, 1, 1)))
    assert session_open(scan(order("market"), last, at(20)))
    assert not session_open(scan(order("market"), last, at(20, 0, 1)))
    assert session_open(scan(order("market"), Market(trade_bar=trades(at(19), (1, 1, 1, 1), 60)), at(20)))
    before = Market(trade_bar=trades(at(13, 29), (1, 1, 1, 1)))
    assert not session_open(scan(order("market"), before, at(13, 29)))
    assert not session_open(scan(order("market"), Market(), at(13, 29)))


def test_a_long_bar_keeps_its_session_open_on_its_local_date() -> None:
    long = Market(trade_bar=trades(at(13), (1, 1, 1, 1), 8 * 60))
    assert session_open(scan(order("market"), long, at(21, 30)))
    assert not session_open(scan(order("market"), long, at(4) + timedelta(days=1)))
    night = Market(trade_bar=trades(at(21), (1, 1, 1, 1), 120))
    assert not session_open(scan(order("market"), night, at(23)))
    assert session_open(scan(order("market"), night, at(23)), extended=True)


def test_the_newest_data_says_which_bar_is_the_last() -> None:
    assert last_span(Market()) is None
    both = Market(trade_bar=trades(at(10), (1, 1, 1, 1)), quote_bar=quotes(at(11), 1, 1), ticks=(tick(at(9)),))
    assert last_span(both) == (at(11), at(11, 1))
    assert last_span(Market(ticks=(tick(at(9)), tick(at(10))))) == (at(10), at(10))


# limits, stops, touches


@pytest.mark.parametrize(
    ("asset_class", "quantity", "limit", "expected"),
    [
        ("equity", 1, 103, 102),
        ("equity", 1, 101, 101),
        ("equity", 1, 100, None),
        ("equity", -1, 101, 102),
        ("equity", -1, 103, 103),
        ("equity", -1, 104, None),
        ("cfd", 1, 110, 104),
        ("cfd", 1, 103, 103),
        ("cfd", 1, 100, None),
        ("cfd", -1, 90, 100),
        ("cfd", -1, 103, 103),
        ("cfd", -1, 104, None),
    ],
)
def test_a_limit_needs_to_be_gone_through(asset_class: str, quantity: int, limit: int, expected: int | None) -> None:
    assert price(fill(asset_class, scan(order("limit", quantity, limit_price=limit), SEEN, NOW))) == expected


@pytest.mark.parametrize(
    ("asset_class", "quantity", "stop", "expected"),
    [
        ("equity", 1, 104, 104),
        ("equity", 1, 105, None),
        ("equity", 1, 101, 102),
        ("equity", -1, 100, 100),
        ("equity", -1, 99, None),
        ("equity", -1, 103, 102),
        ("option", 1, 104, None),
        ("option", 1, 103, 103),
        ("option", 1, "100.5", 101),
        ("option", -1, 100, None),
        ("option", -1, "100.5", "100.5"),
        ("option", -1, 103, 101),
        ("future", 1, 103, 103),
        ("future", -1, 103, 101),
    ],
)
def test_a_stop_fills_at_its_price_or_worse(asset_class: str, quantity: int, stop: Any, expected: Any) -> None:
    outcome = price(fill(asset_class, scan(order("stop_market", quantity, stop_price=stop), SEEN, NOW)))
    assert outcome == (None if expected is None else D(expected))


@pytest.mark.parametrize("asset_class", ["equity", "option"])
@pytest.mark.parametrize("kind", ["limit", "stop_market", "stop_limit", "trailing_stop", "limit_if_touched"])
def test_data_that_ended_when_the_order_was_placed_fills_nothing(asset_class: str, kind: str) -> None:
    placed = order(kind, limit_price=110, stop_price=101, trigger_price=110, trailing_amount=50)
    late = scan(placed, SEEN, at(15, 2), ordered_at=at(15, 1))
    soon = scan(placed, SEEN, at(15, 2), ordered_at=at(15, 0, 59))
    assert fill(asset_class, late) == Outcome(order=placed)
    assert fill(asset_class, soon).fill is not None


def test_a_stop_limit_remembers_its_trigger_and_waits_for_its_limit() -> None:
    buy = order("stop_limit", 1, stop_price=103, limit_price=101)
    first = fill("option", scan(buy, SEEN, NOW))
    assert (first.fill, first.order.stop_triggered) == (None, True)
    calm = Market(trade_bar=trades(at(15, 1), ("100.5", "100.9", "100.2", "100.8")))
    assert price(fill("option", scan(first.order, calm, at(15, 2)))) == D("100.9")
    assert price(fill("option", scan(buy, calm, at(15, 2)))) is None
    sell = order("stop_limit", -1, stop_price=101, limit_price=101)
    waiting = fill("option", scan(sell, SEEN, NOW))
    assert (waiting.fill, waiting.order.stop_triggered) == (None, True)
    better = Market(trade_bar=trades(at(15, 1), (102, 103, 102, "102.5")))
    assert price(fill("option", scan(waiting.order, better, at(15, 2)))) == D(102)


@pytest.mark.parametrize(("quantity", "stop"), [(1, 104), (-1, 100)])
def test_a_stop_limit_is_not_triggered_by_a_touch(quantity: int, stop: int) -> None:
    placed = order("stop_limit", quantity, stop_price=stop, limit_price=200 if quantity > 0 else 1)
    assert fill("equity", scan(placed, SEEN, NOW)) == Outcome(order=placed)


@pytest.mark.parametrize(
    ("asset_class", "quantity", "trigger", "limit", "bid", "ask", "expected"),
    [
        ("equity", 1, 100, 101, 90, "100.7", "100.7"),
        ("equity", 1, 100, 101, 90, 101, 101),
        ("equity", 1, 100, 101, 90, "101.1", None),
        ("equity", -1, 104, 101, "101.5", 120, "101.5"),
        ("equity", -1, 104, 101, "100.9", 120, None),
        ("option", 1, 100, 101, 101, 120, 101),
        ("option", 1, 100, 101, "101.1", 120, None),
        ("option", -1, 104, 101, 90, 101, 101),
        ("option", -1, 104, 101, 90, "100.9", None),
    ],
)
def test_a_touched_order_fills_by_the_side_its_model_reads(
    asset_class: str, quantity: int, trigger: int, limit: int, bid: Any, ask: Any, expected: Any
) -> None:
    placed = order("limit_if_touched", quantity, trigger_price=trigger, limit_price=limit)
    outcome = fill(asset_class, scan(placed, Market(trade_bar=BAR, quote_bar=quotes(at(15), bid, ask)), NOW))
    assert price(outcome) == (None if expected is None else D(expected))
    assert outcome.order.trigger_touched


@pytest.mark.parametrize(("quantity", "trigger"), [(1, "99.9"), (-1, "104.1")])
@pytest.mark.parametrize("asset_class", ["equity", "option"])
def test_an_untouched_order_waits(asset_class: str, quantity: int, trigger: str) -> None:
    placed = order("limit_if_touched", quantity, trigger_price=trigger, limit_price=101)
    market = Market(trade_bar=BAR, quote_bar=quotes(at(15), 101, 101))
    assert fill(asset_class, scan(placed, market, NOW)) == Outcome(order=placed)
    remembered = replace(placed, trigger_touched=True)
    assert price(fill(asset_class, scan(remembered, market, NOW))) == D(101)


def test_a_touched_order_reads_the_last_trade_tick() -> None:
    feed = Feed(subscriptions=TICKS, resolution="tick")
    placed = order("limit_if_touched", 1, trigger_price=100, limit_price=101)
    passed = Market(ticks=(tick(at(15), price=99), tick(at(15, 0, 1), price=102)))
    assert not fill("equity", scan(placed, passed, NOW, feed=feed)).order.trigger_touched
    there = Market(
        ticks=(tick(at(15), price=102), tick(at(15, 0, 1), price=100), tick(at(15, 0, 2), "quote", bid=1, ask=101))
    )
    assert price(fill("equity", scan(placed, there, NOW, feed=feed))) == D(101)
    silent = Market(ticks=(tick(at(15), "quote", bid=1, ask=2),))
    assert fill("equity", scan(placed, silent, NOW, feed=feed)) == Outcome(order=placed)


def test_ticks_before_the_order_do_not_count_for_a_limit() -> None:
    feed = Feed(subscriptions=TICKS, resolution="tick")
    market = Market(ticks=(tick(at(14), price=90), tick(at(15), price=102), tick(at(15, 0, 1), price=101)))
    placed = order("limit", 1, limit_price="101.5")
    assert price(fill("equity", scan(placed, market, NOW, feed=feed))) == D("101.5")
    assert price(fill("equity", scan(replace(placed, limit_price=D(101)), market, NOW, feed=feed))) is None


def test_a_touched_order_says_which_limit_it_lacks_and_how_old_its_price_is() -> None:
    quoted = Market(trade_bar=BAR, quote_bar=quotes(at(12), 101, 101))
    for asset_class in ("equity", "option"):
        with pytest.raises(BadInput, match="limit_price"):
            fill(asset_class, scan(order("limit_if_touched", trigger_price=100), quoted, NOW))
    feed = Feed(subscriptions=TICKS, resolution="tick")
    placed = order("limit_if_touched", trigger_price=100, limit_price=200)
    old = Market(ticks=(tick(at(12), "quote", bid=1, ask=101), tick(at(15), price=100)))
    settings = Settings(stale_after=timedelta(hours=9))
    assert price(fill("equity", scan(placed, old, NOW, feed=feed, settings=settings))) == D(101)


def test_a_touched_order_waits_for_a_price_of_the_other_side() -> None:
    placed = order("limit_if_touched", trigger_price=100, limit_price=200)
    traded = scan(placed, Market(trade_bar=BAR), NOW, feed=Feed(subscriptions=frozenset({"trade_bar"})))
    assert price(fill("option", traded)) == D(200)


def test_penny_ticks_count_like_any_other() -> None:
    feed = Feed(subscriptions=TICKS, resolution="tick")
    cheap = Market(ticks=(tick(at(15), price="0.5"), tick(at(15, 0, 1), "quote", bid="0.4", ask="0.6")))
    assert price(fill("equity", scan(order("market", 1), cheap, NOW, feed=feed))) == D("0.6")
    assert price(fill("equity", scan(order("market", -1), cheap, NOW, feed=feed))) == D("0.4")
    assert price(fill("equity", scan(order("limit", 1, limit_price="0.55"), cheap, NOW, feed=feed))) == D("0.5")
    only_trades = Market(ticks=cheap.ticks[:1])
    assert price(fill("equity", scan(order("market", 1), only_trades, NOW, feed=feed))) == D("0.5")


def test_a_stale_hour_waits_even_within_one_bar() -> None:
    market = Market(trade_bar=TradeBar(start=at(14, 30), end=at(15, 30), candle=BAR.candle))
    hourly = Feed(subscriptions=BOTH, resolution="hour")
    now = scan(
        order("market"), market, at(16), ordered_at=at(16), feed=hourly, settings=Settings(stale_after=timedelta(0))
    )
    assert price(fill("equity", now)) is None
    assert price(fill("option", now)) is None


# trailing


@pytest.mark.parametrize(
    ("buy", "percent", "amount", "price_now", "start"),
    [
        (True, False, 30, 300, 330),
        (False, False, 30, 300, 270),
        (True, True, "0.1", 300, 330),
        (False, True, "0.1", 300, 270),
    ],
)
def test_an_initial_stop_is_the_amount_away(buy: bool, percent: bool, amount: Any, price_now: int, start: int) -> None:
    assert initial_stop(D(price_now), D(amount), as_percentage=percent, buy=buy) == start
    assert moved_stop(D(start), D(price_now), D(amount), as_percentage=percent, buy=buy) is None
    further = D(start) + (1 if buy else -1)
    assert moved_stop(further, D(price_now), D(amount), as_percentage=percent, buy=buy) == start
    tighter = D(start) - (1 if buy else -1)
    assert moved_stop(tighter, D(price_now), D(amount), as_percentage=percent, buy=buy) is None


@pytest.mark.parametrize(("quantity", "stop", "moved"), [(1, 140, 110), (-1, 60, 94)])
def test_a_trailing_stop_follows_the_far_end_of_the_bar(quantity: int, stop: int, moved: int) -> None:
    placed = order("trailing_stop", quantity, stop_price=stop, trailing_amount=10)
    outcome = fill("equity", scan(placed, SEEN, NOW))
    assert outcome.fill is None
    assert outcome.order.stop_price == moved


@pytest.mark.parametrize(
    ("quantity", "stop", "expected"), [(1, 104, 104), (1, 100, 101), (-1, 100, 100), (-1, 103, 101)]
)
def test_a_trailing_stop_triggers_on_touch(quantity: int, stop: int, expected: int) -> None:
    placed = order("trailing_stop", quantity, stop_price=stop, trailing_amount=10)
    assert price(fill("future", scan(placed, SEEN, NOW))) == expected


# market orders and stale prices


@pytest.mark.parametrize(
    ("resolution", "minutes_old", "expected"),
    [("minute", 60, "filled"), ("minute", 61, "waits"), ("hour", 61, "waits"), ("tick", 61, "filled_with_caution")],
)
@pytest.mark.parametrize("asset_class", ["equity", "option", "future"])
def test_a_stale_price_waits_or_warns(asset_class: str, resolution: str, minutes_old: int, expected: str) -> None:
    old = at(16) - timedelta(minutes=minutes_old)
    if resolution == "tick":
        market, kinds = Market(ticks=(tick(old, "quote", bid=100, ask=101),)), TICKS
    else:
        market, kinds = Market(trade_bar=TradeBar(start=old, end=old, candle=BAR.candle)), BOTH
    looked = scan(
        order("market"), market, at(16), ordered_at=at(16), feed=Feed(subscriptions=kinds, resolution=resolution)
    )
    outcome = fill(asset_class, looked).fill
    if expected == "waits":
        assert outcome is None
        return
    assert outcome is not None
    assert outcome.price == D(101) if resolution == "tick" else outcome.price > 0
    assert (outcome.caution is not None) == (expected == "filled_with_caution")
    if outcome.caution is not None:
        assert outcome.caution.sentence == "The last price is from 2025-07-15 14:59:00 UTC, before the order."


@pytest.mark.parametrize("asset_class", ["equity", "option"])
@pytest.mark.parametrize(("seconds_old", "fills"), [(60, True), (61, False)])
def test_a_stale_price_within_one_bar_still_fills(asset_class: str, seconds_old: int, fills: bool) -> None:
    end = at(16) - timedelta(seconds=seconds_old)
    market = Market(trade_bar=TradeBar(start=end - timedelta(minutes=1), end=end, candle=BAR.candle))
    settings = Settings(stale_after=timedelta(0))
    outcome = fill(asset_class, scan(order("market"), market, at(16), ordered_at=at(16), settings=settings)).fill
    assert (outcome is not None) == fills
    assert outcome is None or outcome.caution is not None


@pytest.mark.parametrize(
    ("resolution", "ordered", "expected"),
    [
        ("hour", at(15), 102),
        ("hour", at(14, 59), 102),
        ("hour", at(15, 1), 101),
        ("minute", at(15), 101),
        ("daily", at(15), 102),
    ],
)
def test_an_order_before_a_long_bar_fills_at_its_open(resolution: str, ordered: datetime, expected: int) -> None:
    market = Market(trade_bar=trades(at(15), (102, 104, 100, 101), 60))
    looked = scan(
        order("market"), market, at(16), ordered_at=ordered, feed=Feed(subscriptions=BOTH, resolution=resolution)
    )
    assert price(fill("cfd", looked)) == expected


@pytest.mark.parametrize("buy", [True, False])
def test_the_best_price_is_the_first_fresh_one(buy: bool) -> None:
    def best(**rest: Any) -> Any:
        market = Market(**rest)
        outcome = best_effort(scan(order("market"), market, NOW, feed=Feed(subscriptions=BOTH | TICKS)), buy=buy)
        return None if outcome is None else (outcome.price, outcome.caution is None)

    side = {"ask": 5} if buy else {"bid": 5}
    other = {"bid": 5} if buy else {"ask": 5}
    dealt, quoted = tick(at(15), price=7), tick(at(15), "quote", **side)
    quote_bar = quotes(at(15), 6, 6)
    assert best(ticks=(quoted, dealt), quote_bar=quote_bar, trade_bar=BAR) == (5, True)
    assert best(ticks=(dealt, tick(at(15), "quote", **other)), quote_bar=quote_bar, trade_bar=BAR) == (6, True)
    one_sided = quotes(at(15), None if not buy else 6, None if buy else 6)
    assert best(ticks=(dealt,), quote_bar=one_sided, trade_bar=BAR) == (7, True)
    assert best(trade_bar=BAR) == (101, True)
    assert best() is None
    old, older = at(12), at(11)
    assert best(ticks=(tick(older, "quote", **side),), quote_bar=quotes(old, 6, 6)) == (6, False)
    assert best(ticks=(tick(old, "quote", **side),), quote_bar=quotes(older, 6, 6)) == (5, False)
    assert best(ticks=(tick(older, "quote", **side), tick(at(15), price=7))) == (7, True)


def test_prices_are_selected_from_what_is_subscribed() -> None:
    market = Market(
        trade_bar=BAR,
        quote_bar=quotes(at(15), 10, 20),
        ticks=(tick(at(15), "quote", bid=1, ask=2), tick(at(15, 0, 1), "quote", bid=3, ask=4)),
    )

    def close(buy: bool, *kinds: str, seen: Market = market) -> Any:
        prices = select_prices(buy=buy, subscriptions=frozenset(kinds), market=seen)
        return None if prices is None else prices.close

    assert close(True, "tick", "quote_bar", "trade_bar") == 4
    assert close(False, "tick", "quote_bar", "trade_bar") == 3
    assert close(True, "quote_bar", "trade_bar") == 20
    assert close(False, "quote_bar", "trade_bar") == 10
    assert close(True, "trade_bar") == 101
    assert close(True) is None
    assert close(True, "tick", "trade_bar", seen=replace(market, ticks=())) == 101
    assert close(True, "quote_bar", "trade_bar", seen=replace(market, quote_bar=quotes(at(15), 10, None))) == 101
    assert close(True, "tick", seen=Market(ticks=(tick(at(15), price=9),))) == 9
    assert close(True, "tick", "trade_bar", seen=Market(ticks=(tick(at(15)),), trade_bar=BAR)) == 101
    prices = select_prices(buy=True, subscriptions=TICKS, market=market)
    assert prices is not None
    assert (prices.open, prices.high, prices.low) == (D(4), D(4), D(4))
    assert prices.start == prices.end == at(15, 0, 1)
    whole = select_prices(buy=True, subscriptions=frozenset({"trade_bar"}), market=market)
    assert whole is not None
    assert (whole.open, whole.high, whole.low) == (D(102), D(104), D(100))
    assert (whole.start, whole.end) == (at(15), at(15, 1))


# auctions


def test_an_opening_order_takes_the_first_regular_bar_of_a_later_session() -> None:
    opening = order("market_on_open")
    first = Market(trade_bar=trades(at(13, 30), (50, 52, 49, 51)))
    assert price(fill("equity", scan(opening, first, at(13, 31), ordered_at=at(9)))) == 50
    assert price(fill("equity", scan(opening, first, at(13, 31), ordered_at=at(13, 30)))) is None
    assert price(fill("equity", scan(opening, first, at(13, 31), ordered_at=at(13, 30, 30)))) is None
    before = Market(trade_bar=trades(at(13, 29), (50, 52, 49, 51)))
    assert price(fill("equity", scan(opening, before, at(13, 30), ordered_at=at(9)))) is None
    hourly = Market(trade_bar=trades(at(13), (50, 52, 49, 51), 60))
    assert price(fill("equity", scan(opening, hourly, at(14), ordered_at=at(9)))) == 50
    evening = scan(opening, first, at(13, 31), ordered_at=at(21) - timedelta(days=1))
    assert price(fill("equity", evening)) == 50
    assert price(fill("option", evening)) == 50
    late = Market(trade_bar=trades(at(21), (50, 52, 49, 51)))
    assert price(fill("equity", scan(opening, late, at(21, 1), ordered_at=at(9)))) is None
    quotes_only = scan(opening, Market(quote_bar=quotes(at(13, 30), 1, 2)), at(13, 31), ordered_at=at(9))
    assert price(fill("equity", quotes_only)) is None
    assert price(fill("option", quotes_only)) == 2


def test_an_opening_order_of_the_base_model_waits_out_its_own_session() -> None:
    opening = order("market_on_open")
    tomorrow = timedelta(days=1)
    for ordered in (at(13, 30), at(15)):
        assert price(fill("option", scan(opening, SEEN, NOW, ordered_at=min(ordered, at(14))))) is None
    later = Market(trade_bar=trades(at(13, 30) + tomorrow, (50, 52, 49, 51)))
    assert price(fill("option", scan(opening, later, at(13, 31) + tomorrow, ordered_at=at(15)))) == 50
    assert price(fill("option", scan(opening, SEEN, NOW, ordered_at=at(13, 29)))) == 102
    saturday = datetime(2025, 7, 19, 15, tzinfo=UTC)
    monday = datetime(2025, 7, 21, 13, 30, tzinfo=UTC)
    bar = Market(trade_bar=trades(monday, (50, 52, 49, 51)))
    assert price(fill("option", scan(opening, bar, monday + timedelta(minutes=1), ordered_at=saturday))) == 50


def test_a_closing_order_waits_for_the_close_after_it() -> None:
    closing = order("market_on_close")
    last = Market(trade_bar=trades(at(19, 59), (50, 52, 49, 51)))
    for asset_class in ("equity", "cfd"):
        assert price(fill(asset_class, scan(closing, last, at(19, 59, 59)))) is None
        assert price(fill(asset_class, scan(closing, last, at(20)))) == 51
        assert price(fill(asset_class, scan(closing, last, at(20, 30), ordered_at=at(20)))) is None
    quoted = scan(closing, Market(quote_bar=quotes(at(19, 59), 48, 49)), at(20))
    assert price(fill("equity", quoted)) == 49
    assert price(fill("equity", replace(quoted, order=order("market_on_close", -1)))) == 48
    old = fill("equity", scan(closing, Market(quote_bar=quotes(at(12), 48, 49)), at(20), ordered_at=at(15))).fill
    assert old is not None
    assert old.caution is not None


# combos


def leg(symbol: str, ratio: int, bar: TradeBar | None = BAR, *, group: int = 1, **rest: Any) -> Leg:
    facts = {"asset_class": "option", "market": Market(trade_bar=bar), **rest}
    return Leg(symbol=symbol, quantity=D(ratio * group), ratio=D(ratio), **facts)


def combo(kind: str, quantity: int, legs: list[Leg], limit: Any = None, **rest: Any) -> ComboOutcome:
    facts: dict[str, Any] = {"ordered_at": at(14), "now": NOW, "calendar": OPTIONS, **rest}
    return combo_fill(
        Combo(type=kind, quantity=D(quantity), legs=legs, limit_price=None if limit is None else D(limit), **facts)
    )


LOW, HIGH = trades(at(15), (5, 6, 4, "5.5")), trades(at(15), (9, 10, 8, "9.5"))


def test_a_market_combo_fills_every_leg_at_its_side() -> None:
    outcome = combo("combo_market", 2, [leg("A", 1, HIGH, group=2), leg("B", -2, LOW, group=2)])
    assert [(f.symbol, f.quantity, f.price) for f in outcome.fills] == [("A", D(2), D("9.5")), ("B", D(-4), D("5.5"))]
    assert outcome.net_price is None
    slipping = combo("combo_market", 1, [leg("A", 1, HIGH), leg("B", -1, LOW)], settings=Settings(slippage=D(1)))
    assert [f.price for f in slipping.fills] == [D("10.5"), D("4.5")]


@pytest.mark.parametrize("kind", ["combo_market", "combo_limit", "combo_leg_limit"])
def test_a_combo_fills_no_leg_when_one_has_no_price(kind: str) -> None:
    legs = [leg("A", 1, HIGH, limit_price=D(100)), leg("B", -1, None, limit_price=D(1))]
    assert not combo(kind, 1, legs, 100).filled
    assert not combo(kind, 1, [], 100).filled
    assert not combo(kind, 0, [leg("A", 1, HIGH)], 100).filled


@pytest.mark.parametrize(
    ("quantity", "limit", "net", "prices"),
    [(1, "4.1", 4, [8, 4]), (1, 4, 4, None), (-1, "3.9", 4, [10, 6]), (-1, 4, 4, None), (-1, -5, 4, [10, 6])],
)
def test_a_net_limit_must_be_gone_through(quantity: int, limit: Any, net: int, prices: list[int] | None) -> None:
    outcome = combo(
        "combo_limit", quantity, [leg("A", 1, HIGH, group=quantity), leg("B", -1, LOW, group=quantity)], limit
    )
    assert outcome.net_price == net
    assert [f.price for f in outcome.fills] == (prices or [])
    assert outcome.filled == (prices is not None)


def test_a_net_limit_counts_shares_by_the_hundred() -> None:
    legs = [leg("S", 100, HIGH, asset_class="equity"), leg("C", -1, LOW)]
    assert combo("combo_limit", 1, legs, "4.1").net_price == 4


def test_a_net_limit_takes_a_bar_that_ends_with_the_order() -> None:
    legs = [leg("A", 1, HIGH)]
    assert combo("combo_limit", 1, legs, 9, ordered_at=at(15, 1)).filled
    assert not combo("combo_limit", 1, legs, 9, ordered_at=at(15, 1, 1)).filled
    assert not combo("combo_leg_limit", 1, [leg("A", 1, HIGH, limit_price=D(9))], ordered_at=at(15, 1)).filled
    assert combo("combo_leg_limit", 1, [leg("A", 1, HIGH, limit_price=D(9))], ordered_at=at(15)).filled


def night(bar: TradeBar) -> dict[str, Any]:
    return {"ordered_at": at(2), "now": bar.end}


def test_a_net_limit_keeps_to_the_session_only_where_the_rules_say_so() -> None:
    early = trades(at(3), (9, 10, 8, 9))
    legs = [leg("A", 1, early, limit_price=D(9))]
    assert combo("combo_limit", 1, legs, 9, **night(early)).filled
    assert not combo("combo_limit", 1, legs, 9, needs_session=True, **night(early)).filled
    extended = Feed(subscriptions=BOTH, extended_hours=True)
    rest: dict[str, Any] = {**night(early), "calendar": GLOBEX}
    assert combo("combo_limit", 1, legs, 9, needs_session=True, feed=extended, **rest).filled
    assert not combo("combo_limit", 1, legs, 9, needs_session=True, **rest).filled
    assert not combo("combo_market", 1, legs, feed=extended, **rest).filled
    assert not combo("combo_leg_limit", 1, legs, **rest).filled
    assert combo("combo_leg_limit", 1, legs, feed=extended, **rest).filled


def test_leg_limits_must_all_pass() -> None:
    legs = [leg("A", 1, HIGH, limit_price=D("8.5")), leg("B", -1, LOW, limit_price=D("5.5"))]
    assert [f.price for f in combo("combo_leg_limit", 1, legs).fills] == [D("8.5"), D("5.5")]
    legs = [leg("A", 1, HIGH, limit_price=D("8.5")), leg("B", -1, LOW, limit_price=D(6))]
    assert combo("combo_leg_limit", 1, legs) == ComboOutcome()


def test_a_combo_without_its_limits_or_with_an_unknown_type_is_refused() -> None:
    with pytest.raises(BadInput, match="group_limit_price"):
        combo("combo_limit", 1, [leg("A", 1)])
    with pytest.raises(BadInput, match="the leg A"):
        combo("combo_leg_limit", 1, [leg("A", 1)])
    with pytest.raises(UnsupportedOrderType, match="limit"):
        combo("limit", 1, [leg("A", 1)], 5)


# exercise


@pytest.mark.parametrize(
    ("right", "contracts", "shares"), [("call", 2, 200), ("put", 2, -200), ("call", -2, -200), ("put", -2, 200)]
)
def test_exercise_closes_the_option_and_trades_the_underlying_at_the_strike(
    right: str, contracts: int, shares: int
) -> None:
    option = Instrument(asset_class="option", multiplier=D(100), right=right, strike=D(192))
    outcome = exercise(option, D(contracts))
    assert (outcome.option.price, outcome.option.quantity) == (D(0), D(-contracts))
    assert (outcome.underlying.price, outcome.underlying.quantity) == (D(192), D(shares))
    small = replace(option, contract_unit=D(10))
    assert abs(exercise(small, D(contracts)).underlying.quantity) == 20


def test_exercise_needs_a_right_and_a_strike() -> None:
    with pytest.raises(BadInput, match="right"):
        exercise(Instrument(asset_class="option", strike=D(1)), D(1))
    with pytest.raises(BadInput, match="strike"):
        exercise(Instrument(asset_class="option", right="call"), D(1))
