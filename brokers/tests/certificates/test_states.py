"""A certificate that is not believed, as the state that every page shows."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.connections import changes, connections
from brokers.domain.certificates import ending, fingerprint
from brokers.models import Connection, Notice
from brokers.notices import telling
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.certificates.places import assert_shown, paper, row
from brokers.tests.hostile.test_guarded_gateways import certificate
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_changed_certificate_is_told_everywhere_until_somebody_accepts_it(
    client: Client, alice: User, team: Team, secured: RunningGateway
) -> None:
    secured.sign_in("STATE1")
    made = paper(team, secured.base_url("STATE1"), "STATE1", certificate_sha256=fingerprint(secured.fingerprint))

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "active")
            new = await asyncio.to_thread(secured.renew_certificate)
            # The open line is the old one's: a test comes new to the gateway, and so does the look that it causes.
            await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await until_shown(made, "certificate_refused", "certificate-changed")
            await asyncio.to_thread(lab.asked, lambda: _shown_everywhere(client, alice, row(made), fingerprint(new)))
            await asyncio.to_thread(lab.asked, lambda: _accept(made, fingerprint(new)))
            await until_shown(made, "active")

    asyncio.run(story())
    assert ("certificate_refused", "certificate-changed") in events(made)
    telling.look(timezone.now())
    assert not Notice.objects.filter(settled_at=None).exists()


def _verify(made: Connection) -> None:
    connections.verify(connection=row(made), actor=None, now=timezone.now())


def _accept(made: Connection, sha256: str) -> None:
    changes.accept(connection=row(made), sha256=sha256, actor=None, now=timezone.now())


def _shown_everywhere(client: Client, alice: User, shown: Connection, new: str) -> None:
    assert "another certificate than the accepted one" in shown.session_reason
    assert ending(new) in shown.session_reason
    assert shown.session_action.startswith("Compare the new certificate")
    event = shown.session_events.latest("pk")
    assert event.code == "certificate-changed"
    assert event.cause in {"trial", "look", "stream"}
    assert (event.evidence["certificate_sha256"], event.evidence["help_page"]) == (new, "gateway")
    client.force_login(alice)
    page = client.get(f"/teams/{shown.team.code}/connections/{shown.code}/").text
    for words in ("no, certificate refused", "Look at the new certificate", "Seen by: "):
        assert words in page
    assert "waits for a person" not in page
    assert "certificate refused" in client.get(f"/teams/{shown.team.code}/connections/").text
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    telling.look(timezone.now())
    telling.look(timezone.now())
    [notice] = Notice.objects.filter(kind="certificate-changed")
    assert ending(new) in notice.why
    telling.send(timezone.now())
    assert [letter.subject for letter in mail.outbox] == ["The gateway of Gate shows another certificate"]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({}, "certificate-unknown"),
        ({"days": 3, "begins_in_days": -30}, "certificate-over"),
        ({"begins_in_days": 20}, "certificate-early"),
        ({"name": "elsewhere"}, "certificate-of-another-name"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_a_state_of_its_own(
    team: Team,
    secured: RunningGateway,
    terms: dict[str, Any],
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secured.renew_certificate(**terms)
    if terms:
        # Signed by somebody whom this machine believes.
        (tmp_path / "known.pem").write_text(ssl.get_server_certificate(("localhost", secured.port)))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "known.pem"))
    pem, key = certificate("halyard")
    name = code.upper().replace("-", "")
    made = paper(team, secured.base_url(name), name, client_certificate=pem, client_key=key)
    assert_shown(made, "certificate_refused", code)
    assert secured.journal(name) == []
    secured.renew_certificate()
