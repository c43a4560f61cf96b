"""Which news of a stream is brought home at once, and behind which more is waited for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.domain.brokerage import ExecutionFacts, FeedEvent, OrderFacts
from brokers.domain.orders import OrderStatus, Side
from brokers.processes.watching.news import FILL_SECONDS, REPORT_SECONDS, are_whole, patience


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
