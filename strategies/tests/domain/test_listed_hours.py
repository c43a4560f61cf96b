"""What IBKR says of a contract's trading hours goes before the calendar of its exchange, before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent, OrderType, Role, Side, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.domain.trading_hours import TradingHours
from strategies.domain.decide.decide import decide
from strategies.domain.plan.assessment import assess
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Hours, MarketClosed, Terms
from strategies.tests.domain.cases_of_decide import AAPL, message, snapshot

NOW = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)  # a Tuesday, two in the afternoon in New York


def hours(*days: tuple[int, int, int]) -> TradingHours:
    """Sessions of November 2026: the day, and from when to when in hours of UTC."""
    spans = tuple(
        tuple(int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()) for hour in (begins, ends))
        for day, begins, ends in days
    )
    return TradingHours(regular=spans, extended=spans)  # type: ignore[arg-type]


# The exchange closes at six in the evening of UTC on the 24th: no table knows it.
MOURNING = hours((23, 15, 21), (24, 15, 18), (25, 15, 21))


def seen(listed: TradingHours | None, **values: Any) -> Snapshot:
    return snapshot(environment=Environment.PAPER, hours=listed, **values)


def answer(listed: TradingHours | None, now: datetime = NOW, terms: Terms | None = None, **values: Any) -> Any:
    return decide(message("buy", 5), terms or Terms(), seen(listed, **values), now)


def test_a_market_order_is_refused_where_ibkr_lists_no_session() -> None:
    terms = replace(Terms(), market_closed=MarketClosed.REJECT)
    refused = answer(MOURNING, terms=terms)
    assert isinstance(refused, Rejection)
    assert refused.code == "market-closed"
    assert refused.reason.startswith("The market is closed until Wednesday 15:00 UTC, ")
    assert isinstance(answer(None, terms=terms), Plan), "the calendar of US shares says open"
    assert isinstance(answer(MOURNING, NOW.replace(hour=16), terms=terms), Plan)


def test_one_waits_for_the_open_where_ibkr_lists_no_session() -> None:
    plan = answer(MOURNING, terms=replace(Terms(), market_closed=MarketClosed.OPG))
    assert [intent.time_in_force for intent in plan.intents] == [TimeInForce.OPG]


def test_entries_stay_within_the_listed_session() -> None:
    refused = answer(MOURNING, terms=replace(Terms(), hours=Hours.REGULAR))
    assert isinstance(refused, Rejection)
    assert refused.code == "outside-session"


def test_a_contract_whose_exchange_we_have_no_calendar_of_has_hours_by_ibkrs_word() -> None:
    dax = Contract(
        instrument=Instrument(ticker="FDAXZ2026", asset_class=AssetClass.FUTURE),
        conid=1,
        exchange="EUREX",
        currency="EUR",
        ticker="FDAXZ2026",
    )
    terms = replace(Terms(), market_closed=MarketClosed.REJECT)
    for listed, closed in ((MOURNING, True), (None, False), (hours((23, 1, 22), (24, 1, 22), (25, 1, 22)), False)):
        refused = answer(listed, terms=terms, contract=dax)
        assert (getattr(refused, "code", "") == "market-closed") is closed


def test_an_option_on_an_index_is_open_by_the_hours_of_those_on_indices() -> None:
    terms = replace(Terms(), market_closed=MarketClosed.REJECT)
    # Five past four in New York: those on indices trade a quarter of an hour longer.
    after = NOW.replace(hour=21, minute=5)
    for ticker, closed in (("SPXW 261211C6400", False), ("SPY 261211C640", True)):
        option = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
        contract = Contract(instrument=option, conid=1, exchange="SMART", currency="USD", ticker=ticker)
        refused = answer(None, after, terms, contract=contract)
        assert (getattr(refused, "code", "") == "market-closed") is closed, ticker


def test_what_ibkr_listed_long_ago_leaves_it_to_the_calendar() -> None:
    terms = replace(Terms(), market_closed=MarketClosed.REJECT)
    old = hours((2, 15, 16), (3, 15, 16))
    assert isinstance(answer(old, terms=terms), Plan)
    assert isinstance(answer(old, datetime(2026, 11, 24, 3, tzinfo=UTC), terms=terms), Rejection)


def test_the_simulated_market_never_closes() -> None:
    terms = replace(Terms(), market_closed=MarketClosed.REJECT)
    shown = replace(seen(MOURNING), environment=Environment.SIMULATED)
    assert isinstance(decide(message("buy", 5), terms, shown, NOW), Plan)


def test_an_order_for_the_close_is_held_against_the_listed_close() -> None:
    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=AAPL.instrument,
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal(1),
        time_in_force=TimeInForce.CLS,
    )
    early = datetime(2026, 11, 24, 17, 58, tzinfo=UTC)
    refused = assess(intent, seen(MOURNING), early, signal_price=Decimal(100))
    assert getattr(refused, "code", "") == "market_on_close_too_late"
    assert getattr(assess(intent, seen(None), early, signal_price=Decimal(100)), "code", "") == ""


def test_the_hours_are_kept_with_what_a_decision_saw() -> None:
    shown = seen(MOURNING)
    assert msgspec.convert(msgspec.to_builtins(shown), Snapshot, strict=False) == shown
    without = {name: value for name, value in msgspec.to_builtins(shown).items() if name != "hours"}
    assert msgspec.convert(without, Snapshot, strict=False).hours is None


def for_auction(tif: TimeInForce, role: Role = Role.ENTRY, kind: OrderType = OrderType.LIMIT) -> OrderIntent:
    limit = Decimal(190) if kind is OrderType.LIMIT else None
    instrument = Instrument(ticker="AAPL")
    side = Side.BUY if role is Role.ENTRY else Side.SELL
    return OrderIntent(
        role=role,
        instrument=instrument,
        side=side,
        type=kind,
        quantity=Decimal(1),
        limit_price=limit,
        time_in_force=tif,
    )


def test_an_order_for_an_auction_leaves_in_its_window_or_is_refused_with_it() -> None:
    # By IBKR's hours, where Tuesday ends at 18:00 of UTC, and by the calendar of US shares without them.
    for listed, just_closed in ((MOURNING, NOW.replace(hour=18, second=5)), (None, NOW.replace(hour=21, second=5))):
        refused = assess(for_auction(TimeInForce.OPG), seen(listed), just_closed)
        assert isinstance(refused, Rejection)
        assert (refused.rule, refused.code) == ("R01", "on-open-outside-window")
        assert "On-open orders are taken from Tuesday " in refused.reason
        assert not isinstance(assess(for_auction(TimeInForce.OPG), seen(listed), NOW.replace(hour=22)), Rejection)
    late = assess(for_auction(TimeInForce.CLS), seen(MOURNING), NOW.replace(hour=17, minute=50))
    assert isinstance(late, Rejection)
    assert late.code == "on-close-too-late"


def test_a_way_out_for_an_auction_is_tried_at_any_time() -> None:
    estimate = assess(for_auction(TimeInForce.OPG, Role.EXIT), seen(MOURNING), NOW.replace(hour=18, second=5))
    assert not isinstance(estimate, Rejection)
    assert any("On-open orders are taken from" in note for note in estimate.notes)
