"""An advisor's groups, and orders that are divided among their accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket, until

GROUP = "/iserver/account/allocation/group"


@pytest.fixture
def advised(gateway: RunningGateway, user: str) -> Client:
    """Four sub-accounts with a hundred thousand each."""
    return advisor(gateway, user, [{"cash": 100_000}] * 4)


def advisor(gateway: RunningGateway, user: str, subs: list[dict[str, Any]]) -> Client:
    own = gateway.seed(user, sub_accounts=subs)["account"]
    gateway.sign_in(user)
    return Client(gateway, user, own)


def order_of(client: Client, reference: str) -> dict[str, Any]:
    """With several accounts, orders are asked for by account."""
    for _ in range(2):
        rows = client.get(f"/iserver/account/orders?accountId={client.account}")["orders"]
    order: dict[str, Any] = next(o for o in rows if o.get("order_ref") == reference)
    return order


def subs(client: Client) -> list[str]:
    listed: list[str] = client.get("/iserver/accounts")["accounts"]
    return listed[2:]


def make_group(client: Client, method: str = "E", amounts: Sequence[float] = ()) -> None:
    rows: list[dict[str, Any]] = [{"name": s} for s in subs(client)]
    for row, amount in zip(rows, amounts, strict=False):
        row["amount"] = amount
    assert client.post(GROUP, {"name": "everybody", "accounts": rows, "default_method": method}) == {"success": True}


def place(client: Client, group: str = "everybody", **changes: Any) -> Any:
    order = ticket(**({"acctId": group} | changes))
    return client.post(f"/iserver/account/{group}/orders", {"orders": [order]})


def held(client: Client) -> list[float]:
    held = []
    for sub in subs(client):
        rows = client.get(f"/portfolio2/{sub}/positions")
        held.append(rows[0]["position"] if rows else 0.0)
    return held


def test_an_advisor_is_shown_as_one(advised: Client) -> None:
    body = advised.get("/iserver/accounts")
    everybody, own, *rest = body["accounts"]
    assert (everybody, own, len(rest)) == ("All", advised.account, 4)
    assert body["allowFeatures"]["allowFA"] is True
    assert [body["acctProps"][i]["hasChildAccounts"] for i in (own, rest[0])] == [True, False]
    meta = {row["accountId"]: row for row in advised.get("/portfolio/accounts")}
    assert (meta[own]["businessType"], meta[rest[0]]["parent"]["mmc"]) == ("FA", [own])


def test_groups_are_made_read_renamed_and_deleted(advised: Client) -> None:
    make_group(advised)
    assert advised.get(GROUP) == {"data": [{"allocation_method": "E", "size": 4, "name": "everybody"}]}
    assert advised.get("/iserver/accounts")["groups"] == ["everybody"]
    one, two = subs(advised)[:2]
    changed = {
        "name": "two",
        "prev_name": "everybody",
        "accounts": [{"name": one, "amount": 3}, {"name": two, "amount": 1}],
        "default_method": "R",
    }
    path = f"{GROUP}"
    assert advised.gateway.call(advised.user, "PUT", path, changed) == (200, {"success": True})
    assert advised.post(f"{GROUP}/single", {"name": "two"}) == {
        "name": "two",
        "accounts": [{"name": one, "amount": 3.0}, {"name": two, "amount": 1.0}],
        "default_method": "R",
    }
    assert advised.post(f"{GROUP}/delete", {"name": "two"}) == {"success": True}
    assert advised.get(GROUP) == {"data": []}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "", "accounts": [], "default_method": "E"}, "A group needs a name"),
        ({"name": "g", "accounts": [], "default_method": "E"}, "A group needs its accounts."),
        ({"name": "g", "accounts": [{"name": "SIM0"}], "default_method": "E"}, "is not one of your accounts"),
        ({"name": "g", "accounts": [{"name": "SIM0"}], "default_method": "X"}, "default_method is one of"),
        ({"name": "g", "accounts": 5, "default_method": "E"}, "A group needs its accounts."),
        ([], "Bad Request"),
    ],
)
def test_a_group_that_cannot_be_is_refused(advised: Client, body: Any, says: str) -> None:
    status, answer = advised.gateway.call(advised.user, "POST", GROUP, body)
    assert status == 400
    assert says in answer["error"]
    assert advised.get(GROUP) == {"data": []}


_STRANGE: tuple[Any, ...] = (
    None,
    [],
    "x",
    5,
    {},
    {"name": 5},
    {"name": "g" * 65, "accounts": [{}], "default_method": "E"},
    {"name": "g", "accounts": [None], "default_method": "E"},
    {"name": "g", "accounts": {"a": 1}, "default_method": ["E"]},
    {"name": "a/b", "accounts": [{"name": "x", "amount": "NaN"}], "default_method": "R"},
    {"group_auto_close_positions": 5},
)


def test_nothing_that_is_sent_makes_the_groups_stumble(advised: Client) -> None:
    make_group(advised)
    calls = [("POST", ""), ("PUT", ""), ("POST", "/single"), ("POST", "/delete")]
    for method, path in calls:
        for body in _STRANGE:
            assert advised.gateway.call(advised.user, method, f"{GROUP}{path}", body)[0] == 400
    amounts = [{"name": s, "amount": a} for s, a in zip(subs(advised), ("NaN", -1, True, 1e300), strict=True)]
    for row in amounts:
        body = {"name": "odd", "accounts": [row], "default_method": "S"}
        assert advised.gateway.call(advised.user, "POST", GROUP, body)[0] == 400
    path = "/iserver/account/allocation/presets"
    assert advised.gateway.call(advised.user, "POST", path, {"strict_credit_check": "yes"})[0] == 400
    assert advised.post(path, {"strict_credit_check": True, "default_method_for_all": "E"}) == {"success": True}
    assert advised.get(path)["strict_credit_check"] is True
    assert [g["name"] for g in advised.get(GROUP)["data"]] == ["everybody"]


def test_only_advisors_have_groups(client: Client) -> None:
    status, answer = client.gateway.call(client.user, "GET", GROUP)
    assert (status, answer["error"]) == (400, "Allocation groups are for advisor accounts only.")


def test_an_order_for_a_group_is_one_order_and_a_fill_for_each_account(advised: Client) -> None:
    make_group(advised)
    [row] = place(advised, quantity=10, cOID="g-1")
    order = order_of(advised, "g-1")
    assert (order["status"], order["filledQuantity"], order["acct"]) == ("Filled", 10.0, advised.account)
    assert order["orderId"] == int(row["order_id"])
    # The first of equals gets what is left over.
    assert held(advised) == [3.0, 3.0, 2.0, 2.0]
    trades = {t["account_allocation_name"]: t for t in advised.trades()}
    assert [trades[s]["size"] for s in subs(advised)] == [3.0, 3.0, 2.0, 2.0]
    assert {t["order_ref"] for t in trades.values()} == {"g-1"}
    assert {t["commission"] for t in trades.values()} == {"1"}


def test_a_group_is_divided_by_what_its_accounts_are_worth(gateway: RunningGateway, user: str) -> None:
    client = advisor(gateway, user, [{"cash": 25_000}, {"cash": 50_000}, {"cash": 100_000}])
    make_group(client, "N")
    gateway.quote("INTC", bid="20.00", ask="20.01", last="20.00")
    conid = client.get("/trsrv/stocks?symbols=INTC")["INTC"][0]["contracts"][0]["conid"]
    place(client, conid=conid, quantity=700)
    assert held(client) == [100.0, 200.0, 400.0]


def test_a_share_that_cannot_be_carried_is_canceled_and_given_to_nobody_else(
    gateway: RunningGateway, user: str
) -> None:
    client = advisor(gateway, user, [{"cash": 100_000}, {"cash": 1_000}])
    make_group(client)
    gateway.quote("INTC", bid="20.00", ask="20.00", last="20.00")
    conid = client.get("/trsrv/stocks?symbols=INTC")["INTC"][0]["contracts"][0]["conid"]
    place(client, conid=conid, quantity=400, cOID="part")
    order = order_of(client, "part")
    # A thousand carries 99 shares at half their price and a dollar's fee: the rest of its two hundred is canceled.
    assert held(client) == [200.0, 99.0]
    assert (order["status"], order["totalSize"], order["filledQuantity"]) == ("Filled", 299.0, 299.0)


def test_the_preview_of_a_group_order_adds_up_its_accounts(advised: Client) -> None:
    make_group(advised)
    advised.gateway.quote("AAPL", bid="100.00", ask="100.00", last="100.00")
    body = {"orders": [ticket(acctId="everybody", quantity=400)]}
    shown = advised.post("/iserver/account/everybody/orders/whatif", body)
    assert shown["error"] is None
    assert (shown["equity"]["current"], shown["initial"]["change"]) == ("400,000", "20,000")
    assert shown["amount"]["commission"] == "4 USD"
    assert held(advised) == [0.0] * 4


def test_slices_of_a_fill_add_up_for_every_account(advised: Client) -> None:
    make_group(advised)
    with advised.gateway.behaving(fill_slice=7):
        place(advised, quantity=50, cOID="slow")
        until(lambda: order_of(advised, "slow")["status"] == "Filled")
    assert held(advised) == [13.0, 13.0, 12.0, 12.0]


def test_an_account_and_a_group_exclude_each_other(advised: Client) -> None:
    make_group(advised)
    answer = place(advised, acctId=subs(advised)[0])
    assert answer == {"error": "Order couldn't be submitted: account and group are mutually exclusive."}


def test_a_sub_account_trades_by_itself(advised: Client) -> None:
    one = subs(advised)[1]
    path = f"/iserver/account/{one}/orders"
    [row] = advised.post(path, {"orders": [ticket("own", acctId=one, quantity=4)]})
    assert row["local_order_id"] == "own"
    assert held(advised) == [0.0, 4.0, 0.0, 0.0]


@pytest.mark.usefixtures("servers")
def test_groups_shares_and_kinds_outlive_a_killed_process() -> None:
    with running_gateway("fast") as gateway:
        client = advisor(gateway, "fa", [{"cash": 50_000, "type": "cash"}, {"cash": 50_000}])
        one = subs(client)[0]
        make_group(client, "R", (3, 1))
        gateway.quote("AAPL", bid="200.00", ask="200.02", last="200.01")
        place(client, orderType="LMT", price=190.0, quantity=8, tif="GTC", cOID="rests")
        gateway.kill()
        gateway.restart()
        gateway.sign_in("fa")
        assert client.post(f"{GROUP}/single", {"name": "everybody"})["default_method"] == "R"
        assert client.get(f"/iserver/account/{one}/summary")["accountType"] == "CASH"
        gateway.quote("AAPL", bid="189.00", ask="189.50", last="189.50")
        assert order_of(client, "rests")["status"] == "Filled"
        assert held(client) == [6.0, 2.0]
