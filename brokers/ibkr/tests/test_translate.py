"""IBKR's rows, as facts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.market.quotes import Availability
from brokers.domain.orders import OrderStatus, Side
from brokers.domain.sessions import AuthStatus
from brokers.ibkr import order_rows, translate

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ORDER = {
    "acct": "DU1",
    "orderId": 1370093238,
    "conid": 265598,
    "order_ref": "hy-1",
    "status": "Submitted",
    "filledQuantity": 2.0,
    "remainingQuantity": "3.0",
    "avgPrice": "192.26",
    "side": "BUY",
}


def test_it_reads_an_order_row() -> None:
    facts = order_rows.order_facts(ORDER)
    assert facts is not None
    assert (facts.account_id, facts.broker_order_id, facts.reference) == ("DU1", "1370093238", "hy-1")
    assert facts.status is OrderStatus.PARTIALLY_FILLED
    assert (facts.filled_quantity, facts.remaining_quantity) == (Decimal(2), Decimal(3))
    assert (facts.average_price, facts.conid, facts.side) == (Decimal("192.26"), 265598, Side.BUY)


def test_it_leaves_open_what_a_delta_does_not_say() -> None:
    facts = order_rows.order_facts({"acct": "DU1", "orderId": 7, "filledQuantity": 5.0})
    assert facts is not None
    assert facts.filled_quantity == 5
    assert (facts.reference, facts.status, facts.remaining_quantity, facts.side, facts.conid) == (None,) * 5


def test_it_names_the_parent_by_the_brokers_number() -> None:
    facts = order_rows.order_facts({"acct": "DU1", "orderId": 8, "parentId": 7})
    assert facts is not None
    assert facts.parent_broker_order_id == "7"


def test_it_passes_over_a_row_that_names_no_order() -> None:
    assert order_rows.order_facts({"acct": "DU1", "status": "Filled"}) is None


TRADE = {
    "execution_id": "0000e0d5.6576fd38.01.01",
    "symbol": "AAPL",
    "side": "S",
    "trade_time": "20231211-18:00:49",
    "trade_time_r": 1702317649000,
    "size": 5.0,
    "price": "192.26",
    "order_ref": "hy-1",
    "exchange": "ISLAND",
    "commission": "1.01",
    "account": "DU1",
    "conid": 265598,
    "sec_type": "STK",
}


def test_it_reads_a_fill() -> None:
    fill = translate.execution_facts(TRADE, now=NOW)
    assert fill is not None
    assert (fill.execution_id, fill.reference, fill.broker_order_id) == ("0000e0d5.6576fd38.01.01", "hy-1", None)
    assert (fill.side, fill.quantity, fill.price, fill.fee) == (
        Side.SELL,
        Decimal(5),
        Decimal("192.26"),
        Decimal("1.01"),
    )
    assert fill.executed_at == datetime(2023, 12, 11, 18, 0, 49, tzinfo=UTC)


def test_it_reads_a_fill_whose_fee_comes_later() -> None:
    fill = translate.execution_facts(TRADE | {"commission": ""}, now=NOW)
    assert fill is not None
    assert fill.fee is None


@pytest.mark.parametrize("missing", ["execution_id", "price", "size", "side", "conid"])
def test_it_passes_over_a_fill_that_is_incomplete(missing: str) -> None:
    assert translate.execution_facts({k: v for k, v in TRADE.items() if k != missing}, now=NOW) is None


@pytest.mark.parametrize(
    ("name", "kind", "ticker"),
    [
        ("AAPL", "STK", "AAPL"),
        ("BRK B", "STK", "BRK.B"),
        ("EUR.USD", "CASH", "EURUSD"),
        ("MNQ DEC2026", "FUT", "MNQZ2026"),
        ("MNQ", "FUT", "MNQ"),
        ("EUR DEC2026", "FUT", "6EZ2026"),
        ("BRR NOV2026", "FUT", "BTCX2026"),
        ("ETHUSDRR", "FUT", "ETH"),
        ("VIX DEC2026", "FUT", "VXZ2026"),
        ("EUR", "STK", "EUR"),
    ],
)
def test_it_writes_tickers_our_way(name: str, kind: str, ticker: str) -> None:
    assert translate.ticker(name, kind) == ticker


def test_it_reads_a_position_under_either_name() -> None:
    old = {"acctId": "DU1", "conid": 756733, "contractDesc": "SPY", "position": 44.0, "mktPrice": 655.5}
    new = {"conid": "756733", "description": "SPY", "position": 44.0, "marketPrice": 655.5}
    for row in (old, new):
        held = translate.position_facts(row | {"assetClass": "STK", "avgPrice": 652.0}, account_id="DU1")
        assert held is not None
        assert (held.account_id, held.conid, held.ticker, held.asset_class) == ("DU1", 756733, "SPY", "stock")
        assert (held.quantity, held.market_price) == (Decimal(44), Decimal("655.5"))


def test_it_passes_over_a_position_that_was_closed() -> None:
    assert translate.position_facts({"conid": 1, "position": 0.0}, account_id="DU1") is None


HOSTILE = ("<img src=x onerror=alert(1)>", "=1+1", "@SUM(A1)", "AAPL\u202eX", "A" * 60, {"a": 1}, None, 12345678901)


@pytest.mark.parametrize("spelled", HOSTILE[:5])
@pytest.mark.parametrize("kind", ["STK", "FUT", "CASH", "OPT", "BOND", "", "<b>"])
def test_a_name_that_is_none_becomes_the_contracts_number(spelled: str, kind: str) -> None:
    held = translate.position_facts(
        {"conid": 9, "description": spelled, "position": 1, "assetClass": kind}, account_id="U1"
    )
    assert held is not None, "what is held is never left out"
    assert held.ticker == "contract 9"
    fill = {
        "execution_id": "1.1",
        "conid": 9,
        "side": "B",
        "size": 1,
        "price": "1",
        "symbol": spelled,
        "sec_type": kind,
    }
    executed = translate.execution_facts(fill, now=NOW)
    assert executed is not None
    assert executed.ticker == "contract 9"


@pytest.mark.parametrize("value", HOSTILE)
def test_currencies_exchanges_and_accounts_are_names_or_none(value: Any) -> None:
    row = {"conid": 9, "description": "AAPL", "position": 1, "assetClass": "STK", "currency": value}
    held = translate.position_facts(row, account_id="U1")
    assert held is not None
    assert held.currency == ("USD" if value in (None, {"a": 1}) else "XXX")
    assert translate.account_ids({"accounts": [value, "DU1"]}) in (["DU1"], ["12345678901", "DU1"])
    fill = {
        "execution_id": "1.1",
        "conid": 9,
        "side": "B",
        "size": 1,
        "price": "1",
        "exchange": value,
        "currency": "eur",
    }
    executed = translate.execution_facts(fill, now=NOW)
    assert executed is not None
    assert executed.currency == "EUR"
    assert executed.exchange in {"", "12345678901"}


def test_it_prefers_our_own_name_of_a_contract() -> None:
    row = {"conid": 5, "description": "CL NOV2026", "position": 1, "assetClass": "FUT"}
    held = translate.position_facts(row, account_id="DU1", tickers={5: "CLZ2026"})
    assert held is not None
    assert held.ticker == "CLZ2026"


@pytest.mark.parametrize("row", [{"conid": 1}, {"conid": 1, "84": "-1"}, {"conid": 1, "6509": "RpB", "31": "NaN"}])
def test_it_has_no_quote_where_ibkr_shows_none(row: dict[str, Any]) -> None:
    assert translate.quote(row, now=NOW) is None


def test_it_says_when_a_quote_is_delayed() -> None:
    quote = translate.quote({"conid": 1, "31": "C189.10", "6509": "DPB", "_updated": 1775169600000}, now=NOW)
    assert quote is not None
    assert (quote.bid, quote.last, quote.flags, quote.last_flag) == (None, Decimal("189.10"), "DPB", "C")
    assert quote.as_of == datetime(2026, 4, 2, 22, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "availability", "last"),
    [
        ({"6509": "RpB", "31": "5"}, Availability.LIVE, "5"),
        ({"6509": "RpB", "31": "H5"}, Availability.HALTED, "5"),
        ({"6509": "DpB", "31": "5"}, Availability.DELAYED, "5"),
        ({"6509": "Z", "31": "C5"}, Availability.FROZEN, "5"),
        ({"6509": "YP", "31": "5"}, Availability.FROZEN_DELAYED, "5"),
        ({"6509": "N", "31": "5"}, Availability.NOT_SUBSCRIBED, None),
        ({"6509": "O"}, Availability.NO_AGREEMENT, None),
        ({"31": "5"}, Availability.NOT_SAID, "5"),
        ({"6509": "r", "31": "5"}, Availability.NOT_SAID, "5"),
        ({"6509": ["R"], "31": "5"}, Availability.NOT_SAID, "5"),
        ({"6509": "?" * 900, "31": "5"}, Availability.NOT_SAID, "5"),
    ],
)
def test_it_keeps_what_ibkr_says_of_its_prices(
    row: dict[str, Any], availability: Availability, last: str | None
) -> None:
    quote = translate.quote({"conid": 1, **row}, now=NOW)
    assert quote is not None
    assert (quote.availability, quote.last, len(quote.flags) <= 8) == (availability, last and Decimal(last), True)
    # Prices of tomorrow are of now.
    ahead = translate.quote({"conid": 1, **row, "_updated": 4_000_000_000_000}, now=NOW)
    assert ahead is not None
    assert ahead.as_of == NOW


def test_it_fills_a_partial_status_from_the_one_before() -> None:
    before = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
    status = translate.auth_status({"competing": True}, before=before)
    assert status == AuthStatus(authenticated=True, connected=True, competing=True, established=True)
    assert not status.ready


def test_it_leaves_the_advisors_artificial_account_out() -> None:
    body = {
        "accounts": ["F1", "All"],
        "acctProps": {"F1": {"hasChildAccounts": True}},
        "allowFeatures": {"allowFA": True},
        "isPaper": False,
    }
    [facts] = translate.account_facts(body)
    assert (facts.account_id, facts.is_advisor, facts.is_paper) == ("F1", True, False)


def test_it_reads_what_an_account_may_do() -> None:
    body = {
        "accounts": ["U1", "U2"],
        "acctProps": {"U1": {"liteUnderPro": True}, "U2": {"liteUnderPro": False}},
        "allowFeatures": {"liteUser": False, "allowedAssetTypes": "STK,OPT"},
    }
    details: list[dict[str, Any]] = [
        {"accountId": "U1", "clearingStatus": "O"},
        {"accountId": "U2", "noClientTrading": True},
    ]
    first, second = (facts.capabilities for facts in translate.account_facts(body, details))
    assert first == Capabilities(lite=True, clearing="open", asset_types="STK,OPT")
    assert second == Capabilities(lite=False, client_trades=False, asset_types="STK,OPT")


def test_what_ibkr_does_not_say_of_an_account_stays_unknown() -> None:
    [facts] = translate.account_facts({"accounts": ["U1"]}, [{"accountId": "U1", "clearingStatus": "?"}])
    assert facts.capabilities == NOT_SAID


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"rules": {"canTradeAcctIds": ["U1", "U2"]}}, ["U1", "U2"]),
        ({"rules": {"canTradeAcctIds": [], "error": None}}, []),
        ({"rules": {"canTradeAcctIds": [], "error": "no rules now"}}, None),
        ({"rules": {}}, None),
        ({"rules": []}, None),
        ({"rules": {"canTradeAcctIds": "U1"}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_it_reads_which_accounts_may_trade_a_contract(body: Any, expected: list[str] | None) -> None:
    assert translate.permitted(body) == expected


def test_available_funds_are_read_beside_the_buying_power() -> None:
    summary = translate.account_summary({"availableFunds": 25000.5, "buyingPower": 100002.0})
    assert (str(summary.available_funds), str(summary.buying_power)) == ("25000.5", "100002.0")


@pytest.mark.parametrize(
    ("named", "worth", "margin"),
    [
        ("CASH", 5000.0, "cash"),
        ("Individual cash", 5000.0, "cash"),
        ("", 5000.0, "margin"),
        ("INDIVIDUAL", 5000.0, "margin"),
        ("Cashier", 5000.0, "margin"),
        ("", None, ""),  # a summary that is not whole says nothing
        (None, 5000.0, ""),
        ({"type": "CASH"}, 5000.0, ""),
        (["CASH"], 5000.0, ""),
    ],
)
def test_a_cash_account_is_told_from_one_that_borrows(named: Any, worth: float | None, margin: str) -> None:
    assert translate.account_summary({"accountType": named, "netLiquidationValue": worth}).margin == margin


def test_it_reads_what_was_recorded(recording: Any) -> None:
    [order] = [
        order_rows.order_facts(row) for row in translate.rows(recording("Orders/GET-live-orders-with-ref"), "orders")
    ]
    assert order is not None
    assert (order.reference, order.status, order.average_price) == ("Parent", OrderStatus.FILLED, Decimal("647.09"))

    [trade] = recording("Orders/GET-trades")
    fill = translate.execution_facts(trade, now=NOW, account_id="U1234567")
    assert fill is not None
    assert (fill.side, fill.price, fill.account_id, fill.executed_at) == (Side.BUY, Decimal("647.09"), "U1234567", NOW)

    held = [translate.position_facts(row, account_id="U1") for row in recording("Portfolio/GET-portfolio2-positions")]
    assert [(p.conid, p.ticker, p.quantity) for p in held if p] == [
        (320227571, "QQQ", Decimal(3)),
        (756733, "SPY", Decimal(44)),
    ]
    assert held[0] is not None
    assert held[0].average_cost == Decimal("584.3133333333334")

    summary = translate.account_summary(
        recording("Accounts/GET-account-summary"), recording("Portfolio/GET-portfolio-ledger")
    )
    assert [summary.net_liquidation, summary.cash, summary.buying_power] == [
        Decimal(1005254),
        Decimal(971870),
        Decimal(3979324),
    ]
    assert summary.unrealized_pnl is not None

    [account] = translate.account_facts(
        recording("Accounts/GET-iserver-accounts"), recording("Portfolio/GET-portfolio-subaccounts")
    )
    assert (account.account_id, account.is_paper, account.title) == ("U1234567", True, "Test User")
    can = account.capabilities
    assert (can.lite, can.clearing, can.client_trades, can.asset_types[:7]) == (False, "open", True, "STK,CFD")
    assert translate.permitted({"rules": recording("Contracts/POST-contract-rules")}) == ["U1234567"]

    assert translate.auth_status(recording("Session/GET-auth-status")).ready
    assert translate.auth_status(recording("Session/POST-tickle")["iserver"]["authStatus"]).ready

    [row] = recording("MarketData/GET-snapshot")
    quote = translate.quote(row, now=NOW)
    assert quote is not None
    assert (quote.bid, quote.ask, quote.last) == (Decimal("655.88"), Decimal("655.90"), Decimal("655.89"))


@pytest.mark.parametrize(("multiplier", "ticker"), [(25.0, "FDAXZ2026"), (1, "FDXSZ2026"), (None, "DAXZ2026")])
def test_the_size_of_a_future_tells_which_one_it_is(multiplier: float | None, ticker: str) -> None:
    assert translate.ticker("DAX DEC2026", "FUT", multiplier) == ticker
    row = {"conid": 7, "position": 1, "assetClass": "FUT", "description": "SI MAR2027", "multiplier": "1000"}
    held = translate.position_facts(row, account_id="DU1")
    assert held is not None
    assert held.ticker == "SILH2027"


@pytest.mark.parametrize(
    ("value", "price", "ticker"),
    [
        (117_150.0, 23_430, "FDXMZ2026"),
        ("585,700", "23,428", "FDAXZ2026"),
        (-23_430, -23_430, "FDXSZ2026"),
        (0, 1, "DAXZ2026"),
        (None, None, "DAXZ2026"),
    ],
)
def test_where_ibkr_leaves_the_size_out_the_value_tells_it(value: Any, price: Any, ticker: str) -> None:
    row = {"conid": 7, "position": 1, "assetClass": "FUT", "description": "DAX DEC2026"}
    held = translate.position_facts(row | {"marketValue": value, "marketPrice": price}, account_id="DU1")
    assert held is not None
    assert held.ticker == ticker


MICRO = {"conid": 1, "contractDesc": "MNQ DEC2026", "position": -2.0, "assetClass": "FUT"}


@pytest.mark.parametrize(
    ("row", "average"),
    [
        ({"avgPrice": 24_000.5, "avgCost": 48_001.0}, "24000.5"),
        ({"avgCost": 48_001.0, "multiplier": 2.0}, "24000.5"),
        ({"avgPrice": 0.0, "avgCost": 48_001.0, "multiplier": "2"}, "24000.5"),
        ({"avgCost": 48_001.0, "marketPrice": 24_010.25, "marketValue": -96_041.0}, "24000.5"),
        ({"avgCost": 48_001.0, "multiplier": 0, "mktPrice": 24_010.25, "mktValue": -96_041.0}, "24000.5"),
        ({"avgCost": 22_150.0, "marketPrice": 44_300.0, "marketValue": -44_300.0, "position": -2.0}, "44300"),
        ({"avgCost": 48_001.0}, None),
        ({"avgCost": 48_001.0, "marketPrice": 0.0, "marketValue": 0.0}, None),
        ({"avgCost": 0.0, "multiplier": 2.0}, None),
        ({"avgCost": "n/a", "avgPrice": None, "multiplier": 2.0}, None),
        ({"avgCost": 512.0, "multiplier": 100.0, "assetClass": "OPT"}, "5.12"),
        ({"avgCost": 512.0, "multiplier": 0.0, "assetClass": "STK"}, "512"),
        ({"avgCost": 1.0852, "multiplier": 0.0, "assetClass": "CASH"}, "1.0852"),
        ({"assetClass": "STK"}, None),
    ],
)
def test_the_average_is_a_price_per_unit_or_unknown(row: dict[str, Any], average: str | None) -> None:
    held = translate.position_facts(MICRO | row, account_id="DU1")
    assert held is not None
    assert held.average_cost == (None if average is None else Decimal(average))
