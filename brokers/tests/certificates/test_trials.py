"""A trial of an address says which step failed and what each proves; a connection is made by what a person accepted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers import ibkr
from brokers.connections import changes, connections, trials
from brokers.connections.connections import ConnectionRefused, login_of
from brokers.domain.addresses import completed, login_page
from brokers.domain.certificates import fingerprint
from brokers.domain.sessions import Environment
from brokers.domain.trials import Report
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows
from brokers.tests.certificates.conftest import LOOPBACK, listener

pytestmark = pytest.mark.django_db
NAMES = ["look_up", "dial", "certificate", "session", "accounts"]


def codes(report: Report) -> dict[str, str]:
    return {step.name: step.code for step in report.steps if step.outcome != "not_reached"}


def form(gateway: RunningGateway, user: str, /, **more: Any) -> dict[str, Any]:
    address = gateway.base_url(user).removesuffix("/v1/api")
    return {"environment": "paper", "name": "Gate", "username": user, "base_url": address, "region": "NA"} | more


def paper(team: Team, address: str, **values: Any) -> Connection:
    fields = {"name": "Gate", "username": "GATE1", "environment": "paper", "base_url": address, **values}
    return Connection.objects.create(team=team, **fields)


def tried(connection: Connection) -> Report:
    """The trial as the stream process makes it."""

    async def go() -> Report:
        async with ibkr.new_http(LOOPBACK) as http:
            return await trials.try_login(login_of(connection), lambda login: ibkr.connect(login, http), timezone.now)

    return asyncio.run(go())


def test_the_form_shows_the_certificate_and_pins_the_one_that_was_ticked(
    client: Client, alice: User, team: Team, secured: RunningGateway
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/new/"
    shown = client.post(path, form(secured, "FORM1", name="", username="", button="test"))
    assert shown.status_code == 200
    sha256 = fingerprint(secured.fingerprint)
    assert f'value="{sha256}"' in shown.text
    for words in ("Simulated IBKR", "certificate-unknown", "itself", "Compare the SHA-256"):
        assert words in shown.text
    assert secured.journal("FORM1") == []
    # Without the tick nothing is made, and the certificate is shown.
    asked = client.post(path, form(secured, "FORM1"))
    assert (asked.status_code, Connection.objects.count()) == (422, 0)
    assert "tick that it is yours" in asked.text
    assert client.post(path, form(secured, "FORM1", accepted="ab" * 32)).status_code == 422
    client.post(path, form(secured, "FORM1", accepted=sha256))
    made = Connection.objects.get()
    assert made.base_url == secured.base_url("FORM1")
    assert login_of(made).secrets == {"certificate_sha256": sha256}
    page = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "accepted, until" in page
    assert login_page(made.base_url) in page


def test_every_step_is_told_up_to_the_accounts(team: Team, secured: RunningGateway) -> None:
    secured.sign_in("STEPS1")
    pin = fingerprint(secured.fingerprint)
    made = paper(team, secured.base_url("STEPS1"), username="STEPS1")
    assert codes(tried(made)) == {
        "look_up": "known-host",
        "dial": "dialled",
        "certificate": "certificate-unknown",
    }
    changes.accept(connection=made, sha256=pin, actor=None, now=timezone.now())
    report = tried(made)
    assert codes(report)["certificate"] == "certificate-pinned"
    assert (codes(report)["session"], codes(report)["accounts"]) == ("signed-in", "accounts-shown")
    trials.save(made.pk, report)
    made.refresh_from_db()
    assert trials.last(made) == report


def test_a_trial_takes_no_session_over(team: Team, secured: RunningGateway) -> None:
    made = paper(team, secured.base_url("CALM1"), username="CALM1")
    changes.accept(connection=made, sha256=fingerprint(secured.fingerprint), actor=None, now=timezone.now())
    assert codes(tried(made))["session"] == "not-signed-in"
    assert not [entry for entry in secured.journal("CALM1") if "ssodh" in entry["path"]]


@pytest.mark.parametrize(
    ("status", "code", "enabled", "early"),
    [
        ("connecting", "switched-on", True, True),
        ("active", "signed-in", True, True),
        ("signed_out", "", True, True),
        ("signed_out", "not-signed-in", True, False),
        ("connecting", "switched-on", False, False),
    ],
)
def test_a_session_that_halyard_is_opening_is_asked_for_again(
    team: Team, secured: RunningGateway, status: str, code: str, enabled: bool, early: bool
) -> None:
    user = f"EARLY{status}{len(code)}{enabled}"
    made = paper(team, secured.base_url(user), username=user, enabled=enabled)
    changes.accept(connection=made, sha256=fingerprint(secured.fingerprint), actor=None, now=timezone.now())
    Connection.objects.update(session_status=status, session_code=code)
    report = tried(made)
    assert codes(report)["session"] == "not-signed-in"
    assert trials.is_too_early(made.pk, report) is early
    secured.sign_in(user)
    assert not trials.is_too_early(made.pk, tried(made))


def test_a_certificate_to_look_at_is_not_waited_for(team: Team, secured: RunningGateway) -> None:
    made = paper(team, secured.base_url("LOOK1"), username="LOOK1", session_status="connecting")
    report = tried(made)
    assert codes(report)["certificate"] == "certificate-unknown"
    assert not trials.is_too_early(made.pk, report)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("http_200_non_json", "page"),
        ("hostile_redirect", "sends Halyard to another address"),
        ("http_502_504_proxy", "could not answer"),
    ],
)
def test_what_is_no_gateway_is_told_at_the_session(team: Team, secured: RunningGateway, fault: str, words: str) -> None:
    name = fault.upper().replace("_", "")
    made = paper(team, secured.base_url(name), username=name)
    changes.accept(connection=made, sha256=fingerprint(secured.fingerprint), actor=None, now=timezone.now())
    secured.fault(match={"user": name}, preset=fault, times=None)
    try:
        report = tried(made)
    finally:
        secured.clear_faults()
    assert report.steps[3].outcome != "good"
    assert words in report.steps[3].answer
    assert report.steps[4].outcome == "not_reached"


def test_another_certificate_is_a_trouble_of_its_own_until_somebody_accepts_it(
    client: Client, alice: User, team: Team, secured: RunningGateway
) -> None:
    made = paper(team, secured.base_url("MOVED1"), username="MOVED1")
    changes.accept(connection=made, sha256=fingerprint(secured.fingerprint), actor=None, now=timezone.now())
    new = fingerprint(secured.renew_certificate(days=30, begins_in_days=-90))
    assert codes(tried(made))["certificate"] == "certificate-changed"
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/certificate/"
    page = client.get(path).text
    assert "It is not the one that was accepted" in page
    assert "It ended on" in page
    # One that is not shown now cannot be accepted.
    assert client.post(path, {"accepted": "ab" * 32}).status_code == 422
    assert client.post(path, {"accepted": new}).status_code == 302
    made.refresh_from_db()
    assert login_of(made).secrets["certificate_sha256"] == new
    assert made.session_status == "connecting"
    entry = AuditEntry.objects.filter(action="connection.certificate_accepted").latest("pk")
    assert new in entry.subject
    assert codes(tried(made))["certificate"] == "certificate-pinned"
    secured.renew_certificate()


def test_a_viewer_and_a_stranger_accept_nothing(
    client: Client, bob: User, charlie: User, team: Team, secured: RunningGateway
) -> None:
    made = paper(team, secured.base_url("VIEW1"), username="VIEW1")
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        for page in ("certificate", "edit", "remove"):
            assert client.post(f"/teams/{team.code}/connections/{made.code}/{page}/").status_code == status
    made.refresh_from_db()
    assert (made.certificate, made.removed_at) == (None, None)


@pytest.mark.parametrize(
    ("answer", "scheme", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "https", "gateway-speaks-http"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "https", "gateway-speaks-http"),
        (b"", "https", "handshake-unanswered"),
    ],
)
def test_a_wrong_port_is_told_at_its_step(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, scheme: str, code: str
) -> None:
    from brokers import certificates

    monkeypatch.setattr(certificates, "HANDSHAKE_SECONDS", 0.5)
    with listener(answer) as (port, _):
        report = trials.try_address(f"{scheme}://localhost:{port}/v1/api", "1", timezone.now())
    assert codes(report)["certificate"] == code
    assert codes(report)["dial"] == "dialled"


def test_https_behind_an_http_address_is_told(secured: RunningGateway) -> None:
    report = trials.try_address(f"http://localhost:{secured.port}/v1/api", "1", timezone.now())
    assert codes(report)["certificate"] == "gateway-speaks-https"


def test_nothing_that_listens_is_told() -> None:
    with listener() as (port, _):
        pass
    report = trials.try_address(f"https://localhost:{port}/v1/api", "1", timezone.now())
    assert codes(report) == {"look_up": "known-host", "dial": "dial-refused"}
    assert [step.outcome for step in report.steps] == ["good", "bad", "not_reached"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("localhost:5000", "https://localhost:5000/v1/api"),
        ("https://gateway:5000", "https://gateway:5000/v1/api"),
        ("https://gateway:5000/v1/api/", "https://gateway:5000/v1/api"),
        ("https://localhost:5000/sso/Login?forwardTo=22&RL=1", "https://localhost:5000/v1/api"),
        ("https://h/u/bob", "https://h/u/bob/v1/api"),
        ("https://h/v1/api/iserver/auth/status", "https://h/v1/api"),
        ("http://127.0.0.1:5000/v1", "http://127.0.0.1:5000/v1/api"),
    ],
)
def test_an_address_is_completed(typed: str, kept: str) -> None:
    assert completed(typed) == kept
    assert completed(kept) == kept


@pytest.mark.parametrize("host", ["10.1.2.3", "192.168.0.9", "93.184.216.34"])
def test_plain_http_goes_to_this_machine_and_no_further(team: Team, host: str) -> None:
    with pytest.raises(ConnectionRefused) as refusal:
        connections.connect(
            team=team,
            actor=None,
            name="Plain",
            username="PLAIN1",
            environment=Environment.PAPER,
            base_url=f"http://{host}:5000",
            now=timezone.now(),
        )
    assert refusal.value.code == "address-not-encrypted"


def test_the_page_says_what_the_last_test_found_and_when_it_is_late(client: Client, alice: User, team: Team) -> None:
    made = rows.connection(team)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/"
    client.post(f"{path}verify/")
    assert "The gateway is being asked" in client.get(path).text
    Connection.objects.update(trial_asked_at=timezone.now() - timedelta(minutes=5))
    assert "stream process does not run" in client.get(path).text
