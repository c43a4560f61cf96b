"""Strangers and floods at the door: they cost the database and the memory little, and senders nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team
from strategies.models import Refusal, Signal, Strategy
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook.batches import Full, Held
from strategies.webhook.door import Door
from strategies.webhook.strangers import MOST_A_MINUTE, MOST_REMEMBERED, Strangers

pytestmark = pytest.mark.django_db(transaction=True)
GUESSER, TENANT = ("203.0.113.66", 4000), ("203.0.113.7", 4000)


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, timezone.now())


def test_an_address_that_guesses_at_codes_is_asked_to_wait_and_costs_no_query(strategy: Strategy) -> None:
    path = doors.path_of(strategy)

    async def guess(door: Door, client: tuple[str, int]) -> doors.Response:
        return await doors.knock(door, f"/trading/webhook/{uuid4()}/guess", client=client)

    async def scenario(door: Door) -> None:
        statuses = [(await guess(door, GUESSER)).status for _ in range(MOST_A_MINUTE)]
        assert statuses == [404] * MOST_A_MINUTE
        assert door._intake is not None
        # Without a database the answer is the same, so it was not asked.
        parameters, door._intake._parameters = door._intake._parameters, {"host": "/nowhere"}
        await door._intake._drop()
        over = await guess(door, GUESSER)
        assert (over.status, over.code, over.headers["retry-after"]) == (429, "too-many-requests", "60")
        door._intake._parameters = parameters
        # The right password is taken, from that very address too, and nobody elsewhere is asked to wait.
        assert (await doors.knock(door, path, client=GUESSER)).status == 200
        assert (await guess(door, TENANT)).status == 404

    doors.with_door(scenario)


def test_wrong_passwords_at_a_known_webhook_stay_the_owners_to_see(strategy: Strategy) -> None:
    right, wrong = doors.path_of(strategy), f"/trading/webhook/{strategy.endpoints.get().code}/wrong"

    async def scenario(door: Door) -> list[str]:
        await doors.knock(door, right)
        return [(await doors.knock(door, wrong, client=GUESSER)).code for _ in range(3)]

    assert doors.with_door(scenario) == ["invalid-password"] * 3
    assert Refusal.objects.filter(message_code="invalid-password").count() == 3


def test_all_addresses_of_a_network_count_together_and_the_memory_is_bounded() -> None:
    strangers = Strangers()
    for n in range(MOST_A_MINUTE):
        assert not strangers.is_over(f"2001:db8::{n + 1:x}", 60.0)
    assert strangers.is_over("2001:db8::ffff", 119.0)
    assert not strangers.is_over("2001:db8::ffff", 120.0)
    for n in range(MOST_REMEMBERED + 500):
        strangers.is_over(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", 120.0)
    assert len(strangers._knocks) <= MOST_REMEMBERED


def test_bodies_that_wait_are_bounded_by_their_bytes(strategy: Strategy) -> None:
    path = doors.path_of(strategy)

    async def scenario(door: Door) -> tuple[int, int, int]:
        door._held = Held(100_000)
        gate = asyncio.Event()

        async def slow() -> Mapping[str, Any]:
            await gate.wait()
            return {"type": "http.disconnect"}

        async def half(size: int) -> None:
            pieces = [{"type": "http.request", "body": b"x" * size, "more_body": True}]

            async def receive() -> Mapping[str, Any]:
                return pieces.pop() if pieces else await slow()

            async def send(message: Any) -> None:
                raise AssertionError("nobody is there to answer to")

            scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
            await door({**scope, "client": TENANT}, receive, send)

        held = [asyncio.create_task(half(50_000)), asyncio.create_task(half(49_990))]
        await asyncio.sleep(0.1)
        full = await doors.knock(door, path)
        gate.set()
        await asyncio.gather(*held)
        after = await doors.knock(door, path)
        return full.status, after.status, door._held.total

    assert doors.with_door(scenario) == (503, 200, 0)
    assert Signal.objects.count() == 1


def test_what_is_held_is_counted_by_its_owner() -> None:
    held = Held(10)
    held.hold("a", 4)
    held.hold("a", 4)
    with pytest.raises(Full):
        held.hold("b", 3)
    held.hold("b", 2)
    held.release("a")
    held.release("a")
    assert held.total == 2
