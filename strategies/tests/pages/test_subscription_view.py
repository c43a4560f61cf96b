"""Subscriptions: who follows what, on which terms."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from accounts import teams
from accounts.models import AuditEntry, Role, Team, User
from brokers.models import Connection
from brokers.tests import rows as broker
from strategies.domain.plan.plan import Sides, Terms
from strategies.models import Subscription
from strategies.pages.forms.terms import TermsForm
from strategies.setup import defaults, subscriptions
from strategies.tests import rows

pytestmark = pytest.mark.django_db

TERMS = {
    **TermsForm.initial_of(Terms()),
    "sides": "bullish",
    "quantity": "25",
    "order_type": "limit",
    "time_in_force": "gtc",
    "entry_time_to_live_seconds": "30",
    "exit_time_to_live_seconds": "900",
    "allow_add": "on",
}


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
    path = f"/teams/{team.code}/subscriptions/{subscription.code}/"
    assert 'class="hazard"' in client.get(path).text
    page = client.post(f"{path}switch/", {"enabled": "yes"})
    assert f"Trade real money in {subscription.account.account_id}?" in page.text
    assert not Subscription.objects.filter(enabled=True).exists()


def test_a_new_one_starts_from_the_strategys_defaults(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    broker.account(team)
    defaults.set_defaults(strategy=strategy, terms=Terms(quantity=Decimal(42)), actor=None, now=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/subscriptions/new/?strategy={strategy.code}")
    assert 'name="quantity" value="42"' in page.text
    assert "Open long with 10 shares of SPY." in page.text


def test_the_form_starts_anew_from_the_chosen_strategys_defaults(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    first, second = rows.strategy(team, now, "First"), rows.strategy(team, now, "Second")
    account = broker.account(team)
    defaults.set_defaults(strategy=second, terms=Terms(quantity=Decimal(42)), actor=None, now=now)
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/new/"
    chosen = {**TERMS, "strategy": str(second.code), "account": str(account.code)}
    assert 'name="quantity" value="25"' in client.post(path, {**chosen, "show": "examples"}).text
    page = client.post(path, {**chosen, "show": "defaults"})
    assert page.status_code == 200
    assert 'name="quantity" value="42"' in page.text
    assert f'value="{second.code}" selected' in page.text
    assert f'value="{first.code}" selected' not in page.text
    assert not Subscription.objects.exists()


def test_a_linked_one_is_made_on_the_defaults_whatever_the_form_says(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    strategy, account = rows.strategy(team, now), broker.account(team)
    defaults.set_defaults(strategy=strategy, terms=Terms(quantity=Decimal(42)), actor=None, now=now)
    client.force_login(alice)
    client.post(
        f"/teams/{team.code}/subscriptions/new/",
        {"strategy": str(strategy.code), "account": str(account.code), "linked": "yes"},
    )
    made = Subscription.objects.get()
    assert made.terms is not None
    assert (made.linked, made.enabled, made.terms.value()) == (True, False, Terms(quantity=Decimal(42)))


def test_it_is_copied_to_another_account_switched_off(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    other = broker.account(team)
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/{subscription.code}/copy/"
    assert "Trades the signal" in client.get(path).text
    answer = client.post(path, {"strategy": str(subscription.strategy.code), "account": str(other.code)})
    made = Subscription.objects.get(account=other)
    assert answer.headers["Location"] == f"/teams/{team.code}/subscriptions/{made.code}/"
    assert made.terms is not None
    assert subscription.terms is not None
    assert (made.enabled, made.linked) == (False, False)
    assert made.terms.value() == subscription.terms.value()
    assert AuditEntry.objects.filter(action="subscription.cloned", subject=str(made.code)).exists()
    again = client.post(path, {"strategy": str(subscription.strategy.code), "account": str(other.code)})
    assert again.status_code == 422
    assert "already follows Trend" in again.text


def test_a_linked_one_is_copied_as_a_link_within_its_strategy_only(
    client: Client, alice: User, team: Team, subscription: Subscription, now: datetime
) -> None:
    subscriptions.link(subscription=subscription, actor=None, now=now)
    elsewhere, other = rows.strategy(team, now, "Elsewhere"), broker.account(team)
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/{subscription.code}/copy/"
    client.post(path, {"strategy": str(subscription.strategy.code), "account": str(other.code)})
    client.post(path, {"strategy": str(elsewhere.code), "account": str(other.code)})
    linked = dict(Subscription.objects.filter(account=other).values_list("strategy__name", "linked"))
    assert linked == {"Trend": True, "Elsewhere": False}


def test_a_copy_stays_within_the_team_and_says_when_there_is_nowhere_to_go(
    client: Client, alice: User, charlie: User, bob: User, team: Team, subscription: Subscription, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    account = broker.account(theirs)
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/{subscription.code}/copy/"
    assert "No other account" in client.get(path).text
    page = client.post(path, {"strategy": str(subscription.strategy.code), "account": str(account.code)})
    assert page.status_code == 422
    assert Subscription.objects.count() == 1
    client.force_login(bob)
    assert client.get(path).status_code == 403


@pytest.fixture
def several(team: Team, subscription: Subscription, now: datetime) -> list[Subscription]:
    """One that is on, and two that are off."""
    made = [
        subscriptions.subscribe(
            team=team, strategy=subscription.strategy, account=broker.account(team), terms=Terms(), actor=None, now=now
        )
        for _ in range(2)
    ]
    return [subscription, *made]


def test_several_are_switched_once_one_has_read_how_many(
    client: Client, alice: User, team: Team, several: list[Subscription]
) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/switch/"
    marked = {"subscription": [str(each.code) for each in several], "enabled": "yes"}
    asked = client.post(path, marked)
    assert "Switch 2 subscriptions on?" in asked.text
    assert "1 other of those you marked is on already." in asked.text
    assert Subscription.objects.filter(enabled=True).count() == 1
    done = client.post(path, {**marked, "confirmed": "yes"}, follow=True)
    assert "2 subscriptions switched on: their signals become orders from now on." in done.text
    assert Subscription.objects.filter(enabled=True).count() == 3
    assert AuditEntry.objects.filter(action="subscription.enabled").count() == 3
    off = client.post(path, {**marked, "enabled": "no", "confirmed": "yes"}, follow=True)
    assert "3 subscriptions switched off. Orders already made go on." in off.text


def test_switching_several_on_counts_those_of_real_money(
    client: Client, alice: User, team: Team, several: list[Subscription]
) -> None:
    Connection.objects.filter(pk=several[1].account.connection_id).update(environment="live")
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/switch/"
    page = client.post(path, {"subscription": [str(each.code) for each in several], "enabled": "yes"})
    assert "1 of them trades real money." in page.text
    assert 'class="hazard"' in page.text


def test_with_none_marked_nothing_is_asked(client: Client, alice: User, team: Team, subscription: Subscription) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/subscriptions/switch/"
    assert "Mark the subscriptions first." in client.post(path, {"enabled": "yes"}, follow=True).text
    odd = client.post(path, {"enabled": "yes", "subscription": "nonsense"}, follow=True)
    assert "Mark the subscriptions first." in odd.text
    already = client.post(path, {"enabled": "yes", "subscription": str(subscription.code)}, follow=True)
    assert "They are all on already." in already.text


def test_nobody_switches_what_is_not_theirs(
    client: Client, bob: User, charlie: User, team: Team, several: list[Subscription], now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    marked = {"subscription": [str(each.code) for each in several], "enabled": "no", "confirmed": "yes"}
    client.force_login(charlie)
    assert client.post(f"/teams/{team.code}/subscriptions/switch/", marked).status_code == 404
    assert (
        "Nothing was changed." in client.post(f"/teams/{theirs.code}/subscriptions/switch/", marked, follow=True).text
    )
    client.force_login(bob)
    assert client.post(f"/teams/{team.code}/subscriptions/switch/", marked).status_code == 403
    assert Subscription.objects.filter(enabled=True).count() == 1
