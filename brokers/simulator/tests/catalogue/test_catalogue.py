from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue, futures, tables
from brokers.simulator.catalogue.dates import last_day
from brokers.simulator.catalogue.hours import is_business_day
from brokers.simulator.shapes import contracts

TODAY = date(2026, 11, 20)
QUICK = settings(deadline=None)
MOST = 2**31 - 1


def test_every_conid_leads_back_to_its_contract() -> None:
    everything = catalogue.everything(TODAY)
    assert len({i.conid for i in everything}) == len(everything)
    assert all(catalogue.find(i.conid) == i for i in everything)


def test_there_are_more_than_five_hundred_symbols_of_every_listed_class() -> None:
    everything = catalogue.everything(TODAY)
    assert len({(i.sec_type, i.symbol, i.currency) for i in everything}) > 1000
    assert len({i.symbol for i in everything}) > 500
    assert {i.sec_type for i in everything} == {"STK", "IND", "CASH", "CFD", "FUT"}
    assert len([i for i in everything if i.sec_type == "STK"]) >= 400


def test_public_conids_are_the_real_ones() -> None:
    assert [catalogue.stocks(s)[0].conid for s in ("AAPL", "SPY", "QQQ", "IBM")] == [265598, 756733, 320227571, 8314]
    assert [i.conid for s in ("SPX", "NDX", "RUT", "VIX") for i in catalogue.search(s)[:1]] == [
        416904,
        416843,
        416888,
        13455763,
    ]


def test_numbers_given_out_once_are_given_out_for_ever() -> None:
    # Books refer to them: whoever breaks this must not change the numbers, but leave the rows where they were.
    assert [catalogue.stocks(s)[0].conid for s in ("MSFT", "TLT", "GOOG")] == [900000001, 900000035, 900000036]
    assert catalogue.futures("ES", TODAY)[0].conid == 500_002_612
    assert [f.conid for f in catalogue.futures("GC", TODAY)][:2] == [500_052_611, 500_052_612]
    assert catalogue.pairs("AUD")[0].conid == 910_000_003
    assert [int(row["number"]) for row in tables.read("stocks")] == list(range(len(tables.read("stocks"))))
    assert [int(row["number"]) for row in tables.read("futures")] == list(range(len(tables.read("futures"))))


def test_berkshire_answers_to_dot_and_space() -> None:
    assert catalogue.stocks("BRK.B") == catalogue.stocks("BRK B") != ()


def test_a_stock_is_listed_at_home_first_and_abroad_where_nobody_may_trade() -> None:
    home, abroad = catalogue.stocks("MSFT")
    assert (home.exchange, home.currency, home.tradable) == ("NASDAQ", "USD", True)
    assert (abroad.exchange, abroad.currency, abroad.tradable) == ("MEXI", "MXN", False)


def test_front_months_follow_the_date() -> None:
    assert [f.expiry for f in catalogue.futures("ES", TODAY)[:2]] == [date(2026, 12, 18), date(2027, 3, 19)]
    assert [f.expiry for f in catalogue.futures("ES", date(2026, 12, 19))[:1]] == [date(2027, 3, 19)]
    assert [f.expiry for f in catalogue.futures("CL", TODAY)[:2]] == [date(2026, 11, 20), date(2026, 12, 21)]


# Last days of trading as the exchanges published them.
@pytest.mark.parametrize(
    ("root", "named_after", "last"),
    [
        ("ES", date(2026, 6, 1), date(2026, 6, 18)),  # the third Friday is a holiday
        ("CL", date(2026, 1, 1), date(2025, 12, 19)),  # the 25th is Christmas
        ("CL", date(2025, 6, 1), date(2025, 5, 20)),
        ("GC", date(2025, 12, 1), date(2025, 12, 29)),
        ("NG", date(2025, 12, 1), date(2025, 11, 25)),
        ("ZN", date(2025, 12, 1), date(2025, 12, 19)),
        ("ZF", date(2025, 12, 1), date(2025, 12, 31)),
        ("EUR", date(2025, 12, 1), date(2025, 12, 15)),
        ("ZC", date(2025, 12, 1), date(2025, 12, 12)),
        ("VIX", date(2025, 12, 1), date(2025, 12, 17)),
    ],
)
def test_futures_end_on_the_days_their_exchanges_say(root: str, named_after: date, last: date) -> None:
    number = futures.number_of(root)
    assert number is not None
    assert futures.month(number, named_after.year, named_after.month).expiry == last


