"""Derivatives on the wire: search, then strikes, then a contract, then its price, as at the broker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from brokers.simulator.tests.conftest import Client, ticket

AAPL, SPX, ES = 265598, 416904, 510_000_000


@pytest.fixture
def apple(client: Client) -> Iterator[Client]:
    """Apple stands at 230 while it is looked at."""
    client.gateway.quote(AAPL, bid="229.99", ask="230.01", last="230.00", ttl_s=60)
    yield client
    client.gateway.clear_quotes()


def search(client: Client, symbol: str, kind: str) -> dict[str, Any]:
    row = client.get(f"/iserver/secdef/search?symbol={symbol}")[0]
    section: dict[str, Any] = next(section for section in row["sections"] if section["secType"] == kind)
    return section


def snapshot(client: Client, conid: int, fields: str) -> dict[str, Any]:
    path = f"/iserver/marketdata/snapshot?conids={conid}&fields={fields}"
    client.get(path)
    [row] = client.get(path)
    return dict(row)


def test_strikes_are_empty_until_the_underlying_was_searched_for(apple: Client) -> None:
    months = "/iserver/secdef/strikes?conid=265598&sectype=OPT&month="
    assert apple.get(f"{months}JAN27") == {"call": [], "put": []}
    apple.post("/iserver/secdef/search", {"symbol": "APPLE", "name": True})
    assert apple.get(f"{months}JAN27") == {"call": [], "put": []}
    month = search(apple, "AAPL", "OPT")["months"].split(";")[1]
    strikes = apple.get(f"{months}{month}")
    assert strikes["call"] == strikes["put"] == sorted(strikes["call"])
    assert {220.0, 230.0, 240.0} <= set(strikes["call"])


def test_an_option_is_found_and_priced(apple: Client) -> None:
    month = search(apple, "AAPL", "OPT")["months"].split(";")[1]
    query = f"/iserver/secdef/info?conid={AAPL}&sectype=OPT&month={month}&strike=230"
    calls, both = apple.get(f"{query}&right=C"), apple.get(query)
    assert {row["right"] for row in both} == {"C", "P"}
    option = calls[-1]
    assert (option["symbol"], option["strike"], option["multiplier"], option["exchange"]) == (
        "AAPL",
        230.0,
        "100",
        "SMART",
    )
    assert apple.get(f"/iserver/secdef/info?conid={option['conid']}&sectype=OPT")[0] == option
    row = snapshot(apple, option["conid"], "31,84,86,7308,7633,7219,6457,7714")
    assert float(row["84"]) < float(row["86"])
    assert 0.4 < float(row["7308"]) < 0.7
    assert row["7633"].endswith("%")
    assert (row["6457"], row["7714"]) == ("265598", option["maturityDate"])
    assert "230 C" in row["7219"]


def test_everything_about_an_option_agrees(apple: Client) -> None:
    month = search(apple, "AAPL", "OPT")["months"].split(";")[1]
    option = apple.get(f"/iserver/secdef/info?conid={AAPL}&sectype=OPT&month={month}&strike=230&right=P")[-1]
    conid = option["conid"]
    [definition] = apple.get(f"/trsrv/secdef?conids={conid}")["secdef"]
    info = apple.get(f"/iserver/contract/{conid}/info-and-rules")
    assert (definition["assetClass"], definition["putOrCall"], definition["strike"]) == ("OPT", "P", "230")
    assert definition["undConid"] == info["underlying_con_id"] == AAPL
    assert definition["expiry"] == info["maturity_date"] == option["maturityDate"]
    assert info["local_symbol"] == f"AAPL  {option['maturityDate'][2:]}P00230000"
    assert (info["multiplier"], info["instrument_type"]) == ("100", "OPT")
    assert info["rules"]["increment"] in {0.01, 0.05}
    assert info["rules"]["incrementRules"] == definition["incrementRules"]
    assert len(apple.get(f"/iserver/marketdata/history?conid={conid}&period=1h&bar=5min")["data"]) == 12


def test_an_option_on_a_future_needs_its_exchange(client: Client) -> None:
    section = search(client, "ES", "FOP")
    assert section["exchange"] == "CME"
    month = section["months"].split(";")[1]
    path = f"/iserver/secdef/strikes?conid={ES}&sectype=FOP&month={month}"
    assert client.get(path) == {"call": [], "put": []}
    strikes = client.get(f"{path}&exchange=CME")["call"]
    middle = strikes[len(strikes) // 2]
    query = f"/iserver/secdef/info?conid={ES}&sectype=FOP&month={month}&exchange=CME&strike={middle}&right=C"
    option = client.get(query)[-1]
    assert (option["secType"], option["exchange"], option["multiplier"]) == ("FOP", "CME", "50")
    assert float(snapshot(client, option["conid"], "86")["86"]) > 0


def test_months_of_a_future_are_found_behind_the_product(client: Client) -> None:
    section = search(client, "ES", "FUT")
    listed = client.get("/trsrv/futures?symbols=ES")["ES"]
    assert len(section["months"].split(";")) == len(listed)
    month = section["months"].split(";")[0]
    [row] = client.get(f"/iserver/secdef/info?conid={ES}&sectype=FUT&month={month}")
    assert row["conid"] == listed[0]["conid"]


def test_indices_cfds_and_pairs_answer_too(client: Client) -> None:
    [index] = client.get("/iserver/secdef/search?symbol=SPX&secType=IND")
    assert (index["conid"], index["sections"][0]["secType"]) == ("416904", "IND")
    assert client.get(f"/iserver/secdef/info?conid={SPX}&sectype=IND")[0]["secType"] == "IND"
    row = snapshot(client, SPX, "31,84,86")
    assert "84" not in row
    assert float(row["31"]) > 1000
    assert client.get(f"/iserver/contract/{SPX}/info-and-rules")["rules"]["orderTypes"] == []
    cfd = search(client, "AAPL", "CFD")["conid"]
    assert client.get(f"/iserver/secdef/info?conid={AAPL}&sectype=CFD")[0]["conid"] == int(cfd)
    assert client.get("/iserver/secdef/info?conid=12087792&sectype=CASH")[0]["currency"] == "USD"


@pytest.mark.parametrize(
    ("conid", "zone"),
    [(AAPL, "US/Eastern"), (SPX, "US/Eastern"), (12087792, "US/Eastern"), (700_000_000, "US/Eastern")],
)
def test_a_schedule_shows_the_days_around_today(client: Client, conid: int, zone: str) -> None:
    body = client.get(f"/contract/trading-schedule?conid={conid}")
    assert body["exchange_time_zone"] == zone
    assert 4 <= len(body["schedules"]) <= 8
    for day in body["schedules"].values():
        [whole] = day["extended_hours"]
        assert whole["opening"] < whole["closing"]
        assert all(
            whole["opening"] <= part["opening"] < part["closing"] <= whole["closing"] for part in day["liquid_hours"]
        )


def test_index_options_keep_chicago_time(client: Client) -> None:
    month = search(client, "SPX", "OPT")["months"].split(";")[1]
    strikes = client.get(f"/iserver/secdef/strikes?conid={SPX}&sectype=OPT&month={month}")["put"]
    query = f"/iserver/secdef/info?conid={SPX}&sectype=OPT&month={month}&strike={strikes[len(strikes) // 2]}&right=P"
    option = client.get(query)[0]
    assert option["tradingClass"] in {"SPX", "SPXW"}
    assert client.get(f"/contract/trading-schedule?conid={option['conid']}")["exchange_time_zone"] == "US/Central"


_NOBODY_KNOWS = ("1", "2147483647", "99999999999999999999", "500000013", "1073741823", str(2**30 + 511 * 2**21))


@pytest.mark.parametrize("conid", _NOBODY_KNOWS)
def test_numbers_nobody_knows_get_the_brokers_own_answers(client: Client, conid: str) -> None:
    call = client.gateway.call
    assert client.get(f"/trsrv/secdef?conids={conid}") == {"secdef": []}
    assert call(client.user, "GET", f"/iserver/contract/{conid}/info")[0] == 500
    assert call(client.user, "POST", "/iserver/contract/rules", {"conid": conid})[0] == 400
    assert call(client.user, "GET", f"/contract/trading-schedule?conid={conid}")[0] == 500
    assert call(client.user, "GET", f"/iserver/secdef/info?conid={conid}&sectype=OPT") == (
        500,
        {"error": "No Contracts retrieved "},
    )
    assert client.get(f"/iserver/secdef/strikes?conid={conid}&sectype=OPT&month=JAN27") == {"call": [], "put": []}
    assert client.get(f"/iserver/marketdata/snapshot?conids={conid}&fields=31") == []
    assert call(client.user, "GET", f"/iserver/marketdata/history?conid={conid}")[0] == 400


@pytest.mark.parametrize("month", ["", "JAN", "13/27", "XXX27", "JAN2O", "209913", "0", "%00", "JAN27" * 500])
@pytest.mark.parametrize("strike", ["230", "-230", "0", "1e400", "NaN", "Infinity", "x", "", "230.0000001", "9" * 300])
def test_no_month_and_no_strike_makes_it_stumble(client: Client, month: str, strike: str) -> None:
    call = client.gateway.call
    status, body = call(client.user, "GET", f"/iserver/secdef/strikes?conid={AAPL}&sectype=OPT&month={month}")
    assert (status, body) == (200, {"call": [], "put": []}) or (status == 400 and "error" in body)
    query = f"/iserver/secdef/info?conid={AAPL}&sectype=OPT&month={month}&strike={strike}&right=C"
    assert call(client.user, "GET", query)[0] == 500


@pytest.mark.parametrize(
    "query",
    [
        "",
        "conid=x&sectype=OPT&month=JAN27",
        f"conid={AAPL}&sectype=WAR&month=JAN27",
        f"conid={AAPL}&month=JAN27",
        f"conid={AAPL}&sectype=OPT",
    ],
)
def test_an_incomplete_question_about_strikes_is_refused(client: Client, query: str) -> None:
    assert client.gateway.call(client.user, "GET", f"/iserver/secdef/strikes?{query}")[0] == 400


def test_huge_lists_are_cut(client: Client) -> None:
    numbers = ",".join(str(900_000_000 + i % 400) for i in range(600))
    assert len(client.get(f"/trsrv/secdef?conids={numbers}")["secdef"]) <= 500
    assert len(client.get(f"/iserver/marketdata/snapshot?conids={numbers}&fields=31")) <= 100
    assert client.get("/trsrv/stocks?symbols=" + ",".join(["AAPL"] * 900)).keys() == {"AAPL"}


@pytest.mark.parametrize("query", ["period=x", "bar=x", "period=0d", "bar=-1min", "startTime=x", "period=99999999d"])
def test_a_chart_that_cannot_be_drawn_is_refused(client: Client, query: str) -> None:
    assert client.gateway.call(client.user, "GET", f"/iserver/marketdata/history?conid={AAPL}&{query}")[0] == 400


@pytest.mark.parametrize("query", ["period=1y&bar=1d", "period=5y&bar=1w", "period=20y&bar=1m", "period=1d&bar=1min"])
@pytest.mark.parametrize("always_open", [True, False])
def test_charts_of_any_length_are_whole_and_in_order(client: Client, query: str, always_open: bool) -> None:
    with client.gateway.behaving(market_always_open=always_open):
        data = client.get(f"/iserver/marketdata/history?conid={AAPL}&{query}")["data"]
    times = [bar["t"] for bar in data]
    assert 1 < len(times) <= 1000
    assert times == sorted(set(times))
    assert all(0 < bar["l"] <= min(bar["o"], bar["c"]) <= max(bar["o"], bar["c"]) <= bar["h"] for bar in data)


def test_a_closed_exchange_shows_a_former_close_and_no_new_prices(client: Client) -> None:
    with client.gateway.behaving(market_always_open=False):
        rows = [snapshot(client, AAPL, "31,84,86") for _ in range(2)]
        hours = client.get(f"/contract/trading-schedule?conid={AAPL}")["schedules"].values()
    now = client.gateway.control("GET", "/clock")["now"]
    at = datetime.fromisoformat(now).timestamp()
    is_open = any(part["opening"] <= at < part["closing"] for day in hours for part in day["extended_hours"])
    assert {row["6509"] for row in rows} == {"RpB" if is_open else "ZpB"}
    if not is_open:
        assert rows[0]["31"] == rows[1]["31"]
        assert rows[0]["84"] == rows[1]["84"]


def test_ibind_searches_for_an_option_and_quotes_it(apple: Client) -> None:
    os.environ.setdefault("IBIND_LOG_TO_CONSOLE", "false")
    os.environ.setdefault("IBIND_LOG_TO_FILE", "false")
    ibind = pytest.importorskip("ibind", reason="ibind, a development dependency, is not installed")
    base = f"{apple.gateway.base_url(apple.user)}/"
    broker = ibind.IbkrClient(account_id=apple.account, url=base, auto_register_shutdown=False)
    [home] = [row for row in broker.search_contract_by_symbol("AAPL").data if row["description"] == "NASDAQ"]
    [section] = [each for each in home["sections"] if each["secType"] == "OPT"]
    month = section["months"].split(";")[1]
    strikes = broker.search_strikes_by_conid(conid=home["conid"], sec_type="OPT", month=month).data
    strike = min(strikes["call"], key=lambda each: abs(each - 230))
    options = broker.search_secdef_info_by_conid(
        conid=home["conid"], sec_type="OPT", month=month, strike=str(strike), right="C"
    ).data
    conid = str(options[-1]["conid"])
    assert broker.contract_information_by_conid(conid).data["instrument_type"] == "OPT"
    broker.live_marketdata_snapshot(conid, ["31", "84", "86", "7308"])
    [row] = broker.live_marketdata_snapshot(conid, ["31", "84", "86", "7308"]).data
    assert 0 < float(row["84"]) < float(row["86"])
    assert broker.marketdata_history_by_conid(conid, "5min", period="1h").data["points"] == 11


def test_a_contract_for_difference_can_be_bought(client: Client) -> None:
    client.gateway.quote(AAPL, bid="229.99", ask="230.01", last="230.00", ttl_s=60)
    placed = client.place(ticket("cfd-1", conid=700_000_000, quantity=2))
    assert placed[0]["order_status"] in {"Filled", "Submitted", "PreSubmitted"}
    client.gateway.clear_quotes()
