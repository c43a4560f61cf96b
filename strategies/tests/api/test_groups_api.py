"""An advisor's groups over REST: read, divided before any order, and made, changed and removed at a real gateway."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Connection, GroupChange
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db
NUMBERS = ("U1", "U2", "U3")


@pytest.fixture
def group(team: Team) -> AccountGroup:
    """An advisor with three clients of 25,000, 50,000 and 100,000 in one group."""
    own = rows.account(team, account_id="F100", kind="advisor")
    for number, money in zip(NUMBERS, (25_000, 50_000, 100_000), strict=True):
        worth = Decimal(money)
        rows.account(team, of=own.connection, account_id=number, equity=worth, available_funds=worth)
    return AccountGroup.objects.create(
        team=team,
        connection=own.connection,
        account=own,
        name="family",
        method="NetLiq",
        members=[{"account": number, "amount": None} for number in NUMBERS],
        read_at=timezone.now(),
    )


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice, "trade")


def send(api: Api, method: str, path: str, body: Any = None) -> Any:
    return getattr(api.client, method)(f"/api/v1/{path}", body, content_type="application/json")


def every(**amounts: str | None) -> list[dict[str, Any]]:
    return [
        {"account_id": number} if amount is None else {"account_id": number, "amount": amount}
        for number, amount in amounts.items()
    ]


def test_a_group_shows_who_is_in_and_which_of_them_are_the_teams(api: Api, group: AccountGroup) -> None:
    AccountGroup.objects.update(
        method="Ratios", members=[{"account": "U2", "amount": "1.50"}, {"account": "U9", "amount": "3"}], former=["U1"]
    )
    [shown] = api.get("groups/", connection=str(group.connection.code))["results"]
    assert shown["accounts"] == [
        {"account_id": "U2", "amount": "1.5", "account": str(BrokerageAccount.objects.get(account_id="U2").code)},
        {"account_id": "U9", "amount": "3", "account": None},
    ]
    assert (shown["method"], shown["former"], shown["gone_at"]) == ("Ratios", ["U1"], None)
    assert shown["carrier"] == str(group.account.code)
    assert api.get(f"groups/{group.code}/") == shown
    assert api.get("groups/", name="another")["results"] == []


def test_the_seeds_examples_are_divided_before_any_order(api: Api, group: AccountGroup) -> None:
    def shares(**query: str) -> dict[str, tuple[str, str]]:
        answer = api.get(f"groups/{group.code}/preview/", **query)
        return {each["account_id"]: (each["quantity"], each["unpaid"]) for each in answer["shares"]}

    assert shares(quantity="700") == {"U1": ("100", "0"), "U2": ("200", "0"), "U3": ("400", "0")}
    AccountGroup.objects.update(method="EqualQuantity")
    assert shares() == {"U1": ("34", "0"), "U2": ("33", "0"), "U3": ("33", "0")}
    # What an account cannot pay for is canceled, and given to nobody else.
    assert shares(quantity="300", unit_margin="300") == {"U1": ("83", "17"), "U2": ("100", "0"), "U3": ("100", "0")}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"quantity": "2"}, 409, "group-below-one"),
        ({"quantity": "0"}, 400, "invalid-quantity"),
        ({"quantity": "-5"}, 400, "invalid-quantity"),
        ({"quantity": "NaN"}, 400, "invalid-quantity"),
        ({"quantity": "1e30"}, 400, "invalid-quantity"),
        ({"quantity": "2.5"}, 409, "group-not-divided"),
        ({"unit_margin": "0"}, 400, "invalid-unit-margin"),
        ({"price": "5"}, 400, "unknown-filter"),
    ],
)
def test_what_cannot_be_divided_is_said(
    api: Api, group: AccountGroup, query: dict[str, str], status: int, code: str
) -> None:
    AccountGroup.objects.update(method="EqualQuantity")
    assert api.refused(f"groups/{group.code}/preview/", status, **query)["code"] == code


def test_a_group_that_is_gone_divides_nothing(api: Api, group: AccountGroup) -> None:
    AccountGroup.objects.update(gone_at=timezone.now())
    assert api.refused(f"groups/{group.code}/preview/", 409)["code"] == "group-gone"
    assert send(api, "delete", f"groups/{group.code}/").json()["code"] == "group-gone"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"method": "NetLiq", "accounts": []}, 400, "group-empty"),
        ({"method": "NetLiq", "accounts": every(U1=None, U9=None)}, 400, "group-account-unknown"),
        ({"method": "NetLiq", "accounts": every(F100=None)}, 400, "group-account-unknown"),
        ({"method": "NetLiq", "accounts": [*every(U1=None), *every(U1=None)]}, 400, "group-account-twice"),
        ({"method": "NetLiq", "accounts": every(U1="3")}, 400, "group-amount-not-taken"),
        ({"method": "Ratios", "accounts": every(U1="3", U2=None)}, 400, "group-amount-missing"),
        ({"method": "Ratios", "accounts": every(U1="3", U2="-1")}, 400, "group-amount-missing"),
        ({"method": "Ratios", "accounts": every(U1="NaN")}, 400, "invalid-accounts"),
        ({"method": "Percentage", "accounts": every(U1="60", U2="30")}, 400, "group-percentages"),
        ({"method": "PctChange", "accounts": every(U1=None)}, 400, "invalid-method"),
        ({"method": "NetLiq"}, 400, "invalid-accounts"),
        ({"method": "NetLiq", "accounts": [{"account_id": "U1"}] * 201}, 400, "invalid-accounts"),
        ({"method": "NetLiq", "accounts": every(U1=None), "name": "other"}, 400, "unknown-field"),
    ],
)
def test_a_group_that_cannot_be_is_refused_and_nothing_is_written_down(
    api: Api, group: AccountGroup, body: dict[str, Any], status: int, code: str
) -> None:
    answer = send(api, "put", f"groups/{group.code}/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not GroupChange.objects.exists()


def test_what_is_not_possible_now_is_a_conflict(api: Api, group: AccountGroup) -> None:
    at, body = f"connections/{group.connection.code}/groups/", {"method": "NetLiq", "accounts": every(U1=None)}
    assert send(api, "post", at, body | {"name": "family"}).json()["code"] == "group-exists"
    assert send(api, "post", at, body | {"name": "U1"}).json()["field"] == "name"
    assert send(api, "put", f"groups/{group.code}/", body).status_code == 202
    again = send(api, "put", f"groups/{group.code}/", body)
    assert (again.status_code, again.json()["code"]) == (409, "group-changing")
    other = rows.connection(group.team)
    assert send(api, "post", f"connections/{other.code}/groups/", body | {"name": "x"}).json()["code"] == "no-advisor"
    Connection.objects.filter(pk=group.connection_id).update(enabled=False)
    for method, path in (("post", f"{at}read/"), ("delete", f"groups/{group.code}/")):
        assert send(api, method, path).json()["code"] == "connection-off"


def test_groups_of_real_money_are_for_people(api: Api, group: AccountGroup) -> None:
    Connection.objects.filter(pk=group.connection_id).update(environment="live")
    body = {"method": "NetLiq", "accounts": every(U1=None)}
    answers = [
        send(api, "put", f"groups/{group.code}/", body),
        send(api, "delete", f"groups/{group.code}/"),
        send(api, "post", f"connections/{group.connection.code}/groups/", body | {"name": "new"}),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(403, "confirmation-missing")] * 3
    assert not GroupChange.objects.exists()


def test_a_number_that_is_no_group_is_not_found(api: Api, group: AccountGroup) -> None:
    assert send(api, "delete", f"groups/{uuid4()}/").status_code == 404
    assert send(api, "put", f"groups/{uuid4()}/", {"method": "NetLiq", "accounts": []}).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_program_makes_changes_and_removes_a_group_at_ibkr(team: Team, gateway: RunningGateway, alice: User) -> None:
    api, bench = Api(team, alice, "trade"), lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 2)
    at = f"connections/{bench.connection.code}/groups/"
    one, two = bench.connection.accounts.exclude(pk=bench.account.pk).order_by("account_id")

    def listed() -> Any:
        return gateway.call(bench.user, "GET", "/iserver/account/allocation/group")[1]["data"]

    def done(answer: Any) -> dict[str, Any]:
        """The change that a wish ends as, once the lane has worked."""
        assert answer.status_code == 202, answer.text
        lab.work()
        shown: dict[str, Any] = api.get(f"group-changes/{answer.json()['id']}/")
        assert (shown["status"], shown["reason_code"]) == ("done", "")
        return shown

    assert send(api, "post", f"{at}read/").json()["wanted_at"] is not None
    lab.work()
    look = api.get(at)
    assert (look["wanted_at"], look["reason"], look["read_at"] is not None) == (None, "", True)
    ratios = [{"account_id": one.account_id, "amount": "3"}, {"account_id": two.account_id, "amount": "1"}]
    made = done(send(api, "post", at, {"name": "Family", "method": "Ratios", "accounts": ratios}))
    assert made["accounts"] == ratios
    assert listed() == [{"allocation_method": "R", "size": 2, "name": "Family"}]
    [shown] = api.get("groups/")["results"]
    assert [each["quantity"] for each in api.get(f"groups/{shown['id']}/preview/", quantity="8")["shares"]] == [
        "6",
        "2",
    ]
    done(
        send(
            api,
            "put",
            f"groups/{shown['id']}/",
            {"method": "EqualQuantity", "accounts": [{"account_id": one.account_id}]},
        )
    )
    assert listed() == [{"allocation_method": "E", "size": 1, "name": "Family"}]
    done(send(api, "delete", f"groups/{shown['id']}/"))
    assert listed() == []
    assert api.get(f"groups/{shown['id']}/")["gone_at"] is not None
    assert [each["kind"] for each in api.get("group-changes/")["results"]] == ["remove", "change", "make"]
    assert Advisor.objects.get().wanted_at is None
