"""The pages of terms: examples beside the form, history, links to a strategy's defaults, and the defaults themselves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts import teams
from accounts.models import AuditEntry, Role, Team, User
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker
from strategies.domain.plan.plan import Sides, Terms
from strategies.models import Decision, Strategy, Subscription, TermsVersion
from strategies.pages.forms.terms import TermsForm
from strategies.setup import defaults, subscriptions
from strategies.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal


def posted(terms: Terms, **values: Any) -> dict[str, Any]:
    return {**TermsForm.initial_of(terms), **values}


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def subscription(team: Team, strategy: Strategy, now: datetime) -> Subscription:
    return rows.subscription(strategy, broker.account(team), now, quantity=D(10))


@pytest.fixture
def path(team: Team, subscription: Subscription) -> str:
    return f"/teams/{team.code}/subscriptions/{subscription.code}/"


@pytest.fixture
def defaults_path(team: Team, strategy: Strategy) -> str:
    return f"/teams/{team.code}/strategies/{strategy.code}/defaults/"


def actions(team: Team) -> list[str]:
    return list(AuditEntry.objects.filter(team=team).order_by("pk").values_list("action", flat=True))


def test_the_page_says_in_sentences_what_it_does(client: Client, bob: User, path: str) -> None:
    client.force_login(bob)
    page = client.get(path).text
    for sentence in (
        "Opens long and short positions in any ticker of the strategy.",
        "A signal against an open position closes it and opens nothing.",
        "Trades the signal&#x27;s quantity, or 10 where it says none.",
        "Entries carry no protection of their own; only what the signal brings.",
    ):
        assert sentence in page


def test_examples_stand_there_from_the_start_for_a_viewer_too(client: Client, bob: User, path: str) -> None:
    client.force_login(bob)
    page = client.get(path).text
    assert "Open long with 10 shares of SPY." in page
    assert "There is no position in SPY to exit." in page
    held = client.get(f"{path}?example-ticker=QQQ&example-position=short&example-held=4&example-price=50").text
    assert "Exit all 4 shares of QQQ held short." in held
    assert 'id="scene-form"' in held


def test_unsaved_terms_are_shown_and_not_saved(
    client: Client, alice: User, path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    unsaved = posted(
        Terms(quantity=D(7), auto_submit=False),
        show="examples",
        **{
            "example-ticker": "SPY",
            "example-price": "100",
            "example-look": "examples",
        },
    )
    page = client.post(path, unsaved)
    assert page.status_code == 200
    assert "Open long with 7 shares of SPY." in page.text
    assert "once an approver agrees" in page.text
    assert "2 settings not saved yet" in page.text
    assert "Send orders at once: on → off" in page.text
    assert subscription.terms_versions.count() == 1
    assert not Decision.objects.exists()
    assert not Order.objects.exists()


def test_terms_that_do_not_go_together_show_why_instead_of_examples(client: Client, alice: User, path: str) -> None:
    client.force_login(alice)
    page = client.post(path, posted(Terms(isolate_sides=True), show="examples"))
    assert page.status_code == 200
    assert "These settings do not go together yet." in page.text
    assert "Only a single side can be isolated. Choose bullish or bearish." in page.text
    saved = client.post(path, posted(Terms(isolate_sides=True)))
    assert saved.status_code == 422
    assert "Nothing was saved. One setting needs another look." in saved.text


def test_a_ticker_that_cannot_be_read_is_said_at_its_field(client: Client, alice: User, path: str) -> None:
    client.force_login(alice)
    page = client.post(path, posted(Terms(), show="examples", **{"example-ticker": "ES1!"}))
    assert "is a future and this strategy trades stocks" in page.text
    assert "Choose a ticker that can be read." in page.text


def test_the_last_signals_and_what_holds_are_two_more_looks(
    client: Client, alice: User, path: str, strategy: Strategy, now: datetime
) -> None:
    client.force_login(alice)
    assert "No signal yet" in client.get(f"{path}?example-look=signals&example-ticker=SPY").text
    signal = rows.signal(strategy, now, dispatched_at=now)
    page = client.get(f"{path}?example-look=signals&example-ticker=SPY").text
    assert "every order fills at once" in page
    assert "Open long with 10 shares of AAPL." in page
    holds = client.get(f"{path}?example-look=settings&example-ticker=SPY&example-of={signal.code}").text
    assert "<code>buy 10 AAPL</code>" in holds
    assert '<span class="said-by signal">signal</span>' in holds


def test_saving_what_holds_already_makes_no_version(
    client: Client, alice: User, path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    page = client.post(path, posted(Terms(quantity=D(10))), follow=True)
    assert "Nothing was changed." in page.text
    assert subscription.terms_versions.count() == 1


def test_going_back_makes_a_new_version_that_can_be_undone(
    client: Client, alice: User, team: Team, path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    client.post(path, posted(Terms(quantity=D(25), sides=Sides.BULLISH)))
    page = client.post(f"{path}terms/1/", follow=True)
    assert "Terms 3 hold from now on: a copy of terms 1." in page.text
    assert "Quantity: 25 → 10" in page.text
    subscription.refresh_from_db()
    assert subscription.terms is not None
    assert (subscription.terms.number, subscription.terms.value()) == (3, Terms(quantity=D(10)))
    assert actions(team)[-1] == "subscription.rolled_back"
    client.post(f"{path}terms/2/")
    subscription.refresh_from_db()
    assert subscription.terms.value() == Terms(quantity=D(25), sides=Sides.BULLISH)


def test_there_is_no_going_back_to_what_holds_or_never_was(
    client: Client, alice: User, path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    assert "Terms 1 are what holds already." in client.post(f"{path}terms/1/", follow=True).text
    assert "This subscription never had terms 9." in client.post(f"{path}terms/9/", follow=True).text
    assert subscription.terms_versions.count() == 1


def test_the_history_names_settings_as_the_form_does(client: Client, alice: User, bob: User, path: str) -> None:
    client.force_login(alice)
    client.post(path, posted(Terms(quantity=D(10), max_trades_per_day=3, exits_outside_windows=True)))
    client.force_login(bob)
    page = client.get(path).text
    assert "Entries a day: no limit → 3" in page
    assert "Exits and cancels outside the windows: off → on" in page
    assert "alice@example.com" in page
    assert "Go back to these" not in page


def test_a_linked_one_follows_the_defaults_in_the_same_moment(
    client: Client, alice: User, team: Team, path: str, defaults_path: str, subscription: Subscription, now: datetime
) -> None:
    client.force_login(alice)
    own = rows.subscription(subscription.strategy, broker.account(team), now, quantity=D(3))
    page = client.post(f"{path}link/", {"linked": "yes"}, follow=True).text
    assert "It follows the defaults of Trend from now on. Terms 2 hold." in page
    assert "Unlink and edit" in page
    assert "disabled" in page
    before = client.get(defaults_path).text
    assert "Saving changes 1 linked subscription" in before
    assert "1 subscription of this strategy has its own terms and keeps them." in before
    after = client.post(defaults_path, posted(Terms(quantity=D(4), allow_add=True)), follow=True).text
    assert "New subscriptions start with these terms. 1 linked subscription changed to them." in after
    subscription.refresh_from_db()
    own.refresh_from_db()
    assert subscription.terms is not None
    assert own.terms is not None
    assert (subscription.terms.number, subscription.terms.value()) == (3, Terms(quantity=D(4), allow_add=True))
    assert own.terms.value() == Terms(quantity=D(3))
    assert actions(team)[-2:] == ["strategy.defaults_set", "subscription.linked_terms_set"]


def test_defaults_that_stay_the_same_change_nobody(
    client: Client, alice: User, path: str, defaults_path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    client.post(f"{path}link/", {"linked": "yes"})
    versions = TermsVersion.objects.count()
    client.post(defaults_path, posted(Terms()))
    assert TermsVersion.objects.count() == versions


def test_defaults_and_their_followers_change_together_or_not_at_all(
    team: Team, strategy: Strategy, subscription: Subscription, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriptions.link(subscription=subscription, actor=None, now=now)
    other = subscriptions.subscribe(
        team=team, strategy=strategy, account=broker.account(team), terms=Terms(), actor=None, now=now, linked=True
    )
    versions = TermsVersion.objects.count()
    real = subscriptions.new_version

    def breaks_at_the_second(**values: Any) -> TermsVersion:
        if values["subscription"].pk == other.pk:
            raise RuntimeError("the power went out")
        return real(**values)

    monkeypatch.setattr("strategies.setup.defaults.new_version", breaks_at_the_second)
    with pytest.raises(RuntimeError):
        defaults.set_defaults(strategy=strategy, terms=Terms(quantity=D(9)), actor=None, now=now)
    strategy.refresh_from_db()
    assert strategy.defaults is None
    assert TermsVersion.objects.count() == versions


def test_linked_terms_are_not_edited_until_they_are_unlinked(
    client: Client, alice: User, path: str, subscription: Subscription
) -> None:
    client.force_login(alice)
    client.post(f"{path}link/", {"linked": "yes"})
    refused = client.post(path, posted(Terms(quantity=D(99))))
    assert refused.status_code == 422
    assert "Its terms are the strategy&#x27;s defaults. Unlink it, or change the defaults." in refused.text
    assert "Unlink it before going back" in client.post(f"{path}terms/1/", follow=True).text
    assert "It has terms of its own now" in client.post(f"{path}link/", {"linked": "no"}, follow=True).text
    client.post(path, posted(Terms(quantity=D(99))))
    subscription.refresh_from_db()
    assert subscription.terms is not None
    assert subscription.terms.value().quantity == 99


def test_the_defaults_page_plays_its_examples_in_a_chosen_account(
    client: Client, bob: User, team: Team, defaults_path: str
) -> None:
    first, second = broker.account(team), broker.account(team, currency="EUR")
    client.force_login(bob)
    page = client.get(f"{defaults_path}?account={second.code}").text
    assert f'name="account" value="{second.code}"' in page
    assert first.account_id not in page


def test_a_stranger_finds_nothing_and_a_viewer_changes_nothing(
    client: Client, bob: User, charlie: User, path: str, defaults_path: str, subscription: Subscription
) -> None:
    writes = [
        (path, posted(Terms())),
        (f"{path}terms/1/", {}),
        (f"{path}link/", {"linked": "yes"}),
        (defaults_path, posted(Terms())),
    ]
    client.force_login(charlie)
    assert [client.get(each).status_code for each in (path, defaults_path)] == [404, 404]
    assert [client.post(each, data).status_code for each, data in writes] == [404] * 4
    client.force_login(bob)
    assert [client.post(each, data).status_code for each, data in writes] == [403] * 4
    assert client.get(defaults_path).status_code == 200
    subscription.refresh_from_db()
    assert not subscription.linked
    assert subscription.terms_versions.count() == 1


def test_a_team_does_not_reach_what_is_anothers(
    client: Client, charlie: User, subscription: Subscription, strategy: Strategy, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    client.force_login(charlie)
    base = f"/teams/{theirs.code}"
    there = f"{base}/subscriptions/{subscription.code}/"
    assert client.get(there).status_code == 404
    for each in ("terms/1/", "link/", "copy/", "switch/"):
        assert client.post(there + each, {"linked": "yes"}).status_code == 404
    assert client.post(f"{base}/strategies/{strategy.code}/defaults/", posted(Terms(quantity=D(1)))).status_code == 404
    strategy.refresh_from_db()
    assert strategy.defaults is None


def test_a_viewer_may_not_have_ibkr_asked(client: Client, bob: User, team: Team, path: str) -> None:
    from brokers.models import ContractLookup

    client.force_login(bob)
    assert client.post(path, posted(Terms(), show="ask")).status_code == 403
    assert not ContractLookup.objects.exists()
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    page = client.post(path, posted(Terms(), show="ask", **{"example-ticker": "SPY", "example-price": "1"}))
    assert page.status_code == 200
    assert ContractLookup.objects.get().ticker == "SPY"


def test_an_account_without_a_book_has_its_examples_too(
    client: Client, alice: User, path: str, subscription: Subscription
) -> None:
    assert BrokerageAccount.objects.get().book_as_of is None
    client.force_login(alice)
    assert "IBKR was never asked about SPY here" in client.get(path).text
