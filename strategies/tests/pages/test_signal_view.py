"""One signal: did it arrive, was it accepted, why not, what order, what fill, how many milliseconds each."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker
from strategies.control import approval
from strategies.models import Refusal
from strategies.tests import rows
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db


def test_it_answers_every_question_about_a_filled_signal(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    Order.objects.filter(pk=walk.order.pk).update(signal_price=Decimal(187))
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{walk.signal.code}/")
    for words in (
        "Accepted, 1 of 1",
        "Flat: a buy opens a long position.",
        "R1",
        "terms 1",
        "10 @ 187.25",
        "fee 1.00 USD",
        "2.0 ms",
        "6.0 ms",
        "4.0 ms",
        "30 ms",
        "50 ms",
        "92 ms",
        "13.4 basis points worse",
        "2.50 USD",
        "&quot;ticker&quot;: &quot;AAPL&quot;",
    ):
        assert words in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/signals/{walk.signal.code}/").status_code == 404


def test_it_is_not_there_under_another_team(
    client: Client, alice: User, charlie: User, team: Team, now: datetime
) -> None:
    from accounts import teams

    walk = rows.walk(team, now)
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    client.force_login(charlie)
    assert client.get(f"/teams/{theirs.code}/signals/{walk.signal.code}/").status_code == 404


def test_it_says_why_a_signal_was_rejected(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, dispatched_at=now)
    rows.rejected(signal, rows.subscription(strategy, broker.account(team), now), now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    for words in ("Rejected, 1 of 1", "The account is long already.", "already-long", "R9"):
        assert words in page.text


def test_it_offers_to_subscribe_when_nobody_follows(
    client: Client, alice: User, bob: User, team: Team, now: datetime
) -> None:
    signal = rows.signal(rows.strategy(team, now), now, dispatched_at=now)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    assert "No enabled subscription follows this strategy" in page.text
    assert "Subscribe an account" in page.text
    client.force_login(bob)
    assert "Subscribe an account" not in client.get(f"/teams/{team.code}/signals/{signal.code}/").text


def test_it_shows_what_we_noticed_while_reading(client: Client, alice: User, team: Team, now: datetime) -> None:
    warnings = ["unknown-field:alertName", "ignored-price", "blank-field:orderType"]
    body = '{"ticker": "<script>alert(1)</script>"}'
    signal = rows.signal(rows.strategy(team, now), now, warnings=warnings, duplicates=1, body=body)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/")
    for words in (
        "alertName is not a field we know.",
        "price could not be read.",
        "orderType was empty",
        "Delivered 1 time more",
    ):
        assert words in page.text
    assert "<script>alert(1)" not in page.text


def test_it_watches_its_own_orders_and_no_others(client: Client, alice: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    other = rows.walk(team, now + timedelta(seconds=1), name="Other")
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{walk.signal.code}/").text
    assert f'data-feed-watch="signal-{walk.signal.code} order-{walk.order.code}"' in page
    assert str(other.order.code) not in page


def test_it_shows_what_the_order_was_expected_to_cost(client: Client, bob: User, team: Team, now: datetime) -> None:
    made = rows.walk(team, now)
    expected = "Estimated fee 1.00 USD; margin needed 937.25 USD of 25,000.00 available."
    made.decision.inputs = {"assessment": [{"role": "entry", "sentence": expected}]}
    made.decision.save()
    client.force_login(bob)
    assert expected in client.get(f"/teams/{team.code}/signals/{made.signal.code}/").text
    assert expected in client.get(f"/teams/{team.code}/orders/{made.order.code}/").text


def test_it_says_first_why_nothing_will_happen(client: Client, bob: User, team: Team, now: datetime) -> None:
    note = "By its own time it is 5 minutes old, and this strategy takes an entry of at most 60 seconds."
    signal = rows.signal(rows.strategy(team, now), now, dispatched_at=now, set_aside="stale-signal", note=note)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    assert "Set aside: nothing happens" in page
    assert "stale-signal" in page
    assert note in page
    assert "Nobody follows" not in page


def test_it_counts_down_to_the_end_of_a_delay(client: Client, bob: User, team: Team, now: datetime) -> None:
    until = now + timedelta(seconds=90)
    signal = rows.signal(rows.strategy(team, now), now, not_before=until, reading={**rows.READING, "delay": 90})
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    assert "It asked for a delay of 90 seconds" in page
    assert f'<time datetime="{until.isoformat()}" data-style="until"' in page
    signal.dispatched_at = until
    signal.save()
    assert "It asked for a delay" not in client.get(f"/teams/{team.code}/signals/{signal.code}/").text


def test_it_shows_what_a_test_would_have_ordered(client: Client, bob: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, dispatched_at=now, is_test=True)
    stop = {
        "side": "sell",
        "quantity": "10",
        "instrument": {"ticker": "AAPL"},
        "type": "stop",
        "stop_price": "180",
        "time_in_force": "gtc",
        "role": "stop_loss",
        "release": "with_parent",
        "then": [],
    }
    entry = {
        **stop,
        "side": "buy",
        "type": "market",
        "stop_price": None,
        "role": "entry",
        "release": "at_once",
        "time_in_force": "day",
        "then": [stop],
    }
    plan = {"rule": "D01", "reason": "Flat.", "cancels": ["a"], "intents": [entry]}
    rows.rejected(signal, rows.subscription(strategy, broker.account(team), now), now, status="rehearsed", plan=plan)
    client.force_login(bob)
    page = " ".join(client.get(f"/teams/{team.code}/signals/{signal.code}/").text.split())
    for words in ("Dry run, 1 of 1", "test</span>", "stop 180, gtc", "1 working order would have been canceled"):
        assert words in page
    assert page.index("entry") < page.index("stop loss, sent with it")


def test_it_shows_the_headers_with_every_secret_masked(client: Client, bob: User, team: Team, now: datetime) -> None:
    headers = {"user-agent": "TradingView", "x-api-token": "leaked"}
    signal = rows.signal(rows.strategy(team, now), now, headers=headers)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    assert "TradingView" in page
    assert "x-api-token" in page
    assert "leaked" not in page


def test_it_shows_each_repeat_with_its_time_and_address(client: Client, bob: User, team: Team, now: datetime) -> None:
    signal = rows.signal(rows.strategy(team, now), now, duplicates=2)
    for number in (1, 2):
        signal.repeats.create(
            team=team,
            log_code=uuid.UUID(int=number),
            address=f"192.0.2.{number}",
            received_at=now + timedelta(seconds=number),
        )
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    for words in ("Delivered 2 times more", "192.0.2.1", "192.0.2.2", str(uuid.UUID(int=2)), "within 30 seconds"):
        assert words in page


def test_it_says_so_when_the_body_is_gone(client: Client, bob: User, team: Team, now: datetime) -> None:
    signal = rows.signal(rows.strategy(team, now), now, body="", forgotten_at=now)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/{signal.code}/").text
    assert "Body, headers and address were deleted on" in page
    assert "<dt>Quantity</dt>" in page


def test_the_timeline_has_the_time_that_a_person_took(client: Client, alice: User, team: Team, now: datetime) -> None:
    decision = proposing.decided(proposing.asking(team, now), now)
    path = f"/teams/{team.code}/signals/{decision.signal.code}/"
    client.force_login(alice)
    waiting = client.get(path).text
    for words in ('<span class="name">Proposed</span>', '<span class="name">Approval</span>', "not yet", "A person"):
        assert words in waiting
    answered_at = now + timedelta(seconds=7)
    BrokerageAccount.objects.update(book_as_of=answered_at)
    approval.approve(decision, actor=alice, now=answered_at)
    approved = client.get(path).text
    # Of each of the three orders; two milliseconds were spent on storing it.
    assert approved.count('<span class="name">Approved by alice@example.com</span>') == 1
    assert approved.count('<span class="took">6,998 ms</span>') == 1
    assert "A person, IBKR and the market" in approved


def test_the_time_of_a_plan_that_was_declined_ends_with_the_no(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    decision = proposing.decided(proposing.asking(team, now), now)
    approval.decline(decision, actor=alice, now=now + timedelta(seconds=2))
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/{decision.signal.code}/").text
    assert '<span class="name">Declined by alice@example.com</span>' in page
    assert '<span class="took">1,998 ms</span>' in page
    assert "Sent to IBKR" not in page


@pytest.mark.parametrize("body", ["[" * 2000, '{"a":' * 1500, "9" * 5000, '{"a": ' + "9" * 5000 + "}", "[" * 60_000])
def test_a_refused_body_of_any_shape_has_its_page(client: Client, alice: User, team: Team, body: str) -> None:
    strategy = rows.strategy(team, timezone.now())
    refused = Refusal.objects.create(
        team=team,
        endpoint=strategy.endpoints.get(),
        status=400,
        message_code="malformed-json",
        sentence="The body cannot be read.",
        body=body,
        received_at=timezone.now(),
    )
    client.force_login(alice)
    for page in (
        f"/teams/{team.code}/signals/refused/{refused.log_code}/",
        f"/teams/{team.code}/signals/refused/{refused.log_code}/replay/",
    ):
        assert client.get(page).status_code == 200, page


def bracket(walk: rows.Walk, now: datetime, **stop: object) -> tuple[Order, Order]:
    """A stop and a target that left in the request of the walk's order."""
    ticket = walk.order.ticket
    along = {
        "parent": walk.order,
        "release": "with_parent",
        "side": "sell",
        "submitted_at": now,
        "acknowledged_at": now,
    }
    made = broker.order(
        ticket, **along, role="stop_loss", type="stop", stop_price=Decimal(180), **{"status": "accepted", **stop}
    )
    target = broker.order(
        ticket, **along, role="take_profit", type="limit", limit_price=Decimal(200), status="accepted"
    )
    return made, target


