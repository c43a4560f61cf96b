"""What the dashboard says needs somebody: approvals, stops, lockouts, failed closings, positions without their stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.feed.needs import needs_of
from accounts.models import Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import Closing, Connection, ForeignOrder, Lapse, Order
from brokers.tests import rows as broker
from strategies.models import Guard, Subscription
from strategies.tests import rows
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription(team: Team, now: datetime) -> Subscription:
    return rows.subscription(rows.strategy(team, now), broker.account(team), now)


def titles(team: Team, now: datetime) -> list[str]:
    return [each.title for each in needs_of(team, now).rows]


def test_nothing_is_needed_where_all_is_well(subscription: Subscription, team: Team, now: datetime) -> None:
    broker.position(subscription.account)
    Guard.objects.create(team=team, level="team", lockout_until=now, lockout_reason="Over", locked_at=now)
    assert titles(team, now) == []


def test_plans_that_wait_are_counted_until_they_expire(team: Team, now: datetime) -> None:
    proposing.decided(proposing.asking(team, now), now)
    proposing.decided(proposing.asking(team, now, name="Other"), now)
    needs_rows = needs_of(team, now).rows
    assert [(each.title, each.text, each.until) for each in needs_rows] == [
        ("2 plans wait for an answer", "The first of them expires", now + timedelta(seconds=300))
    ]
    assert needs_of(team, now).counts == {"approvals": 2, "dashboard": 1}
    assert titles(team, now + timedelta(seconds=300)) == []


def test_stops_and_lockouts_are_told_with_their_reasons(
    subscription: Subscription, team: Team, alice: User, now: datetime
) -> None:
    Guard.objects.create(
        team=team,
        level="strategy",
        strategy=subscription.strategy,
        halt="entries",
        halt_reason="Odd",
        halted_by=alice,
        halted_at=now,
    )
    Guard.objects.create(
        team=team,
        level="account",
        account=subscription.account,
        lockout_until=now + timedelta(hours=1),
        lockout_reason="This account's loss today is 5.00 USD.",
        locked_at=now,
    )
    stopped, locked = needs_of(team, now).rows
    assert (stopped.title, stopped.text) == ("Entries are stopped for Trend", f"{alice.email}: Odd")
    assert locked.title == f"No entry until {now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC: {subscription.account}"
    assert locked.text == "A limit of the day was reached: This account's loss today is 5.00 USD."


def test_a_limit_of_the_day_without_a_result_is_told(subscription: Subscription, team: Team, now: datetime) -> None:
    Guard.objects.create(team=team, level="team", max_daily_loss=5)
    needs_rows = needs_of(team, now).rows
    assert [each.title for each in needs_rows] == ["No entry while today's result is not known: the whole team"]
    assert "its positions of this morning have not been read yet" in needs_rows[0].text


def test_a_closing_that_failed_is_told_while_the_position_is_there(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    account = subscription.account
    fields: dict[str, Any] = {
        "team": team,
        "account": account,
        "asset_class": "stock",
        "status": "failed",
        "reason": "Enough",
        "note": "Not closed: rejected.",
        "asked_at": now,
    }
    Closing.objects.create(conid=265598, ticker="AAPL", ended_at=now, **fields)
    Closing.objects.create(conid=1, ticker="OLD", ended_at=now - timedelta(days=2), **fields)
    assert titles(team, now) == []
    broker.position(account)
    broker.position(account, conid=1, ticker="OLD")
    assert [(each.title, each.text) for each in needs_of(team, now).rows] == [
        (f"AAPL in {account} could not be closed", "Not closed: rejected.")
    ]


def test_a_position_is_unprotected_when_its_planned_stop_is_gone(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    _, ticket = rows.accepted(rows.signal(subscription.strategy, now), subscription, now)
    entry = broker.order(ticket)
    stop = broker.order(ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), parent=entry)
    Order.objects.filter(pk=entry.pk).update(filled_quantity=10, status="filled")
    broker.position(subscription.account)
    assert titles(team, now) == []
    assert Order.objects.move(stop, OrderStatus.CANCELED, now=now)
    assert titles(team, now) == [f"AAPL in {subscription.account} is not protected"]


def test_what_is_without_its_stop_comes_first_until_it_is_over(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    lapse = broker.lapse(subscription.account, now)
    assert titles(team, now) == []
    Lapse.objects.filter(pk=lapse.pk).update(alarm=True)
    assert titles(team, now)[0] == f"AAPL in {subscription.account} is without its stop"
    Lapse.objects.filter(pk=lapse.pk).update(alarm=False, ended_at=now, outcome="A stop works.")
    assert titles(team, now) == []


def test_a_stop_placed_elsewhere_protects_as_well(subscription: Subscription, team: Team, now: datetime) -> None:
    _, ticket = rows.accepted(rows.signal(subscription.strategy, now), subscription, now)
    entry = broker.order(ticket, filled_quantity=Decimal(10), status="filled")
    broker.order(
        ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), parent=entry, status="canceled"
    )
    account = broker.position(subscription.account).account
    assert len(titles(team, now)) == 1
    facts = {"account": account, "team": team, "conid": 265598, "type": "stop", "seen_at": now}
    ForeignOrder.objects.create(**facts, broker_order_id="7", side="buy", remaining=Decimal(10))
    ForeignOrder.objects.create(**facts, broker_order_id="8", side="sell", remaining=Decimal(9))
    assert len(titles(team, now)) == 1
    ForeignOrder.objects.filter(side="sell").update(remaining=Decimal(10))
    assert titles(team, now) == []


def test_a_position_that_was_never_to_be_protected_is_not_nagged_about(
    subscription: Subscription, team: Team, now: datetime
) -> None:
    rows.walk(team, now, "Another")
    broker.position(Order.objects.get().account)
    assert titles(team, now) == []


def test_the_dashboard_shows_them_to_members_with_a_link(
    client: Client, alice: User, charlie: User, team: Team, subscription: Subscription
) -> None:
    now = timezone.now()
    Guard.objects.create(
        team=team, level="team", halt="everything", halt_reason="Fire drill", halted_by=alice, halted_at=now
    )
    client.force_login(alice)
    page_text = client.get(f"/teams/{team.code}/").text
    assert "Everything is stopped for the whole team" in page_text
    assert f'href="/teams/{team.code}/guards/team/{team.code}/"' in page_text
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/").status_code == 404


def declined(subscription: Subscription, **values: Any) -> Order:
    """A way out that IBKR asked about and nobody confirmed."""
    order = broker.order(subscription.account, role="exit", side="sell", **values)
    reason = (
        'Not confirmed: IBKR asked "Size?" and Halyard does not confirm this by itself. Raise the Size Limit in TWS.'
    )
    Order.objects.move(order, OrderStatus.SUBMITTED, now=order.created_at)
    Order.objects.move(order, OrderStatus.REJECTED, now=order.created_at, reason=reason)
    at = order.created_at
    order.attempts.create(kind="reply", request={"confirmed": False, "messages": ["o383"]}, request_hash="", sent_at=at)
    return order


def test_a_way_out_that_ibkr_asked_about_is_told_while_the_position_is_held(
    subscription: Subscription, team: Team
) -> None:
    now = timezone.now()
    order = declined(subscription)
    assert titles(team, now) == []
    position = broker.position(subscription.account)
    (need,) = needs_of(team, now).rows
    assert need.title == f"AAPL in {subscription.account.account_id} is not closed: IBKR asked"
    assert need.text.startswith('IBKR asked "Size?"')
    assert str(order.code) in need.href
    again = broker.order(subscription.account, role="exit", side="sell")
    assert titles(team, now) == []
    again.delete()
    position.delete()
    assert titles(team, now) == []


def everything_is_the_matter(team: Team, now: datetime) -> None:
    """A plan that waits, a stop, a lockout, a lost session, orders in doubt, and a closing that failed."""
    for name in ("One", "Two"):
        proposing.decided(proposing.asking(team, now, name=name), now)
        account = broker.account(team)
        broker.position(account)
        broker.order(account, status=OrderStatus.NEEDS_ATTENTION)
        Closing.objects.create(
            team=team,
            account=account,
            conid=265598,
            ticker="AAPL",
            asset_class="stock",
            status=Closing.Status.FAILED,
            reason="x",
            note="IBKR refused it.",
            asked_at=now,
            ended_at=now,
        )
    Connection.objects.update(enabled=True, session_status="signed_out", session_reason="Somebody signed in elsewhere.")
    Guard.objects.create(team=team, level="team", halt="entries", halt_reason="Odd", halted_at=now)


def test_all_of_it_is_one_query_however_much_is_the_matter(
    team: Team, now: datetime, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert needs_of(team, now).rows == ()
    everything_is_the_matter(team, now)
    with django_assert_num_queries(1):
        needs_rows = needs_of(team, now).rows
    assert {each.urgency.name for each in needs_rows} == {"DANGER", "DOUBT", "SESSION", "ANSWER", "STOP"}


def test_a_page_pays_one_query_for_what_every_page_shows(
    client: Client, team: Team, alice: User, now: datetime, settings: Any
) -> None:
    everything_is_the_matter(team, now)
    client.force_login(alice)
    page = f"/teams/{team.code}/rulebook/"

    def queries() -> int:
        with CaptureQueriesContext(connection) as context:
            assert client.get(page).status_code == 200
        return len(context)

    queries()
    listed = queries()
    with_one_kind = settings.NEEDS[:1]
    settings.NEEDS = with_one_kind
    assert queries() == listed
