"""Sizes, prices and legs of an entry: what is ordered, how much, at what price, or why it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.elsewhere.exposure import Added
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderType, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards, Halt, Level, LevelGuard
from strategies.domain.message import options, symbols
from strategies.domain.message.message import Message
from strategies.domain.message.wishes import NO_WISH
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import (
    Hours,
    MarketClosed,
    MarketPrice,
    QuantityType,
    Rounding,
    Sides,
    Terms,
    WorkingEntry,
)
from strategies.domain.terms.windows import Window
from strategies.tests.domain.cases_of_decide import NOW, bracket, drawn, message, quote, shape, snapshot, working

D = Decimal
MNQ = Contract(
    instrument=Instrument(ticker="MNQZ2026", asset_class=AssetClass.FUTURE),
    conid=2,
    exchange="CME",
    multiplier=D(2),
    tick=D("0.25"),
)
SAP = Contract(instrument=Instrument(ticker="SAP"), conid=3, currency="EUR")
EURUSD = Contract(instrument=Instrument(ticker="EURUSD", asset_class=AssetClass.FOREX), conid=4, tick=D("0.00005"))
AT_100: dict[str, Any] = {"signal_price": D(100)}
STOP_95 = bracket("stopPrice", 95)
RICH = {"equity": D(10_000), "unrealized_pnl": D(2_000)}


def answer(asked: Message, terms: Terms | None = None, book: Snapshot | None = None, **more: Any) -> tuple[str, str]:
    decided = decide(asked, terms or Terms(), snapshot() if book is None else book, more.pop("now", NOW), **more)
    assert decided.reason.endswith("."), decided.reason
    return (decided.rule, drawn(decided)) if isinstance(decided, Plan) else (decided.rule, decided.code)


def size(asked: Message, terms: Terms | None = None, book: Snapshot | None = None) -> str:
    decided = decide(asked, terms or Terms(), snapshot() if book is None else book, NOW)
    return f"{decided.intents[0].quantity:f}" if isinstance(decided, Plan) else decided.code


@pytest.mark.parametrize(
    ("quantity", "kind", "values", "terms", "book", "expected"),
    [
        ("1050", "dollar_amount", AT_100, {}, snapshot(), "10"),
        # Of a share it is the same.
        ("1050", "notional_dollar_amount", AT_100, {}, snapshot(), "10"),
        ("1050", "notional_dollar_amount", {}, {}, snapshot(), "price-required"),
        ("99", "dollar_amount", AT_100, {}, snapshot(), "quantity-zero"),
        ("1050", "dollar_amount", {}, {}, snapshot(), "price-required"),
        ("1050", "dollar_amount", {}, {}, snapshot(quote=quote("99", "101")), "10"),
        (
            "1050",
            "dollar_amount",
            {},
            {},
            snapshot(quote=quote("99", "101", at=NOW - timedelta(hours=1))),
            "price-required",
        ),
        ("1050", "dollar_amount", AT_100, {"quantity_multiplier": D("2.5")}, snapshot(), "26"),
        ("1050", "dollar_amount", AT_100, {"rounding": Rounding.NEAREST}, snapshot(), "10"),
        ("1060", "dollar_amount", AT_100, {"rounding": Rounding.NEAREST}, snapshot(), "11"),
        ("100", "risk_dollar_amount", {**AT_100, "stop_loss": STOP_95}, {}, snapshot(), "20"),
        ("100", "risk_dollar_amount", {**AT_100, "stop_loss": bracket("percent", 4)}, {}, snapshot(), "25"),
        (
            "100",
            "risk_dollar_amount",
            {**AT_100, "stop_loss": bracket("trailAmount", 2, "trailing_stop")},
            {},
            snapshot(),
            "50",
        ),
        ("100", "risk_dollar_amount", AT_100, {}, snapshot(), "stop-loss-required"),
        ("1", "risk_percent", {**AT_100, "stop_loss": STOP_95}, {}, snapshot(**RICH), "16"),
        ("1", "risk_percent", {**AT_100, "stop_loss": STOP_95}, {}, snapshot(), "equity-unknown"),
        ("10", "percent_of_equity", AT_100, {}, snapshot(**RICH), "8"),
        ("10", "percent_of_equity", AT_100, {}, snapshot(equity=D(-5)), "equity-unknown"),
        ("50", "percent_of_position", {}, {"allow_add": True}, snapshot(9), "4"),
        ("50", "percent_of_position", {}, {"allow_add": True, "quantity_multiplier": D(2)}, snapshot(9), "4"),
        ("50", "percent_of_position", {}, {}, snapshot(), "no-position-to-measure"),
        ("3", "fixed_quantity", {}, {"quantity_multiplier": D("0.5")}, snapshot(), "1"),
    ],
)
def test_a_quantity_is_turned_into_whole_shares(
    quantity: str, kind: str, values: dict[str, Any], terms: dict[str, Any], book: Snapshot, expected: str
) -> None:
    assert size(message("buy", quantity, quantity_type=kind, **values), Terms(**terms), book) == expected


def test_the_terms_size_what_the_signal_does_not() -> None:
    by_equity = Terms(quantity=D(10), quantity_type=QuantityType.PERCENT_OF_EQUITY)
    assert size(message("buy", **AT_100), by_equity, snapshot(**RICH)) == "8"
    assert size(message("buy", 3, **AT_100), by_equity, snapshot(**RICH)) == "3"
    silent = Terms(quantity=D(7), allow_overrides=False)
    assert size(message("buy", 3), silent) == "7"
    assert size(message("buy", 3), Terms(quantity=D(7), allow_overrides=False, signal_fields=("quantity",))) == "3"


def test_a_future_is_sized_by_its_multiplier() -> None:
    asked = message(
        "buy",
        symbol=symbols.read("MNQZ2026", symbols.Kind.FUTURE, NOW),
        signal_price=D(20_000),
        stop_loss=bracket("amount", 50),
    )
    terms = Terms(quantity=D(1_000), quantity_type=QuantityType.RISK_AMOUNT)
    assert size(asked, terms, snapshot(contract=MNQ)) == "10"


def test_a_size_in_another_currency_needs_its_rate() -> None:
    asked = message("buy", 1_100, quantity_type="dollar_amount", signal_price=D(100))
    assert answer(asked, book=snapshot(contract=SAP)) == ("S08", "no-exchange-rate")
    assert size(asked, book=snapshot(contract=SAP, rates={"EUR": D("1.1")})) == "10"
    euros = snapshot(contract=EURUSD, currency="EUR")
    assert size(message("buy", 30_000, quantity_type="dollar_amount", signal_price=D("1.25")), book=euros) == "30000"


@pytest.mark.parametrize(
    ("values", "terms", "book", "expected"),
    [
        ({"order": shape("limit", limit="99.999")}, {}, snapshot(), "entry buy 1 limit 99.99"),
        ({"order": shape("limit"), "signal_price": D("99.5")}, {}, snapshot(), "entry buy 1 limit 99.5"),
        ({"order": shape("limit")}, {}, snapshot(quote=quote("99", "101")), "entry buy 1 limit 100"),
        (
            {"order": shape("limit"), "market_price_type": "ask_bid"},
            {},
            snapshot(quote=quote("99", "101")),
            "entry buy 1 limit 101",
        ),
        (
            {"order": shape("limit")},
            {"market_price": MarketPrice.BID},
            snapshot(quote=quote("99", "101")),
            "entry buy 1 limit 99",
        ),
        (
            {"order": shape("limit"), "market_price_type": "last"},
            {},
            snapshot(quote=quote("99", "101", "98")),
            "entry buy 1 limit 98",
        ),
        ({"order": shape("limit")}, {}, snapshot(), "price-required"),
        ({"order": shape("limit", limit="0.001")}, {}, snapshot(), "invalid-limit-price"),
        ({"order": shape("stop", stop=105)}, {}, snapshot(), "entry buy 1 stop 105"),
        ({"order": shape("stop"), "signal_price": D(99)}, {}, snapshot(), "price-required"),
        ({"order": shape("stop_limit", stop=105, limit=106)}, {}, snapshot(), "entry buy 1 limit 106 stop 105"),
        ({"order": shape("trailing_stop", trail_percent=2)}, {}, snapshot(), "entry buy 1 trail% 2"),
        ({"order": shape("trailing_stop")}, {"trail_amount": D(3)}, snapshot(), "entry buy 1 trail 3"),
        ({"order": shape("trailing_stop")}, {}, snapshot(), "trail-required"),
        ({"order": shape("limit", limit=99, tif="fok")}, {}, snapshot(), "not-supported-yet"),
        ({"order": shape("stop", stop=99, tif="opg")}, {}, snapshot(), "invalid-time-in-force"),
    ],
)
def test_an_order_gets_its_prices(values: dict[str, Any], terms: dict[str, Any], book: Snapshot, expected: str) -> None:
    assert answer(message("buy", 1, **values), Terms(**terms), book)[1] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"stop_loss": STOP_95}, "entry buy 4 + stop_loss sell 4 stop 95"),
        ({**AT_100, "stop_loss": bracket("pnlAmount", 40)}, "entry buy 4 + stop_loss sell 4 stop 90"),
        ({**AT_100, "take_profit": bracket("pnlAmount", 40)}, "entry buy 4 + take_profit sell 4 limit 110"),
        ({**AT_100, "take_profit": bracket("percent", "2.5")}, "entry buy 4 + take_profit sell 4 limit 102.5"),
        (
            {**AT_100, "stop_loss": bracket("percent", 5, "stop_limit")},
            "entry buy 4 + stop_loss sell 4 limit 95 stop 95",
        ),
        (
            {"stop_loss": bracket("stopPrice", 95, "stop_limit", "94")},
            "entry buy 4 + stop_loss sell 4 limit 94 stop 95",
        ),
        ({"stop_loss": bracket("trailPercent", 3, "trailing_stop")}, "entry buy 4 + stop_loss sell 4 trail% 3"),
        ({"stop_loss": bracket("percent", 5)}, "price-required"),
        ({**AT_100, "stop_loss": bracket("stopPrice", 105)}, "bracket-on-wrong-side"),
        ({**AT_100, "take_profit": bracket("limitPrice", 99)}, "bracket-on-wrong-side"),
        ({**AT_100, "stop_loss": bracket("amount", 100)}, "invalid-bracket-price"),
    ],
)
def test_an_entry_gets_its_legs_or_is_not_made(values: dict[str, Any], expected: str) -> None:
    assert answer(message("buy", 4, **values))[1] == expected


def test_the_legs_of_a_short_are_on_the_other_sides() -> None:
    asked = message("sell", 4, stop_loss=bracket("percent", 5), take_profit=bracket("amount", 5), **AT_100)
    assert answer(asked)[1] == "entry sell 4 + stop_loss buy 4 stop 105 + take_profit buy 4 limit 95"


def test_legs_outlive_the_day_of_their_entry() -> None:
    plan = decide(message("buy", 4, stop_loss=STOP_95), Terms(), snapshot(), NOW)
    assert isinstance(plan, Plan)
    assert (plan.intents[0].time_in_force, plan.intents[0].then[0].time_in_force) == (TimeInForce.DAY, TimeInForce.GTC)


def test_the_signal_and_the_terms_bound_how_long_an_order_works() -> None:
    for asked, terms, expected in (
        (message("buy", 1, cancel_after=30), Terms(cancel_after=90), 30),
        (message("buy", 1), Terms(cancel_after=90), 90),
        (message("buy", 1, cancel_after=30), Terms(cancel_after=90, quantity=D(1), allow_overrides=False), 90),
    ):
        plan = decide(asked, terms, snapshot(), NOW)
        assert isinstance(plan, Plan)
        assert plan.intents[0].cancel_after == expected


NIGHT = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # 18:00 in New York, after the close
PAPER: dict[str, Any] = {"environment": Environment.PAPER, "permitted": True}


@pytest.mark.parametrize(
    ("terms", "values", "expected"),
    [
        ({}, {}, (OrderType.MARKET, TimeInForce.DAY, False)),
        ({"market_closed": MarketClosed.OPG}, {}, (OrderType.MARKET, TimeInForce.OPG, False)),
        ({"market_closed": MarketClosed.REJECT}, {}, "market-closed"),
        ({"outside_rth": True}, AT_100, (OrderType.LIMIT, TimeInForce.DAY, True)),
        ({"outside_rth": True}, {}, "price-required"),
        ({"hours": Hours.REGULAR}, {}, "outside-session"),
        ({"hours": Hours.EXTENDED}, {}, (OrderType.MARKET, TimeInForce.DAY, False)),
    ],
)
def test_a_market_order_at_night_does_what_the_terms_say(
    terms: dict[str, Any], values: dict[str, Any], expected: Any
) -> None:
    decided = decide(message("buy", 1, **values), Terms(**terms), snapshot(as_of=NIGHT, **PAPER), NIGHT)
    if isinstance(decided, Rejection):
        assert decided.code == expected
    else:
        order = decided.intents[0]
        assert (order.type, order.time_in_force, order.outside_rth) == expected


def level(of: Level = Level.ACCOUNT, **values: Any) -> Guards:
    return Guards(levels=(LevelGuard(level=of, **values),))


@pytest.mark.parametrize(
    ("terms", "book", "guards", "rule"),
    [
        ({"max_quantity": D(9)}, snapshot(), Guards(), "G01"),
        ({}, snapshot(), level(max_quantity=D(9)), "G01"),
        ({}, snapshot(), level(max_trades_per_day=2, trades_today=2), "G06"),
        ({}, snapshot(), level(cooldown_seconds=60, last_trade_at=NOW - timedelta(seconds=59)), "G07"),
        ({}, snapshot(), level(restricted=("AAPL",)), "G12"),
        ({"max_amount": D(999)}, snapshot(), Guards(), "G02"),
        ({"close_only": True}, snapshot(), Guards(), "G03"),
        ({"max_position": D(14), "allow_add": True}, snapshot(5), Guards(), "G04"),
        (
            {"max_position": D(14), "working_entry": WorkingEntry.KEEP},
            snapshot(0, working("entry", "buy", 5)),
            Guards(),
            "G04",
        ),
        ({"max_position": D(14)}, snapshot(elsewhere=Added(buying=D(5))), Guards(), "G04"),
        ({"max_position_amount": D(1499), "allow_add": True}, snapshot(5), Guards(), "G05"),
        ({"max_position_amount": D(1499)}, snapshot(elsewhere=Added(buying=D(5))), Guards(), "G05"),
        ({"max_trades_per_day": 3}, snapshot(trades_today=3), Guards(), "G06"),
        ({"max_trades_per_day": 3}, snapshot(), Guards(), "G06"),
        ({"cooldown_seconds": 60}, snapshot(last_trade_at=NOW - timedelta(seconds=59)), Guards(), "G07"),
        ({"max_daily_loss": D(100)}, snapshot(day_profit=D(-100)), Guards(), "G08"),
        ({}, snapshot(day_profit=D(0)), level(max_daily_loss=D(100)), "G08"),
        ({}, snapshot(), level(max_daily_loss=D(100), day_profit=D(-100)), "G08"),
        ({"max_daily_profit": D(100)}, snapshot(day_profit=D(101)), Guards(), "G09"),
        ({"collar_percent": D(2)}, snapshot(quote=quote("97", "97.1", "97")), Guards(), "G10"),
        ({"tickers": ("MSFT",)}, snapshot(), Guards(), "G11"),
        ({}, snapshot(), Guards(halt=Halt.ENTRIES, halted_by="Alice"), "G00"),
    ],
)
def test_a_guard_holds_an_entry_back(terms: dict[str, Any], book: Snapshot, guards: Guards, rule: str) -> None:
    asked = message("buy", 10, **AT_100)
    assert answer(asked, Terms(**terms), book, guards=guards)[0] == rule


def test_the_refusal_names_orders_placed_elsewhere_and_those_of_the_other_side_do_not_count() -> None:
    asked, terms = message("buy", 10, **AT_100), Terms(max_position=D(14))
    refused = decide(asked, terms, snapshot(elsewhere=Added(buying=D(5))), NOW)
    assert isinstance(refused, Rejection)
    assert refused.reason.endswith("limit is 14. Orders placed elsewhere may add 5 of it.")
    assert isinstance(decide(asked, terms, snapshot(elsewhere=Added(selling=D(5))), NOW), Plan)


def test_a_guard_that_is_kept_lets_the_entry_go() -> None:
    terms = Terms(
        max_quantity=D(10),
        max_amount=D(1000),
        max_position=D(10),
        max_position_amount=D(1000),
        max_trades_per_day=3,
        cooldown_seconds=60,
        max_daily_loss=D(100),
        max_daily_profit=D(100),
        collar_percent=D(2),
        tickers=("AAPL",),
    )
    book = snapshot(
        trades_today=2, last_trade_at=NOW - timedelta(seconds=60), day_profit=D(-99), quote=quote("99", "101", "100")
    )
    assert answer(message("buy", 10, **AT_100), terms, book) == ("D01", "entry buy 10")


def test_only_a_full_stop_holds_an_exit_back() -> None:
    for halt, expected in ((Halt.ENTRIES, "exit sell 5"), (Halt.EVERYTHING, "trading-halted")):
        assert answer(message("exit"), book=snapshot(5), guards=Guards(halt=halt))[1] == expected
    resting = snapshot(5, working("entry", "buy", 1))
    assert answer(message("cancel"), book=resting, guards=Guards(halt=Halt.EVERYTHING))[1] == "cancel w1"


def test_an_amount_nobody_can_tell_is_not_within_a_limit() -> None:
    assert answer(message("buy", 1), Terms(max_amount=D(10))) == ("G02", "amount-unknown")
    assert answer(message("buy", 1), Terms(collar_percent=D(2))) == ("G10", "collar-price-unknown")


def test_a_flip_that_the_account_cannot_carry_still_leaves() -> None:
    book = snapshot(-5, available_funds=D(10), **PAPER)
    terms = Terms(allow_swap=True, sides=Sides.BOTH)
    decided = decide(message("buy", 5_000, **AT_100), terms, book, NOW)
    assert isinstance(decided, Plan)
    assert drawn(decided) == "exit buy 5"
    assert "No entry follows: Margin needed" in decided.reason


NEW_YORK = Window(days=(4,), start=datetime(2026, 1, 1, 9, 30).time(), end=datetime(2026, 1, 1, 16).time())
OVERNIGHT = Window(days=(4,), start=datetime(2026, 1, 1, 22).time(), end=datetime(2026, 1, 1, 2).time(), zone="UTC")


@pytest.mark.parametrize(
    ("window", "at", "holds"),
    [
        (NEW_YORK, datetime(2026, 11, 20, 14, 30, tzinfo=UTC), True),
        (NEW_YORK, datetime(2026, 11, 20, 21, 0, tzinfo=UTC), False),
        (NEW_YORK, datetime(2026, 7, 17, 13, 30, tzinfo=UTC), True),
        (NEW_YORK, datetime(2026, 7, 17, 20, 30, tzinfo=UTC), False),
        (NEW_YORK, datetime(2026, 11, 19, 15, 0, tzinfo=UTC), False),
        (OVERNIGHT, datetime(2026, 11, 20, 23, 0, tzinfo=UTC), True),
        (OVERNIGHT, datetime(2026, 11, 21, 1, 59, tzinfo=UTC), True),
        (OVERNIGHT, datetime(2026, 11, 21, 2, 0, tzinfo=UTC), False),
        (OVERNIGHT, datetime(2026, 11, 20, 1, 0, tzinfo=UTC), False),
    ],
)
def test_a_window_keeps_its_zones_clock_and_crosses_midnight(window: Window, at: datetime, holds: bool) -> None:
    assert window.holds(at) is holds


def test_a_future_is_on_the_list_by_its_root() -> None:
    asked = message("buy", 1, symbol=symbols.read("MNQZ2026", symbols.Kind.FUTURE, NOW))
    book = snapshot(contract=MNQ)
    assert answer(asked, Terms(tickers=("MNQ",)), book) == ("D01", "entry buy 1")
    assert answer(asked, Terms(tickers=("ES",)), book) == ("G11", "ticker-not-allowed")


def test_a_future_trades_in_every_session_of_its_exchange() -> None:
    asked = message("buy", 1, symbol=symbols.read("MNQZ2026", symbols.Kind.FUTURE, NOW))
    terms = Terms(market_closed=MarketClosed.REJECT)
    book = snapshot(contract=MNQ, available_funds=D(10**9), **PAPER)
    assert answer(asked, terms, book, now=NIGHT - timedelta(days=1)) == ("D01", "entry buy 1")
    saturday = NIGHT + timedelta(hours=20)
    assert answer(asked, terms, book, now=saturday) == ("H01", "market-closed")


@pytest.mark.parametrize(
    ("at", "closed"),
    [
        (datetime(2025, 12, 25, 15, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 27, 19, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 26, 18, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 26, 23, 30, tzinfo=UTC), False),
        (datetime(2026, 11, 27, 18, 0, tzinfo=UTC), False),
    ],
)
def test_a_future_keeps_the_holidays_and_half_days_of_its_exchange(at: datetime, closed: bool) -> None:
    asked = message("buy", 1, symbol=symbols.read("MNQZ2026", symbols.Kind.FUTURE, NOW))
    book = snapshot(contract=MNQ, available_funds=D(10**9), **PAPER)
    assert (answer(asked, Terms(market_closed=MarketClosed.REJECT), book, now=at)[0] == "H01") is closed


@pytest.mark.parametrize(
    ("action", "quantity", "premium", "expected"),
    [
        # One contract of 100 shares at 640 is about 64,000, whatever it costs and whoever opens it.
        ("buy", 64_000, "0.5", "1"),
        ("buy", 200_000, "700", "3"),
        ("sell", 130_000, "0.5", "2"),
        ("buy", 63_999, "0.5", "quantity-zero"),
    ],
)
def test_a_size_by_what_an_option_is_about_counts_its_strike(
    action: str, quantity: int, premium: str, expected: str
) -> None:
    put = options.read("SPY 261218P640", NO_WISH, NOW)
    contract = Contract(
        instrument=Instrument(ticker="SPY 261218P640", asset_class=AssetClass.OPTION), conid=5, multiplier=D(100)
    )
    book = snapshot(contract=contract, equity=D(10**7), buying_power=D(10**7), available_funds=D(10**7))
    sent = message(action, quantity, symbol=put, quantity_type="notional_dollar_amount", signal_price=D(premium))
    assert size(sent, book=book) == expected
    by_terms = Terms(quantity=D(quantity), quantity_type=QuantityType.NOTIONAL)
    assert size(message(action, symbol=put, signal_price=D(premium)), by_terms, book) == expected


@pytest.mark.parametrize(
    ("action", "quantity", "kind", "terms", "expected"),
    [
        ("buy", 10_000, "dollar_amount", {}, "200"),
        # One contract of 100 shares at 640 is 64,000 to be bought from whoever is assigned.
        ("sell", 10_000, "dollar_amount", {}, "quantity-zero"),
        ("sell", 130_000, "dollar_amount", {}, "2"),
        ("sell", 1_000, "percent_of_equity", {}, "1"),
        ("buy", 100, "fixed_quantity", {"max_amount": D(10_000)}, "100"),
        ("sell", 1, "fixed_quantity", {"max_amount": D(10_000)}, "amount-over-limit"),
        ("sell", 1, "fixed_quantity", {"max_position_amount": D(63_999)}, "amount-over-limit"),
        ("sell", 1, "fixed_quantity", {"max_position_amount": D(64_000)}, "1"),
    ],
)
def test_an_option_that_is_written_counts_at_its_strike(
    action: str, quantity: int, kind: str, terms: dict[str, Any], expected: str
) -> None:
    put = options.read("SPY 261218P640", NO_WISH, NOW)
    contract = Contract(
        instrument=Instrument(ticker="SPY 261218P640", asset_class=AssetClass.OPTION), conid=5, multiplier=D(100)
    )
    asked = message(action, quantity, symbol=put, quantity_type=kind, signal_price=D("0.5"))
    assert size(asked, Terms(**terms), snapshot(contract=contract, **RICH)) == expected
