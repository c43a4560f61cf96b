"""The page of somebody who departed: what they knew is rotated in one go, and shown once."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.feed.needs import Need, needs_of
from accounts.models import AuditEntry, Departure, Membership, Role, Team, User
from accounts.vault.fields import Sealed
from brokers.models import Connection
from brokers.tests import rows as broker_rows
from strategies.models import Strategy, WebhookEndpoint
from strategies.setup import strategies
from strategies.tests.webhook.doors import BUY, path_of, post

pytestmark = pytest.mark.django_db


def old_urls(team: Team) -> list[Need]:
    """What the dashboard says about URLs that somebody who departed still knows."""
    return [need for need in needs_of(team, timezone.now()).rows if need.key.startswith("old-url-")]


@pytest.fixture
def trend(team: Team) -> Strategy:
    before = timezone.now() - dt.timedelta(hours=1)
    return strategies.create_strategy(team=team, actor=None, name="Trend", now=before)


@pytest.fixture
def fade(team: Team) -> Strategy:
    before = timezone.now() - dt.timedelta(hours=1)
    return strategies.create_strategy(team=team, actor=None, name="Fade", now=before)


@pytest.fixture
def departure(team: Team, alice: User, bob: User, trend: Strategy, fade: Strategy) -> Departure:
    """Bob was an owner and was taken out."""
    team.memberships.filter(user=bob).update(role=Role.OWNER)
    membership = Membership.objects.select_related("team", "user").get(team=team, user=bob)
    made = teams.remove(membership=membership, actor=alice, now=timezone.now())
    assert made is not None
    return made


@pytest.fixture
def gateway_with_a_secret(team: Team) -> Connection:
    connection = broker_rows.connection(team, username="GUARD1")
    connection.base_url = "https://gateway.example.com/v1/api"
    connection.secrets = Sealed.of({"proxy_header": "X-Gateway-Secret", "proxy_secret": "the old secret 0123456789"})
    connection.save()
    return connection


def path(departure: Departure) -> str:
    return f"/teams/{departure.team.code}/departures/{departure.code}/"


def live(strategy: Strategy) -> int:
    return strategy.endpoints.filter(enabled=True).count()


def test_it_offers_each_secret_with_a_box_and_shows_none(
    client: Client, alice: User, departure: Departure, gateway_with_a_secret: Connection
) -> None:
    client.force_login(alice)
    page = client.get(path(departure))
    assert page.text.count('name="rotate"') == 3
    for words in ("Webhook URL and signing key of Trend", "of Fade", "Secret in X-Gateway-Secret", "bob@example.com"):
        assert words in page.text
    assert "/trading/webhook/" not in page.text
    assert "the old secret" not in page.text


def test_it_is_for_owners_alone(client: Client, departure: Departure, bob: User, charlie: User, team: Team) -> None:
    for user, status in ((charlie, 404), (bob, 404)):
        client.force_login(user)
        assert client.get(path(departure)).status_code == status
        assert client.post(path(departure), {"rotate": []}).status_code == status
    Membership.objects.create(team=team, user=charlie, role=Role.TRADER, joined_at=timezone.now())
    client.force_login(charlie)
    assert client.post(path(departure), {"rotate": []}).status_code == 403
    own = teams.found_team(owner=bob, name="Bob's", now=timezone.now())
    client.force_login(bob)
    assert client.get(f"/teams/{own.code}/departures/{departure.code}/").status_code == 404


def test_what_is_chosen_is_rotated_and_shown_once(
    client: Client,
    alice: User,
    departure: Departure,
    trend: Strategy,
    fade: Strategy,
    gateway_with_a_secret: Connection,
) -> None:
    client.force_login(alice)
    page = client.post(path(departure), {"rotate": [str(trend.code), str(gateway_with_a_secret.code)]}, follow=True)
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    newest = trend.endpoints.order_by("-pk").first()
    assert newest is not None
    assert strategies.webhook_url(newest) in page.text
    assert (live(trend), live(fade)) == (2, 1)
    gateway_with_a_secret.refresh_from_db()
    secret = gateway_with_a_secret.secrets.open()["proxy_secret"]
    assert secret != "the old secret 0123456789"
    assert secret in page.text
    entry = AuditEntry.objects.get(action="departure.settled")
    assert entry.after == {"rotated": ["Trend", gateway_with_a_secret.name]}
    # Neither the page asked for again nor the form sent again shows or rotates anything.
    assert secret not in client.get(path(departure)).text
    again = client.post(path(departure), {"rotate": [str(trend.code)]}, follow=True)
    assert "Somebody has dealt with this already." in again.text
    assert not re.search(r"/trading/webhook/[\w-]+/", again.text)
    assert live(trend) == 2


def test_the_old_url_works_until_it_is_disabled_and_somebody_is_told(
    client: Client, alice: User, departure: Departure, trend: Strategy, team: Team
) -> None:
    old = trend.endpoints.get()
    client.force_login(alice)
    client.post(path(departure), {"rotate": [str(trend.code)]})
    [need] = old_urls(team)
    assert need.title == "The old webhook URL of Trend is still live"
    strategies.disable_webhook(endpoint=old, actor=alice, now=timezone.now())
    assert old_urls(team) == []


def test_two_live_urls_make_room_and_all_may_end_at_once(
    client: Client, alice: User, departure: Departure, trend: Strategy, fade: Strategy
) -> None:
    first = trend.endpoints.get()
    strategies.rotate_webhook(strategy=trend, actor=None, now=departure.at - dt.timedelta(minutes=1))
    client.force_login(alice)
    client.post(path(departure), {"rotate": [str(trend.code)]})
    first.refresh_from_db()
    assert (first.enabled, live(trend)) == (False, 2)
    Departure.objects.update(settled_at=None)
    client.post(path(departure), {"rotate": [str(trend.code), str(fade.code)], "disable_old": "yes"})
    assert (live(trend), live(fade)) == (1, 1)
    assert not WebhookEndpoint.objects.filter(enabled=True, created_at__lte=departure.at).exists()


def test_nothing_chosen_settles_it(client: Client, alice: User, departure: Departure, trend: Strategy) -> None:
    client.force_login(alice)
    page = client.post(path(departure), {"rotate": [str(trend.code)], "rotate_nothing": "yes"}, follow=True)
    assert "Nothing was rotated." in page.text
    departure.refresh_from_db()
    assert departure.settled_at is not None
    assert live(trend) == 1


def test_a_stale_session_confirms_first(alice: User, departure: Departure, trend: Strategy) -> None:
    client = Client()
    with time_machine.travel(timezone.now() - dt.timedelta(minutes=11), tick=False):
        client.force_login(alice)
    form = {"rotate": [str(trend.code)]}
    answer = client.post(path(departure), form)
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/accounts/reauthenticate/")
    assert live(trend) == 1
    done = client.post(answer.headers["Location"], {"password": "alice's password"}, follow=True)
    assert live(trend) == 2
    assert "The new values" in done.text
    assert "no-store" in done.headers["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_the_door_takes_both_urls_and_then_the_new_one_alone(
    alice: User, departure: Departure, trend: Strategy
) -> None:
    old = trend.endpoints.get()
    client = Client()
    client.force_login(alice)
    client.post(path(departure), {"rotate": [str(trend.code)], "disable_old": "yes"})
    new = trend.endpoints.get(enabled=True)

    answers = [post(path_of(endpoint), BUY) for endpoint in (old, new)]
    assert (answers[0].code, answers[1].status) == ("not-found", 200)
