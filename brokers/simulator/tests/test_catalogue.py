from __future__ import annotations

from datetime import date
from decimal import Decimal

from brokers.simulator import catalogue

TODAY = date(2026, 11, 20)


def test_every_conid_leads_back_to_its_contract() -> None:
    everything = catalogue.everything(TODAY)
    assert len({i.conid for i in everything}) == len(everything)
    assert all(catalogue.find(i.conid) == i for i in everything)


def test_public_conids_are_the_real_ones() -> None:
    assert [catalogue.stocks(s)[0].conid for s in ("AAPL", "SPY", "QQQ", "IBM")] == [265598, 756733, 320227571, 8314]


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


def test_a_future_has_its_multiplier_and_tick() -> None:
    future = catalogue.futures("MNQ", TODAY)[0]
    assert (future.multiplier, future.increment, future.exchange) == (Decimal(2), Decimal("0.25"), "CME")


def test_unknown_symbols_find_nothing() -> None:
    assert catalogue.stocks("NOPE") == ()
    assert catalogue.futures("NOPE", TODAY) == []
    assert catalogue.search("NOPE") == []
    assert catalogue.find(500_000_113) is None
