"""A sender's `time` in the forms that senders use, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.decide.decide import decide
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.reading import contract, fields
from strategies.tests.domain.cases_of_decide import NOW, drawn, snapshot

AT = datetime(2026, 11, 20, 14, 59, 58, tzinfo=UTC)
EPOCH = int(AT.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        EPOCH,
        str(EPOCH),
        EPOCH * 1000,
        str(EPOCH * 1000),
        Decimal(f"{EPOCH}.0"),
        f"{EPOCH}.000",
        EPOCH * 10**6,
        str(EPOCH * 10**9),
        "2026-11-20T14:59:58Z",
        "2026-11-20 14:59:58",
        "2026-11-20 14:59:58 UTC",
        "2026-11-20T09:59:58-0500",
        "Fri, 20 Nov 2026 14:59:58 GMT",
    ],
)
def test_it_reads_a_moment(value: object) -> None:
    assert fields.moment(value) == AT


def test_it_keeps_the_fraction_of_a_second() -> None:
    assert fields.moment(EPOCH * 1000 + 250) == AT.replace(microsecond=250_000)
    assert fields.moment(f"{EPOCH}.123456") == AT.replace(microsecond=123_456)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "{{timenow}}",
        "12",
        12,
        -EPOCH,
        True,
        "9" * 25,
        Decimal("1e30"),
        {"at": 1},
        "20/11/2026",
        "99:99",
    ],
)
def test_it_reads_no_moment_in_anything_else(value: object) -> None:
    assert fields.moment(value) is None


def read(action: str, **values: Any) -> tuple[Message, tuple[str, ...]]:
    body = {"ticker": "AAPL", "action": action, "quantity": 5, "time": "two days ago", **values}
    return contract.read(body, kind=Kind.STOCK, allowed_tickers=(), now=NOW)


def decided(message: Message, held: int, freshness: Freshness | None, **terms: Any) -> Plan | Rejection:
    return decide(message, Terms(**terms), snapshot(held), NOW, received_at=NOW, freshness=freshness)


def test_nothing_is_entered_by_a_time_that_cannot_be_read() -> None:
    message, warnings = read("buy")
    assert warnings == ("ignored-time",)
    assert Message.from_reading(message.reading()) == message
    answer = decided(message, 0, Freshness())
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("T03", "unreadable-time")
    # Nobody limits its age here: a person who tries a message by hand.
    assert isinstance(decided(message, 0, None), Plan)


@pytest.mark.parametrize(("action", "held", "orders"), [("exit", 5, "exit sell 5"), ("buy", -5, "exit buy 5")])
def test_a_way_out_is_not_lost_over_it(action: str, held: int, orders: str) -> None:
    answer = decided(read(action)[0], held, Freshness(), allow_swap=True)
    assert isinstance(answer, Plan), answer
    assert drawn(answer) == orders
