"""Cancels of orders placed elsewhere that go wrong: refused, held back by a pause, killed before they left."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import ForeignOrder
from brokers.protection import foreign_cancels
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    gateway.clear_quotes()
    return lab.make(team, gateway)


@pytest.fixture
def theirs(bench: lab.Lab) -> ForeignOrder:
    """An order that somebody placed by hand, as our lists show it."""
    bench.gateway.by_hand(bench.user, symbol="AAPL", side="BUY", quantity=5, type="LMT", limit_price=1)
    look(bench)
    return ForeignOrder.objects.select_related("account__team").get()


def look(bench: lab.Lab) -> None:
    """Bring home what the gateway lists."""

    async def story() -> None:
        async with lab.watching():
            await lab.until(ForeignOrder.objects.exists, "the order is listed")

    asyncio.run(story())


def at_the_cancel(bench: lab.Lab, **action: Any) -> None:
    match = {"user": bench.user, "method": "DELETE", "path": "/iserver/account/*/order/*"}
    bench.gateway.fault(match=match, action=action, times=1)


def requests(bench: lab.Lab) -> int:
    return sum("/order/" in entry["path"] for entry in bench.gateway.journal(bench.user, method="DELETE"))


def works(bench: lab.Lab) -> bool:
    return any(row["status"] in {"Submitted", "PreSubmitted"} for row in bench.at_broker())


def test_one_that_ibkr_refuses_is_said_and_asked_again_only_by_a_person(
    bench: lab.Lab, theirs: ForeignOrder, alice: User
) -> None:
    at_the_cancel(bench, status=400, body={"error": "Order cannot be cancelled now", "statusCode": 400})
    foreign_cancels.ask([theirs], actor=alice, now=timezone.now())
    lab.work()
    theirs.refresh_from_db()
    assert theirs.cancel_asked_at is None
    assert theirs.cancel_note.startswith("Not canceled: ")
    assert works(bench)
    # Nothing is repeated by itself, however long it goes on working.
    ForeignOrder.objects.update(seen_at=timezone.now() + timedelta(minutes=5))
    lab.work()
    assert requests(bench) == 1
    ForeignOrder.objects.update(seen_at=timezone.now())
    assert foreign_cancels.ask([theirs], actor=alice, now=timezone.now()) == 1
    lab.work()
    assert requests(bench) == 2
    assert not works(bench)


def test_one_that_a_pause_held_back_counts_as_not_sent_and_leaves_after_it(
    bench: lab.Lab, theirs: ForeignOrder, alice: User
) -> None:
    at_the_cancel(bench, status=429, body={"error": "too many requests"}, headers={"Retry-After": "1"})
    foreign_cancels.ask([theirs], actor=alice, now=timezone.now())
    # IBKR did nothing of it, so it is no request whose answer was lost: it leaves when the pause is over, without a look.
    asyncio.run(lab_until_canceled(bench))
    theirs.refresh_from_db()
    assert (requests(bench), theirs.cancels_sent) == (2, 1)
    assert theirs.cancel_note.startswith("IBKR has the request.")


async def lab_until_canceled(bench: lab.Lab) -> None:
    """Lanes at work until the pause is over and the order is gone."""

    def gone() -> bool:
        lab.work()
        return not works(bench)

    await lab.until(gone, "the cancel has left after the pause")


def test_one_that_was_killed_before_it_left_is_sent_once_more_after_reading(
    bench: lab.Lab, theirs: ForeignOrder, alice: User
) -> None:
    asked = timezone.now() - timedelta(minutes=2)
    foreign_cancels.ask([theirs], actor=alice, now=asked)
    theirs.refresh_from_db()
    # Written down, and the process is gone before the request leaves.
    assert foreign_cancels.begin(theirs, asked)
    ForeignOrder.objects.update(seen_at=asked)
    lab.work()
    assert requests(bench) == 0, "asked again without a look"
    look(bench)
    ForeignOrder.objects.update(seen_at=asked + foreign_cancels.REPEATED_AFTER + timedelta(seconds=1))
    lab.work()
    assert requests(bench) == 1
    assert not works(bench)
    theirs.refresh_from_db()
    assert (theirs.cancels_sent, theirs.remaining) == (2, Decimal(5))
