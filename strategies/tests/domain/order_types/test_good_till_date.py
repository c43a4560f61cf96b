"""Orders good till a date: which words mean which moment, what does not go with them, and what the decision says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.contracts.lifetimes import MOST_DAYS
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderType, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.effective import Leg, Source, effective
from strategies.domain.terms.terms import Terms
from strategies.reading.parse import parse
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, shape, snapshot

D = Decimal
LIMIT = {"orderType": "limit", "limitPrice": 99}


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "buy", "quantity": 1, **LIMIT, **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=NOW).message


def refused(**fields: Any) -> Refused:
    with pytest.raises(Refused) as error:
        read(**fields)
    assert error.value.message.endswith(".")
    return error.value


def decided(sent: str | None, terms: Terms | None = None, **book: Any) -> Plan | Rejection:
    order = shape("limit", limit=99, tif="gtd", good_till=sent)
    held = snapshot(**{"rates": {"EUR": D("1.1")}, **book})
    quantity = 30_000 if held.contract.instrument.asset_class is AssetClass.FOREX else 10
    return decide(message("buy", quantity, order=order, signal_price=D(100)), terms or Terms(), held, NOW)


def end_of(answer: Plan | Rejection) -> datetime:
    assert isinstance(answer, Plan), answer
    (intent,) = answer.intents
    assert intent.time_in_force is TimeInForce.GTD
    assert intent.good_till is not None
    return intent.good_till


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-12-04T15:30:00-05:00", "2026-12-04T20:30:00Z"),
        ("2026-12-04T20:30Z", "2026-12-04T20:30:00Z"),
        ("2026-12-04 20:30:00 UTC", "2026-12-04T20:30:00Z"),
        (1780000000, None),
        (int(NOW.timestamp()) + 3600, "2026-11-20T16:00:00Z"),
        (str((int(NOW.timestamp()) + 3600) * 1000), "2026-11-20T16:00:00Z"),
        ("Fri, 04 Dec 2026 20:30:00 GMT", "2026-12-04T20:30:00Z"),
        ("2026-12-04T15:30", "2026-12-04T15:30:00"),
        ("2026-12-04 15:30:00", "2026-12-04T15:30:00"),
        ("2026-12-04T15:30:00.250", "2026-12-04T15:30:00.250000"),
        ("20261204T1530", "2026-12-04T15:30:00"),
        ("2026-12-04", "2026-12-04"),
        (" 2026-12-04 ", "2026-12-04"),
        ("20261204", "2026-12-04"),
        ("+90 minutes", "2026-11-20T16:30:00Z"),
        ("+6 hours", "2026-11-20T21:00:00Z"),
        ("+3 days", "2026-11-23T15:00:00Z"),
        ("+ 2 weeks", "2026-12-04T15:00:00Z"),
    ],
)
def test_it_reads_days_moments_and_distances(sent: object, kept: str | None) -> None:
    if kept is None:
        assert refused(timeInForce="gtd", goodTillDate=sent).code == "good-till-date-passed"
        return
    asked = read(timeInForce="gtd", goodTillDate=sent)
    assert (asked.order.tif, asked.order.good_till) == ("gtd", kept)
    assert read(goodTillDate=sent).order == asked.order, "the date says the time in force by itself"
    assert Message.from_reading(asked.reading()) == asked


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"timeInForce": "gtd"}, "invalid-good-till-date"),
        ({"timeInForce": "gtd", "goodTillDate": ""}, "invalid-good-till-date"),
        ({"timeInForce": "gtd", "goodTillDate": None}, "invalid-good-till-date"),
        *(
            ({"goodTillDate": sent}, "invalid-good-till-date")
            for sent in (
                "tomorrow",
                "2026-13-01",
                "2026-02-30",
                "2026-12-04T25:00",
                "+3 fortnights",
                "+-3 days",
                "+99999 weeks",
                "0001-01-01",
                "9999-12-31",
                "9999-12-31T23:59:59",
                "12/04/2026",
                "x" * 5000,
                True,
                False,
                -1,
                20261204,
                1.5,
                [],
                ["2026-12-04"],
                {"day": "2026-12-04"},
            )
        ),
        ({"goodTillDate": "{{timenow}}"}, "unexpanded-placeholder"),
        ({"goodTillDate": "2026-11-18"}, "good-till-date-passed"),
        ({"goodTillDate": "2026-11-20T15:00:00Z"}, "good-till-date-passed"),
        ({"goodTillDate": "2020-01-01T00:00"}, "good-till-date-passed"),
        ({"goodTillDate": "+0 days"}, "good-till-date-passed"),
        ({"goodTillDate": "+91 days"}, "good-till-date-too-far"),
        ({"goodTillDate": "+9999 weeks"}, "good-till-date-too-far"),
        ({"goodTillDate": "2099-01-01"}, "good-till-date-too-far"),
        ({"goodTillDate": "2027-02-18T15:00:01Z"}, "good-till-date-too-far"),
        *(
            ({"goodTillDate": "2026-12-04", "timeInForce": tif}, "invalid-good-till-date")
            for tif in ("day", "gtc", "opg", "cls", "ioc", "fok")
        ),
        ({"goodTillDate": "2026-12-04", "orderType": "market", "limitPrice": ""}, "invalid-good-till-date"),
        ({"goodTillDate": "2026-12-04", "orderType": "limit_on_close"}, "invalid-good-till-date"),
        ({"timeInForce": "gtd", "goodTillDate": "2026-12-04", "orderType": "limit_on_open"}, "invalid-time-in-force"),
        ({"action": "modify", "timeInForce": "day", "goodTillDate": "2026-12-04", "orderType": ""}, "invalid-modify"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_sentence(fields: dict[str, Any], code: str) -> None:
    assert refused(**fields).code == code


def test_the_farthest_date_is_one_that_ibkr_keeps() -> None:
    assert read(goodTillDate="2027-02-18T15:00:00Z").order.good_till == "2027-02-18T15:00:00Z"
    assert read(goodTillDate="+90 days").order.good_till == "2027-02-18T15:00:00Z"


BERLIN = TradingHours(zone="Europe/Berlin", regular=((1, 2),))


def contract(asset_class: AssetClass, currency: str = "USD", exchange: str = "") -> Contract:
    ticker = {AssetClass.FOREX: "EURUSD", AssetClass.FUTURE: "MNQZ2026"}.get(asset_class, "AAPL")
    return Contract(
        instrument=Instrument(ticker=ticker, asset_class=asset_class), conid=1, currency=currency, exchange=exchange
    )


SHARE = {"contract": contract(AssetClass.STOCK)}
ABROAD = {"contract": contract(AssetClass.STOCK, "EUR", "IBIS"), "hours": BERLIN, "environment": Environment.PAPER}


@pytest.mark.parametrize(
    ("sent", "book", "end"),
    [
        ("2026-12-04T20:30:00Z", SHARE, "2026-12-04 20:30"),
        ("2026-12-04T15:30:00", SHARE, "2026-12-04 20:30"),
        # The day before Christmas Eve is a day like others, and the market closes early on the Eve.
        ("2026-12-23", SHARE, "2026-12-23 21:00"),
        ("2026-12-24", SHARE, "2026-12-24 18:00"),
        ("2026-12-25", SHARE, "2026-12-28 21:00"),
        ("2026-12-05", SHARE, "2026-12-07 21:00"),
        # The clock has changed by then.
        ("2026-12-04", ABROAD, "2026-12-04 23:00"),
        ("2026-12-04T17:30:00", ABROAD, "2026-12-04 16:30"),
        ("2026-12-04", {"contract": contract(AssetClass.FOREX)}, "2026-12-04 22:00"),
        ("2026-12-04", {"contract": contract(AssetClass.CFD)}, "2026-12-04 22:00"),
        ("2026-12-04", {"contract": contract(AssetClass.FUTURE, exchange="CME")}, "2026-12-04 22:00"),
    ],
)
def test_a_word_means_a_moment_by_the_clock_of_the_exchange(sent: str, book: dict[str, Any], end: str) -> None:
    for environment in (Environment.PAPER, Environment.SIMULATED):
        assert f"{end_of(decided(sent, **{**book, 'environment': environment})):%Y-%m-%d %H:%M}" == end


def test_where_the_clock_is_not_known_nothing_is_guessed() -> None:
    unknown: dict[str, Any] = {**ABROAD, "hours": None}
    for sent in ("2026-12-04", "2026-12-04T17:30:00"):
        answer = decided(sent, **unknown)
        assert isinstance(answer, Rejection)
        assert (answer.rule, answer.code) == ("P08", "exchange-zone-unknown")
    assert end_of(decided("2026-12-04T17:30:00Z", **unknown)) == datetime(2026, 12, 4, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        # They were still to come where a day ends last, and are over at the exchange.
        ("2026-11-19", "good-till-date-passed"),
        ("2026-11-20T09:59:00", "good-till-date-passed"),
        ("2026-11-20T14:00:00Z", "good-till-date-passed"),
        ("2027-02-19", "good-till-date-too-far"),
        (None, "invalid-good-till-date"),
    ],
)
def test_a_date_that_is_over_by_the_decision_sends_nothing(sent: str | None, code: str) -> None:
    answer = decided(sent)
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("P08", code)


def test_the_decision_says_when_halyard_cancels_it() -> None:
    answer = decided("2026-12-04")
    assert isinstance(answer, Plan)
    assert answer.reason.endswith(" What is left of it is canceled by Halyard at 2026-12-04 21:00 UTC.")


def test_legs_of_its_entry_are_good_till_canceled() -> None:
    answer = decided("2026-12-04", Terms(stop_loss=bracket("percent", 5), take_profit=bracket("percent", 5)))
    assert isinstance(answer, Plan)
    legs = answer.intents[0].then
    assert {(leg.time_in_force, leg.good_till) for leg in legs} == {(TimeInForce.GTC, None)}
    assert len(legs) == 2


DATED = Terms(
    order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTD, good_till_days=3, exit_time_in_force=TimeInForce.DAY
)


def test_terms_say_for_how_many_days() -> None:
    bought = decide(message("buy", 10, signal_price=D(100)), DATED, snapshot(), NOW)
    assert end_of(bought) == NOW + timedelta(days=3)
    assert contradictions(DATED) == []
    leaving = replace(DATED, exit_time_in_force=None, exit_good_till_days=1)
    sold = decide(message("exit", signal_price=D(100)), leaving, snapshot(10), NOW)
    assert end_of(sold) == NOW + timedelta(days=1)


def test_a_signals_own_date_comes_first_where_it_may_say_it() -> None:
    order = shape("limit", limit=99, tif="gtd", good_till="2026-12-04T20:30:00Z")
    signal = message("buy", 10, order=order, signal_price=D(100))
    assert end_of(decide(signal, DATED, snapshot(), NOW)) == datetime(2026, 12, 4, 20, 30, tzinfo=UTC)
    stubborn = replace(DATED, allow_overrides=False, quantity=D(1))
    assert end_of(decide(signal, stubborn, snapshot(), NOW)) == NOW + timedelta(days=3)


def test_a_market_order_that_a_signal_asks_for_is_of_the_day_whatever_the_terms_say() -> None:
    """A way out is not lost over a date that was meant for orders that wait."""
    leaving = replace(DATED, exit_time_in_force=None)
    answer = decide(message("exit", order=shape("market"), signal_price=D(100)), leaving, snapshot(10), NOW)
    assert isinstance(answer, Plan)
    assert (answer.intents[0].time_in_force, answer.intents[0].good_till) == (TimeInForce.DAY, None)


def test_a_signal_with_a_date_whose_terms_make_it_a_market_order_is_refused() -> None:
    signal = message("buy", 10, order=shape(tif="gtd", good_till="2026-12-04T20:30:00Z"), signal_price=D(100))
    answer = decide(signal, Terms(), snapshot(), NOW)
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("P08", "invalid-good-till-date")
    waiting = Terms(order_type=OrderType.LIMIT)
    assert end_of(decide(signal, waiting, snapshot(), NOW)) == datetime(2026, 12, 4, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (replace(DATED, good_till_days=None), "good_till_days"),
        (replace(DATED, good_till_days=0), "good_till_days"),
        (replace(DATED, good_till_days=91), "good_till_days"),
        (replace(DATED, exit_good_till_days=-1), "exit_good_till_days"),
        (replace(DATED, order_type=OrderType.MARKET), "time_in_force"),
        (replace(DATED, exit_time_in_force=None, exit_order_type=OrderType.MARKET), "exit_time_in_force"),
        (
            Terms(exit_order_type=OrderType.LIMIT, exit_time_in_force=TimeInForce.GTD),
            "exit_good_till_days",
        ),
    ],
)
def test_terms_that_do_not_go_together_are_refused_at_their_field(terms: Terms, field: str) -> None:
    assert field in dict(contradictions(terms))


def test_terms_with_it_come_back_from_json_and_old_ones_have_none() -> None:
    assert Terms.from_json(DATED.to_json()) == DATED
    old = {name: value for name, value in Terms().to_json().items() if "good_till" not in name}
    assert Terms.from_json(old).good_till_days is None


@given(st.datetimes(datetime(2026, 11, 20), datetime(2027, 2, 20)), st.booleans())
def test_what_is_planned_ends_later_than_now_and_no_later_than_ibkr_keeps_it(at: datetime, by_day: bool) -> None:
    sent = at.date().isoformat() if by_day else at.isoformat()
    answer = decided(sent)
    if isinstance(answer, Rejection):
        assert answer.code in {"good-till-date-passed", "good-till-date-too-far"}
        return
    assert NOW < end_of(answer) <= NOW + timedelta(days=MOST_DAYS)


def test_a_date_has_the_source_of_its_time_in_force() -> None:
    own = effective(message("buy", 1), DATED, Leg.ENTRY)
    assert (own.good_till.value, own.good_till_days) == (None, (3, Source.SUBSCRIPTION))
    order = shape("limit", limit=99, tif="day")
    other = effective(message("buy", 1, order=order), DATED, Leg.ENTRY)
    assert (other.good_till.value, other.good_till_days.value) == (None, None)