def shown(client: Client, user: User, walk: rows.Walk) -> str:
    client.force_login(user)
    return " ".join(client.get(f"/teams/{walk.signal.team.code}/signals/{walk.signal.code}/").text.split())


def test_a_brackets_timeline_stands_once(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    bracket(walk, now)
    page = shown(client, bob, walk)
    assert len(re.findall(r"Where the time went</h\d>", page)) == 1
    assert "Sent with it, in the same request:" in page
    assert "stop loss</a>, accepted" in page


def test_a_signal_whose_stop_was_refused_is_not_green(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    bracket(walk, now, status="rejected", reason="The stop price is too far away.")
    page = shown(client, bob, walk)
    assert "Accepted, stop loss rejected" in page
    assert "The stop loss is rejected. The stop price is too far away. Without it, nothing limits the loss" in page
    assert "notice good" not in page
    assert 'class="badge good"' not in page.split('id="decision-')[1].split("</header>")[0]
    listed = " ".join(client.get(f"/teams/{team.code}/signals/").text.split())
    assert "accepted, stop loss rejected" in listed
    assert f'data-feed-watch="trouble-{walk.signal.code}"' in listed


def test_a_rejected_signal_shows_when_it_was_decided(client: Client, bob: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, dispatched_at=now)
    rows.rejected(signal, rows.subscription(strategy, broker.account(team), now), now + timedelta(milliseconds=8))
    client.force_login(bob)
    page = " ".join(client.get(f"/teams/{team.code}/signals/{signal.code}/").text.split())
    assert "Where the time went" in page
    assert '<span class="name">Rejected</span> <span class="took">6.0 ms</span>' in page
    assert "rejected <time" in page


def test_the_time_a_person_took_is_not_the_time_to_decide(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    decision = proposing.decided(proposing.asking(team, now), now)
    answered_at = now + timedelta(seconds=30)
    BrokerageAccount.objects.update(book_as_of=answered_at)
    approval.approve(decision, actor=alice, now=answered_at)
    client.force_login(alice)
    listed = " ".join(client.get(f"/teams/{team.code}/signals/").text.split())
    took = re.search(r'number wide">([^<]*)<span class="sub">to decide', listed)
    assert took is not None
    assert took[1].endswith(" ms")
    assert float(took[1].removesuffix(" ms").replace(",", "")) < 30_000


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ({"value": "50", "type": "percent_of_position"}, "Exit 50 % of the position"),
        ({"value": "12000", "type": "fixed_quantity"}, "Exit 12,000"),
        ({"value": "2.5", "type": "percent_of_equity"}, "Exit 2.5 % of the equity"),
        ({"value": "1500", "type": "dollar_amount"}, "Exit 1,500 in money"),
    ],
)
def test_a_quantity_keeps_its_unit(
    client: Client, bob: User, team: Team, now: datetime, quantity: dict[str, str], words: str
) -> None:
    strategy = rows.strategy(team, now)
    reading = {"action": "exit", "symbol": {"name": "SPY"}, "quantity": quantity}
    signal = rows.signal(strategy, now, action="exit", reading=reading)
    client.force_login(bob)
    for address in (f"/teams/{team.code}/signals/", f"/teams/{team.code}/signals/{signal.code}/"):
        assert words in re.sub(r"<[^>]+>", "", " ".join(client.get(address).text.split())).replace("  ", " ")


def test_a_chip_names_the_leg_that_took_its_time(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    bracket(walk, now)
    client.force_login(bob)
    listed = re.sub(r"<[^>]+>", "", client.get(f"/teams/{team.code}/signals/").text)
    assert re.search(r"entry filled 10 @ 187\.25 .*in 92 ms", " ".join(listed.split()))
    assert "stop loss accepted in 0.0 ms" in listed
    assert "take profit accepted in 0.0 ms" in listed
