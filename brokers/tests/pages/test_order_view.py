"""One order: where it stands, what was sent, what came back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role, Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import Connection, Order, SubmissionAttempt
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def test_it_tells_the_whole_story_of_a_filled_order(client: Client, bob: User, team: Team, now: datetime) -> None:
    order = rows.filled(rows.order(rows.account(team), broker_order_id="4711"), at=now)
    SubmissionAttempt.objects.create(
        order=order,
        kind="post",
        request_hash="x",
        request={"cOID": order.reference},
        sent_at=now,
        answered_at=now + timedelta(milliseconds=30),
        outcome="accepted",
        answer=[{"order_id": "4711"}],
    )
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/orders/{order.code}/")
    for words in (
        "10 of 10 @ 187.25 USD",
        "1.00 USD",
        order.reference,
        "4711",
        "answered in 30 ms",
        "&quot;cOID&quot;",
    ):
        assert words in page.text
    assert page.text.count('class="done"') == 3
    assert "Cancel the order" not in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    order = rows.order(rows.account(team))
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/orders/{order.code}/").status_code == 404
    assert client.post(f"/teams/{team.code}/orders/{order.code}/cancel/").status_code == 404


def test_it_forbids_a_viewer_to_cancel(client: Client, bob: User, team: Team) -> None:
    order = rows.order(rows.account(team))
    client.force_login(bob)
    assert "Cancel the order" not in client.get(f"/teams/{team.code}/orders/{order.code}/").text
    assert client.post(f"/teams/{team.code}/orders/{order.code}/cancel/").status_code == 403
    order.refresh_from_db()
    assert order.status == OrderStatus.CREATED


def test_it_cancels_an_order_that_never_left(client: Client, alice: User, bob: User, team: Team) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    order = rows.order(rows.account(team))
    client.force_login(bob)
    page = client.post(f"/teams/{team.code}/orders/{order.code}/cancel/", follow=True)
    assert "The order is canceled; it had not been sent." in page.text
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED
    assert AuditEntry.objects.filter(team=team, actor=bob, action="order.cancel_requested").exists()


def test_it_says_that_a_fill_can_overtake_the_cancel(client: Client, alice: User, team: Team, now: datetime) -> None:
    order = rows.order(rows.account(team), broker_order_id="4711")
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(order, OrderStatus.ACCEPTED, now=now, acknowledged_at=now)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/orders/{order.code}/cancel/", follow=True)
    assert "A fill can still overtake the cancel." in page.text
    assert "pending cancel" in page.text


def test_it_has_nothing_to_cancel_on_an_order_that_is_over(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    order = rows.filled(rows.order(rows.account(team)), at=now)
    client.force_login(alice)
    page = client.post(f"/teams/{team.code}/orders/{order.code}/cancel/", follow=True)
    assert "The order is filled, so there is nothing left to cancel." in page.text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (OrderStatus.UNKNOWN, "Do not place it by hand; it may be there already."),
        (OrderStatus.NEEDS_ATTENTION, "IBKR does not have it"),
    ],
)
def test_it_says_what_is_known_and_what_to_do_about_a_lost_answer(
    client: Client, alice: User, team: Team, now: datetime, status: OrderStatus, words: str
) -> None:
    order = rows.order(rows.account(team))
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    Order.objects.move(order, status, now=now, cause="the connection broke")
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/orders/{order.code}/")
    title = "The answer to this order was lost" if status is OrderStatus.UNKNOWN else "Nobody but you can tell"
    assert title in page.text
    assert words in page.text
    assert order.reference in page.text


def test_it_cannot_be_mistaken_for_play_when_it_is_real_money(client: Client, alice: User, team: Team) -> None:
    account = rows.account(team)
    order = rows.order(account)
    client.force_login(alice)
    path = f"/teams/{team.code}/orders/{order.code}/"
    assert 'class="hazard"' not in client.get(path).text
    Connection.objects.filter(pk=account.connection_id).update(environment="live")
    page = client.get(path)
    assert 'class="hazard"' in page.text
    assert "live money" in page.text


def bracket(team: Team, now: datetime, *, held: int = 10, status: str = "accepted") -> tuple[Order, Order, Order]:
    """An entry with its stop and its target, sent in one request; of ten shares, `held` are held."""
    account = rows.account(team)
    ticket = rows.ticket(account)
    entry = rows.order(ticket)
    along = {"parent": entry, "release": "with_parent", "side": "sell", "status": status, "broker_order_id": "12"}
    stop = rows.order(ticket, **along, role="stop_loss", type="stop", stop_price=Decimal(180))
    target = rows.order(ticket, **along, role="take_profit", type="limit", limit_price=Decimal(200))
    if held:
        rows.filled(entry, at=now)
        rows.position(account, quantity=Decimal(held))
    return entry, stop, target


def opened(client: Client, user: User, order: Order) -> str:
    client.force_login(user)
    return " ".join(client.get(f"/teams/{order.team.code}/orders/{order.code}/").text.split())


def test_a_leg_shows_that_it_was_sent_with_its_entry(client: Client, bob: User, team: Team, now: datetime) -> None:
    entry, stop, target = bracket(team, now)
    for kind, request in (
        ("post", [{"reference": each.reference} for each in (entry, stop, target)]),
        ("reply", {"confirmed": True}),
    ):
        SubmissionAttempt.objects.create(order=entry, kind=kind, request_hash="x", request=request, sent_at=now)
    for leg in (stop, target):
        page = opened(client, bob, leg)
        assert f'Sent with its entry, <a href="/teams/{team.code}/orders/{entry.code}/">buy 10 AAPL</a>' in page
        assert "Nothing has been sent" not in page
        assert 'On the wire <span class="count">2</span>' in page
    assert "Sent with its entry" not in opened(client, bob, entry)


def test_a_leg_that_waits_says_with_what_it_will_leave(client: Client, bob: User, team: Team, now: datetime) -> None:
    _, stop, _ = bracket(team, now, held=0, status="created")
    page = opened(client, bob, stop)
    assert "It leaves with the order it belongs to, in one request." in page
    assert "Sent with its entry" not in page


@pytest.mark.parametrize(
    ("leg", "sentence"),
    [
        (1, "The position of 10 AAPL long stays, and no stop works for it any more, and nothing limits its loss."),
        (2, "The position of 10 AAPL long stays, and no take profit works for it any more. Its stop loss works on."),
    ],
)
def test_canceling_a_protective_leg_says_what_it_leaves(
    client: Client, alice: User, team: Team, now: datetime, leg: int, sentence: str
) -> None:
    order = bracket(team, now)[leg]
    page = opened(client, alice, order)
    assert f"If you cancel it: {sentence}" in page
    assert sentence in page.split('data-confirm="')[1].split('"')[0]
    client.force_login(alice)
    told = client.post(f"/teams/{team.code}/orders/{order.code}/cancel/", follow=True).text
    assert f"A fill can still overtake the cancel. {sentence}" in told


def test_a_cancel_before_the_fill_says_what_becomes_of_the_rest(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    entry, stop, _ = bracket(team, now, held=0)
    Order.objects.filter(pk=entry.pk).update(status="accepted", broker_order_id="11")
    assert "Its entry works on, and fills without a stop loss." in opened(client, alice, stop)
    assert "Its take profit and stop loss end with it: nothing of it has filled" in opened(client, alice, entry)


def test_another_stop_in_the_instrument_is_named(client: Client, alice: User, team: Team, now: datetime) -> None:
    _, stop, _ = bracket(team, now)
    rows.order(stop.ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(170), status="accepted")
    assert "Another stop loss works on for The position" not in opened(client, alice, stop)
    assert "Another stop loss works on for the position of 10 AAPL long." in opened(client, alice, stop)


def test_one_good_till_a_date_says_until_when_and_who_cancels_it(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    end = now + timedelta(days=3)
    order = rows.order(
        rows.account(team),
        type="limit",
        limit_price=Decimal(1),
        time_in_force="gtd",
        good_till=end,
        expires_at=now,
        status="accepted",
        broker_order_id="4711",
    )
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/orders/{order.code}/").text
    assert "when Halyard cancels it: IBKR has it until canceled" in page
    shown = f'<time datetime="{end.isoformat()}" data-style="{{}}"'
    assert shown.format("date") in page
    assert shown.format("until") in page
    assert shown.format("time") in client.get(f"/teams/{team.code}/orders/").text
    # What is over counts down to nothing.
    Order.objects.filter(pk=order.pk).update(status="canceled")
    page = client.get(f"/teams/{team.code}/orders/{order.code}/").text
    assert (shown.format("date") in page, shown.format("until") in page) == (True, False)
