"""Accounts of every kind over the wire: how they are made, what they show, and that they outlive the process."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket

DAY = 86_400


def seeded(gateway: RunningGateway, user: str, **books: Any) -> Client:
    account = gateway.seed(user, **books)["account"]
    gateway.sign_in(user)
    return Client(gateway, user, account)


def test_a_cash_account_shows_what_is_settled_and_what_is_not(gateway: RunningGateway, user: str) -> None:
    gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00")
    client = seeded(gateway, user, type="cash", cash=10_000)
    client.place(ticket("buy", quantity=50))
    client.place(ticket("sell", side="SELL", quantity=50))
    ledger = client.get(f"/portfolio/{client.account}/ledger")
    for row in (ledger["USD"], ledger["BASE"]):
        assert (row["settledcash"], row["cashbalance"], row["netliquidationvalue"]) == (4998.0, 9998.0, 9998.0)
    summary = client.get(f"/iserver/account/{client.account}/summary")
    assert summary["cashBalances"] == [{"currency": "USD", "balance": 9998.0, "settledCash": 4998.0}]
    assert (summary["availableFunds"], summary["buyingPower"], summary["accountType"]) == (4998.0, 4998.0, "CASH")
    portfolio = client.get(f"/portfolio/{client.account}/summary")
    assert (portfolio["settledcash"]["amount"], portfolio["totalcashvalue"]["amount"]) == (4998.0, 9998.0)
    client.place(ticket("too-much", quantity=60))
    refused = client.order("too-much")
    assert refused["status"] == "Inactive"
    assert refused["order_cancellation_by_system_reason"]


def test_the_preview_refuses_what_the_account_refuses(gateway: RunningGateway, user: str) -> None:
    gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00")
    client = seeded(gateway, user, type="cash", cash={"USD": 1_000})
    path = f"/iserver/account/{client.account}/orders/whatif"
    fits = client.post(path, {"orders": [ticket(quantity=9)]})
    assert (fits["error"], fits["initial"]["change"], fits["amount"]["total"]) == (None, "900", "901.00 USD")
    wide = client.post(path, {"orders": [ticket(quantity=10)]})
    client.place(ticket("same", quantity=10))
    assert wide["error"] == client.order("same")["order_cancellation_by_system_reason"]


def test_a_lite_user_is_shown_as_one(gateway: RunningGateway, user: str) -> None:
    client = seeded(gateway, user, type="lite")
    assert client.get("/iserver/accounts")["allowFeatures"]["liteUser"] is True
    assert client.place(ticket("refused")) == {"error": "API orders are not allowed for lite accounts"}
    with gateway.behaving(lite_takes_orders=True):
        client.place(ticket("free"))
    assert client.trades()[0]["commission"] == "0"


def test_a_user_with_few_permissions_trades_these_classes_only(gateway: RunningGateway, user: str) -> None:
    client = seeded(gateway, user)
    gateway.fault(match={"user": user}, action={"permissions": {"classes": "OPT,CASH", "s": 60}})
    assert client.get("/iserver/accounts")["allowFeatures"]["allowedAssetTypes"] == "OPT,CASH"
    path = f"/iserver/account/{client.account}/orders"
    assert client.post(path, {"orders": [ticket("shares")]}) == {"error": "No trading permissions."}
    assert client.post(path, {"orders": "none"}) != {"error": "No trading permissions."}
    gateway.clear_faults()
    client.place(ticket("shares-again"))
    assert "FUT" in client.get("/iserver/accounts")["allowFeatures"]["allowedAssetTypes"]


@pytest.mark.parametrize(("name", "paper"), [("liveuser", False), ("LIVE-1", False), ("olive", True)])
def test_a_live_username_is_shown_as_one(gateway: RunningGateway, user: str, name: str, paper: bool) -> None:
    client = seeded(gateway, f"{name}-{user}")
    assert client.get("/iserver/accounts")["isPaper"] is paper
    assert client.get("/sso/validate")["LOGIN_TYPE"] == (2 if paper else 1)


def test_an_account_in_euros_shows_both_currencies(gateway: RunningGateway, user: str) -> None:
    gateway.quote(12087792, bid="1.2500", ask="1.2500", last="1.2500")
    gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00")
    client = seeded(gateway, user, currency="EUR", cash=10_000)
    client.place(ticket("buy", quantity=10))
    ledger = client.get(f"/portfolio/{client.account}/ledger")
    assert (ledger["USD"]["cashbalance"], ledger["USD"]["stockmarketvalue"]) == (-1001.0, 1000.0)
    assert (ledger["EUR"]["cashbalance"], ledger["EUR"]["stockmarketvalue"]) == (10_000.0, 0.0)
    assert (ledger["USD"]["exchangerate"], ledger["EUR"]["exchangerate"]) == (0.8, 1)
    assert (ledger["BASE"]["stockmarketvalue"], ledger["BASE"]["netliquidationvalue"]) == (800.0, 9_999.2)
    assert client.get("/portfolio/accounts")[0]["currency"] == "EUR"


def test_holdings_can_be_seeded(gateway: RunningGateway, user: str) -> None:
    client = seeded(gateway, user, cash=5_000, positions=[{"symbol": "AAPL", "quantity": 7, "average_price": 90}])
    assert client.positions() == {"AAPL": 7.0}
    gateway.reset(user)
    gateway.sign_in(user)
    assert client.positions() == {}
    assert client.get(f"/iserver/account/{client.account}/summary")["totalCashValue"] == 1_000_000.0


def test_a_reset_may_say_what_kind_of_account_it_wants(gateway: RunningGateway, user: str) -> None:
    client = Client(gateway, user, gateway.sign_in(user))
    client.place(ticket("before"))
    answer = gateway.control("POST", f"/{user}/reset", {"type": "cash", "cash": 5_000})
    assert answer == {"reset": [client.account]}
    gateway.sign_in(user)
    summary = client.get(f"/iserver/account/{client.account}/summary")
    assert (summary["accountType"], summary["totalCashValue"], client.orders()) == ("CASH", 5_000.0, [])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"type": "gold"}, "type is one of"),
        ({"currency": "XXX"}, "kept in one of"),
        ({"cash": {"XXX": 1}}, "Cash is in one of"),
        ({"cash": "much"}, "cash is a number"),
        ({"cash": 1e13}, "below a million million"),
        ({"sub_accounts": 51}, "at most 50"),
        ({"sub_accounts": [{"sub_accounts": 1}]}, "not nested"),
        ({"positions": [{"quantity": 1}]}, "names a contract"),
        ({"colour": "blue"}, "Unknown colour"),
    ],
)
def test_a_seed_that_makes_no_sense_is_refused_and_changes_nothing(
    client: Client, body: dict[str, Any], says: str
) -> None:
    client.place(ticket("stays"))
    status, answer = client.gateway.request("POST", f"/sim/v1/{client.user}/seed", body)
    assert status == 400
    assert says in answer["error"]
    assert client.order("stays")["status"] == "Filled"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"quantity": 10**11}, "The order size exceeds the maximum for this contract."),
        ({"orderType": "MOC", "conid": 12087792}, "MOC is not supported for this contract"),
        ({"tif": "OPG", "conid": 12087792}, "OPG is not supported for this contract"),
        ({"tif": "OPG", "orderType": "STP", "price": 10}, "OPG time in force is not supported for this order"),
        ({"tif": "GTD"}, "Invalid good till date: send goodTillDate as YYYYMMDD HH:MM:SS UTC."),
        ({"orderType": "TRAIL", "trailingType": "amt", "trailingAmt": -1}, "Invalid order price fields"),
        ({"orderType": "LIT", "price": 10}, "Invalid order price fields"),
    ],
)
def test_what_no_exchange_takes_is_refused(client: Client, change: dict[str, Any], text: str) -> None:
    assert client.place(ticket(**change)) == {"error": text}
    assert client.orders() == []


def test_groups_of_two_users_do_not_cancel_each_other(gateway: RunningGateway, user: str) -> None:
    def pair(name: str) -> Client:
        client = Client(gateway, name, gateway.sign_in(name))
        legs = [ticket("o-1", orderType="LMT", price=p, isSingleGroup=True) for p in (50.0, 51.0)]
        client.place(legs[0], legs[1] | {"cOID": "o-2"})
        return client

    one, two = pair(f"{user}-1"), pair(f"{user}-2")
    gateway.quote("AAPL", bid="50.50", ask="51.00", last="51.00")
    gateway.call(two.user, "DELETE", f"/iserver/account/{two.account}/order/-1")
    assert sorted(o["status"] for o in one.orders()) == ["Cancelled", "Filled"]


@pytest.mark.usefixtures("servers")
def test_nothing_of_an_account_is_lost_or_paid_twice_by_a_kill() -> None:
    with running_gateway("fast") as gateway:
        gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00", ttl_s=30 * DAY)
        future = gateway.call("x", "GET", "/trsrv/futures?symbols=MES")[1]["MES"][0]["conid"]
        gateway.quote(future, bid="6000.00", ask="6000.00", last="6000.00", ttl_s=30 * DAY)
        client = seeded(gateway, "saver", type="cash", cash=20_000)
        client.place(ticket("buy", quantity=50))
        client.place(ticket("sell", side="SELL", quantity=50))
        client.place(ticket("future", conid=future, quantity=1))
        client.place(
            ticket(
                "trail",
                orderType="TRAIL",
                side="SELL",
                conid=future,
                quantity=1,
                tif="GTC",
                trailingType="amt",
                trailingAmt=500,
            )
        )
        client.place(ticket("dated", orderType="LMT", price=50.0, tif="GTD", goodTillDate="20991231 20:00:00 UTC"))
        before = client.get(f"/portfolio/{client.account}/ledger")["USD"]
        assert (before["settledcash"], before["cashbalance"]) == (14_997.43, 19_997.43)
        gateway.kill()
        gateway.restart()
        after = seen(client)
        assert (after["settledcash"], after["cashbalance"]) == (14_997.43, 19_997.43)
        gateway.quote(future, bid="6010.00", ask="6010.00", last="6010.00", ttl_s=30 * DAY)
        # Four days are enough for a long weekend; the clock starts over with the process, the books do not.
        gateway.advance(4 * DAY)
        settled = seen(client)
        assert (settled["settledcash"], settled["cashbalance"]) == (20_047.43, 20_047.43)
        gateway.kill()
        gateway.restart()
        gateway.advance(4 * DAY)
        again = seen(client)
        assert (again["settledcash"], again["netliquidationvalue"]) == (20_047.43, 20_047.43)
        shown = {o["order_ref"]: o["status"] for o in client.orders()}
        assert (shown["trail"], shown["dated"]) == ("PreSubmitted", "Submitted")


def seen(client: Client) -> dict[str, Any]:
    client.gateway.sign_in(client.user)
    row: dict[str, Any] = client.get(f"/portfolio/{client.account}/ledger")["USD"]
    return row
