"""Every action of the API asked by everybody: what the table says is what real requests get."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team
from config.tests.access.table import API, STOPS, VIEWER
from config.tests.access.urlmap import Page, pages
from config.tests.access.world import NOWHERE, Owned, World, undone, world

pytestmark = pytest.mark.django_db
BODIES: dict[str, dict[str, Any]] = {
    "api-guards-halt": {"how": "entries", "reason": "News"},
    "api-guards-resume": {"reason": "On we go"},
}
# Where the part `code` of an address is the row's own.
ROWS = {
    "strategies": "strategy_code",
    "subscriptions": "subscription_code",
    "signals": "signal_code",
    "refusals": "log_code",
    "decisions": "decision_code",
    "connections": "connection_code",
    "accounts": "account_code",
    "orders": "order_code",
    "executions": "execution_code",
    "calls": "call_code",
    "guards": "strategy_code",
}
LOWER = {"approver": "viewer", "trader": "approver", "owner": "trader"}


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
    return world(now)


def address(page: Page, owned: Owned, code: Any = None) -> str:
    """The address of an action on a row of this team, or on another row."""
    own = owned.parts.get(ROWS.get(page.name.split("-")[1], ""))
    values = {"level": "strategy", "code": code or own, "log_code": code or own}
    return reverse(page.name, kwargs={part: values[part] for part in page.parts})


def ask(client: Client, page: Page, where: str, method: str = "") -> Any:
    """One request, of which nothing stays."""
    with undone():
        body = BODIES.get(page.name, {})
        return client.generic(method or API[page.name][0], where, json.dumps(body), content_type="application/json")


def rows_of_a_team() -> list[Page]:
    return [page for page in pages("api") if page.name not in {"api-root", "api-schema"}]


def test_every_action_has_its_entry() -> None:
    missing, gone = {page.name for page in pages("api")} - set(API), set(API) - {page.name for page in pages("api")}
    assert not missing, (
        f"Nobody has said what a token may do at {', '.join(sorted(missing))}. Add a line for each to API in "
        "config/tests/access/table.py: its method, the scope of the token, the role of its member."
    )
    assert not gone, f"There is no {', '.join(sorted(gone))} any more. Take it out of config/tests/access/table.py."


def test_a_token_does_what_its_scopes_and_its_members_role_allow(made: World) -> None:
    wrong = []
    for page in rows_of_a_team():
        method, scope, role = API[page.name]
        where = address(page, made.ours)
        least = "trader" if role == STOPS else role
        if (answer := ask(made.tokens[least], page, where)).status_code not in {200, 409}:
            wrong.append(f"{page.name}: by a {least} is {answer.status_code}: {answer.text[:200]}")
        if lower := LOWER.get(least):
            answer = ask(made.tokens[lower], page, where)
            if (answer.status_code, answer.json()["code"]) != (403, "role-missing"):
                wrong.append(f"{page.name}: by a {lower} is {answer.status_code}")
        answer = ask(made.tokens["owner who may read"], page, where)
        if answer.status_code != (200 if scope == "read" else 403):
            wrong.append(f"{page.name}: by a token that reads is {answer.status_code}")
        others = {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}
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
    for number, page in enumerate(rows_of_a_team()):
        for who, client in nobodies.items():
            if who == "a wrong token":  # wrong ones are limited by address
                client.defaults["REMOTE_ADDR"] = f"203.0.113.{number}"
            answer = ask(client, page, address(page, made.ours))
            if answer.status_code != 401:
                wrong.append(f"{page.name}: by {who} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_another_teams_row_is_as_absent_as_one_that_is_not_there(made: World) -> None:
    wrong, theirs = [], {str(code) for code in made.theirs.parts.values() if len(str(code)) == 36}
    for page in rows_of_a_team():
        if not page.parts:
            listed = ask(made.tokens["owner"], page, address(page, made.ours)).text
            wrong += [f"{page.name} lists {code} of another team" for code in theirs if code in listed]
            continue
        foreign, absent = (
            ask(made.tokens["owner"], page, address(page, made.ours, code))
            for code in (address_code(page, made.theirs), NOWHERE)
        )
        if foreign.status_code != 404 or (foreign.status_code, foreign.text) != (absent.status_code, absent.text):
            wrong.append(f"{page.name}: their row is {foreign.status_code}, none is {absent.status_code}")
    assert not wrong, "\n".join(wrong)


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
    for page in rows_of_a_team():
        answer = ask(made.tokens["owner"], page, address(page, made.ours))
        refused = answer.status_code == 403 and answer.json()["code"] == "second-factor-needed"
        if refused is (API[page.name][2] == STOPS):
            wrong.append(f"{page.name} is {answer.status_code}")
    assert not wrong, "\n".join(wrong)
