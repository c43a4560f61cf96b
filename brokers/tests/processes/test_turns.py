"""What time brings is done team by team in turn: what a flood leaves behind holds up no other team."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from brokers import tasks
from brokers.models import BrokerageAccount, Closing, Order, OrderPrompt, WhatIf
from brokers.orders import cancels, closing, orphans, unsent
from brokers.orders.closings import closed
from brokers.orders.prompts import prompts
from brokers.protection import rounds
from brokers.tests import rows
from brokers.whatif import asking

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(alice: User) -> Team:
    return teams.found_team(owner=alice, name="Another team", now=timezone.now())


def left(team: Team, status: str) -> int:
    return Order.objects.filter(team=team, status=status).count()


def late(team: Team, count: int, at: datetime) -> None:
    account = rows.account(team)
    for _ in range(count):
        rows.order(account, expires_at=at)


def test_the_one_order_that_is_too_late_ends_in_the_first_portion_beside_a_flood(
    team: Team, other: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    late(team, 6, now - timedelta(minutes=5))
    late(other, 1, now)
    monkeypatch.setattr(unsent, "AT_ONCE", 2)
    monkeypatch.setattr(unsent, "LONGEST_SECONDS", 0)
    assert unsent.expire_overdue(now) == 2
    assert (left(team, "created"), left(other, "created")) == (5, 0)
    monkeypatch.setattr(unsent, "LONGEST_SECONDS", 60)
    assert unsent.expire_overdue(now) == 5


def test_the_one_order_that_has_worked_long_enough_is_asked_about_in_the_first_portion(
    team: Team, other: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for owner, count, minutes in ((team, 6, 10), (other, 1, 5)):
        account, at = rows.account(owner), now - timedelta(minutes=minutes)
        for number in range(count):
            rows.order(
                account,
                status="accepted",
                broker_order_id=f"{owner.pk}-{number}",
                type="limit",
                limit_price=1,
                acknowledged_at=at,
                cancel_after=60,
            )
    monkeypatch.setattr(cancels, "AT_ONCE", 2)
    monkeypatch.setattr(cancels, "LONGEST_SECONDS", 0)
    assert cancels.ask_due(now) == 2
    assert (left(team, "accepted"), left(other, "accepted")) == (5, 0)


def wishes(accounts: Sequence[BrokerageAccount], asked_by: User, now: datetime) -> list[int]:
    """The keys of new closings, one in each account."""
    return [
        Closing.objects.create(
            team_id=account.team_id,
            account=account,
            conid=265598,
            ticker="AAPL",
            asset_class="stock",
            reason="Asked.",
            asked_by=asked_by,
            asked_at=now,
        ).pk
        for account in accounts
    ]


def test_closings_are_taken_further_one_of_each_team_in_turn(
    team: Team, other: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, accounts = timezone.now(), [rows.account(team) for _ in range(3)]
    first, second, third, others = wishes([*accounts, rows.account(other)], alice, now)
    taken: list[int] = []

    def step(wish: Closing, now: datetime) -> bool:
        taken.append(wish.pk)
        return False

    monkeypatch.setattr(closing, "_step", step)
    closing.work(now)
    # One of each team before a second of any, and whose is the first differs from look to look.
    assert others in taken[:2]
    assert sorted(taken) == [first, second, third, others]
    # Where there is no time, one alone is done; those that cannot move keep none of the others from its turn.
    taken.clear()
    monkeypatch.setattr(closing, "LONGEST_SECONDS", 0)
    closing.work(now)
    assert len(taken) == 1
    for _ in range(200):
        closing.work(now)
    assert {*taken} == {first, second, third, others}


def test_one_row_that_fails_ends_neither_its_look_nor_the_sweep(
    team: Team, other: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    accounts = [rows.account(each, book_as_of=now) for each in (team, other)]
    broken, whole = wishes(accounts, alice, now)
    real = closed.in_words

    def in_words(wish: Closing, orders: Iterable[Order], at: datetime) -> str:
        if wish.pk == broken:
            raise ArithmeticError
        return real(wish, orders, at)

    def fail(now: datetime) -> int:
        raise ArithmeticError

    monkeypatch.setattr(closed, "in_words", in_words)
    monkeypatch.setattr(rounds, "look", fail)
    late(team, 1, now - timedelta(minutes=5))
    nudged: list[bool] = []
    monkeypatch.setattr(tasks, "nudge", lambda: nudged.append(True))
    tasks.sweep()
    assert left(team, "created") == 0
    assert dict(Closing.objects.values_list("pk", "status")) == {broken: "open", whole: "done"}
    assert nudged == [True]


def test_the_one_order_that_was_left_behind_is_asked_about_in_the_first_portion(
    team: Team, other: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for owner, count, minutes in ((team, 6, 10), (other, 1, 5)):
        account = rows.account(owner, book_as_of=now)
        for number in range(count):
            rows.order(
                account,
                role="stop_loss",
                side="sell",
                type="stop",
                stop_price=90,
                status="accepted",
                broker_order_id=f"{owner.pk}-{number}",
                changed_at=now - timedelta(minutes=minutes),
            )
    monkeypatch.setattr(orphans, "AT_ONCE", 2)
    monkeypatch.setattr(orphans, "LONGEST_SECONDS", 0)
    assert orphans.cancel(now) == 2
    assert (left(team, "accepted"), left(other, "accepted")) == (5, 0)
    # Those that an earlier portion of the same look has asked about are no news of their instrument.
    later = now + timedelta(minutes=1)
    BrokerageAccount.objects.update(book_as_of=later)
    monkeypatch.setattr(orphans, "LONGEST_SECONDS", 60)
    assert orphans.cancel(later) == 5


def test_the_one_what_if_that_nobody_answered_ends_in_the_first_portion(
    team: Team, other: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for owner, count, minutes in ((team, 6, 10), (other, 1, 5)):
        account = rows.account(owner)
        for number in range(count):
            WhatIf.objects.create(
                team=owner,
                account=account,
                key=uuid.uuid4(),
                position=number,
                request={},
                asked_at=now - timedelta(minutes=minutes),
            )
    monkeypatch.setattr(asking, "AT_ONCE", 2)
    monkeypatch.setattr(asking, "LONGEST_SECONDS", 0)
    asking.expire(now)
    asked = WhatIf.objects.filter(status="asked")
    assert (asked.filter(team=team).count(), asked.filter(team=other).count()) == (5, 0)
    monkeypatch.setattr(asking, "LONGEST_SECONDS", 60)
    asking.expire(now)
    assert not asked.exists()


def test_prompts_that_came_too_late_are_left_to_a_person_one_of_each_team_in_turn(
    team: Team, other: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for owner, count, minutes in ((team, 6, 10), (other, 1, 5)):
        order = rows.order(rows.account(owner), status="accepted", broker_order_id=f"{owner.pk}")
        for number in range(count):
            OrderPrompt.objects.create(
                connection=order.connection,
                broker_order_id=order.broker_order_id,
                request_id=str(number),
                by="stream",
                seen_at=now - timedelta(minutes=minutes),
            )
    monkeypatch.setattr(prompts, "MOST_OPEN", 2)
    assert prompts.leave_late(now) == 2
    waiting = OrderPrompt.objects.filter(verdict="")
    assert (waiting.filter(connection__team=team).count(), waiting.filter(connection__team=other).count()) == (5, 0)
