"""The warning beside the forms of terms: a reversal's quantity may include the exit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.tests import rows as broker
from strategies.domain.terms.terms import Sides, Terms
from strategies.models import Subscription
from strategies.pages.forms.terms import TermsForm
from strategies.setup import defaults
from strategies.tests import rows

pytestmark = pytest.mark.django_db
ASKS = "Does the quantity of a reversal include the exit?"
EXAMPLE = "45 long, a sell of 90 with sentiment short ends 90 short by these terms, and 45 short with"
SWAP = {"allow_swap": True}


def subscribed(team: Team, now: datetime, **terms: Any) -> Subscription:
    return rows.subscription(rows.strategy(team, now), broker.account(team), now, **terms)


def path_of(subscription: Subscription) -> str:
    return f"/teams/{subscription.team.code}/subscriptions/{subscription.code}/"


def test_the_form_warns_with_the_worked_example(client: Client, alice: User, team: Team, now: datetime) -> None:
    client.force_login(alice)
    page = client.get(path_of(subscribed(team, now, **SWAP))).text
    assert ASKS in page
    assert EXAMPLE in page
    assert "send prevMarketPositionSize" in page
    # The setting that the warning names stands in the form under that name, with the same example.
    assert page.count("The exit counts toward the signal&#x27;s quantity") == 2
    assert "Long 45, a sell of 90: closes 45, opens 45 short. Off, it opens 90 short." in page


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {**SWAP, "subtract_exit_quantity": True},
        {**SWAP, "allow_overrides": False, "quantity": Decimal(5)},
        {**SWAP, "sides": Sides.NONE},
    ],
    ids=["no change of sides", "the exit counts", "own quantity", "no entries"],
)
def test_it_does_not_warn_where_nothing_can_go_wrong(
    client: Client, alice: User, team: Team, now: datetime, terms: dict[str, Any]
) -> None:
    client.force_login(alice)
    assert ASKS not in client.get(path_of(subscribed(team, now, **terms))).text


def test_it_follows_what_is_not_saved_yet(client: Client, alice: User, team: Team, now: datetime) -> None:
    client.force_login(alice)
    path = path_of(subscribed(team, now))
    changed = TermsForm.initial_of(Terms(allow_swap=True))
    assert ASKS in client.post(path, {**changed, "show": "examples"}).text
    assert ASKS not in client.post(path, {**changed, "subtract_exit_quantity": "on", "show": "examples"}).text


def test_a_viewer_sees_it_and_so_do_the_forms_of_new_ones(
    client: Client, alice: User, bob: User, team: Team, now: datetime
) -> None:
    made = subscribed(team, now, **SWAP)
    client.force_login(bob)
    assert ASKS in client.get(path_of(made)).text
    client.force_login(alice)
    new = f"/teams/{team.code}/subscriptions/new/?strategy={made.strategy.code}"
    assert ASKS not in client.get(new).text
    defaults.set_defaults(strategy=made.strategy, terms=Terms(allow_swap=True), actor=alice, now=now)
    assert ASKS in client.get(new).text
    assert ASKS in client.get(f"/teams/{team.code}/strategies/{made.strategy.code}/defaults/").text


# The examples hold a sell and a reverse of 90; a reverse takes its quantity as it stands.
@pytest.mark.parametrize(
    ("terms", "opening_90", "opening_45"), [(SWAP, 2, 0), ({**SWAP, "subtract_exit_quantity": True}, 1, 1)]
)
def test_the_examples_open_what_the_warning_says(
    client: Client, alice: User, team: Team, now: datetime, terms: dict[str, Any], opening_90: int, opening_45: int
) -> None:
    client.force_login(alice)
    scene = {
        "example-look": "examples",
        "example-ticker": "AAPL",
        "example-price": "100",
        "example-quantity": "90",
        "example-position": "long",
        "example-held": "45",
        "example-when": "next",
    }
    page = client.get(path_of(subscribed(team, now, **terms)), scene).text
    opened = [page.count(f"Exit all 45 shares of AAPL held long, then open short with {n} shares.") for n in (90, 45)]
    assert opened == [opening_90, opening_45]
