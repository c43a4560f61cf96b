"""Money and quotes by the stream: what is asked for, and what its messages say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.market.quotes import Availability
from brokers.domain.session.feed import MoneyHeard
from brokers.ibkr.topics.reader import Reader
from brokers.ibkr.topics.wanted import MOST_QUOTES, RENEWED_AFTER, Wanted

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())


def wanting(accounts: Any = ("DU1",), conids: Any = (265598,)) -> Wanted:
    wanted = Wanted()
    wanted.want(accounts, conids)
    return wanted


@pytest.fixture
def reader() -> Reader:
    return Reader(wanting(), lambda: NOW)


def names(messages: list[str]) -> list[str]:
    return ["+".join(message.split("+")[:2]) for message in messages]


def test_it_asks_for_money_of_accounts_and_quotes_of_contracts_once() -> None:
    wanted = wanting()
    assert names(wanted.due(0.0)) == ["ssd+DU1", "sld+DU1", "smd+265598", "spl+{}"]
    assert wanted.due(1.0) == []
    wanted.want(("DU1",), ())
    assert wanted.due(2.0) == ["umd+265598+{}"]
    wanted.want((), ())
    assert sorted(wanted.due(3.0)) == ["uld+DU1+{}", "upl+{}", "usd+DU1+{}"]
    assert wanted.due(4.0) == []


def test_quotes_are_renewed_before_ibkr_ends_them() -> None:
    wanted = wanting()
    wanted.due(0.0)
    assert RENEWED_AFTER < 600
    assert wanted.due(RENEWED_AFTER - 1) == []
    assert names(wanted.due(RENEWED_AFTER)) == ["smd+265598"]
    assert wanted.due(RENEWED_AFTER + 1) == []


def test_a_new_session_is_asked_for_everything_again() -> None:
    wanted = wanting()
    first = wanted.due(0.0)
    wanted.forget()
    assert wanted.due(1.0) == first


def test_no_more_quotes_are_asked_for_than_a_user_can_spare() -> None:
    asked = names(wanting((), range(1, 900)).due(0.0))
    assert len(asked) == MOST_QUOTES


def summary(timestamp: Any = STAMP, **values: Any) -> dict[str, Any]:
    keys = {"NetLiquidation": 100.5, "AvailableFunds": 20, "TotalCashValue": "NaN", **values}
    rows = [{"key": k, "currency": "USD", "monetaryValue": v, "timestamp": timestamp} for k, v in keys.items()]
    return {"topic": "ssd+DU1", "result": rows}


def money(reader: Reader, message: dict[str, Any]) -> MoneyHeard | None:
    event = reader.take(message)
    return None if event is None else event.money.get("DU1")


def test_a_summary_tells_a_part_and_no_number_that_is_none(reader: Reader) -> None:
    told = money(reader, summary())
    assert told == MoneyHeard(net_liquidation=Decimal("100.5"), available_funds=Decimal(20), currency="USD")


def test_a_summary_tells_the_settled_cash(reader: Reader) -> None:
    told = money(reader, summary(SettledCash=12.5))
    assert told is not None
    assert told.settled_cash == Decimal("12.5")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("3", 3),
        ("0", 0),
        (-1, -1),
        ("-1", -1),
        ("-2", None),
        ("1.5", None),
        ("NaN", None),
        ("1e9", None),
        ("Unlimited", None),
        (None, None),
        ({}, None),
        (True, None),
    ],
)
def test_a_summary_tells_the_day_trades_that_are_left(reader: Reader, said: object, left: int | None) -> None:
    message = summary()
    message["result"].append({"key": "DayTradesRemaining", "value": said, "timestamp": STAMP})
    told = money(reader, message)
    assert told is not None
    assert told.day_trades_left == left


def test_a_ledger_tells_the_profit_of_the_base_currency(reader: Reader) -> None:
    rows = [
        {"key": "LedgerListEUR", "unrealizedpnl": 9.0, "timestamp": STAMP},
        {"key": "LedgerListBASE", "acctCode": "DU1", "unrealizedpnl": 1.5, "realizedpnl": -2, "timestamp": STAMP},
    ]
    told = money(reader, {"topic": "sld+DU1", "result": rows})
    assert told == MoneyHeard(unrealized_pnl=Decimal("1.5"), realized_pnl=Decimal(-2))
    assert money(reader, {"topic": "sld+DU1", "result": [{**rows[1], "acctCode": "DU2"}]}) is None


def test_profit_tells_of_the_accounts_that_were_asked_for(reader: Reader) -> None:
    row = {"rowType": 1, "dpl": 15.7, "nl": 10000.0, "upl": 607.0}
    event = reader.take({"topic": "spl", "args": {"DU1.Core": row, "DU2.Core": row, "": row, "DU3": 5}})
    assert event is not None
    assert event.money == {"DU1": MoneyHeard(net_liquidation=Decimal("10000.0"), unrealized_pnl=Decimal("607.0"))}


@pytest.mark.parametrize(
    "message",
    [
        {"topic": "ssd+DU2", "result": summary()["result"]},
        {"topic": "ssd", "result": summary()["result"]},
        {"topic": "sld+DU1", "result": [{"key": "LedgerListUSD", "realizedpnl": 5}]},
        {"topic": "sld+DU1", "result": "x"},
        {"topic": "smd+265598", "conid": 8314, "31": "5", "6509": "R"},
        {"topic": "smd+8314", "conid": 8314, "31": "5", "6509": "R"},
        {"topic": "smd+265598", "conid": "265598x", "31": "5"},
        {"topic": "smd+265598", "conid": 265598, "31": "NaN", "84": "Infinity", "86": -1, "6509": "RpB"},
        {"topic": "spl", "args": {"DU2.Core": {"nl": 5}}},
        {"result": "unsubscribed from summary"},
    ],
)
def test_what_is_of_others_or_makes_no_sense_says_nothing(reader: Reader, message: dict[str, Any]) -> None:
    assert reader.take(message) is None


def test_an_older_message_about_money_changes_nothing_and_the_same_again_neither(reader: Reader) -> None:
    assert money(reader, summary()) is not None
    assert money(reader, summary(STAMP - 1, NetLiquidation=7)) is None
    assert money(reader, summary()) == money(reader, summary())
    # A moment that has not come orders nothing: what comes after it is read.
    assert money(reader, summary(STAMP + 10**9, NetLiquidation=8)) is not None
    assert money(reader, summary(STAMP + 1, NetLiquidation=9)) is not None


def test_money_in_several_currencies_is_of_none(reader: Reader) -> None:
    message = summary()
    message["result"][0]["currency"] = "EUR"
    told = money(reader, message)
    assert told is not None
    assert told.currency == "?"


def tick(at: timedelta, **fields: Any) -> dict[str, Any]:
    updated = int((NOW + at).timestamp() * 1000)
    return {"topic": "smd+265598", "conid": 265598, "_updated": updated, **fields}


def test_a_quote_is_put_together_from_what_has_changed(reader: Reader) -> None:
    first = reader.take(tick(-timedelta(seconds=9), **{"31": "100", "84": "99", "86": "101", "6509": "RpB"}))
    assert first is not None
    assert first.quotes[265598].availability is Availability.LIVE
    second = reader.take(tick(-timedelta(seconds=5), **{"84": "100", "88": "x" * 9000}))
    assert second is not None
    quote = second.quotes[265598]
    assert (quote.bid, quote.ask, quote.last, quote.flags) == (Decimal(100), Decimal(101), Decimal(100), "RpB")
    assert quote.as_of == NOW - timedelta(seconds=5)
    # Late, and of no use any more.
    assert reader.take(tick(-timedelta(seconds=7), **{"84": "1"})) is None
    # The subscription has ended at IBKR.
    gone = reader.take(tick(timedelta(0), **{"6509": "DpB"}))
    assert gone is not None
    assert (gone.quotes[265598].availability, gone.quotes[265598].live(NOW)) == (Availability.DELAYED, None)


def test_a_quote_without_letters_is_not_proven_live(reader: Reader) -> None:
    event = reader.take(tick(timedelta(0), **{"31": "100", "84": "99", "86": "101"}))
    assert event is not None
    assert event.quotes[265598].availability is Availability.NOT_SAID
