"""What a subscription says about missing stops holds for what is open, from the moment it is said."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.domain.protection.choices import USUAL, MissingStop
from brokers.models import Ticket
from brokers.tests import rows as broker
from strategies.domain.terms.terms import Terms
from strategies.models import Subscription
from strategies.setup import defaults, subscriptions
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription(team: Team, now: datetime) -> Subscription:
    return rows.subscription(rows.strategy(team, now), broker.account(team), now)


def ticket(subscription: Subscription, now: datetime, status: str, conid: int = 265598) -> Ticket:
    _, made = rows.accepted(rows.signal(subscription.strategy, now), subscription, now)
    filled = Decimal(10) if status == "filled" else Decimal(0)
    broker.order(made, status=status, conid=conid, filled_quantity=filled)
    return made


def choice_of(made: Ticket) -> str:
    made.refresh_from_db()
    return made.missing_stop


def test_a_new_choice_holds_for_entries_that_work_and_for_positions(subscription: Subscription, now: datetime) -> None:
    works, held, over = (ticket(subscription, now, status, conid) for status, conid in _WORLD)
    broker.position(subscription.account, conid=2)
    subscriptions.set_terms(
        subscription=subscription, terms=Terms(missing_stop=MissingStop.FLATTEN), actor=None, now=now
    )
    assert [choice_of(each) for each in (works, held, over)] == ["flatten", "flatten", str(USUAL)]


_WORLD = [("accepted", 1), ("filled", 2), ("filled", 3)]


def test_it_holds_for_linked_subscriptions_too(subscription: Subscription, now: datetime) -> None:
    subscriptions.link(subscription=subscription, actor=None, now=now)
    works = ticket(subscription, now, "accepted")
    subscription.strategy.refresh_from_db()
    defaults.set_defaults(
        strategy=subscription.strategy, terms=Terms(missing_stop=MissingStop.ALARM), actor=None, now=now
    )
    assert choice_of(works) == "alarm"


def test_terms_of_before_say_the_usual_choice() -> None:
    values = Terms().to_json()
    del values["missing_stop"]
    assert Terms.from_json(values).missing_stop is MissingStop.CANCEL_ENTRY
