"""Which news of a stream is brought home at once, and behind which more is waited for."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import OrderStatus, Side
from brokers.domain.session.feed import FeedEvent
from brokers.domain.sessions import AuthStatus
from brokers.models import Connection
from brokers.processes.signing_in import SigningIn
from brokers.processes.stream import Keeper
from brokers.processes.watching import news as watching_news
from brokers.processes.watching.book import Book
from brokers.processes.watching.listening import Listening
from brokers.processes.watching.news import FILL_SECONDS, FLOOD_SECONDS, REPORT_SECONDS, are_whole, patience
from brokers.processes.watching.station import BROUGHT_AT_ONCE, Errands


def working(number: str) -> FeedEvent:
    return FeedEvent(orders=(OrderFacts(account_id="U1", broker_order_id=number, status=OrderStatus.ACCEPTED),))


def filled(number: str) -> FeedEvent:
    facts = OrderFacts(account_id="U1", broker_order_id=number, status=OrderStatus.FILLED, filled_quantity=Decimal(5))
    return FeedEvent(orders=(facts,))


def fill(number: str) -> FeedEvent:
    facts = ExecutionFacts(
        account_id="U1",
        execution_id=f"{number}.01",
        reference=None,
        broker_order_id=number,
        conid=265598,
        ticker="AAPL",
        side=Side.BUY,
        quantity=Decimal(5),
        price=Decimal(190),
        fee=None,
        currency="USD",
        exchange="NASDAQ",
        executed_at=datetime(2026, 11, 20, 15, tzinfo=UTC),
    )
    return FeedEvent(executions=(facts,))


@pytest.mark.parametrize(
    ("batch", "whole"),
    [
        ([working("1")], False),
        ([working("1"), filled("1")], False),
        ([fill("1")], False),
        ([working("1"), filled("1"), fill("1")], True),
        ([fill("1"), filled("1")], True),
        ([filled("1"), fill("1"), filled("2")], False),
        ([filled("1"), fill("1"), working("2")], True),
        ([], False),
        ([None], False),
    ],
)
def test_news_of_a_fill_is_whole_with_its_report_and_its_execution(batch: list[FeedEvent | None], whole: bool) -> None:
    assert are_whole(batch) is whole


@pytest.mark.parametrize(
    ("batch", "seconds"),
    [
        ([working("1")], REPORT_SECONDS),
        ([FeedEvent()], REPORT_SECONDS),
        ([working("1"), filled("1")], FILL_SECONDS),
        ([working("2"), fill("1")], FILL_SECONDS),
        ([working("1"), filled("1"), fill("1")], 0.0),
    ],
)
def test_half_of_a_fill_hardly_waits_for_the_other_half(batch: list[FeedEvent | None], seconds: float) -> None:
    assert patience(batch) == seconds
    assert FILL_SECONDS < REPORT_SECONDS


NOBODY: Any = None  # the batch is made of what has come; nobody is asked
WHOLE: list[FeedEvent | None] = [working("1"), filled("1"), fill("1")]


def test_of_a_team_that_floods_what_is_whole_waits_for_more_and_what_is_urgent_does_not() -> None:
    assert patience(WHOLE, floods=True) == FLOOD_SECONDS
    assert (
        patience(
            [*WHOLE, FeedEvent(auth=AuthStatus(authenticated=False, connected=True, competing=False))], floods=True
        )
        == 0.0
    )
    assert patience([*WHOLE, None], floods=True) == 0.0


@pytest.mark.parametrize(("other_team", "together"), [(2, True), (1, False)])
async def test_fills_of_a_team_that_floods_beside_another_come_home_together(
    monkeypatch: pytest.MonkeyPatch, other_team: int, together: bool
) -> None:
    """It waits for more for longer than the test may last, so that only the end of the stream ends the batch."""
    monkeypatch.setattr(watching_news, "FLOOD_SECONDS", 3600.0)
    keeper = Keeper(_not_asked, _not_asked)
    keeper.brought.note(other_team, time.monotonic())
    for _ in range(BROUGHT_AT_ONCE + 1):
        keeper.brought.note(1, time.monotonic())
    session = SigningIn(connection_pk=5, broker=NOBODY, threads=keeper.threads, clock=keeper.clock)
    listening = Listening(Book(keeper, 5, Errands()), Connection(pk=5, team_id=1), session, _not_asked, NOBODY)
    for event in WHOLE:
        listening.news.put_nowait(event)
    gathering = asyncio.create_task(listening._gather())
    for _ in range(10):
        await asyncio.sleep(0)
    assert gathering.done() is not together
    for event in (working("2"), None):
        listening.news.put_nowait(event)
    assert len(await gathering) == (5 if together else 3)


def _not_asked(*_: object) -> Any:
    raise AssertionError("Nobody is asked here.")
