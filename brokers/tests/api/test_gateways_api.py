"""REST: a gateway's certificate accepted, and what the proxy before it is shown, as the pages do both."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database

from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.tests.api.client import Api
from brokers.connections.connections import login_of
from brokers.domain.certificates import fingerprint, spelled
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests.api.test_connections_api import api, ask, paper, refusal, secured
from brokers.tests.hostile.test_guarded_gateways import certificate

pytestmark = pytest.mark.django_db
__all__ = ["api", "secured"]
SECRET = "a-long-random-secret-of-ours"
HEADER = {"header": "X-Gateway-Secret", "secret": SECRET}
HTTPS = "https://gateway.example:5000/v1/api"


@pytest.fixture
def guarded(team: Team) -> Connection:
    return paper(team, base_url=HTTPS)


# -- the certificate -------------------------------------------------------------------------------------------------


def test_a_new_certificate_is_looked_at_and_accepted(
    api: Api, team: Team, alice: User, secured: RunningGateway
) -> None:
    made = paper(team, base_url=secured.base_url("GATE1"), session_status="certificate_refused")
    path = f"{made.code}/certificate/"
    seen = ask(api, "get", path).json()
    new = fingerprint(secured.fingerprint)
    assert (seen["shown"]["sha256"], seen["accepted"], seen["is_accepted"]) == (new, None, False)
    assert refusal(ask(api, "post", path, certificate_sha256="00" * 32))[:2] == (409, "certificate-changed")
    assert Connection.objects.get().certificate is None
    # As `openssl x509 -fingerprint` writes it.
    accepted = ask(api, "post", path, certificate_sha256=spelled(new))
    assert (accepted.status_code, accepted.json()["certificate_sha256"]) == (200, new)
    assert accepted.json()["session_status"] == "connecting"
    assert accepted.json()["trial_asked_at"] is not None
    assert login_of(Connection.objects.get()).secrets == {"certificate_sha256": new}
    assert ask(api, "get", path).json()["is_accepted"] is True
    entry = AuditEntry.objects.get(action="connection.certificate_accepted")
    assert (entry.actor, new in entry.subject) == (alice, True)


@pytest.mark.parametrize("sha256", ["", "no fingerprint", "ab" * 31, "zz" * 32])
def test_what_is_no_fingerprint_is_accepted_for_nothing(
    api: Api, team: Team, secured: RunningGateway, sha256: str
) -> None:
    made = paper(team, base_url=secured.base_url("GATE1"))
    answer = ask(api, "post", f"{made.code}/certificate/", certificate_sha256=sha256)
    assert answer.status_code in {400, 409}
    assert Connection.objects.get().certificate is None


def test_plain_http_and_nobody_there_have_no_certificate(api: Api, team: Team) -> None:
    made = paper(team)
    assert refusal(ask(api, "get", f"{made.code}/certificate/"))[:2] == (409, "plain-http")
    Connection.objects.update(base_url="https://127.0.0.1:5009/v1/api")
    assert refusal(ask(api, "get", f"{made.code}/certificate/"))[:2] == (409, "no-certificate")


# -- the proxy -------------------------------------------------------------------------------------------------------


def test_a_header_is_written_and_its_secret_never_read_back(api: Api, alice: User, guarded: Connection) -> None:
    path = f"{guarded.code}/proxy/"
    assert ask(api, "get", path).json() == {"header": "", "certificate": "", "certificate_ends": None}
    answer = ask(api, "put", f"{path}header/", **HEADER)
    assert (answer.status_code, answer.json()["header"]) == (200, "X-Gateway-Secret")
    for text in (answer.text, ask(api, "get", path).text, ask(api, "get", f"{guarded.code}/").text):
        assert SECRET not in text
    kept = Connection.objects.get()
    assert login_of(kept).secrets == {"proxy_header": "X-Gateway-Secret", "proxy_secret": SECRET}
    assert kept.trial_asked_at is not None
    with database.cursor() as cursor:
        cursor.execute("SELECT secrets FROM brokers_connection")
        assert SECRET.encode() not in bytes(cursor.fetchone()[0])
    assert ask(api, "delete", f"{path}header/").status_code == 204
    assert login_of(Connection.objects.get()).secrets == {}
    actions = AuditEntry.objects.filter(action__startswith="connection.proxy").order_by("pk")
    assert [(entry.action, entry.actor) for entry in actions] == [
        ("connection.proxy_shown", alice),
        ("connection.proxy_hidden", alice),
    ]


def test_a_client_certificate_stands_beside_the_header(api: Api, guarded: Connection) -> None:
    pem, key = certificate("halyard")
    ask(api, "put", f"{guarded.code}/proxy/header/", **HEADER)
    answer = ask(api, "put", f"{guarded.code}/proxy/certificate/", certificate=pem, key=key)
    assert answer.status_code == 200
    assert answer.json()["certificate"] == "CN=halyard"
    assert answer.json()["certificate_ends"].startswith("2029-")
    assert "PRIVATE KEY" not in answer.text
    assert set(login_of(Connection.objects.get()).secrets) == {
        "client_certificate",
        "client_key",
        "proxy_header",
        "proxy_secret",
    }
    assert ask(api, "delete", f"{guarded.code}/proxy/certificate/").status_code == 204
    assert set(login_of(Connection.objects.get()).secrets) == {"proxy_header", "proxy_secret"}


PEM, KEY = certificate("halyard")
OTHER, OTHER_KEY = certificate("stranger")
OVER, OVER_KEY = certificate("over", days=10)
BAD: list[tuple[str, dict[str, str], str, str]] = [
    ("header", {"header": "Host", "secret": SECRET}, "proxy-header", "header"),
    ("header", {"header": "X-A\r\nHost", "secret": SECRET}, "proxy-header", "header"),
    ("header", {"header": "X-Secret", "secret": "short"}, "proxy-secret", "secret"),
    ("header", {"header": "X-Secret", "secret": f"{SECRET} "}, "proxy-secret", "secret"),
    ("certificate", {"certificate": "none", "key": KEY}, "client-certificate", "certificate"),
    ("certificate", {"certificate": PEM, "key": OTHER_KEY}, "client-key", "key"),
    ("certificate", {"certificate": OVER, "key": OVER_KEY}, "client-certificate-over", "certificate"),
]


@pytest.mark.parametrize(("part", "body", "code", "field"), BAD)
def test_a_refusal_is_the_one_of_the_page_and_repeats_no_secret(
    api: Api, guarded: Connection, part: str, body: dict[str, str], code: str, field: str
) -> None:
    answer = ask(api, "put", f"{guarded.code}/proxy/{part}/", **body)
    assert refusal(answer) == (400, code, field)
    assert SECRET not in answer.text
    assert not Connection.objects.get().secrets


@pytest.mark.parametrize(
    ("part", "body"),
    [("header", {"header": "X-A"}), ("header", {**HEADER, "more": "1"}), ("certificate", {"key": KEY})],
)
def test_what_is_left_out_or_unknown_is_refused(api: Api, guarded: Connection, part: str, body: dict[str, str]) -> None:
    assert ask(api, "put", f"{guarded.code}/proxy/{part}/", **body).status_code == 400
    assert not Connection.objects.get().secrets


# -- who may ---------------------------------------------------------------------------------------------------------

ACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "certificate/", {"certificate_sha256": "ab" * 32}),
    ("put", "proxy/header/", HEADER),
    ("delete", "proxy/header/", {}),
    ("put", "proxy/certificate/", {"certificate": PEM, "key": KEY}),
    ("delete", "proxy/certificate/", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_real_money_takes_a_person(api: Api, guarded: Connection, method: str, path: str, body: dict[str, Any]) -> None:
    Connection.objects.update(environment="live", live_account="U1234567")
    answer = ask(api, method, f"{guarded.code}/{path}", **body)
    assert refusal(answer)[:2] == (403, "confirmation-missing")
    assert not Connection.objects.get().secrets


@pytest.mark.parametrize(("method", "path", "body"), [*ACTS, ("get", "certificate/", {}), ("get", "proxy/", {})])
@pytest.mark.parametrize("environment", ["simulated", "oauth"])
def test_who_has_no_gateway_has_no_proxy(
    api: Api, guarded: Connection, method: str, path: str, body: dict[str, Any], environment: str
) -> None:
    changed = {"auth_method": "oauth"} if environment == "oauth" else {"environment": "simulated"}
    Connection.objects.update(**changed)
    assert refusal(ask(api, method, f"{guarded.code}/{path}", **body))[:2] == (409, "no-gateway-of-yours")


@pytest.mark.parametrize(("method", "path", "body"), [*ACTS, ("get", "certificate/", {}), ("get", "proxy/", {})])
def test_another_teams_and_a_removed_one_are_out_of_reach(
    api: Api, team: Team, charlie: User, guarded: Connection, method: str, path: str, body: dict[str, Any], now: Any
) -> None:
    from accounts import teams

    theirs = Api(teams.found_team(owner=charlie, name="Theirs", now=now), charlie, "trade")
    assert ask(theirs, method, f"{guarded.code}/{path}", **body).status_code == 404
    Connection.objects.update(enabled=False, removed_at=now)
    assert refusal(ask(api, method, f"{guarded.code}/{path}", **body))[:2] == (409, "connection-removed")
    assert not Connection.objects.get().secrets


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_a_trader_shows_a_proxy_nothing_and_a_token_that_reads_does_nothing(
    team: Team, alice: User, guarded: Connection, method: str, path: str, body: dict[str, Any]
) -> None:
    reads = Api(team, alice, "read")
    assert refusal(ask(reads, method, f"{guarded.code}/{path}", **body))[:2] == (403, "scope-missing")
    Membership.objects.filter(user=alice, team=team).update(role=Role.TRADER)
    answer = ask(Api(team, alice, "trade"), method, f"{guarded.code}/{path}", **body)
    if path.startswith("proxy"):
        assert refusal(answer)[:2] == (403, "role-missing")
    else:
        assert answer.status_code == 409


def test_the_description_shows_secrets_as_written_only(api: Api) -> None:
    import yaml

    described = yaml.safe_load(api.client.get("/api/v1/schema/").content)
    parts = described["components"]["schemas"]
    for name, secret in (("Header", "secret"), ("ClientCertificate", "key")):
        written = next(schema for key, schema in parts.items() if key in {name, f"{name}Request"})
        assert written["properties"][secret].get("writeOnly", True)
    assert "/api/v1/connections/{code}/proxy/header/" in described["paths"]
    assert set(parts["Proxy"]["properties"]) == {"header", "certificate", "certificate_ends"}
