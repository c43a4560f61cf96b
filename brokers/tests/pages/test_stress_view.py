"""The stress panel: who may press, what is armed at the gateway, and that nothing reaches paper, live or a neighbour."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts import teams
from accounts.models import AuditEntry, Membership, Role, Team, User
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.stress import stress
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def address(made: Connection, end: str = "") -> str:
    return f"/teams/{made.team.code}/connections/{made.code}/stress/{end}"


def armed(gateway: RunningGateway, made: Connection) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = gateway.control("GET", f"/{made.username}/faults")
    return [fault for fault in listed if fault["state"] == "armed"]


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, gateway: RunningGateway) -> None:
    made = rows.connection(team)
    client.force_login(charlie)
    assert client.post(address(made), {"button": "timeout"}).status_code == 404
    assert client.get(address(made)).status_code == 404
    assert client.post(address(made, "clear/")).status_code == 404
    assert armed(gateway, made) == []


def test_it_is_neither_shown_to_a_viewer_nor_pressed_by_one(
    client: Client, bob: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(bob)
    assert 'id="stress"' not in client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert client.post(address(made), {"button": "timeout"}).status_code == 403
    assert client.get(address(made)).status_code == 403
    assert client.post(address(made, "clear/")).status_code == 403
    assert armed(gateway, made) == []


def test_an_approver_may_not_press_and_a_trader_may(
    client: Client, bob: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(bob)
    Membership.objects.filter(user=bob).update(role=Role.APPROVER)
    assert client.post(address(made), {"button": "timeout"}).status_code == 403
    Membership.objects.filter(user=bob).update(role=Role.TRADER)
    assert client.post(address(made), {"button": "timeout"}).status_code == 302
    assert [fault["name"] for fault in armed(gateway, made)] == ["timeout"]


def test_an_owner_sees_every_button_with_what_will_happen(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    page = unescape(client.get(f"/teams/{team.code}/connections/{made.code}/").text)
    for button in stress.BUTTONS.values():
        assert button.happens in page
        assert button.copes in page
    assert "Nothing is armed." in page


@pytest.mark.parametrize("code", sorted(stress.BUTTONS))
def test_every_button_works_without_javascript_and_is_written_down(
    client: Client, alice: User, team: Team, gateway: RunningGateway, code: str
) -> None:
    made = rows.connection(team)
    gateway.sign_in(made.username)
    client.force_login(alice)
    page = client.post(address(made), {"button": code}, follow=True)
    assert page.redirect_chain == [(f"/teams/{team.code}/connections/{made.code}/", 302)]
    assert stress.BUTTONS[code].done in page.text
    entry = AuditEntry.objects.filter(team=team).latest("id")
    assert (entry.action, entry.actor) == ("stress.pressed", alice)
    assert entry.subject == f"{made.username}: {stress.BUTTONS[code].label}"
    assert [fault["name"] for fault in armed(gateway, made)] == ([] if code in {"steal", "cut"} else [code])


def test_with_htmx_the_panel_alone_is_answered(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    page = client.post(address(made), {"button": "too_many"}, headers={"HX-Request": "true"}).text
    assert page.lstrip().startswith('<section class="panel stress"')
    assert "The next 3 requests will be refused." in page
    assert "1 armed." in page
    gateway.call(made.username, "POST", "/tickle")
    assert "met 1 of 3" in client.get(address(made), headers={"HX-Request": "true"}).text


def test_clearing_disarms_and_is_written_down(client: Client, alice: User, team: Team, gateway: RunningGateway) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    client.post(address(made), {"button": "timeout"})
    client.post(address(made), {"button": "partial"})
    assert "Nothing is armed any more." in client.post(address(made, "clear/"), follow=True).text
    assert armed(gateway, made) == []
    assert AuditEntry.objects.filter(team=team).latest("id").action == "stress.cleared"


@pytest.mark.parametrize("environment", ["paper", "live"])
@pytest.mark.parametrize("role", [Role.OWNER, Role.TRADER, Role.APPROVER, Role.VIEWER])
def test_a_paper_or_live_connection_has_no_such_thing_for_anybody(
    client: Client, bob: User, team: Team, gateway: RunningGateway, environment: str, role: Role
) -> None:
    made = rows.connection(team, environment=environment, base_url="http://127.0.0.1:9/v1/api")
    Membership.objects.filter(user=bob).update(role=role)
    client.force_login(bob)
    refused = 404 if role in {Role.OWNER, Role.TRADER} else 403
    assert client.post(address(made), {"button": "timeout"}).status_code == refused
    assert client.post(address(made, "clear/")).status_code == refused
    assert client.get(address(made), headers={"HX-Request": "true"}).status_code == refused
    assert 'id="stress"' not in client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert armed(gateway, made) == []
    assert not AuditEntry.objects.filter(team=team, action__startswith="stress.").exists()


def test_a_neighbour_feels_nothing(
    client: Client, alice: User, charlie: User, team: Team, gateway: RunningGateway, now: Any
) -> None:
    made = rows.connection(team)
    theirs = rows.connection(teams.found_team(owner=charlie, name="Next door", now=now))
    for each in (made, theirs):
        gateway.sign_in(each.username)
    client.force_login(alice)
    client.post(address(made), {"button": "too_many"})
    client.post(address(made), {"button": "steal"})
    assert gateway.call(theirs.username, "POST", "/tickle")[1]["iserver"]["authStatus"]["competing"] is False
    assert gateway.call(made.username, "POST", "/tickle")[0] == 429
    client.force_login(charlie)
    client.post(address(theirs, "clear/"))
    assert [fault["name"] for fault in armed(gateway, made)] == ["too_many"]
    assert client.post(address(made).replace(str(team.code), str(theirs.team.code)), {}).status_code == 404


def test_an_unknown_button_is_refused_in_a_sentence(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    page = client.post(address(made), {"button": "explode"}, follow=True)
    assert "There is no such button. Reload the page." in page.text


def test_it_says_so_when_the_gateway_does_not_answer(
    client: Client, alice: User, team: Team, gateway: RunningGateway, settings: Any
) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:9"
    made = rows.connection(team)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/")
    assert (page.status_code, "The simulated broker does not answer." in page.text) == (200, True)
    assert "The simulated broker does not answer." in client.post(address(made), {"button": "steal"}, follow=True).text


@pytest.mark.parametrize(("name", "value"), [("SIM_CONTROL_TOKEN", ""), ("SIMULATOR", False)])
def test_it_is_not_offered_where_we_have_no_control(
    client: Client, alice: User, team: Team, gateway: RunningGateway, settings: Any, name: str, value: Any
) -> None:
    made = rows.connection(team)
    setattr(settings, name, value)
    client.force_login(alice)
    assert 'id="stress"' not in client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "no control of a simulated broker" in client.post(address(made), {"button": "steal"}, follow=True).text
