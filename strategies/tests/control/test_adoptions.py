"""Whose an adopted order is: said on its page or over REST, recorded, and heeded by signals and stops of trading."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import AuditEntry, Team, User
from accounts.tests.api.client import Api
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies.control import adoptions, halt
from strategies.control.adoptions import AdoptionRefused
from strategies.deciding.desk import open_desk
from strategies.domain.message.message import Message
from strategies.models import Adoption, Decision, Subscription
from strategies.tests import rows
from strategies.tests.lookups import knows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def adopted(account: BrokerageAccount, now: datetime) -> Order:
    """An entry that works at IBKR and was adopted."""
    order = broker_rows.order(account, status="accepted", type="limit", limit_price=Decimal(1), quantity=Decimal(1))
    order.ticket.adopted_at = now
    order.ticket.save()
    return order


@pytest.fixture
def two(team: Team, account: BrokerageAccount, now: datetime) -> list[Subscription]:
    return [
        rows.subscription(rows.strategy(team, now, name=name), account, now, missing_stop=choice)
        for name, choice in (("Trend", "flatten"), ("Swing", "alarm"))
    ]


def mine(of: Subscription, order: Order, now: datetime) -> bool:
    """Whether a decision of the subscription takes the order for its own."""
    signal = rows.signal(of.strategy, now)
    decision = Decision(team=of.team, signal=signal, subscription=of, terms=of.terms, created_at=now)
    message = Message.from_reading(signal.reading)
    desk = open_desk([(decision, message)], now)
    assert message.instrument is not None
    view = desk.book.view(of.account, message.instrument)
    [working] = desk.ownership.seen_by(of.pk, view.snapshot).working  # type: ignore[union-attr]
    assert working.reference == order.reference
    return working.mine


def test_the_only_subscription_of_the_account_is_meant(
    team: Team, account: BrokerageAccount, adopted: Order, now: datetime
) -> None:
    assert adoptions.meant(adopted) is None
    only = rows.subscription(rows.strategy(team, now), account, now)
    assert adoptions.meant(adopted) == only
    assert mine(only, adopted, now)


def test_of_two_the_one_that_a_person_names_has_it(
    two: list[Subscription], adopted: Order, alice: User, now: datetime
) -> None:
    trend, swing = two
    assert adoptions.meant(adopted) is None
    adoptions.choose(order=adopted, subscription=trend.code, actor=alice, now=now)
    assert adoptions.meant(adopted) == trend
    assert (mine(trend, adopted, now), mine(swing, adopted, now)) == (True, False)
    # A missing stop is dealt with as its terms say, and a stop of trading reaches it.
    adopted.ticket.refresh_from_db()
    assert adopted.ticket.missing_stop == "flatten"
    team = adopted.team
    assert [list(halt.reach(team, each).orders) for each in two] == [[adopted], []]
    assert [list(halt.reach(team, each.strategy).orders) for each in two] == [[adopted], []]
    broker_rows.position(adopted.account)
    Order.objects.filter(pk=adopted.pk).update(
        status="partially_filled", quantity=2, filled_quantity=1, average_price=1
    )
    assert [halt.reach(team, each).positions.count() for each in two] == [1, 0]
    # It may be said again.
    adoptions.choose(order=adopted, subscription=swing.code, actor=alice, now=now)
    assert (Adoption.objects.get().subscription, mine(trend, adopted, now)) == (swing, False)
    first, second = AuditEntry.objects.filter(action="order.attributed").order_by("number")
    assert (first.actor, first.after) == (alice, {"subscription": f"Trend ({trend.code})"})
    assert second.before == {"subscription": f"Trend ({trend.code})"}


def test_it_may_be_nobodys(two: list[Subscription], adopted: Order, alice: User, now: datetime) -> None:
    adoptions.choose(order=adopted, subscription=None, actor=alice, now=now)
    assert adoptions.meant(adopted) is None
    assert [mine(each, adopted, now) for each in two] == [False, False]


def test_what_cannot_be_said_is_refused(
    team: Team, two: list[Subscription], adopted: Order, alice: User, now: datetime
) -> None:
    elsewhere = rows.subscription(rows.strategy(team, now, name="Elsewhere"), broker_rows.account(team), now)
    for code in (elsewhere.code, uuid4()):
        with pytest.raises(AdoptionRefused) as refused:
            adoptions.choose(order=adopted, subscription=code, actor=alice, now=now)
        assert refused.value.code == "other-account"
    other = broker_rows.order(adopted.account)
    with pytest.raises(AdoptionRefused) as refused:
        adoptions.choose(order=other, subscription=two[0].code, actor=alice, now=now)
    assert refused.value.code == "not-adopted"
    assert not Adoption.objects.exists()


def test_a_trader_says_it_on_the_orders_page(
    client: Client, team: Team, two: list[Subscription], adopted: Order, alice: User, now: datetime
) -> None:
    client.force_login(alice)
    page = f"/teams/{team.code}/orders/{adopted.code}/"
    assert f'href="{page}owner/"' in client.get(page).text
    form = client.get(f"{page}owner/").text
    assert "Several subscriptions trade this account" in form
    assert "Trend" in form
    answer = client.post(f"{page}owner/", {"subscription": str(two[1].code)}, follow=True)
    assert "adopted, for Swing" in answer.text
    assert "It counts for <strong>Swing</strong>" in client.get(f"{page}owner/").text
    answer = client.post(f"{page}owner/", {"subscription": "x"}, follow=True)
    assert "(unknown-choice)" in answer.text
    client.post(f"{page}owner/", {"subscription": "none"})
    assert "adopted, for no subscription" in client.get(page).text


def test_an_order_of_a_signal_asks_nobody(client: Client, team: Team, alice: User, now: datetime) -> None:
    walk = rows.walk(team, now)
    client.force_login(alice)
    page = f"/teams/{team.code}/orders/{walk.order.code}/"
    assert "owner/" not in client.get(page).text
    assert "nobody has to say whose it is" in client.get(f"{page}owner/").text


def test_programs_read_and_say_it(
    team: Team, two: list[Subscription], adopted: Order, alice: User, now: datetime
) -> None:
    api = Api(team, alice, "trade")

    def put(subscription: str | None) -> Any:
        body = {"subscription": subscription}
        return api.client.put(f"/api/v1/adoptions/{adopted.code}/", body, content_type="application/json").json()

    [row] = api.get("adoptions/")["results"]
    assert (row["order"], row["subscription"], row["chosen_at"]) == (str(adopted.code), None, None)
    assert set(row["candidates"]) == {str(each.code) for each in two}
    said = put(str(two[0].code))
    assert (said["subscription"], said["chosen_at"] is not None) == (str(two[0].code), True)
    assert put(None)["subscription"] is None
    assert put(str(uuid4()))["code"] == "other-account"
