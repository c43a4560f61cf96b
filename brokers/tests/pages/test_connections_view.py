"""Connections: the list, one session's story, making one."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from accounts import teams
from accounts.models import Role, Team, User
from brokers.connections import connections, states, user_accounts
from brokers.domain.brokerage import AccountFacts
from brokers.domain.sessions import SessionStatus
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows

pytestmark = pytest.mark.django_db

PAPER = {"environment": "paper", "name": "Paper", "username": "apaper1", "base_url": "http://localhost:5000/v1/api"}


@pytest.mark.parametrize("path", ["", "new/"])
def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, path: str) -> None:
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/connections/{path}").status_code == 404


def test_it_lets_a_viewer_look_and_not_touch(client: Client, bob: User, team: Team) -> None:
    made = rows.connection(team)
    client.force_login(bob)
    path = f"/teams/{team.code}/connections/"
    assert "Simulated IBKR" in client.get(path).text
    assert "Test the connection" not in client.get(f"{path}{made.code}/").text
    assert client.get(f"{path}new/").status_code == 403
    for verb in ("switch", "verify"):
        assert client.post(f"{path}{made.code}/{verb}/", {"enabled": "no"}).status_code == 403
    made.refresh_from_db()
    assert made.enabled


def test_it_teaches_when_there_is_none(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/")
    assert "Begin with the simulated broker" in page.text
    assert "/help/dedicated-user/" in page.text


def test_it_says_whether_it_can_trade_and_why_not(client: Client, alice: User, team: Team, now: datetime) -> None:
    made = rows.connection(team)
    states.session_is(made, SessionStatus.ACTIVE, "Signed in at IBKR; orders can be sent.", now=now)
    states.session_is(made, SessionStatus.COMPETING, "Another login took the session.", now=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/")
    assert "Can trade: no, competing" in page.text
    assert page.text.index("Another login took the session.") < page.text.index("Signed in at IBKR")
    assert "Give this connection its own user" in page.text


def test_a_session_in_doubt_is_being_checked(client: Client, alice: User, team: Team, now: datetime) -> None:
    made = rows.connection(team)
    states.session_is(made, SessionStatus.ACTIVE, "Signed in at IBKR; orders can be sent.", now=now)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/"
    assert "it is being checked" in client.get(path).text
    states.session_is(made, SessionStatus.SIGNED_OUT, "Nobody is signed in.", now=now)
    assert "none lately" in client.get(path).text


def test_a_connection_that_was_just_made_is_not_called_signed_out(client: Client, alice: User, team: Team) -> None:
    made = rows.connection(team)
    Connection.objects.filter(pk=made.pk).update(environment="paper", base_url="https://localhost:5000/v1/api")
    client.force_login(alice)
    for path in ("", "connections/", f"connections/{made.code}/"):
        page = client.get(f"/teams/{team.code}/{path}").text
        assert "signing in for the first time" in page
        assert "The user to sign in is" not in page
        assert "no, signed out" not in " ".join(page.replace("<strong>", "").replace("</strong>", "").split())


@pytest.mark.parametrize(("environment", "waits"), [("paper", True), ("simulated", False)])
def test_what_signs_in_by_itself_waits_for_nobody(
    client: Client, alice: User, team: Team, now: datetime, environment: str, waits: bool
) -> None:
    made = rows.connection(team)
    states.session_is(made, SessionStatus.SIGNED_OUT, "Nobody is signed in.", now=now, code="not-signed-in")
    Connection.objects.filter(pk=made.pk).update(environment=environment, next_try_at=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert ("It goes on by itself once that is done" in page) is waits
    assert ("Halyard looks again at" in page) is not waits


def test_the_checklist_remembers_a_session_that_is_in_doubt(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    made = rows.connection(team)
    states.session_is(made, SessionStatus.ACTIVE, "Signed in at IBKR; orders can be sent.", now=now)
    Connection.objects.filter(pk=made.pk).update(session_status="unreachable", last_kept_at=None, proved_at=None)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert '<li class="done">' in page.partition("Checklist")[2].partition("has opened a session")[0]


def test_a_long_story_goes_on_under_diagnosis(client: Client, alice: User, team: Team, now: datetime) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/"
    for number in range(13):
        states.session_is(made, SessionStatus.PAUSED, f"Reason {number}.", now=now, code=f"code-{number}")
    page = client.get(path).text
    assert "Reason 0." not in page
    assert "What happened before" in page
    diagnosis = client.get(f"{path}diagnosis/").text
    assert "Reason 0." in diagnosis
    assert "Seen by: somebody at this page." in diagnosis


def test_it_says_that_ibkr_is_asked_only_while_it_is(client: Client, alice: User, team: Team, now: datetime) -> None:
    made = rows.connection(team)
    path = f"/teams/{team.code}/connections/{made.code}/"
    client.force_login(alice)
    states.session_is(made, SessionStatus.UNREACHABLE, "The gateway cannot be reached.", now=now)
    page = client.get(path).text
    assert "None yet: they are asked for once the connection can trade." in page
    assert "IBKR is being asked" not in page
    states.session_is(made, SessionStatus.ACTIVE, "Signed in at IBKR; orders can be sent.", now=now)
    assert "IBKR is being asked" in client.get(path).text


def test_it_switches_off_and_on_again(client: Client, alice: User, team: Team) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/switch/"
    assert "Nothing new is sent" in client.post(path, {"enabled": "no"}, follow=True).text
    made.refresh_from_db()
    assert not made.enabled
    assert "Halyard is signing in" in client.post(path, {"enabled": "yes"}, follow=True).text
    made.refresh_from_db()
    assert made.enabled


def test_its_test_button_asks_ibkr_again(client: Client, alice: User, team: Team) -> None:
    made = rows.connection(team, wants_verify=False)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/connections/{made.code}/verify/", follow=True)
    assert "its answer appears here by itself" in page.text
    made.refresh_from_db()
    assert made.wants_verify


def test_it_makes_a_simulated_connection_from_a_name_alone(client: Client, bob: User, team: Team) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    client.force_login(bob)
    answer = client.post(f"/teams/{team.code}/connections/new/", {"environment": "simulated", "name": "Play"})
    made = Connection.objects.get(team=team)
    assert answer.headers["Location"] == f"/teams/{team.code}/connections/{made.code}/"
    assert made.username.startswith("sim-")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"username": ""}, "Fill in the IBKR user name this connection signs in with."),
        ({"base_url": ""}, "Fill in where the gateway of this user can be reached."),
        ({"base_url": "ftp://x"}, "must look like https://host:5000/v1/api"),
        ({"username": "no spaces please"}, "letters, digits, dots, dashes and underscores only"),
        ({"environment": "live"}, "Tick this to connect real money."),
    ],
)
def test_it_names_the_fix_beside_the_field(
    client: Client, alice: User, team: Team, changes: dict[str, str], words: str
) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/connections/new/", {**PAPER, **changes})
    assert page.status_code == 422
    assert words in page.text
    assert not Connection.objects.exists()


@pytest.mark.parametrize("squatted", ["apaper1", "APAPER1"])
@pytest.mark.parametrize("proved", [True, False])
def test_no_gateway_of_another_team_keeps_anybody_from_their_own_user(
    client: Client, alice: User, charlie: User, team: Team, now: datetime, squatted: str, proved: bool
) -> None:
    """Whatever accounts it shows under the name, and whether it showed them first: it is a program of that team's own."""
    squatter = rows.connection(teams.found_team(owner=charlie, name="Their secret team", now=now))
    Connection.objects.update(username=squatted, environment="paper", proved_at=now if proved else None)
    squatter.refresh_from_db()
    facts = [AccountFacts(account_id="DU1", is_paper=True)]
    client.force_login(alice)
    made = client.post(f"/teams/{team.code}/connections/new/", PAPER, follow=True)
    own = team.connections.get()
    assert "Their secret team" not in made.text
    assert [each.account_id for each in user_accounts.save_accounts(connection=own, facts=facts, now=now)] == ["DU1"]
    # Nor is a team kept from it that comes later; IBKR itself lets one of the two sessions live.
    assert user_accounts.save_accounts(connection=squatter, facts=facts, now=now)
    own.refresh_from_db()
    assert (own.enabled, own.session_status) == (True, "signed_out")
    connections.disable(connection=own, actor=None, now=now)
    connections.enable(connection=own, actor=None, now=now)
    assert Connection.objects.filter(enabled=True, proved_at__isnull=False).count() == 2


