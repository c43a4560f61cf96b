from __future__ import annotations

from brokers.simulator.tests.conftest import Client, ticket

SPY = 756733


def test_the_ledger_keeps_every_currency_and_their_sum(client: Client) -> None:
    client.gateway.quote("GBP.USD", bid="1.2500", ask="1.2500", last="1.2500")
    client.place(ticket("g-1", conid=12087797, quantity=1000))
    ledger = client.get(f"/portfolio/{client.account}/ledger")
    assert sorted(ledger) == ["BASE", "GBP", "USD"]
    assert ledger["GBP"]["cashbalance"] == 1000.0
    assert ledger["USD"]["cashbalance"] == 1_000_000 - 1250 - 2
    assert ledger["BASE"]["netliquidationvalue"] == 1_000_000 - 2


def test_positions_are_shown_three_ways(client: Client) -> None:
    client.gateway.quote("SPY", bid="650.00", ask="650.00", last="650.00")
    client.place(ticket("s-1", conid=SPY, quantity=4))
    client.gateway.quote("SPY", bid="655.00", ask="655.00", last="655.00")
    [page] = client.get(f"/portfolio/{client.account}/positions/0")
    [fresh] = client.get(f"/portfolio2/{client.account}/positions")
    [single] = client.get(f"/portfolio/{client.account}/position/{SPY}")
    assert (page["conid"], page["position"], page["mktValue"], page["unrealizedPnl"]) == (SPY, 4.0, 2620.0, 20.0)
    assert (fresh["conid"], fresh["description"], fresh["marketValue"]) == (str(SPY), "SPY", 2620.0)
    assert single == page
    assert client.get(f"/portfolio/{client.account}/positions/1") == []
    assert client.post(f"/portfolio/{client.account}/positions/invalidate") == {"message": "success"}
    assert list(client.get(f"/portfolio/positions/{SPY}")) == [client.account]
    client.gateway.clear_quotes()


def test_a_closed_position_disappears(client: Client) -> None:
    client.place(ticket("c-1"))
    client.place(ticket("c-2", side="SELL"))
    assert client.get(f"/portfolio2/{client.account}/positions") == []
    assert client.get(f"/portfolio/{client.account}/positions/0") == []


def test_the_summary_has_text_and_numbers(client: Client) -> None:
    body = client.get(f"/portfolio/{client.account}/summary")
    assert body["netliquidation"]["amount"] == 1_000_000.0
    assert body["netliquidation"]["value"] == "1000000"
    assert body["accountcode"]["value"] == client.account
    parts = client.get(f"/iserver/account/{client.account}/summary/balances")
    assert parts["total"]["net_liquidation"] == "1,000,000 USD"
    wrong = client.gateway.call(client.user, "GET", f"/iserver/account/{client.account}/summary/nonsense")
    assert wrong == (404, {"error": "Not Found", "statusCode": 404})


def test_the_first_reads_are_incomplete_when_strict(client: Client) -> None:
    with client.gateway.behaving(cold_positions=True, cold_trades=True):
        client.place(ticket("p-1"))
        [first] = client.get(f"/portfolio/{client.account}/positions/0")
        [second] = client.get(f"/portfolio/{client.account}/positions/0")
        assert ("ticker" in first, first["strike"]) == (False, 0.0)
        assert (second["ticker"], second["strike"]) == ("AAPL", "0")
        assert client.trades() == []
        assert [t["order_ref"] for t in client.trades()] == ["p-1"]
