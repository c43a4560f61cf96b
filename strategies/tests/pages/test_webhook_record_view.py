"""Whoever is shown a webhook's URL or signing key stands in the record; the secret does not."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from accounts.entrance.step_up import PROVED_AT
from accounts.models import AuditEntry, Team, User
from strategies.models import WebhookEndpoint
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(team: Team, now: datetime) -> WebhookEndpoint:
    return rows.walk(team, now).strategy.endpoints.get()


def told() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.filter(action__endswith="_shown").order_by("pk")
    return [(entry.action, entry.actor_name, entry.subject) for entry in entries]


def test_each_copy_and_the_first_look_of_a_session_are_written_down(
    client: Client, alice: User, bob: User, team: Team, endpoint: WebhookEndpoint
) -> None:
    name, who = endpoint.strategy.name, "alice@example.com"
    client.force_login(alice)
    session = client.session
    session[PROVED_AT] = timezone.now().timestamp()
    session.save()
    page = f"/teams/{team.code}/strategies/{endpoint.strategy.code}/"
    for _ in range(3):
        assert strategies.webhook_url(endpoint) in client.get(f"{page}?reveal={endpoint.code}").text
    assert told() == [("webhook.url_shown", who, name)]
    secret = f"/teams/{team.code}/webhooks/{endpoint.code}/secret/"
    client.get(secret)
    client.get(f"{secret}?as=signing")
    assert told()[1:] == [("webhook.url_shown", who, name), ("webhook.signing_key_shown", who, name)]
    assert strategies.webhook_url(endpoint) not in str(list(AuditEntry.objects.values_list("after", flat=True)))
    client.get(page)
    client.force_login(bob)
    client.get(f"{page}?reveal={endpoint.code}")
    assert len(told()) == 3