def test_one_team_connects_a_user_once_in_whatever_letters(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    client.force_login(alice)
    assert client.post(f"/teams/{team.code}/connections/new/", PAPER).status_code == 302
    again = client.post(f"/teams/{team.code}/connections/new/", {**PAPER, "username": PAPER["username"].upper()})
    assert again.status_code == 422
    assert "This IBKR user is already connected." in again.text


def test_a_user_that_the_team_connects_anew_is_not_switched_on_again(team: Team, now: datetime) -> None:
    first, second = rows.connection(team), rows.connection(team)
    Connection.objects.filter(pk=first.pk).update(enabled=False)
    Connection.objects.update(username="u1", environment="paper", proved_at=now)
    with pytest.raises(connections.ConnectionRefused, match="Another connection of your team has this IBKR user"):
        connections.enable(connection=first, actor=None, now=now)
    assert Connection.objects.get(pk=second.pk).enabled


def test_it_offers_no_simulator_where_there_is_none(client: Client, alice: User, team: Team, settings: Any) -> None:
    settings.SIMULATOR = False
    client.force_login(alice)
    assert 'value="simulated"' not in client.get(f"/teams/{team.code}/connections/new/").text


@pytest.mark.parametrize("page", ["paper-account", "dedicated-user", "precautions", "daily-reset"])
def test_help_can_be_read_by_anybody(client: Client, page: str) -> None:
    assert client.get(f"/help/{page}/").status_code == 200
    assert client.get("/help/elsewhere/").status_code == 404


def test_the_owner_lets_questions_about_exits_be_confirmed(client: Client, alice: User, team: Team) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    url = reverse("connection_exits", args=[team.code, made.code])
    page = client.post(url, {"confirms_exits": "yes"}, follow=True).content.decode()
    made.refresh_from_db()
    assert made.confirms_exits
    assert "Decline them" in page
    client.post(url, {"confirms_exits": "no"})
    made.refresh_from_db()
    assert not made.confirms_exits


@pytest.mark.parametrize(("person", "status"), [("bob", 403), ("charlie", 404)])
def test_others_may_not(client: Client, team: Team, person: str, status: int, request: pytest.FixtureRequest) -> None:
    made = rows.connection(team)
    client.force_login(request.getfixturevalue(person))
    answer = client.post(reverse("connection_exits", args=[team.code, made.code]), {"confirms_exits": "yes"})
    made.refresh_from_db()
    assert (answer.status_code, made.confirms_exits) == (status, False)


def test_the_owner_lets_orders_meet_the_signals_prices(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    url = reverse("connection_prices", args=[team.code, made.code])
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "Orders meet the simulated market" in page
    assert "Trade at the signals" in page
    page = client.post(url, {"prices": "signal"}, follow=True).text
    made.refresh_from_db()
    assert made.prices == "signal"
    assert "Orders meet the prices of their signals" in page
    assert "Use the market" in page
    page = client.post(url, {"prices": "none of them"}, follow=True).text
    assert "invalid-prices" in page
    client.post(url, {"prices": "generated"})
    made.refresh_from_db()
    assert made.prices == "generated"


def test_a_connection_to_ibkr_has_no_prices_to_choose(
    client: Client, alice: User, team: Team, gateway: RunningGateway
) -> None:
    made = rows.connection(team)
    Connection.objects.filter(pk=made.pk).update(environment="paper")
    client.force_login(alice)
    assert "Simulated prices" not in client.get(f"/teams/{team.code}/connections/{made.code}/").text
    url = reverse("connection_prices", args=[team.code, made.code])
    assert "not-simulated" in client.post(url, {"prices": "signal"}, follow=True).text
    made.refresh_from_db()
    assert made.prices == "generated"


@pytest.mark.parametrize(("person", "status"), [("bob", 403), ("charlie", 404)])
def test_others_may_not_choose_prices(
    client: Client, team: Team, person: str, status: int, request: pytest.FixtureRequest
) -> None:
    made = rows.connection(team)
    client.force_login(request.getfixturevalue(person))
    answer = client.post(reverse("connection_prices", args=[team.code, made.code]), {"prices": "signal"})
    made.refresh_from_db()
    assert (answer.status_code, made.prices) == (status, "generated")


def test_connections_from_before_are_proved_by_their_accounts(team: Team, now: datetime) -> None:
    with_accounts = rows.account(team).connection
    bare = rows.connection(team)
    Connection.objects.update(proved_at=None, environment="paper")
    import_module("brokers.migrations.0019_proved_users").believe_what_trades(apps, None)
    with_accounts.refresh_from_db()
    bare.refresh_from_db()
    assert (with_accounts.proved_at, bare.proved_at) == (with_accounts.created_at, None)
    assert with_accounts.enabled
    assert bare.enabled


@pytest.mark.usefixtures("default_nights")
@pytest.mark.parametrize(
    ("chosen", "seen", "shown", "said"),
    [
        ("NA", "", "23:45 to 01:45 in New York", False),
        ("NA", "EU", "06:25 to 07:45 in Zurich", True),
        ("EU", "APAC", "20:15 to 21:15 in Hong Kong", True),
    ],
)
def test_it_shows_the_restart_of_the_region_that_ibkr_names(
    client: Client, alice: User, team: Team, chosen: str, seen: str, shown: str, said: bool
) -> None:
    made = rows.connection(team)
    Connection.objects.filter(pk=made.pk).update(environment="paper", region=chosen, region_seen=seen)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert shown in page
    assert ("IBKR names the region" in page) is said
