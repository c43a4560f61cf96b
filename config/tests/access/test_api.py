"""Every action of the API asked by everybody: what the table says is what real requests get."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from accounts.models import Team
from config.tests.access.table import API, STOPS, VIEWER
from config.tests.access.urlmap import Page, pages
from config.tests.access.world import NOWHERE, Owned, World, undone, world

pytestmark = pytest.mark.django_db
BODIES: dict[str, dict[str, Any]] = {
    "api-accounts-protect": {"conid": 265598, "stop_price": "1"},
    "api-contract-choices-list@make": {"ticker": "SOLO", "conid": 1, "simulated": True},
    "api-adoptions-choose": {"subscription": None},
    "api-guards-halt": {"how": "entries", "reason": "News"},
    "api-questions-answer": {"answer": "no"},
    "api-guards-resume": {"reason": "On we go"},
    "api-guards-flatten": {"minutes_before_close": 15},
    "api-connections-list@make": {"name": "New", "environment": "simulated"},
    "api-connections-detail@edit": {"name": "Renamed"},
    "api-connections-try-address": {"base_url": "https://127.0.0.1:5000"},
    "api-connections-groups@make": {"name": "New", "method": "NetLiq", "accounts": [{"account_id": "DU77"}]},
    "api-groups-detail@change": {"method": "NetLiq", "accounts": [{"account_id": "DU77"}]},
    "api-connections-ownership": {"ownership": "yield"},
    "api-connections-unasked": {"suppresses_questions": True},
}
# Where the part `code` of an address is the row's own.
ROWS = {
    "strategies": "strategy_code",
    "subscriptions": "subscription_code",
    "signals": "signal_code",
    "refusals": "log_code",
    "decisions": "decision_code",
    "connections": "simulated",  # those of real money are for people
    "accounts": "account_code",
    "orders": "order_code",
    "adoptions": "order_code",
    "executions": "execution_code",
    "trades": "trade_code",
    "calls": "call_code",
    "guards": "strategy_code",
    "foreign": "foreign_code",
    "unclaimed": "unclaimed_code",
    "splits": "split_code",
    "contract": "choice_code",
    "groups": "simulated_group",
    "group": "group_change_code",
}
# A question of IBKR's has the same number for every team.
OF_NO_ROW = ["message_id"]
LOWER = {"approver": "viewer", "trader": "approver", "owner": "trader"}


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
    return world(now)


def address(page: Page, owned: Owned, code: Any = None) -> str:
    """The address of an action on a row of this team, or on another row."""
    own = owned.parts.get(ROWS.get(page.name.split("-")[1], ""))
    values = {"level": "strategy", "code": code or own, "log_code": code or own, "message_id": "o354"}
    return reverse(page.name, kwargs={part: values[part] for part in page.parts})


def ask(client: Client, page: Page, where: str, method: str = "", entry: str = "") -> Any:
    """One request, of which nothing stays."""
    name = entry or page.name
    with undone():
        body = BODIES.get(name, {})
        return client.generic(method or API[name][0], where, json.dumps(body), content_type="application/json")


def rows_of_a_team() -> list[Page]:
    return [page for page in pages("api") if page.name not in {"api-root", "api-schema"}]


def actions() -> list[tuple[str, Page]]:
    """Every entry of the table with its page."""
    by_name = {page.name: page for page in rows_of_a_team()}
    return [(entry, by_name[name]) for entry in API if (name := entry.partition("@")[0]) in by_name]


def test_every_action_has_its_entry() -> None:
    named, there = {entry.partition("@")[0] for entry in API}, {page.name for page in pages("api")}
    missing, gone = there - named, named - there
    assert not missing, (
        f"Nobody has said what a token may do at {', '.join(sorted(missing))}. Add a line for each to API in "
        "config/tests/access/table.py: its method, the scope of the token, the role of its member."
    )
    assert not gone, f"There is no {', '.join(sorted(gone))} any more. Take it out of config/tests/access/table.py."


def test_a_token_does_what_its_scopes_and_its_members_role_allow(made: World) -> None:
    wrong = []
    for entry, page in actions():
        _, scope, role = API[entry]
        where = address(page, made.ours)
        least = "trader" if role == STOPS else role
        if (answer := ask(made.tokens[least], page, where, entry=entry)).status_code not in {200, 201, 202, 204, 409}:
            wrong.append(f"{entry}: by a {least} is {answer.status_code}: {answer.text[:200]}")
        if lower := LOWER.get(least):
            answer = ask(made.tokens[lower], page, where, entry=entry)
            if (answer.status_code, answer.json()["code"]) != (403, "role-missing"):
                wrong.append(f"{entry}: by a {lower} is {answer.status_code}")
        answer = ask(made.tokens["owner who may read"], page, where, entry=entry)
        if answer.status_code != (200 if scope == "read" else 403):
            wrong.append(f"{entry}: by a token that reads is {answer.status_code}")
    for page in rows_of_a_team():
        methods = {API[entry][0] for entry in API if entry.partition("@")[0] == page.name}
        others = {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods
        where = address(page, made.ours)
        answers = {other: ask(made.tokens["owner"], page, where, other).status_code for other in others}
        wrong += [f"{page.name}: {other} is {status}" for other, status in answers.items() if status != 405]
    assert not wrong, "\n".join(wrong)


def test_no_token_no_right_token_and_a_browser_are_nobody(made: World) -> None:
    nobodies = {
        "nobody": Client(),
        "a browser": made.clients["owner"],
        "a wrong token": Client(headers={"Authorization": "Token hy_wrong"}, REMOTE_ADDR="203.0.113.99"),
        "a removed member": made.tokens["removed"],
    }
    wrong = []
    for number, (entry, page) in enumerate(actions()):
        for who, client in nobodies.items():
            if who in {"a wrong token", "a removed member"}:  # wrong ones are limited by address
                client.defaults["REMOTE_ADDR"] = f"203.0.113.{number}"
            answer = ask(client, page, address(page, made.ours), entry=entry)
            if answer.status_code != 401:
                wrong.append(f"{entry}: by {who} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_another_teams_row_is_as_absent_as_one_that_is_not_there(made: World) -> None:
    wrong, theirs = [], {str(code) for code in made.theirs.parts.values() if len(str(code)) == 36}
    for entry, page in actions():
        if page.parts == OF_NO_ROW:
            continue
        if not page.parts:
            if API[entry][0] != "GET":
                continue
            listed = whole_text(ask(made.tokens["owner"], page, address(page, made.ours)))
            wrong += [f"{page.name} lists {code} of another team" for code in theirs if code in listed]
            continue
        foreign, absent = (
            ask(made.tokens["owner"], page, address(page, made.ours, code), entry=entry)
            for code in (address_code(page, made.theirs), NOWHERE)
        )
        if foreign.status_code != 404 or (foreign.status_code, foreign.text) != (absent.status_code, absent.text):
            wrong.append(f"{entry}: their row is {foreign.status_code}, none is {absent.status_code}")
    assert not wrong, "\n".join(wrong)


def whole_text(answer: Any) -> str:
    """What an answer says, also one that is sent while it is read."""
    if not answer.streaming:
        return str(answer.text)

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)().decode()


def address_code(page: Page, owned: Owned) -> Any:
    return owned.parts[ROWS[page.name.split("-")[1]]]


def test_no_filter_reaches_a_row_of_another_team(made: World) -> None:
    """By the id of each row of the other team, in each filter that takes one."""
    wrong = []
    for page in rows_of_a_team():
        for name in getattr(page.view.cls, "filters", {}) if page.name.endswith("-list") else ():
            part = f"{name}_code" if name != "id" else ""
            if part not in made.theirs.parts:
                continue
            where = f"{address(page, made.ours)}?{name}={made.theirs.parts[part]}"
            answer = ask(made.tokens["owner"], page, where)
            if answer.status_code != 200 or answer.json()["results"]:
                wrong.append(f"{where} is {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_a_missing_second_factor_opens_nothing_but_the_stop(made: World) -> None:
    Team.objects.update(second_factor_from=VIEWER)
    wrong = []
    for entry, page in actions():
        answer = ask(made.tokens["owner"], page, address(page, made.ours), entry=entry)
        refused = answer.status_code == 403 and answer.json()["code"] == "second-factor-needed"
        if refused is (API[entry][2] == STOPS):
            wrong.append(f"{entry} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)
