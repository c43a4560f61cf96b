"""REST: connections made, mended, tested, switched and removed, with the refusals of their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.entrance.step_up import PROVED_AT
from accounts.models import AuditEntry, Team, User
from accounts.tests.api.client import Api
from accounts.tests.entrance.factors import with_app
from brokers.domain.certificates import fingerprint
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Connection
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import rows
from strategies.models import Subscription
from strategies.tests import rows as trading

pytestmark = pytest.mark.django_db
ADDRESS = "http://127.0.0.1:5009/v1/api"
PAPER = {"name": "Paper", "environment": "paper", "username": "GATE1", "base_url": ADDRESS}


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice, "trade")


@pytest.fixture(scope="module")
def secured(servers: None) -> Iterator[RunningGateway]:
    """A gateway with a certificate of its own."""
    with running_gateway("fast", tls=True) as running:
        yield running


def paper(team: Team, **values: Any) -> Connection:
    made = rows.connection(team, username=values.pop("username", "GATE1"))
    Connection.objects.filter(pk=made.pk).update(**{"environment": "paper", "base_url": ADDRESS, **values})
    made.refresh_from_db()
    return made


def ask(api: Api, method: str, path: str, **body: Any) -> Any:
    return getattr(api.client, method)(f"/api/v1/connections/{path}", body, content_type="application/json")


def refusal(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body.get("field", "")


# -- made -----------------------------------------------------------------------------------------------------------


def test_a_gateway_is_connected_by_its_address(api: Api, alice: User) -> None:
    answer = ask(api, "post", "", **{**PAPER, "base_url": "http://127.0.0.1:5009", "region": "EU"})
    assert answer.status_code == 201
    shown = answer.json()
    made = Connection.objects.get()
    assert (shown["id"], shown["base_url"], shown["region"], shown["enabled"]) == (str(made.code), ADDRESS, "EU", True)
    assert (made.environment, made.username, made.wants_verify) == ("paper", "GATE1", True)
    entry = AuditEntry.objects.get(action="connection.made")
    assert entry.actor == alice


def test_a_simulated_connection_takes_its_name_only(api: Api) -> None:
    answer = ask(api, "post", "", name="Practice", environment="simulated")
    assert answer.status_code == 201
    assert Connection.objects.get().username.startswith("sim-")


def test_a_certificate_of_its_own_is_looked_at_before_it_is_pinned(api: Api, secured: RunningGateway) -> None:
    form = {**PAPER, "base_url": secured.base_url("GATE1")}
    first = ask(api, "post", "", **form)
    assert refusal(first) == (409, "certificate-unknown", "certificate_sha256")
    sha256 = first.json()["certificate"]["sha256"]
    assert sha256 == fingerprint(secured.fingerprint)
    other = ask(api, "post", "", **form, certificate_sha256="00" * 32)
    assert refusal(other)[:2] == (409, "certificate-unknown")
    assert not Connection.objects.exists()
    made = ask(api, "post", "", **form, certificate_sha256=sha256)
    assert (made.status_code, made.json()["certificate_sha256"]) == (201, sha256)


def test_an_address_is_tried_step_by_step(api: Api, secured: RunningGateway) -> None:
    answer = ask(api, "post", "test/", base_url=secured.url)
    assert answer.status_code == 200
    assert [(step["name"], step["outcome"]) for step in answer.json()["steps"]] == [
        ("look_up", "good"),
        ("dial", "good"),
        ("certificate", "look"),
    ]
    assert answer.json()["certificate"]["sha256"] == fingerprint(secured.fingerprint)


# What is wrong, in a connection that is made; the page refuses the same with the same sentence.
BAD: dict[str, tuple[dict[str, str], int, str]] = {
    "invalid-username": ({"username": "no spaces"}, 400, "username"),
    "username-taken": ({"username": "taken1"}, 409, ""),
    "invalid-address": ({"base_url": "ftp://x"}, 400, "base_url"),
    "address-not-encrypted": ({"base_url": "http://93.184.216.34:5000"}, 400, "base_url"),
    "numeric-host": ({"base_url": "https://2130706433:5000"}, 400, "base_url"),
}


@pytest.mark.parametrize("code", BAD)
def test_a_refusal_is_the_one_of_the_page(api: Api, team: Team, alice: User, client: Client, code: str) -> None:
    paper(team, username="TAKEN1")
    change, status, field = BAD[code]
    answer = ask(api, "post", "", **{**PAPER, **change})
    assert refusal(answer) == (status, code, field)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/connections/new/", {**PAPER, **change})
    assert page.status_code == 422
    assert answer.json()["message"].replace("'", "&#x27;") in page.text
    assert Connection.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"environment": "simulated"}, "invalid-name", "name"),
        ({"name": "x", "environment": "dream"}, "invalid-environment", "environment"),
        ({"name": "x" * 81, "environment": "simulated"}, "invalid-name", "name"),
        ({"name": "a\x00b", "environment": "simulated"}, "invalid-name", "name"),
        ({"name": "x", "environment": "simulated", "secrets": {}}, "unknown-field", "secrets"),
        ({"name": "x", "environment": "simulated", "auth_method": "oauth"}, "unknown-field", "auth_method"),
        ({"name": "x", "environment": "paper", "username": "u", "base_url": {}}, "invalid-base-url", "base_url"),
        ({"name": "x", "environment": "paper", "username": "u"}, "invalid-address", "base_url"),
        ({"name": "x", "environment": "paper", "base_url": ADDRESS}, "invalid-username", "username"),
    ],
)
def test_nonsense_is_refused_with_its_field(api: Api, body: dict[str, Any], code: str, field: str) -> None:
    assert refusal(ask(api, "post", "", **body)) == (400, code, field)
    assert not Connection.objects.exists()


# -- real money takes a person ---------------------------------------------------------------------------------------


def test_no_token_connects_real_money(api: Api, alice: User) -> None:
    live = {**PAPER, "environment": "live"}
    assert refusal(ask(api, "post", "", **live)) == (403, "email-not-verified", "")
    with_app(alice)
    assert refusal(ask(api, "post", "", **live)) == (403, "confirmation-missing", "")
    assert refusal(ask(api, "post", "", **live, account_number="U1234567"))[1] == "unknown-field"
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "enable/", {}),
        ("patch", "", {"username": "OTHER1"}),
        ("patch", "", {"base_url": "http://127.0.0.1:5010"}),
        ("post", "ownership/", {"ownership": "always"}),
        ("post", "ownership/", {"ownership": "polite", "polite_minutes": 5}),
        ("post", "unasked/", {"suppresses_questions": "yes"}),
        ("post", "take-back/", {}),
        ("delete", "", {}),
    ],
)
def test_what_a_page_of_real_money_asks_a_proof_for_takes_a_person(
    api: Api, team: Team, alice: User, client: Client, method: str, path: str, body: dict[str, Any]
) -> None:
    with_app(alice)
    made = paper(team, environment="live", enabled=path != "enable/")
    before = Connection.objects.values().get()
    answer = ask(api, method, f"{made.code}/{path}", **body)
    assert refusal(answer) == (403, "confirmation-missing", "")
    assert Connection.objects.values().get() == before
    # And so does its page.
    client.force_login(alice)
    session = client.session
    session[PROVED_AT] = 0
    session.save()
    name = {"enable/": "switch/", "": "remove/" if method == "delete" else "edit/"}.get(path, path)
    page = client.post(f"/teams/{team.code}/connections/{made.code}/{name}", {"enabled": "yes", **body})
    assert "reauthenticate" in page.headers["Location"]


def test_a_token_stops_real_money_and_names_it(api: Api, team: Team) -> None:
    made = paper(team, environment="live", live_account="U1234567")
    assert ask(api, "patch", f"{made.code}/", name="Ours").json()["name"] == "Ours"
    assert ask(api, "post", f"{made.code}/ownership/", ownership="yield").json()["ownership"] == "yield"
    assert ask(api, "post", f"{made.code}/disable/").json()["enabled"] is False
    assert Connection.objects.get().live_account == ""


# -- mended ------------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_changed_and_nothing_else(api: Api, team: Team) -> None:
    made = paper(team, session_status="active")
    named = ask(api, "patch", f"{made.code}/", name="Another")
    assert (named.status_code, named.json()["name"], named.json()["session_status"]) == (200, "Another", "active")
    moved = ask(api, "patch", f"{made.code}/", base_url="http://127.0.0.1:5010", region="APAC").json()
    assert (moved["base_url"], moved["region"], moved["username"], moved["session_status"]) == (
        "http://127.0.0.1:5010/v1/api",
        "APAC",
        "GATE1",
        "connecting",
    )
    assert ask(api, "patch", f"{made.code}/").status_code == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"environment": "live"}, (409, "environment-stays", "")),
        ({"username": "TAKEN1"}, (409, "username-taken", "")),
        ({"username": "no spaces"}, (400, "invalid-username", "username")),
        ({"base_url": "ftp://x"}, (400, "invalid-address", "base_url")),
        ({"name": ""}, (400, "invalid-name", "name")),
        ({"enabled": False}, (400, "unknown-field", "enabled")),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    api: Api, team: Team, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    paper(team, username="TAKEN1")
    made = paper(team)
    before = Connection.objects.values().get(pk=made.pk)
    assert refusal(ask(api, "patch", f"{made.code}/", **change)) == expected
    assert Connection.objects.values().get(pk=made.pk) == before


@pytest.mark.parametrize("change", [{"username": "OTHER1"}, {"base_url": ADDRESS}, {"environment": "paper"}])
def test_a_simulated_connection_keeps_its_user(api: Api, team: Team, change: dict[str, str]) -> None:
    made = rows.connection(team)
    answer = ask(api, "patch", f"{made.code}/", **change)
    assert refusal(answer) == (400, "simulated-keeps-its-user", next(iter(change)))


def test_another_user_leaves_no_order_behind(api: Api, team: Team) -> None:
    made = paper(team)
    rows.order(rows.account(team, of=made))
    assert refusal(ask(api, "patch", f"{made.code}/", username="OTHER1"))[:2] == (409, "orders-work")


# -- tested, owned, switched, removed ---------------------------------------------------------------------------------


def test_a_test_is_asked_for_and_its_answer_read_later(api: Api, team: Team) -> None:
    made = paper(team)
    answer = ask(api, "post", f"{made.code}/test/")
    assert (answer.status_code, answer.json()["trial"]) == (202, None)
    assert answer.json()["trial_asked_at"] is not None
    step = {"name": "look_up", "outcome": "good", "answer": "127.0.0.1", "proves": "It is there.", "code": ""}
    report = {"at": "2026-11-20T15:00:00+00:00", "steps": [step], "certificate": None}
    Connection.objects.update(trial=report, trial_asked_at=None)
    assert api.get(f"connections/{made.code}/")["trial"] == report


def test_whose_the_session_is_can_be_chosen(api: Api, team: Team) -> None:
    made = paper(team)
    polite = ask(api, "post", f"{made.code}/ownership/", ownership="polite", polite_minutes=45).json()
    assert (polite["ownership"], polite["polite_minutes"]) == ("polite", 45)
    assert ask(api, "post", f"{made.code}/ownership/", ownership="yield").json()["polite_minutes"] == 45
    long = ask(api, "post", f"{made.code}/ownership/", ownership="polite", polite_minutes=2000)
    assert refusal(long)[:2] == (400, "invalid-polite-minutes")
    assert refusal(ask(api, "post", f"{made.code}/ownership/", ownership="mine"))[:2] == (400, "invalid-ownership")
    assert refusal(ask(api, "post", f"{made.code}/take-back/"))[:2] == (409, "not-competing")
    Connection.objects.update(session_status="competing")
    taken = ask(api, "post", f"{made.code}/take-back/")
    assert (taken.status_code, taken.json()["left_until"] is not None) == (200, True)


def test_it_is_switched_off_and_on(api: Api, team: Team) -> None:
    made = paper(team)
    off = ask(api, "post", f"{made.code}/disable/").json()
    assert (off["enabled"], off["session_code"]) == (False, "switched-off")
    on = ask(api, "post", f"{made.code}/enable/").json()
    assert (on["enabled"], on["session_code"]) == (True, "switched-on")
    Connection.objects.update(enabled=False, proved_at=timezone.now())
    paper(team, proved_at=timezone.now())
    assert refusal(ask(api, "post", f"{made.code}/enable/"))[:2] == (409, "username-taken")


def test_a_removed_connection_is_off_for_good(api: Api, team: Team) -> None:
    now = timezone.now()
    account = rows.account(team, paper(team))
    BrokerageAccount.objects.update(is_paper=True)
    trading.subscription(trading.strategy(team, now), account, now)
    made = account.connection
    order = rows.order(account)
    assert refusal(ask(api, "delete", f"{made.code}/"))[:2] == (409, "orders-work")
    type(order).objects.update(status="canceled")
    assert ask(api, "delete", f"{made.code}/").status_code == 204
    assert api.get(f"connections/{made.code}/")["removed_at"] is not None
    assert not Subscription.objects.filter(enabled=True).exists()
    for method, path in [
        ("patch", ""),
        ("delete", ""),
        ("post", "enable/"),
        ("post", "disable/"),
        ("post", "test/"),
        ("post", "take-back/"),
    ]:
        assert refusal(ask(api, method, f"{made.code}/{path}"))[:2] == (409, "connection-removed")


# -- who may -------------------------------------------------------------------------------------------------------------


def test_a_token_that_reads_or_belongs_to_another_team_changes_nothing(team: Team, alice: User, charlie: User) -> None:
    made = paper(team)
    theirs = teams.found_team(owner=charlie, name="Theirs", now=timezone.now())
    for api, expected in (
        (Api(team, alice), (403, "scope-missing")),
        (Api(team, alice, "approve"), (403, "scope-missing")),
        (Api(theirs, charlie, "trade"), (404, "not-found")),
    ):
        for method, path in [("patch", ""), ("delete", ""), ("post", "disable/"), ("post", "test/")]:
            assert refusal(ask(api, method, f"{made.code}/{path}"))[:2] == expected
    assert refusal(ask(Api(team, alice), "post", "", **PAPER))[:2] == (403, "scope-missing")
    assert Connection.objects.get().enabled


def test_gateways_are_called_a_few_times_a_minute(api: Api, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "gateway_call": "2/m/user"}
    answers = [ask(api, "post", "test/", base_url="https://127.0.0.1:5009") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "too-many-calls"


def test_a_demo_connects_no_real_money(api: Api, team: Team, alice: User) -> None:
    with_app(alice)
    Team.objects.filter(pk=team.pk).update(is_demo=True)
    answer = ask(api, "post", "", **{**PAPER, "environment": str(Environment.LIVE)})
    assert refusal(answer) == (403, "demo-team", "")


def test_the_description_shows_each_way_to_write(api: Api) -> None:
    paths = api.client.get("/api/v1/schema/?format=json").json()["paths"]
    written = {
        path.removeprefix("/api/v1/connections/"): sorted(methods)
        for path, methods in paths.items()
        if path.startswith("/api/v1/connections/")
    }
    assert written == {
        "": ["get", "post"],
        "test/": ["post"],
        "{code}/": ["delete", "get", "patch"],
        **{
            f"{{code}}/{each}/": ["post"] for each in ("enable", "disable", "test", "ownership", "unasked", "take-back")
        },
        "{code}/groups/": ["get", "post"],
        "{code}/groups/read/": ["post"],
        "{code}/certificate/": ["get", "post"],
        "{code}/proxy/": ["get"],
        "{code}/proxy/header/": ["delete", "put"],
        "{code}/proxy/certificate/": ["delete", "put"],
    }
    for path, methods in paths.items():
        if path.startswith("/api/v1/connections/") and "post" in methods:
            assert "requestBody" in methods["post"] or path.endswith(
                ("able/", "}/test/", "take-back/", "groups/read/")
            ), path


def test_what_ibkr_was_told_last_not_to_ask_is_shown(api: Api, team: Team) -> None:
    made = [paper(team, username=f"GATE{n}") for n in range(2)]
    at = timezone.now()
    for confirmed, answer in ((False, "Forbidden"), (True, "submitted")):
        made[1].suppressions.create(message_ids=["o354"], asked_at=at, confirmed=confirmed, answer=answer)
    shown = {row["id"]: row["suppression"] for row in api.get("connections/")["results"]}
    told = shown[str(made[1].code)]
    assert shown[str(made[0].code)] is None
    assert (told["message_ids"], told["confirmed"], told["answer"]) == (["o354"], True, "submitted")
    assert set(told) == {"message_ids", "asked_at", "confirmed", "answer"}
