"""REST: connections, accounts, positions, orders, executions."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import resolve

from accounts import teams
from accounts.models import Team, User
from accounts.tests.api.client import Api
from accounts.vault.fields import Sealed
from brokers.domain.sessions import SessionStatus
from brokers.models import BrokerageAccount
from brokers.tests import rows

LISTS = ["connections", "accounts", "positions", "orders", "executions"]
WITH_ADDRESS = ["connections", "accounts", "orders", "executions"]


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def one(page: Any) -> Any:
    [item] = page["results"]
    return item


def everything(team: Team, now: datetime) -> BrokerageAccount:
    """One row of each kind."""
    account = rows.account(team)
    rows.position(account)
    rows.filled(rows.order(account), at=now)
    return account


def test_a_connection_shows_its_session_and_no_secret(api: Api, team: Team, now: datetime) -> None:
    made = rows.connection(
        team,
        username="ALICE1",
        now=now,
        secrets=Sealed.of({"operator": "locked away"}),
        base_url="https://gw.example/v1/api",
    )
    assert one(api.get("connections/")) == {
        "id": str(made.code),
        "name": "Simulated IBKR",
        "username": "ALICE1",
        "environment": "simulated",
        "auth_method": "gateway",
        "base_url": "https://gw.example/v1/api",
        "certificate_sha256": "",
        "region": "NA",
        "enabled": True,
        "removed_at": None,
        "prices": "generated",
        "ownership": "always",
        "polite_minutes": 30,
        "suppresses_questions": False,
        "suppression": None,
        "can_trade": False,
        "session_status": "signed_out",
        "session_reason": "",
        "session_action": "",
        "session_code": "",
        "session_changed_at": "2026-11-20T15:00:00Z",
        "turned_at": None,
        "next_try_at": None,
        "left_until": None,
        "last_kept_at": None,
        "trial": None,
        "trial_asked_at": "2026-11-20T15:00:00Z",
        "created_at": "2026-11-20T15:00:00Z",
    }


@pytest.mark.parametrize("method", ["oauth", "oauth_operator"])
def test_a_connection_that_signs_shows_how_and_no_key(api: Api, team: Team, method: str) -> None:
    kept = {"consumer_key": "ABCDEFGHI", "access_token": "a1b2c3", "signature_key": "-----BEGIN PRIVATE KEY-----"}
    made = rows.connection(team, environment="paper", auth_method=method, signing_keys=Sealed.of(kept))
    type(made).objects.filter(pk=made.pk).update(session_status="revoked", session_code="token-revoked")
    shown = one(api.get("connections/"))
    assert (shown["auth_method"], shown["session_status"], shown["session_code"], shown["can_trade"]) == (
        method,
        "revoked",
        "token-revoked",
        False,
    )
    assert not [part for part in kept.values() if part in str(shown)]
    assert "signing_keys" not in shown


def test_an_account_shows_its_money_as_text(api: Api, team: Team, now: datetime) -> None:
    account = rows.account(team, account_id="SIM0000042", equity=Decimal("1000000.10000000"), book_as_of=now)
    assert one(api.get("accounts/")) == {
        "id": str(account.code),
        "connection": str(account.connection.code),
        "account_id": "SIM0000042",
        "title": "",
        "kind": "individual",
        "margin": "margin",
        "currency": "USD",
        "is_paper": True,
        "equity": "1000000.1",
        "cash": None,
        "settled_cash": None,
        "buying_power": None,
        "day_trades_left": None,
        "unrealized_pnl": None,
        "day_result": None,
        "day_realized": None,
        "day_unrealized": None,
        "day_fees": None,
        "day_result_unknown": "its positions of this morning have not been read yet. Check the connection's session.",
        "simulated_price": True,
        "book_as_of": "2026-11-20T15:00:00Z",
        "money_as_of": "2026-11-20T15:00:00Z",
        "money_from": "read",
    }
    told = now + timedelta(seconds=7)
    BrokerageAccount.objects.update(money_as_of=told, money_heard=True)
    shown = one(api.get("accounts/"))
    assert (shown["money_as_of"], shown["money_from"]) == ("2026-11-20T15:00:07Z", "stream")


def test_a_position_shows_whose_it_is(api: Api, account: BrokerageAccount, now: datetime) -> None:
    rows.position(account, quantity=Decimal(-100), average_cost=Decimal("187.2500"), as_of=now)
    assert one(api.get("positions/")) == {
        "account": str(account.code),
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "quantity": "-100",
        "average_cost": "187.25",
        "market_price": None,
        "unrealized_pnl": None,
        "simulated_price": True,
        "currency": "USD",
        "as_of": "2026-11-20T15:00:00Z",
        "as_of_from": "read",
        "silent_since": "2026-11-20T15:00:00Z",
        "made_elsewhere": "100",
        "protection": None,
        "quote": None,
    }


def test_a_position_shows_the_stop_that_it_lacks(api: Api, account: BrokerageAccount, now: datetime) -> None:
    rows.position(account)
    rows.lapse(account, now, verdict="alarm-chosen", alarm=True)
    rows.lapse(account, now, conid=1)
    shown = one(api.get("positions/"))["protection"]
    assert (shown["fault"], shown["choice"], shown["verdict"], shown["alarm"]) == (
        "refused",
        "alarm",
        "alarm-chosen",
        True,
    )
    assert shown["happened"] == "IBKR refused the stop."


def test_an_order_nests_its_executions(api: Api, account: BrokerageAccount, now: datetime) -> None:
    order = rows.order(account, reference="hy-a", created_at=now, expires_at=now + timedelta(minutes=1))
    rows.filled(order, at=now)
    fill = order.executions.get()
    assert one(api.get("orders/")) == {
        "id": str(order.code),
        "reference": "hy-a",
        "account": str(account.code),
        "parent": None,
        "entry": None,
        "rung": None,
        "group": "",
        "second_of": None,
        "status": "filled",
        "role": "entry",
        "release": "at_once",
        "ticker": "AAPL",
        "asset_class": "stock",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "good_till": None,
        "quantity": "10",
        "limit_price": None,
        "stop_price": None,
        "distance": None,
        "distance_in": "",
        "outside_rth": False,
        "filled_quantity": "10",
        "average_price": "187.25",
        "simulated_price": True,
        "currency": "USD",
        "signal_price": None,
        "estimated_fee": None,
        "broker_order_id": "",
        "reason": "",
        "reason_code": "",
        "held_reason": "",
        "created_at": "2026-11-20T15:00:00Z",
        "submitted_at": "2026-11-20T15:00:00Z",
        "acknowledged_at": "2026-11-20T15:00:00.030000Z",
        "filled_at": "2026-11-20T15:00:00.080000Z",
        "changed_at": "2026-11-20T15:00:00.080000Z",
        "expires_at": "2026-11-20T15:01:00Z",
        "as_of": "2026-11-20T15:00:00.080000Z",
        "as_of_from": "report",
        "silent_since": None,
        "asks_first": False,
        "asked_first": [],
        "prompts_left": [],
        "executions": [
            {
                "id": str(fill.code),
                "broker_execution_id": fill.broker_execution_id,
                "conid": 265598,
                "ticker": "AAPL",
                "side": "buy",
                "quantity": "10",
                "price": "187.25",
                "simulated_price": True,
                "fee": "1",
                "currency": "USD",
                "executed_at": "2026-11-20T15:00:00.080000Z",
            }
        ],
    }


def test_a_child_order_names_its_parent(api: Api, account: BrokerageAccount) -> None:
    parent = rows.order(account)
    child = rows.order(parent.ticket, parent=parent, release="after_parent_fills")
    assert api.get(f"orders/{child.code}/")["parent"] == str(parent.code)


def test_a_leg_names_the_entry_that_it_protects(api: Api, account: BrokerageAccount) -> None:
    entry = rows.order(account)
    stop = rows.order(entry.ticket, parent=entry, release="with_parent", role="stop_loss", side="sell")
    behind = rows.order(entry.ticket, parent=entry, release="after_parent_fills")
    assert [api.get(f"orders/{each.code}/")["entry"] for each in (stop, behind)] == [str(entry.code), None]


def test_the_legs_of_a_groups_accounts_name_its_entry_and_are_found_by_it(api: Api, team: Team) -> None:
    own = rows.account(team, account_id="F1", kind="advisor")
    entry = rows.order(own, fa_group="family", fa_method="NetLiq")
    made = []
    for number in ("U1", "U2"):
        client = rows.account(team, of=own.connection, account_id=number)
        stop = rows.order(client, role="stop_loss", side="sell", group_entry=entry)
        target = rows.order(stop.ticket, parent=stop, release="in_group", role="take_profit", group_entry=entry, rung=1)
        made += [stop, target]
    rows.order(made[0].account)
    found = api.get(f"orders/?entry={entry.code}")["results"]
    assert [(each["id"], each["account"], each["role"], each["rung"], each["entry"]) for each in found] == [
        (str(leg.code), str(leg.account.code), leg.role, leg.rung, str(entry.code)) for leg in reversed(made)
    ]
    shown = api.get(f"orders/{entry.code}/")
    assert (shown["group"], shown["entry"], shown["account"]) == ("family", None, str(own.code))


def test_an_execution_names_its_order(api: Api, account: BrokerageAccount) -> None:
    order = rows.order(account)
    fill = rows.execution(order, exchange="IBKRSIM")
    shown = one(api.get("executions/"))
    assert shown["order"] == str(order.code)
    assert (shown["account"], shown["side"], shown["exchange"]) == (str(account.code), "buy", "IBKRSIM")
    assert shown == api.get(f"executions/{fill.code}/")


def test_a_fill_of_an_order_made_elsewhere_has_no_order(api: Api, account: BrokerageAccount) -> None:
    rows.execution(rows.order(account))
    account.executions.update(order=None)
    assert one(api.get("executions/"))["order"] is None


@pytest.mark.parametrize("name", WITH_ADDRESS)
def test_each_thing_has_its_own_address(api: Api, team: Team, now: datetime, name: str) -> None:
    everything(team, now)
    listed = one(api.get(f"{name}/"))
    assert api.get(f"{name}/{listed['id']}/") == listed


@pytest.mark.parametrize("name", LISTS)
def test_a_viewers_token_reads(team: Team, bob: User, now: datetime, name: str) -> None:
    everything(team, now)
    assert len(Api(team, bob).get(f"{name}/")["results"]) == 1


@pytest.mark.parametrize("name", LISTS)
def test_another_team_sees_nothing(team: Team, alice: User, charlie: User, now: datetime, name: str) -> None:
    everything(team, now)
    stranger = Api(teams.found_team(owner=charlie, name="Charlie's", now=now), charlie)
    assert stranger.get(f"{name}/")["results"] == []
    if name in WITH_ADDRESS:
        code = one(Api(team, alice).get(f"{name}/"))["id"]
        assert stranger.refused(f"{name}/{code}/", 404)["code"] == "not-found"


@pytest.mark.parametrize("name", LISTS)
def test_no_list_asks_once_per_row(
    api: Api, team: Team, now: datetime, name: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(4):
        everything(team, now)
    api.get(f"{name}/")
    # The token, its membership, the page; the executions and prompts of orders, the stops that positions lack, what ours have filled
    # and quotes; results of accounts; what connections told IBKR not to ask.
    with django_assert_max_num_queries({"orders": 5, "positions": 6, "accounts": 8, "connections": 4}.get(name, 3)):
        assert len(api.get(f"{name}/")["results"]) == 4


@pytest.mark.parametrize("name", [name for name in LISTS if name != "connections"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written(api: Api, name: str, method: str) -> None:
    answer = getattr(api.client, method)(f"/api/v1/{name}/")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method-not-allowed"


def test_orders_are_found_by_status_ticker_side_and_account(api: Api, team: Team, now: datetime) -> None:
    first, second = rows.account(team), rows.account(team)
    rows.filled(rows.order(first), at=now)
    created = rows.order(second, ticker="MSFT", side="sell")
    by = {"status": "created", "ticker": "msft", "side": "sell", "account": str(second.code)}
    for name, text in by.items():
        assert one(api.get("orders/", **{name: text}))["id"] == str(created.code), name
    assert len(api.get("orders/", status="created,filled")["results"]) == 2
    assert api.get("orders/", status="filled", ticker="MSFT")["results"] == []


def test_since_is_inclusive(api: Api, account: BrokerageAccount, now: datetime) -> None:
    rows.order(account, created_at=now - timedelta(seconds=1))
    at = rows.order(account, created_at=now)
    assert one(api.get("orders/", since="2026-11-20T15:00:00Z"))["id"] == str(at.code)
    assert one(api.get("orders/", since="2026-11-20T16:00:00+01:00"))["id"] == str(at.code)


def test_connections_are_found_by_the_status_of_their_session(api: Api, team: Team) -> None:
    rows.connection(team)
    active = rows.connection(team, session_status=SessionStatus.ACTIVE)
    shown = one(api.get("connections/", status="active"))
    assert (shown["id"], shown["can_trade"]) == (str(active.code), True)


def test_positions_and_executions_are_found_by_account(api: Api, team: Team, now: datetime) -> None:
    account = everything(team, now)
    everything(team, now)
    for name in ("positions", "executions"):
        assert one(api.get(f"{name}/", account=account.code))["account"] == str(account.code)


def test_the_addresses_are_those_of_the_document() -> None:
    for name in LISTS:
        assert resolve(f"/api/v1/{name}/").url_name == f"api-{name}-list"
