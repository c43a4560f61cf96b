from __future__ import annotations

from brokers.simulator.tests.conftest import Client


def test_a_stock_is_found_with_its_listings(client: Client) -> None:
    companies = client.get("/trsrv/stocks?symbols=AAPL,BRK%20B,NOPE")
    assert companies["AAPL"][0]["contracts"][0] == {"conid": 265598, "exchange": "NASDAQ", "isUS": True}
    assert companies["AAPL"][0]["contracts"][1]["isUS"] is False
    assert companies["BRK B"][0]["name"] == "BERKSHIRE HATHAWAY INC-CL B"
    assert companies["NOPE"] == []


def test_futures_are_listed_by_month_with_dates_as_numbers(client: Client) -> None:
    months = client.get("/trsrv/futures?symbols=ES,NOPE")
    assert list(months) == ["ES"]
    dates = [m["expirationDate"] for m in months["ES"]]
    assert dates == sorted(dates)
    assert all(isinstance(d, int) for d in dates)
    assert client.get(f"/trsrv/secdef?conids={months['ES'][0]['conid']}")["secdef"][0]["multiplier"] == 50.0


def test_a_search_answers_stocks_pairs_and_nothing(client: Client) -> None:
    assert client.get("/iserver/secdef/search?symbol=SPY")[0]["conid"] == "756733"
    assert client.get("/iserver/secdef/search?symbol=EUR.USD&secType=CASH")[0]["conid"] == "12087792"
    assert client.post("/iserver/secdef/search", {"symbol": "MICROSOFT", "name": True})[0]["symbol"] == "MSFT"
    assert client.get("/iserver/secdef/search?symbol=NOPE") == {"error": "No symbol found"}


def test_rules_name_order_types_and_increments(client: Client) -> None:
    rules = client.post("/iserver/contract/rules", {"conid": 265598, "isBuy": True})
    assert (rules["increment"], rules["incrementDigits"], rules["canTradeAcctIds"]) == (0.01, 2, [client.account])
    assert {"limit", "market", "stop"} <= set(rules["orderTypes"])
    assert client.get("/iserver/contract/265598/info-and-rules")["rules"]["increment"] == 0.01


def test_the_first_snapshot_of_a_contract_is_bare(client: Client) -> None:
    client.gateway.quote("WMT", bid="90.00", ask="90.02", last="90.01")
    conid = client.get("/trsrv/stocks?symbols=WMT")["WMT"][0]["contracts"][0]["conid"]
    path = f"/iserver/marketdata/snapshot?conids={conid}&fields=31,84,86"
    assert client.get(path) == [{"conidEx": str(conid), "conid": conid}]
    [quote] = client.get(path)
    assert (quote["31"], quote["84"], quote["86"], quote["6509"]) == ("90.01", "90.00", "90.02", "RpB")
    assert client.post("/iserver/marketdata/unsubscribe", {"conid": conid}) == {"success": True}
    assert client.post("/iserver/marketdata/unsubscribe", {"conid": conid}) == {"error": "unknown"}


def test_history_gives_whole_bars_up_to_now(client: Client) -> None:
    body = client.get("/iserver/marketdata/history?conid=265598&period=1h&bar=5min")
    assert len(body["data"]) == 12
    assert [b["t"] for b in body["data"]] == sorted(b["t"] for b in body["data"])
    assert all(b["l"] <= min(b["o"], b["c"]) <= max(b["o"], b["c"]) <= b["h"] for b in body["data"])


def test_exchange_rates_turn_both_ways(client: Client) -> None:
    client.gateway.quote("EUR.USD", bid="1.2500", ask="1.2500", last="1.2500")
    assert client.get("/iserver/exchangerate?source=EUR&target=USD") == {"rate": 1.25}
    assert client.get("/iserver/exchangerate?source=USD&target=EUR") == {"rate": 0.8}
    assert "error" in client.get("/iserver/exchangerate?source=USD&target=XXX")
    pairs = client.get("/iserver/currency/pairs?currency=EUR")
    assert pairs["EUR"][0] == {"symbol": "EUR.USD", "conid": 12087792, "ccyPair": "USD"}
    assert {"EUR.GBP", "EUR.JPY", "EUR.CHF"} <= {row["symbol"] for row in pairs["EUR"]}


def test_an_exchange_lists_its_shares(client: Client) -> None:
    rows = client.get("/trsrv/all-conids?exchange=ARCA")
    assert {"ticker": "SPY", "conid": 756733, "exchange": "ARCA"} in rows
    assert {row["exchange"] for row in rows} == {"ARCA"}
    assert client.get("/trsrv/all-conids?exchange=NOWHERE") == []
    assert "error" in client.get("/trsrv/all-conids")


def test_a_class_keeps_its_week(client: Client) -> None:
    [venue] = client.get("/trsrv/secdef/schedule?assetClass=STK&symbol=AAPL&exchange=NASDAQ")
    days = {day["tradingScheduleDate"]: day for day in venue["schedules"]}
    assert (venue["exchange"], venue["timezone"]) == ("NASDAQ", "America/New_York")
    assert days["20000101"]["sessions"] == []
    assert days["20000103"]["sessions"] == [{"openingTime": "0930", "closingTime": "1600", "prop": "LIQUID"}]
    assert days["20000103"]["tradingtimes"] == [{"openingTime": "0400", "closingTime": "2000", "cancelDayOrders": "Y"}]
    [night] = client.get("/trsrv/secdef/schedule?assetClass=OPT&symbol=SPX")
    assert night["timezone"] == "America/Chicago"
    for asked in ("FUT&symbol=ES", "SWP&symbol=EUR.USD", "CFD&symbol=AAPL", "CFD&symbol=IBUS500", "OPT&symbol=AAPL"):
        assert len(client.get(f"/trsrv/secdef/schedule?assetClass={asked}")) == 1
    assert client.get("/trsrv/secdef/schedule?assetClass=WAR&symbol=AAPL") == []
    assert client.get("/trsrv/secdef/schedule?assetClass=STK&symbol=NOPE") == []
    assert "error" in client.get("/trsrv/secdef/schedule?assetClass=STK")
