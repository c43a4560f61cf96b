"""Real money is opted into, and no page lets a team with real money in reach forget it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.entrance.step_up import PROVED_AT
from accounts.models import AuditEntry, Team, User
from accounts.tests.api.client import Api
from accounts.tests.entrance.factors import with_app
from brokers.connections import user_accounts
from brokers.domain.brokerage import AccountFacts
from brokers.domain.live_money import Consent
from brokers.models import BrokerageAccount, Connection
from brokers.tests import rows
from strategies.models import Subscription
from strategies.setup import subscriptions
from strategies.tests import rows as trading

pytestmark = pytest.mark.django_db
NUMBER = "U1234567"
LIVE = {
    "environment": "live",
    "name": "Real",
    "username": "areal1",
    "base_url": "http://localhost:5000/v1/api",
    "confirm_live": "on",
    "account_number": NUMBER,
}
WHOLE = Consent(email_verified=True, second_factor=True, confirmed=True, typed=(NUMBER,))


@pytest.fixture
def proved(client: Client, alice: User) -> Client:
    """Alice with a verified address and a second factor, who has just signed in."""
    client.force_login(with_app(alice))
    return client


@pytest.fixture
def follower(team: Team, now: datetime) -> Subscription:
    """A subscription of a live account, switched off."""
    account = rows.account(team)
    Connection.objects.update(environment="live", base_url=LIVE["base_url"])
    BrokerageAccount.objects.update(account_id=NUMBER, is_paper=False)
    account = BrokerageAccount.objects.select_related("connection").get(pk=account.pk)
    made = trading.subscription(trading.strategy(team, now), account, now)
    subscriptions.disable(subscription=made, actor=None, now=now)
    return made


def switch(of: Subscription) -> str:
    return f"/teams/{of.team.code}/subscriptions/{of.code}/switch/"


def stale(client: Client) -> Client:
    session = client.session
    session[PROVED_AT] = (timezone.now() - timedelta(minutes=11)).timestamp()
    session.save()
    return client


def test_a_live_connection_keeps_the_number_that_was_typed(proved: Client, team: Team) -> None:
    page = f"/teams/{team.code}/connections/new/"
    assert "Your e-mail address is verified." in proved.get(page).text
    assert proved.post(page, {**LIVE, "account_number": " u1234567"}).status_code == 302
    assert Connection.objects.get().live_account == NUMBER
    assert AuditEntry.objects.get(action="connection.made").after == {"live_account": NUMBER}


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("address", "Real money takes a verified e-mail address."),
        ("factor", "Real money takes two-step sign-in."),
        ("number", "Type the number of the account that is to trade real money."),
        ("sense", "as Client Portal shows it"),
    ],
)
def test_a_live_connection_is_not_made_without(client: Client, alice: User, team: Team, lacks: str, words: str) -> None:
    if lacks == "factor":
        EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    elif lacks != "address":
        with_app(alice)
    client.force_login(alice)
    form = LIVE | {"number": {"account_number": ""}, "sense": {"account_number": "mine"}}.get(lacks, {})
    page = client.post(f"/teams/{team.code}/connections/new/", form)
    assert page.status_code == 422
    assert words in page.text
    assert not Connection.objects.exists()


def test_another_address_that_is_verified_counts_for_nothing(client: Client, alice: User, team: Team) -> None:
    with_app(alice)
    EmailAddress.objects.filter(user=alice).update(email="elsewhere@example.com")
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/connections/new/", LIVE)
    assert (page.status_code, Connection.objects.count()) == (422, 0)


def test_it_trades_nothing_where_ibkr_shows_another_account(team: Team, now: datetime) -> None:
    made = rows.connection(team)
    Connection.objects.update(environment="live", live_account=NUMBER)
    made.refresh_from_db()
    facts = [AccountFacts(account_id=f"U765432{n}", is_paper=False) for n in range(5)]
    assert user_accounts.save_accounts(connection=made, facts=facts, now=now) == []
    made.refresh_from_db()
    assert (made.session_status, made.session_code) == ("refused", "account-not-shown")
    assert "U7654320, U7654321, U7654322 and 2 more" in made.session_reason
    assert len(made.session_reason) < 300
    facts.append(AccountFacts(account_id=NUMBER, is_paper=False))
    assert len(user_accounts.save_accounts(connection=made, facts=facts, now=now)) == 6


def test_a_connection_is_switched_on_again_with_one_of_its_numbers(proved: Client, follower: Subscription) -> None:
    connection = follower.account.connection
    path = f"/teams/{follower.team.code}/connections/{connection.code}/switch/"
    proved.post(path, {"enabled": "no"})
    asked = proved.post(path, {"enabled": "yes"})
    assert (asked.status_code, Connection.objects.get().enabled) == (200, False)
    assert NUMBER in asked.text
    wrong = proved.post(path, {"enabled": "yes", "account_number": "U7654321"})
    assert (wrong.status_code, Connection.objects.get().enabled) == (422, False)
    assert "What was typed is another one." in wrong.text
    assert proved.post(path, {"enabled": "yes", "account_number": NUMBER}).status_code == 302
    assert (Connection.objects.get().enabled, Connection.objects.get().live_account) == (True, NUMBER)


def without_a_consent(connection: Connection, code: str = "consent-missing", live_account: str = "") -> str:
    """A connection that IBKR was asked about, which nobody switched real money on for; the address of its page."""
    Connection.objects.update(live_account=live_account, session_status="refused", session_code=code)
    return f"/teams/{connection.team.code}/connections/{connection.code}/"


@pytest.mark.parametrize(("code", "typed_before"), [("consent-missing", ""), ("account-not-shown", "U7654321")])
def test_a_consent_is_given_on_the_connections_page_without_switching_it_off(
    proved: Client, follower: Subscription, code: str, typed_before: str
) -> None:
    page = without_a_consent(follower.account.connection, code, typed_before)
    assert "Let it trade real money" in proved.get(page).text
    wrong = proved.post(f"{page}switch/", {"enabled": "yes", "account_number": "mine"})
    assert (wrong.status_code, Connection.objects.get().live_account) == (422, typed_before)
    assert proved.post(f"{page}switch/", {"enabled": "yes", "account_number": NUMBER}).status_code == 302
    made = Connection.objects.get()
    assert (made.enabled, made.live_account, made.session_code) == (True, NUMBER, "switched-on")
    assert AuditEntry.objects.get(action="connection.enabled").after == {"live_account": NUMBER}
    assert "Let it trade real money" not in proved.get(page).text
    assert [
        each.account_id
        for each in user_accounts.save_accounts(
            connection=made, facts=[AccountFacts(account_id=NUMBER, is_paper=False)], now=timezone.now()
        )
    ] == [NUMBER]


def test_it_takes_a_fresh_proof_and_nothing_changes_without(proved: Client, follower: Subscription) -> None:
    page = without_a_consent(follower.account.connection)
    old = stale(proved).post(f"{page}switch/", {"enabled": "yes", "account_number": NUMBER})
    assert old.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert Connection.objects.get().live_account == ""


def test_it_names_what_its_viewer_lacks_in_place_of_the_form(
    client: Client, alice: User, follower: Subscription
) -> None:
    page = without_a_consent(follower.account.connection)
    client.force_login(alice)
    shown = client.get(page).text
    assert "Set it up" in shown
    assert "Let it trade real money" not in shown


def test_who_may_only_look_gets_no_form(client: Client, bob: User, follower: Subscription) -> None:
    page = without_a_consent(follower.account.connection)
    client.force_login(bob)
    shown = client.get(page).text
    assert "consent-missing" in shown
    assert "account_number" not in shown


def test_one_that_trades_asks_for_no_number_again(proved: Client, follower: Subscription) -> None:
    page = without_a_consent(follower.account.connection, "signed-in", NUMBER)
    assert "Let it trade real money" not in proved.get(page).text
    assert proved.post(f"{page}switch/", {"enabled": "yes"}).status_code == 302
    assert Connection.objects.get().live_account == NUMBER


def test_a_live_subscription_is_switched_on_with_the_number_of_its_account(
    proved: Client, follower: Subscription
) -> None:
    asked = proved.post(switch(follower), {"enabled": "yes"})
    assert "The account number, typed by you." in asked.text
    for typed in ("", "U7654321", "DU1234567"):
        wrong = proved.post(switch(follower), {"enabled": "yes", "account_number": typed})
        assert (wrong.status_code, Subscription.objects.get().enabled) == (422, False)
    old = stale(proved).post(switch(follower), {"enabled": "yes", "account_number": NUMBER})
    assert old.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Subscription.objects.get().enabled
    session = proved.session
    session[PROVED_AT] = timezone.now().timestamp()
    session.save()
    assert proved.post(switch(follower), {"enabled": "yes", "account_number": NUMBER}).status_code == 302
    assert Subscription.objects.get().enabled


def test_a_password_alone_switches_no_real_money_on(client: Client, alice: User, follower: Subscription) -> None:
    client.force_login(alice)
    page = client.post(switch(follower), {"enabled": "yes", "account_number": NUMBER})
    assert (page.status_code, Subscription.objects.get().enabled) == (422, False)
    assert "/accounts/2fa/" in page.text


def test_switching_off_asks_for_nothing(client: Client, alice: User, follower: Subscription) -> None:
    Subscription.objects.update(enabled=True)
    client.force_login(alice)
    assert stale(client).post(switch(follower), {"enabled": "no"}).status_code == 302
    assert not Subscription.objects.get().enabled


def test_several_are_switched_on_with_all_their_numbers_or_none_is(
    proved: Client, team: Team, follower: Subscription, now: datetime
) -> None:
    paper = trading.subscription(follower.strategy, rows.account(team), now)
    subscriptions.disable(subscription=paper, actor=None, now=now)
    marked: dict[str, Any] = {"subscription": [str(follower.code), str(paper.code)], "enabled": "yes"}
    path = f"/teams/{team.code}/subscriptions/switch/"
    assert NUMBER in proved.post(path, marked).text
    wrong = proved.post(path, marked | {"confirmed": "yes", "account_number": "U7"})
    assert (wrong.status_code, Subscription.objects.filter(enabled=True).count()) == (422, 0)
    done = proved.post(path, marked | {"confirmed": "yes", "account_number": NUMBER})
    assert (done.status_code, Subscription.objects.filter(enabled=True).count()) == (302, 2)


def test_a_program_is_told_what_the_page_would_ask(alice: User, follower: Subscription) -> None:
    api = Api(follower.team, alice, "trade")
    path = f"subscriptions/{follower.code}/enable/"
    for code, prove in (
        ("email-not-verified", lambda: EmailAddress.objects.create(user=alice, email=alice.email, verified=True)),
        ("second-factor-missing", lambda: with_app(alice)),
        ("confirmation-missing", lambda: None),
    ):
        answer = api.post(path)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
        assert answer.json()["message"].endswith(".")
        prove()
    assert not Subscription.objects.get().enabled
    Subscription.objects.update(enabled=True)
    assert api.post(path).status_code == 200  # it is on already, and nothing changes


PAGES = ("", "signals/", "orders/", "positions/", "subscriptions/", "connections/", "settings/", "rulebook/")


def test_every_page_of_the_team_says_that_real_money_is_in_reach(proved: Client, follower: Subscription) -> None:
    team = follower.team
    for page in PAGES:
        answer = proved.get(f"/teams/{team.code}/{page}", follow=True)
        assert re.search(rf'class="live-reach".*Live money.*{NUMBER}', answer.text, re.DOTALL), page
    Connection.objects.update(enabled=False)
    for page in PAGES:
        assert "live-reach" not in proved.get(f"/teams/{team.code}/{page}", follow=True).text


@pytest.mark.parametrize("environment", ["simulated", "paper"])
def test_no_page_cries_wolf(proved: Client, follower: Subscription, environment: str) -> None:
    Connection.objects.update(environment=environment, base_url="")
    assert "live-reach" not in proved.get(f"/teams/{follower.team.code}/orders/").text


def test_another_team_of_the_same_person_is_not_warned(proved: Client, alice: User, follower: Subscription) -> None:
    other = teams.found_team(owner=alice, name="Other", now=timezone.now())
    assert "live-reach" not in proved.get(f"/teams/{other.code}/orders/").text


def test_the_number_that_was_typed_stands_there_until_ibkr_shows_accounts(proved: Client, team: Team) -> None:
    proved.post(f"/teams/{team.code}/connections/new/", LIVE)
    page = proved.get(f"/teams/{team.code}/orders/").text
    assert re.search(rf"live-reach.*Real.*{NUMBER}", page, re.DOTALL)


def test_a_name_that_is_markup_stays_text_in_the_banner(proved: Client, follower: Subscription) -> None:
    Connection.objects.update(name="<b>Real</b>")
    assert "<b>Real" not in proved.get(f"/teams/{follower.team.code}/orders/").text
