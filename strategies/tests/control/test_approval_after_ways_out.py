"""An approved entry lets ways out of its account pass, as one does that nobody is asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import ApprovalPolicy, Membership, Role, Team, User
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker
from strategies.control import approval
from strategies.control.approval import ApprovalRefused
from strategies.deciding import settle
from strategies.domain.exits_first import LONGEST
from strategies.models import Approval, Decision
from strategies.tests import rows
from strategies.tests.control import proposing
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def proposal(team: Team, now: datetime) -> Decision:
    """An entry that asks, in an account that holds MSFT; an exit of that waits for IBKR's contract."""
    account = proposing.account(team, now)
    proposed = proposing.decided(proposing.asking(team, now, of=account), now)
    lookup = knows(account.connection, now, "MSFT", 272093)
    broker.position(account, ticker="MSFT", conid=272093, quantity=Decimal(5))
    ContractLookup.objects.filter(pk=lookup.pk).update(status="wanted", asked_at=now)
    other = rows.strategy(team, now, name="Another")
    rows.subscription(other, account, now)
    rows.signal(other, now, reading=reading("exit", "MSFT", None))
    settle.settle_waiting(now)
    assert [each.status for each in Decision.objects.order_by("pk")] == ["proposed", "pending"]
    return proposed


def fresh(at: datetime) -> datetime:
    BrokerageAccount.objects.update(book_as_of=at)
    return at


def entries() -> int:
    return Order.objects.filter(role="entry").count()


def refused(proposal: Decision, by: User, now: datetime) -> ApprovalRefused:
    with pytest.raises(ApprovalRefused) as caught:
        approval.approve(proposal, actor=by, now=now)
    return caught.value


def test_it_says_what_it_waits_for_and_can_be_approved_once_that_has_left(
    proposal: Decision, alice: User, now: datetime
) -> None:
    refusal = refused(proposal, alice, now)
    assert (str(refusal), refusal.code) == (
        f"It waits for the exit of MSFT of {now:%H:%M:%S} UTC, which waits for IBKR's contract for MSFT. "
        "Try again in a moment.",
        "not-ready",
    )
    assert (entries(), Approval.objects.count()) == (0, 0)
    ContractLookup.objects.update(status="found")
    settle.settle_waiting(now)
    approval.approve(proposal, actor=alice, now=now)
    assert [order.role for order in Order.objects.order_by("pk")][:2] == ["exit", "entry"]


def test_it_waits_for_a_while_only_and_says_whom_it_passed(proposal: Decision, alice: User, now: datetime) -> None:
    later = fresh(now + LONGEST)
    approval.approve(proposal, actor=alice, now=later)
    proposal.refresh_from_db()
    assert entries() == 1
    assert proposal.reason.endswith("which waits for IBKR's contract for MSFT.")


def test_it_gives_half_of_the_time_that_approvers_have(proposal: Decision, alice: User, now: datetime) -> None:
    Decision.objects.filter(pk=proposal.pk).update(expires_at=now + timedelta(seconds=10))
    refused(proposal, alice, fresh(now + timedelta(seconds=4)))
    approval.approve(proposal, actor=alice, now=fresh(now + timedelta(seconds=5)))
    assert entries() == 1


def test_the_first_approval_of_two_is_kept_and_the_second_waits(
    proposal: Decision, team: Team, alice: User, bob: User, now: datetime
) -> None:
    Team.objects.filter(pk=team.pk).update(approval_policy=ApprovalPolicy.TWO)
    Membership.objects.filter(team=team, user=bob).update(role=Role.APPROVER)
    approval.approve(proposal, actor=alice, now=now)
    assert Approval.objects.count() == 1
    refused(proposal, bob, now)
    assert (entries(), Approval.objects.count()) == (0, 1)
    ContractLookup.objects.update(status="found")
    settle.settle_waiting(now)
    approval.approve(proposal, actor=bob, now=now)
    assert entries() == 1
