"""Subscriptions: who follows what, on which terms."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Role, Team, User
from brokers.models import Connection
from brokers.tests import rows as broker
from strategies.domain.plan import Sides, Terms
from strategies.models import Subscription
from strategies.terms_form import TermsForm
from strategies.tests import rows

pytestmark = pytest.mark.django_db

TERMS = {
    **TermsForm.initial_of(Terms()), "sides": "bullish", "quantity": "25", "order_type": "limit", "time_in_force": "gtc",
    "entry_time_to_live_seconds": "30", "exit_time_to_live_seconds": "900", "allow_add": "on",
}  # fmt: skip


@pytest.fixture
def subscription(team: Team, now: datetime) -> Subscription:
    return rows.subscription(rows.strategy(team, now), broker.account(team), now, quantity=Decimal(10))


def test_the_list_shows_a_viewer_the_terms_in_force(
    client: Client, bob: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/subscriptions/")
    for words in (
        "Trend",
        subscription.account.account_id,
        "Opens long and short positions in any ticker of the strategy.",
    ):
        assert words in page.text


def test_the_list_says_what_is_missing_first(client: Client, alice: User, team: Team, now: datetime) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/"
    assert "First a strategy" in client.get(path).text
    rows.strategy(team, now)
    assert "First an account" in client.get(path).text
    broker.account(team)
    assert "No account follows a strategy yet" in client.get(path).text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, subscription: Subscription) -> None:
    client.force_login(charlie)
    path = f"/teams/{team.code}/subscriptions/"
    for page in ("", "new/", f"{subscription.code}/"):
        assert client.get(path + page).status_code == 404
    assert client.post(f"{path}{subscription.code}/switch/").status_code == 404


def test_it_lets_a_viewer_look_and_not_touch(client: Client, bob: User, team: Team, subscription: Subscription) -> None:
    client.force_login(bob)
    path = f"/teams/{team.code}/subscriptions/"
    page = client.get(f"{path}{subscription.code}/")
    assert '<fieldset class="form" disabled>' in page.text
    assert client.post(f"{path}{subscription.code}/", TERMS).status_code == 403
    assert client.post(f"{path}{subscription.code}/switch/", {"enabled": "no"}).status_code == 403
    assert client.get(f"{path}new/").status_code == 403
    subscription.refresh_from_db()
    assert subscription.enabled
    assert subscription.terms_versions.count() == 1


def test_it_is_made_switched_off_with_the_terms_one_gave(client: Client, bob: User, team: Team, now: datetime) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    strategy, account = rows.strategy(team, now), broker.account(team)
    client.force_login(bob)
    answer = client.post(
        f"/teams/{team.code}/subscriptions/new/",
        {**TERMS, "strategy": str(strategy.code), "account": str(account.code)},
    )
    made = Subscription.objects.get()
    assert answer.headers["Location"] == f"/teams/{team.code}/subscriptions/{made.code}/"
    assert not made.enabled
    assert made.terms is not None
    value = made.terms.value()
    assert (value.sides, value.quantity, value.allow_add) == (Sides.BULLISH, Decimal(25), True)
    assert (value.entry_time_to_live_seconds, value.exit_time_to_live_seconds) == (30, 900)


def test_it_refuses_what_belongs_to_another_team(
    client: Client, alice: User, charlie: User, team: Team, now: datetime
) -> None:
    from accounts import teams

    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    strategy, account = rows.strategy(team, now), broker.account(theirs)
    broker.account(team)
    client.force_login(alice)
    page = client.post(
        f"/teams/{team.code}/subscriptions/new/",
        {**TERMS, "strategy": str(strategy.code), "account": str(account.code)},
    )
    assert page.status_code == 422
    assert account.account_id not in page.text
    assert not Subscription.objects.exists()


def test_new_terms_are_a_new_version_and_say_what_changed(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/subscriptions/{subscription.code}/", TERMS, follow=True)
    assert "Terms 2 hold for every decision from now on." in page.text
    assert "Quantity: 10 → 25" in page.text
    assert "Sides: both: long and short → bullish: long only" in page.text


@pytest.mark.parametrize(
    "wrong", [{"quantity": "-1"}, {"quantity": "NaN"}, {"entry_time_to_live_seconds": "0"}, {"sides": "up"}]
)
def test_it_names_the_field_that_is_wrong(
    client: Client, alice: User, team: Team, subscription: Subscription, wrong: dict[str, str]
) -> None:
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/subscriptions/{subscription.code}/", {**TERMS, **wrong})
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert subscription.terms_versions.count() == 1


def test_it_switches_off_and_on(client: Client, alice: User, team: Team, subscription: Subscription) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/{subscription.code}/switch/"
    assert "no longer follows" in client.post(path, {"enabled": "no"}, follow=True).text
    subscription.refresh_from_db()
    assert not subscription.enabled
    assert "Signals become orders" in client.post(path, {"enabled": "yes"}, follow=True).text


def test_it_asks_before_real_money(client: Client, alice: User, team: Team, subscription: Subscription) -> None:
    Connection.objects.update(environment="live")
    Subscription.objects.update(enabled=False)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/subscriptions/{subscription.code}/")
    assert 'class="hazard"' in page.text
    assert "trade real money in" in page.text