@QUICK
@given(day=st.dates(date(2024, 1, 2), date(2028, 6, 30)), root=st.sampled_from(futures.roots()))
def test_the_months_of_a_future_follow_each_other_and_end_on_business_days(day: date, root: str) -> None:
    sizes = {f.underlying_conid for f in catalogue.futures(root, day)}
    for size in sizes:
        months = [f for f in catalogue.futures(root, day) if f.underlying_conid == size]
        last = [f.expiry for f in months if f.expiry is not None]
        assert last == sorted(set(last))
        assert last[0] >= day
        assert len(months) in {8, 9, 10, 11, 12}
        assert all(is_business_day(each) for each in last)
        assert all(catalogue.find(f.conid) == f for f in months)


def test_metals_and_currencies_list_the_next_months_whatever_their_cycle() -> None:
    named = [f.month for f in catalogue.futures("EUR", TODAY)[:5]]
    assert named == [date(2026, month, 1) for month in (12,)] + [date(2027, month, 1) for month in (1, 2, 3, 6)]
    assert [f"{f.month:%y%m}" for f in catalogue.futures("GC", TODAY)[:5]] == ["2611", "2612", "2701", "2702", "2704"]


def test_products_of_several_sizes_share_a_symbol() -> None:
    first = [f for f in catalogue.futures("DAX", TODAY) if f.month == date(2026, 12, 1)]
    assert [(f.trading_class, f.multiplier, f.currency) for f in first] == [
        ("FDAX", Decimal(25), "EUR"),
        ("FDXM", Decimal(5), "EUR"),
        ("FDXS", Decimal(1), "EUR"),
    ]
    assert {f.trading_class for f in catalogue.futures("FDXM", TODAY)} == {"FDXM"}
    assert {f.trading_class for f in catalogue.futures("SI", TODAY)} == {"SI", "SIL"}


def test_positions_of_a_future_that_is_delivered_are_to_be_closed_before_its_notice() -> None:
    gold = next(f for f in catalogue.futures("GC", TODAY) if f.month == date(2026, 12, 1))
    assert (gold.notice, gold.expiry) == (date(2026, 11, 30), date(2026, 12, 29))
    assert contracts.future_month(gold)["longFuturesCutOff"] == 20261127
    assert contracts.future_month(catalogue.futures("ES", TODAY)[0])["longFuturesCutOff"] == 20261218


def test_a_future_has_its_multiplier_and_tick() -> None:
    future = catalogue.futures("MNQ", TODAY)[0]
    assert (future.multiplier, future.increment, future.exchange) == (Decimal(2), Decimal("0.25"), "CME")


def test_a_rule_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="Not a rule"):
        last_day("some day", TODAY)


def test_unknown_symbols_find_nothing() -> None:
    assert catalogue.stocks("NOPE") == ()
    assert catalogue.futures("NOPE", TODAY) == []
    assert catalogue.search("NOPE") == []
    assert catalogue.resolve("NOPE", TODAY) is None
    assert catalogue.find(500_000_113) is None


@QUICK
@given(st.integers(-MOST, 2**40))
def test_any_number_is_a_contract_that_says_the_same_number_or_nothing(conid: int) -> None:
    instrument = catalogue.find(conid)
    assert instrument is None or instrument.conid == conid


@QUICK
@given(st.text(max_size=30))
def test_any_text_may_be_searched_for(text: str) -> None:
    assert isinstance(catalogue.search(text), list)
    assert catalogue.resolve(text, TODAY) is None or text.strip()


def test_a_search_finds_companies_by_a_part_of_their_name() -> None:
    assert {i.symbol for i in catalogue.named("semiconductor")} >= {"SMH", "TSM", "ON"}
    assert catalogue.named("on") == []


def test_a_symbol_stands_for_one_contract_only() -> None:
    assert catalogue.resolve("EURUSD", TODAY) == catalogue.pair("EUR", "USD")
    assert catalogue.resolve("MNQ", TODAY) == catalogue.futures("MNQ", TODAY)[0]
    gold = catalogue.resolve("GC", TODAY)
    assert gold is not None
    assert gold.month == date(2026, 12, 1)  # the serial month before it is nobody's gold
    assert catalogue.resolve("SPX", TODAY) == catalogue.search("SPX")[0]
