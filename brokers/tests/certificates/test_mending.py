"""A connection is edited and removed: what hangs on it is said, secrets stay with their host, history stays."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from accounts.vault.fields import Sealed
from brokers.connections import changes, connections, user_accounts
from brokers.connections.connections import ConnectionRefused, login_of
from brokers.domain.brokerage import AccountFacts
from brokers.domain.certificates import fingerprint
from brokers.models import BrokerageAccount, Connection, Order, SessionEvent
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows
from strategies.tests import rows as higher_rows

pytestmark = pytest.mark.django_db
SECRETS = {"proxy_header": "X-Gateway-Secret", "proxy_secret": "a-long-random-secret-of-ours"}


def paper(team: Team, **values: Any) -> Connection:
    columns = {
        "name": "Gate",
        "username": "GATE1",
        "environment": "paper",
        "base_url": "http://127.0.0.1:5009/v1/api",
        "secrets": Sealed.of(SECRETS),
        **values,
    }
    return Connection.objects.create(team=team, **columns)


def form(of: Connection, **more: str) -> dict[str, str]:
    fields = {name: getattr(of, name) for name in ("name", "username", "environment", "base_url", "region")}
    return fields | more


def edited(client: Client, of: Connection, **more: str) -> Any:
    return client.post(f"/teams/{of.team.code}/connections/{of.code}/edit/", form(of, **more))


def test_every_field_is_edited(client: Client, alice: User, team: Team) -> None:
    made = paper(team)
    client.force_login(alice)
    answer = edited(client, made, name="Other", username="OTHER1", base_url="127.0.0.1:5010", region="EU")
    assert answer.status_code == 302
    made.refresh_from_db()
    assert (made.name, made.username, made.region) == ("Other", "OTHER1", "EU")
    assert made.base_url == "https://127.0.0.1:5010/v1/api"
    assert (made.session_status, made.wants_verify, made.proved_at) == ("connecting", True, None)
    entry = AuditEntry.objects.filter(action="connection.edited").latest("pk")
    assert entry.subject == "OTHER1 (name, region, username, address)"


@pytest.mark.parametrize(
    ("address", "stays"),
    [("http://127.0.0.1:5009/u/two", True), ("http://127.0.0.1:5010/v1/api", False), ("https://localhost:5009", False)],
)
def test_another_host_is_shown_no_secret_of_the_one_before(
    client: Client, alice: User, team: Team, address: str, stays: bool
) -> None:
    made = paper(team, secrets=Sealed.of({**SECRETS, "certificate_sha256": "ab" * 32}))
    client.force_login(alice)
    assert edited(client, made, base_url=address).status_code == 302
    assert login_of(Connection.objects.get()).secrets == (SECRETS if stays else {})


def test_a_new_address_shows_its_certificate_first(
    client: Client, alice: User, team: Team, secured: RunningGateway
) -> None:
    made = paper(team)
    client.force_login(alice)
    address = secured.base_url("GATE1")
    asked = edited(client, made, base_url=address)
    assert asked.status_code == 422
    assert "It is my gateway" in asked.text
    made.refresh_from_db()
    assert made.base_url == "http://127.0.0.1:5009/v1/api"
    sha256 = fingerprint(secured.fingerprint)
    assert edited(client, made, base_url=address, accepted=sha256).status_code == 302
    assert login_of(Connection.objects.get()).secrets == {"certificate_sha256": sha256}


def test_only_what_signs_in_again_ends_the_session(client: Client, alice: User, team: Team) -> None:
    made = paper(team, session_status="active")
    client.force_login(alice)
    edited(client, made, name="Another name")
    made.refresh_from_db()
    assert (made.name, made.session_status) == ("Another name", "active")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "no spaces"}, "letters, digits"),
        ({"username": "TAKEN1"}, "already connected"),
        ({"environment": "live"}, "Select a valid choice"),
        ({"base_url": "ftp://x"}, "must look like"),
        ({"base_url": "http://93.184.216.34:5000"}, "Begin the address with https://"),
    ],
)
def test_a_change_that_cannot_be_is_refused_beside_its_field(
    client: Client, alice: User, team: Team, change: dict[str, str], words: str
) -> None:
    paper(team, username="TAKEN1")
    made = paper(team)
    client.force_login(alice)
    answer = edited(client, made, **change)
    assert answer.status_code == 422
    if "environment" not in change:
        assert words in answer.text
    made.refresh_from_db()
    assert (made.username, made.environment) == ("GATE1", "paper")


def test_another_user_takes_no_order_along(client: Client, alice: User, team: Team) -> None:
    made = paper(team)
    account = rows.account(team, of=made)
    order = rows.order(account)
    client.force_login(alice)
    assert "Cancel them first" in edited(client, made, username="OTHER1").text
    Order.objects.filter(pk=order.pk).update(status="canceled")
    assert edited(client, made, username="OTHER1").status_code == 302
    # The accounts of the user before are read no more, until IBKR shows them under the new one.
    facts = [AccountFacts(account_id="DU77", is_paper=True)]
    made.refresh_from_db()
    user_accounts.save_accounts(connection=made, facts=facts, now=timezone.now())
    read = BrokerageAccount.objects.filter(connection=made).exclude(capabilities_as_of=None)
    assert [each.account_id for each in read] == ["DU77"]


def test_removal_says_what_hangs_on_it_and_waits_for_orders(client: Client, alice: User, team: Team) -> None:
    made = paper(team)
    account = rows.account(team, of=made, account_id="DU42")
    subscription = higher_rows.subscription(higher_rows.strategy(team, timezone.now()), account, timezone.now())
    rows.position(account)
    order = rows.order(account)
    client.force_login(alice)
    path = f"/teams/{team.code}/connections/{made.code}/remove/"
    page = client.get(path).text
    for words in ("1 order may still fill", "1 subscription that trades through it", "DU42", "1 position"):
        assert words in page
    refused = client.post(path)
    assert refused.status_code == 422
    assert "orders-work" in refused.text
    subscription.refresh_from_db()
    assert subscription.enabled
    Order.objects.filter(pk=order.pk).update(status="canceled")
    assert client.post(path).status_code == 302
    made.refresh_from_db()
    subscription.refresh_from_db()
    assert made.removed_at is not None
    assert (made.enabled, bool(made.secrets), subscription.enabled) == (False, False, False)
    assert (
        made.name
        not in client.get(f"/teams/{team.code}/connections/").text.partition("<main")[2].partition("is removed")[2]
    )
    # Its history stays, and nothing brings it back or changes it.
    story = client.get(f"/teams/{team.code}/connections/{made.code}/").text
    assert "no, it was removed" in story
    assert "Switch on" not in story
    assert "<form" not in story.partition("<main")[2].partition("</main>")[0]
    assert SessionEvent.objects.filter(connection=made).exists()
    assert client.get(f"/teams/{team.code}/orders/{order.code}/").status_code == 200
    for page_name in ("edit", "certificate", "remove"):
        assert client.get(f"/teams/{team.code}/connections/{made.code}/{page_name}/").status_code == 404
    with pytest.raises(ConnectionRefused):
        connections.enable(connection=made, actor=alice, now=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Connection.objects.filter(pk=made.pk).update(enabled=True)


def test_removal_of_an_empty_connection_counts_nothing(client: Client, alice: User, team: Team) -> None:
    made = paper(team)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/connections/{made.code}/remove/").text
    assert "No subscription trades through it." in page
    assert "No position is open" in page
    assert not re.search(r"\b0 (subscription|account|position)", page)


def test_a_removed_user_can_be_connected_again(team: Team, alice: User) -> None:
    first = rows.connection(team, username="again1")
    changes.remove(connection=first, actor=alice, now=timezone.now())
    assert rows.connection(team, username="again1").pk != first.pk


def test_a_change_takes_a_fresh_proof(client: Client, alice: User, team: Team) -> None:
    made = paper(team)
    client.force_login(alice)
    session = client.session
    session["proved_at"] = 0
    session.save()
    for page, sends in (("edit", form(made, name="X")), ("certificate", {"accepted": "ab" * 32}), ("remove", {})):
        answer = client.post(f"/teams/{team.code}/connections/{made.code}/{page}/", sends)
        assert answer.status_code == 302
        assert "reauthenticate" in answer.headers["Location"]
    made.refresh_from_db()
    assert (made.name, made.removed_at) == ("Gate", None)
