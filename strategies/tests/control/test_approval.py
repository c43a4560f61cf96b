"""Approval: a plan waits for a person, and is decided anew when they answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts import teams
from accounts.models import AuditEntry, Team, User
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies import inputs
from strategies.control import approval
from strategies.control.approval import ApprovalRefused
from strategies.deciding import settle
from strategies.domain.message.message import Bracket
from strategies.domain.plan.plan import Plan
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.control import proposing
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(
        made, account, now, auto_submit=False, approval_seconds=60, stop_loss=Bracket(mode="amount", value=Decimal(2))
    )
    return made


def proposed(strategy: Strategy, now: datetime, action: str = "buy", price: str = "100") -> Decision:
    """The proposal that a signal leads to."""
    fields = {**reading(action, quantity=None if action == "exit" else "10"), "signal_price": price}
    signal = rows.signal(strategy, now, reading=fields)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert decision.status == "proposed"
    return decision


def sent() -> list[tuple[str, Decimal]]:
    return list(Order.objects.order_by("pk").values_list("role", "quantity"))


def refusal(decision: Decision, actor: User, now: datetime, quantity: str | None = None) -> ApprovalRefused:
    with pytest.raises(ApprovalRefused) as caught:
        approval.approve(decision, actor=actor, quantity=None if quantity is None else Decimal(quantity), now=now)
    return caught.value


def test_a_plan_waits_for_a_person(strategy: Strategy, now: datetime) -> None:
    decision = proposed(strategy, now)
    assert (decision.rule, decision.expires_at, decision.decided_at) == ("D01", now + timedelta(seconds=60), now)
    assert decision.plan is not None
    assert isinstance(inputs.plan_from_json(decision.plan), Plan)
    assert sent() == []


def test_it_ends_with_its_signal(strategy: Strategy, now: datetime) -> None:
    ends = now + timedelta(seconds=20)
    signal = rows.signal(strategy, now, reading={**reading(), "signal_price": "100", "expires_at": ends.isoformat()})
    settle.settle_waiting(now)
    assert signal.decisions.get().expires_at == ends


def test_approved_it_becomes_orders(strategy: Strategy, alice: User, now: datetime) -> None:
    decision, later = proposed(strategy, now), now + timedelta(seconds=30)
    BrokerageAccount.objects.update(book_as_of=later)
    approval.approve(decision, actor=alice, now=later)
    decision.refresh_from_db()
    assert (decision.status, decision.answered_by, decision.answered_at) == ("accepted", alice, later)
    assert sent() == [("entry", Decimal(10)), ("stop_loss", Decimal(10))]
    # Its life begins with the approval.
    assert Order.objects.order_by("pk")[0].expires_at == later + timedelta(seconds=60)
    entry = AuditEntry.objects.get(action="decision.approved")
    assert (entry.actor, entry.subject) == (alice, str(decision.code))


def test_less_of_it_is_protected_by_less(strategy: Strategy, alice: User, now: datetime) -> None:
    decision = proposed(strategy, now)
    approval.approve(decision, actor=alice, quantity=Decimal(3), now=now)
    assert sent() == [("entry", Decimal(3)), ("stop_loss", Decimal(3))]
    decision.refresh_from_db()
    assert decision.reason == "Open long with 10 shares of AAPL. Approved for 3 of 10."
    # What was seen gives the same plan again, the approver's word with it.
    assert decision.inputs is not None
    again = inputs.decide_again(decision.inputs)
    assert isinstance(again, Plan)
    assert again.intents[0].quantity == 3
    assert again.reason == decision.reason


@pytest.mark.parametrize(
    ("quantity", "sentence"),
    [
        ("11", "Approve a quantity above zero and of at most 10."),
        ("0", "Approve a quantity above zero and of at most 10."),
        ("-1", "Approve a quantity above zero and of at most 10."),
        ("2.5", "This is traded in whole units. Approve a whole number."),
        ("NaN", "Approve a quantity above zero and of at most 10."),
    ],
)
def test_never_more_of_it_and_never_a_fraction(
    strategy: Strategy, alice: User, now: datetime, quantity: str, sentence: str
) -> None:
    decision = proposed(strategy, now)
    refused = refusal(decision, alice, now, quantity)
    assert (str(refused), refused.code) == (sentence, "approved-quantity")
    decision.refresh_from_db()
    assert (decision.status, sent()) == ("proposed", [])


def test_an_exit_is_taken_whole(strategy: Strategy, account: BrokerageAccount, alice: User, now: datetime) -> None:
    broker_rows.position(account, quantity=10, as_of=now)
    decision = proposed(strategy, now, "exit")
    assert refusal(decision, alice, now, "3").code == "approved-quantity"
    approval.approve(decision, actor=alice, now=now)
    assert sent() == [("exit", Decimal(10))]


@pytest.mark.parametrize("why", ["Earnings tonight.", "Earnings tonight", " Earnings tonight "])
def test_declined_it_sends_nothing(strategy: Strategy, alice: User, now: datetime, why: str) -> None:
    decision = proposed(strategy, now)
    approval.decline(decision, actor=alice, reason=why, now=now)
    decision.refresh_from_db()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "A01", "declined")
    assert decision.reason == (
        "Declined by alice@example.com: Earnings tonight. It would have been: Open long with 10 shares of AAPL."
    )
    assert sent() == []
    assert AuditEntry.objects.get(action="decision.declined").actor == alice


def test_the_second_is_told_who_was_first(strategy: Strategy, alice: User, bob: User, now: datetime) -> None:
    decision = proposed(strategy, now)
    approval.approve(decision, actor=alice, now=now)
    refused = refusal(decision, bob, now)
    assert (str(refused), refused.code) == (
        "alice@example.com has approved this at 15:00:00 UTC.",
        "already-answered",
    )
    with pytest.raises(ApprovalRefused, match=r"alice@example\.com has approved this"):
        approval.decline(decision, actor=bob, now=now)
    assert len(sent()) == 2


def test_too_late_is_an_answer(strategy: Strategy, alice: User, now: datetime) -> None:
    decision, late = proposed(strategy, now), now + timedelta(seconds=60)
    assert approval.expire(late - timedelta(milliseconds=1)) == 0
    refused = refusal(decision, alice, late)
    assert refused.code == "approval-expired"
    assert approval.expire(late) == 1
    decision.refresh_from_db()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "A02", "approval-expired")
    assert decision.reason.startswith("Nobody approved it within 60 seconds, so nothing was sent.")
    assert (approval.expire(late), sent()) == (0, [])


def test_a_plan_that_would_do_something_else_by_now_is_shown_first(
    strategy: Strategy, account: BrokerageAccount, alice: User, now: datetime
) -> None:
    broker_rows.position(account, quantity=10, as_of=now)
    decision = proposed(strategy, now, "exit")
    account.positions.update(quantity=4)
    refused = refusal(decision, alice, now)
    assert refused.code == "plan-changed"
    assert "Exit all 4 shares of AAPL held long." in str(refused)
    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("proposed", "Exit all 4 shares of AAPL held long.")
    approval.approve(decision, actor=alice, now=now)
    assert sent() == [("exit", Decimal(4))]


def test_what_became_impossible_stays_open_and_says_why(
    strategy: Strategy, account: BrokerageAccount, alice: User, now: datetime
) -> None:
    decision = proposed(strategy, now)
    broker_rows.position(account, quantity=10, as_of=now)
    assert refusal(decision, alice, now).code == "position-already-open"
    account.positions.all().delete()
    BrokerageAccount.objects.update(book_as_of=now - timedelta(hours=1))
    refused = refusal(decision, alice, now)
    assert refused.code == "not-ready"
    assert str(refused) == "It waits for a fresh look at the account's positions. Try again in a moment."
    assert sent() == []


def test_a_later_signal_takes_the_place_of_an_older_proposal(strategy: Strategy, alice: User, now: datetime) -> None:
    first = proposed(strategy, now)
    second = proposed(strategy, now, "sell")
    first.refresh_from_db()
    assert (first.status, first.rule, first.reason_code) == ("rejected", "A03", "superseded-signal")
    approval.approve(second, actor=alice, now=now)
    assert Order.objects.order_by("pk")[0].side == "sell"


def leaving(strategy: Strategy, now: datetime, **values: object) -> Decision:
    """The decision on an exit of an account that holds nothing."""
    fields = {**reading(str(values.pop("action", "exit")), quantity=None), "signal_price": "100", **values}
    signal = rows.signal(strategy, now, reading=fields)
    settle.settle_waiting(now)
    return signal.decisions.get()


@pytest.mark.parametrize("facts", [{}, {"action": "sell", "sentiment": "flat"}], ids=["exit", "flat"])
def test_an_exit_ends_an_entry_that_waits_for_a_person(
    strategy: Strategy, alice: User, now: datetime, facts: dict[str, object]
) -> None:
    waits = proposed(strategy, now)
    assert leaving(strategy, now + timedelta(seconds=5), **facts).status == "rejected"
    waits.refresh_from_db()
    assert (waits.status, waits.rule, waits.reason_code) == ("rejected", "A03", "superseded-signal")
    assert waits.reason.startswith("An exit came at")
    with pytest.raises(ApprovalRefused):
        approval.approve(waits, actor=alice, now=now + timedelta(seconds=6))
    assert sent() == []


def test_an_exit_of_the_same_bar_leaves_a_proposal_alone_and_a_newer_one_ends_it(
    strategy: Strategy, now: datetime
) -> None:
    fields = {**reading("sell"), "signal_price": "100", "signal_time": now.isoformat()}
    signal = rows.signal(strategy, now, reading=fields)
    settle.settle_waiting(now)
    leaving(strategy, now, signal_time=now.isoformat())
    assert signal.decisions.get().status == "proposed"
    leaving(strategy, now, signal_time=(now + timedelta(seconds=1)).isoformat())
    assert signal.decisions.get().status == "rejected"


def test_in_one_batch_an_exit_ends_the_entry_before_it(strategy: Strategy, now: datetime) -> None:
    for action, quantity in (("buy", "10"), ("exit", None)):
        rows.signal(strategy, now, reading={**reading(action, quantity=quantity), "signal_price": "100"})
    settle.settle_waiting(now)
    assert list(Decision.objects.order_by("pk").values_list("status", "rule")) == [
        ("rejected", "A03"),
        ("rejected", "D28"),
    ]


def test_a_test_or_a_part_of_an_exit_ends_no_proposal(strategy: Strategy, now: datetime) -> None:
    waits = proposed(strategy, now)
    rows.signal(strategy, now, reading={**reading("exit", quantity="3"), "signal_price": "100"})
    rows.signal(strategy, now, reading={**reading("exit", quantity=None), "signal_price": "100"}, is_test=True)
    settle.settle_waiting(now)
    waits.refresh_from_db()
    assert waits.status == "proposed"


def test_of_two_in_one_batch_the_later_is_proposed(strategy: Strategy, now: datetime) -> None:
    for action in ("buy", "sell"):
        rows.signal(strategy, now, reading={**reading(action), "signal_price": "100"})
    settle.settle_waiting(now)
    assert list(Decision.objects.order_by("pk").values_list("status", "rule")) == [
        ("rejected", "A03"),
        ("proposed", "D01s"),
    ]


def test_one_expired_plan_ends_in_the_first_portion_beside_a_flood_of_them(
    team: Team, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = teams.found_team(owner=bob, name="Bob's team", now=now)
    for owner, count in ((team, 4), (other, 1)):
        for number in range(count):
            proposing.decided(proposing.asking(owner, now, name=f"Trend {number}"), now)
    monkeypatch.setattr(approval, "AT_ONCE", 2)
    monkeypatch.setattr(approval, "LONGEST_SECONDS", 0)
    later = now + timedelta(hours=1)
    assert approval.expire(later) == 2
    left = Decision.objects.filter(status="proposed")
    assert (left.filter(team=team).count(), left.filter(team=other).count()) == (3, 0)
    monkeypatch.setattr(approval, "LONGEST_SECONDS", 60)
    assert approval.expire(later) == 3
