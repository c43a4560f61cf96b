"""One decision: why, what it ordered, what it saw, and the same decision again."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from accounts import teams
from accounts.models import Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import ContractLookup, Order
from brokers.tests import rows as broker
from strategies.display import comparison
from strategies.models import Decision
from strategies.tests import rows
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db


def page(client: Client, user: User, decision: Decision, query: str = "") -> str:
    client.force_login(user)
    answer = client.get(f"/teams/{decision.team.code}/decisions/{decision.code}/{query}")
    assert answer.status_code == 200
    return " ".join(answer.text.split())


@pytest.fixture
def decision(team: Team, now: datetime) -> Decision:
    """Long ten AAPL with a take profit and a stop, sent at once."""
    strategy = proposing.asking(team, now, auto_submit=True, max_quantity=Decimal(50))
    made = proposing.decided(strategy, now)
    assert made.status == "accepted"
    return made


def test_it_says_why_in_one_sentence_with_what_the_rule_says(client: Client, bob: User, decision: Decision) -> None:
    text = page(client, bob, decision)
    for words in (
        "Open long with 10 shares of AAPL.",
        'href="#rule">D01</a>',
        "What rule",
        "Buys and sells",
        "buy, sentiment none or bullish, flat, long side allowed",
        "enter long by the signal&#x27;s quantity, else by the terms&#x27; size, with the entry&#x27;s legs",
    ):
        assert words in text


def test_it_shows_the_plan_as_a_tree_with_its_orders_and_what_each_was_to_cost(
    client: Client, bob: User, decision: Decision
) -> None:
    entry = Order.objects.get(role="entry")
    Order.objects.move(entry, OrderStatus.SUBMITTED, now=decision.created_at, submitted_at=decision.created_at)
    text = page(client, bob, decision)
    tree = text[text.index('class="tree planned"') : text.index('id="rule"')]
    assert tree.index("entry") < tree.index("stop loss, sent with it") < tree.index("take profit, sent with it")
    assert tree.count("Estimated fee") == 3
    assert "margin needed" in tree
    assert tree.count("submitted") == 1
    assert tree.count("created") == 2
    for order in Order.objects.all():
        assert f"/orders/{order.code}/" in tree


def test_it_shows_everything_it_saw(client: Client, bob: User, decision: Decision) -> None:
    text = page(client, bob, decision)
    for words in (
        "Terms, version 1",
        "Largest quantity",
        "50 <span",
        "25,000.00 USD",
        "100,000.00 USD",
        "None in this instrument",
        "Price it saw",
        "Settings in effect, and who set them",
        "No level above the subscription was stopped or limited then.",
    ):
        assert words in text
    # Only what differs from the beginning.
    terms = text[text.index('id="saw-terms"') : text.index('id="saw-guards"')]
    assert "Rounding" not in terms
    assert '10 <span class="said-by signal">signal</span>' in text
    assert 'class="said-by subscription">subscription</span>' in text


def test_its_contract_leads_to_the_page_with_its_hours_while_ibkr_knows_it(
    client: Client, bob: User, decision: Decision
) -> None:
    lookup = ContractLookup.objects.get(connection=decision.subscription.account.connection)
    place = f"/teams/{decision.team.code}/accounts/{decision.subscription.account.code}/contracts/{lookup.conid}/"
    assert f'href="{place}">its hours and orders' in page(client, bob, decision)
    assert client.get(place).status_code == 200

    ContractLookup.objects.filter(pk=lookup.pk).update(conid=1)
    assert "its hours and orders" not in page(client, bob, decision)


def test_the_same_inputs_give_the_same_answer(client: Client, bob: User, decision: Decision) -> None:
    assert "The same answer" not in page(client, bob, decision)
    assert "The same answer." in page(client, bob, decision, "?again=yes")


def test_a_rejection_is_decided_again_too(client: Client, bob: User, team: Team, now: datetime) -> None:
    strategy = proposing.asking(team, now, auto_submit=True, max_quantity=Decimal(5))
    made = proposing.decided(strategy, now)
    assert (made.status, made.rule) == ("rejected", "G01")
    text = page(client, bob, made, "?again=yes")
    for words in (
        "The same answer.",
        "Nothing. Neither an order nor a cancel left for this signal.",
        "an order larger",
    ):
        assert words in text


def test_another_answer_is_shown_beside_the_one_of_then(client: Client, bob: User, decision: Decision) -> None:
    # As if today's Halyard answered otherwise: the order was for twelve then, under another rule.
    assert decision.plan is not None
    decision.plan["rule"] = "D06"
    decision.plan["intents"][0]["quantity"] = "12"
    decision.save()
    text = page(client, bob, decision, "?again=yes")
    for words in (
        "A different answer.",
        "2 things would differ",
        "D06",
        "entry: buy 12 AAPL market, day",
        "entry: buy 10 AAPL market, day",
    ):
        assert words in text


def test_an_order_that_was_changed_where_it_stands_is_no_other_answer(
    client: Client, bob: User, decision: Decision
) -> None:
    Order.objects.filter(role="stop_loss").update(quantity=6)
    assert "A different answer." not in page(client, bob, decision, "?again=yes")


def test_a_decision_from_before_plans_were_kept_is_held_against_its_orders(
    client: Client, bob: User, decision: Decision
) -> None:
    Decision.objects.update(plan=None)
    assert "A different answer." not in page(client, bob, decision, "?again=yes")
    Order.objects.filter(role="entry").update(quantity=12)
    assert "entry: buy 12 AAPL market, day" in page(client, bob, decision, "?again=yes")


def test_a_rejection_that_would_be_a_plan_now_says_so(team: Team, now: datetime) -> None:
    strategy = proposing.asking(team, now, auto_submit=True, max_quantity=Decimal(5))
    made = proposing.decided(strategy, now)
    assert made.inputs is not None
    made.inputs["terms"]["max_quantity"] = None
    comparison_made = comparison.decide_again(made)
    assert not comparison_made.same
    assert {each.what: (each.then, each.now) for each in comparison_made.differences} == {
        "answer": ("a rejection", "a plan"),
        "rule": ("G01", "D01"),
        "code": ("quantity-over-limit", "none"),
        "sentence": (made.reason, "Open long with 10 shares of AAPL."),
        "order 1": ("none", "entry: buy 10 AAPL market, day"),
        "order 2": ("none", "stop loss: sell 10 AAPL stop 98, gtc, with parent"),
        "order 3": ("none", "take profit: sell 10 AAPL limit 104, gtc, with parent"),
    }


def test_inputs_that_cannot_be_read_any_more_are_said_to_be_so(client: Client, bob: User, decision: Decision) -> None:
    assert decision.inputs is not None
    decision.inputs["terms"]["a_setting_that_is_gone"] = True
    decision.save()
    assert comparison.decide_again(decision).unreadable.startswith(
        "This version of Halyard cannot read what the decision saw:"
    )
    text = page(client, bob, decision, "?again=yes")
    assert "This version of Halyard cannot read what the decision saw" in text
    assert "It was decided without a look" not in text


def test_a_decision_without_a_look_at_the_account_has_nothing_to_decide_by(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    made = rows.rejected(rows.signal(strategy, now), rows.subscription(strategy, broker.account(team), now), now)
    text = page(client, bob, made, "?again=yes")
    assert "It was decided without a look at the account" in text
    assert "Decide again" not in text
    assert not comparison.decide_again(made).same


def test_one_that_waits_says_for_what_and_since_when(client: Client, bob: User, team: Team, now: datetime) -> None:
    strategy = proposing.asking(team, now, of=broker.account(team))
    made = proposing.decided(strategy, now)
    assert made.status == "pending"
    text = page(client, bob, made)
    assert "Waits for IBKR&#x27;s contract for AAPL" in text
    assert f'datetime="{made.created_at.isoformat()}" data-style="age"' in text
    assert f'data-feed-watch="signal-{made.signal.code}"' in text


def test_it_is_reached_from_its_signal_and_its_orders(client: Client, bob: User, decision: Decision) -> None:
    client.force_login(bob)
    address = f"/teams/{decision.team.code}/decisions/{decision.code}/"
    assert address in client.get(f"/teams/{decision.team.code}/signals/{decision.signal.code}/").text
    order = Order.objects.get(role="entry")
    assert address in client.get(f"/teams/{decision.team.code}/orders/{order.code}/").text


def test_it_is_not_there_for_a_stranger_nor_under_another_team(
    client: Client, charlie: User, decision: Decision, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Theirs", now=now)
    client.force_login(charlie)
    for team in (decision.team, theirs):
        assert client.get(f"/teams/{team.code}/decisions/{decision.code}/").status_code == 404


def test_asking_again_writes_nothing(client: Client, bob: User, decision: Decision) -> None:
    before = Decision.objects.values().get()
    page(client, bob, decision, "?again=yes")
    assert Decision.objects.values().get() == before
    assert Order.objects.count() == 3


def test_it_names_a_quote_that_is_not_live_and_says_how_the_money_came(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    account = proposing.account(team, now, money_as_of=now, money_heard=True)
    ContractLookup.objects.update(bid=99, ask=101, last=100, quote_as_of=now, quote_answered_at=now, quote_flags="DpB")
    strategy = proposing.asking(team, now, of=account, order_type="limit")
    decision = proposing.decided(strategy, now, signal_price=None)
    assert (decision.status, decision.reason_code) == ("rejected", "price-required")
    assert "are delayed by about a quarter of an hour, so they are not traded by" in decision.reason
    text = page(client, bob, decision)
    assert "<strong>delayed:</strong> 99.00 / 101.00" in text
    assert "told by the live stream" in text
    assert "positions read" in text
