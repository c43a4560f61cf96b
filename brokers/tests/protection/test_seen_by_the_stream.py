"""What happens to stops and orders at IBKR is seen by its live stream alone: no list is read for it, and no round looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.protection.choices import MissingStop
from brokers.models import ForeignOrder, Lapse, Order, Position
from brokers.processes.watching import book, in_flight, money
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.protection.test_missing_stops import bracket, ended, held, is_alarm, working_stops

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 3600.0
# What IBKR is asked for where the stream is silent.
LISTS = ("/iserver/account/orders", "/iserver/account/trades")


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> lab.Lab:
    """An account whose lists nobody reads by the clock once its session has begun."""
    for name in ("SILENT_SECONDS", "BOOK_SECONDS", "IDLE_BOOK_SECONDS"):
        monkeypatch.setattr(book, name, NEVER)
    monkeypatch.setattr(money, "SILENT_SECONDS", NEVER)
    gateway.clear_quotes()
    return lab.make(team, gateway)


def lists_read(bench: lab.Lab) -> list[str]:
    return [entry["path"] for entry in bench.gateway.journal(bench.user, method="GET") if entry["path"] in LISTS]


def by_hand(bench: lab.Lab, **values: Any) -> dict[str, Any]:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 5, "type": "MKT", **values}
    return bench.gateway.by_hand(bench.user, **order)


def cancel_at_ibkr(bench: lab.Lab, number: str | int) -> None:
    """A cancel that somebody else asks IBKR for."""
    address = f"/iserver/account/{bench.account.account_id}/order/{number}"
    status, answer = bench.gateway.call(bench.user, "DELETE", address)
    assert (status, "order_id" in answer) == (200, True), answer


@asynccontextmanager
async def at_work(bench: lab.Lab) -> AsyncIterator[None]:
    """Lanes and stream at work, from when the session's first reads are over."""
    since = timezone.now()
    async with lab.watching(), lab.working():
        account = type(bench.account).objects.filter(pk=bench.account.pk, book_as_of__gt=since)
        await lab.until(account.exists, "the session's first reads are over")
        yield


async def seen(bench: lab.Lab, happens: Callable[[], object], reaction: Callable[[], object]) -> None:
    """Let it happen, wait for the reaction, and hold that no list was read in between."""
    before = await asyncio.to_thread(lists_read, bench)
    await asyncio.to_thread(lab.asked, happens)
    await lab.until(reaction, "it is seen by the stream")
    assert await asyncio.to_thread(lists_read, bench) == before


def is_protected(quantity: int = 5) -> bool:
    return Order.objects.filter(role="stop_loss", status="accepted", quantity=quantity).exists() and is_held(quantity)


def is_held(quantity: int) -> bool:
    return Position.objects.filter(quantity=quantity).exists()


def stop_number() -> str:
    return Order.objects.filter(role="stop_loss", status="accepted").latest("pk").broker_order_id


def test_a_stop_that_is_canceled_at_ibkr_is_ended(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True))
            await lab.until(is_protected, "the position has its stop")
            await seen(bench, lambda: cancel_at_ibkr(bench, stop_number()), ended)

    asyncio.run(story())
    assert (Lapse.objects.get().fault, len(working_stops(bench))) == ("canceled", 1)


def test_a_stop_that_is_refused_is_placed_alone(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="stop_refused", match={"user": bench.user})

    async def story() -> None:
        async with at_work(bench):
            await seen(bench, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True), ended)

    asyncio.run(story())
    assert len(working_stops(bench)) == 1


def test_an_entry_half_accepted_is_canceled(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="stop_refused", match={"user": bench.user})

    async def story() -> None:
        async with at_work(bench):
            await seen(bench, lambda: bracket(bench, MissingStop.CANCEL_ENTRY, fills=False), ended)

    asyncio.run(story())
    assert (Lapse.objects.get().fault, held(bench)) == ("half_accepted", 0)


def test_the_stop_of_an_entry_that_works_is_canceled_and_the_entry_with_it(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, MissingStop.CANCEL_ENTRY, fills=False))
            await lab.until(Order.objects.filter(role="stop_loss", status="accepted").exists, "the stop works")
            await seen(bench, lambda: cancel_at_ibkr(bench, stop_number()), ended)

    asyncio.run(story())
    assert (Order.objects.get(role="entry").status, held(bench)) == ("canceled", 0)


def test_an_order_placed_by_hand_is_shown_and_its_cancel_as_well(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await seen(bench, lambda: by_hand(bench, type="LMT", limit_price=1), ForeignOrder.objects.exists)
            number = await asyncio.to_thread(lab.asked, lambda: ForeignOrder.objects.get().broker_order_id)
            gone = lambda: not ForeignOrder.objects.exists()  # noqa: E731
            await seen(bench, lambda: cancel_at_ibkr(bench, number), gone)

    asyncio.run(story())


def test_what_a_late_list_shows_of_an_order_that_has_ended_goes_with_the_next_list(
    bench: lab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane may bring a list home after the stream has told the end of an order that works there."""

    async def story() -> None:
        async with at_work(bench):
            await seen(bench, lambda: by_hand(bench, type="LMT", limit_price=1), ForeignOrder.objects.exists)
            row = await asyncio.to_thread(lab.asked, ForeignOrder.objects.get)
            gone = lambda: not ForeignOrder.objects.exists()  # noqa: E731
            await seen(bench, lambda: cancel_at_ibkr(bench, row.broker_order_id), gone)
            monkeypatch.setattr(book, "SILENT_SECONDS", 0.1)
            row.pk, row.seen_at = None, row.first_seen_at
            await asyncio.to_thread(lab.asked, row.save)
            await lab.until(gone, "the list is read again")

    asyncio.run(story())


def test_an_order_of_others_is_asked_for_until_a_second_report_shows_it(bench: lab.Lab) -> None:
    now = timezone.now()
    row = rows.foreign_order(bench.account, first_seen_at=now, seen_at=now)
    assert in_flight.changing(now) == {bench.connection.pk}
    assert in_flight.changing(now + in_flight.SEEN_ONCE_FOR) == set()
    type(row).objects.update(seen_at=now + timedelta(seconds=1))
    assert in_flight.changing(now) == set()


def test_a_position_that_an_order_of_others_opens_is_shown(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await seen(bench, lambda: by_hand(bench), lambda: is_held(5))

    asyncio.run(story())
    # It appeared and filled at one moment: nothing of it works.
    assert not ForeignOrder.objects.exists()
    assert not Lapse.objects.exists()


def test_a_position_that_grows_by_hand_is_shown_as_large_as_it_is(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True))
            await lab.until(is_protected, "the position has its stop")
            await seen(bench, lambda: by_hand(bench, quantity=3), lambda: is_held(8))

    asyncio.run(story())
    # What somebody bought by hand was to have no stop: that of ours stays as it is.
    assert [each["quantity"] for each in working_stops(bench)] == ["5"]


def test_a_position_that_shrinks_by_hand_has_a_stop_of_its_size(bench: lab.Lab) -> None:
    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True))
            await lab.until(is_protected, "the position has its stop")
            await seen(bench, lambda: by_hand(bench, side="SELL", quantity=2), lambda: is_protected_by(3))

    asyncio.run(story())


def is_protected_by(quantity: int) -> bool:
    return Order.objects.filter(role="stop_loss", status="accepted", quantity=quantity).exists()


@pytest.mark.parametrize("choice", [MissingStop.PLACE_STOP, MissingStop.ALARM])
def test_a_stop_of_others_that_protected_is_canceled(bench: lab.Lab, choice: MissingStop) -> None:
    price = {"type": "STP", "stop_price": "0.4"}

    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, choice, fills=True))
            await lab.until(is_protected, "the position has its stop")
            await seen(bench, lambda: by_hand(bench, side="SELL", **price), ForeignOrder.objects.exists)
            gone = lambda: Order.objects.filter(role="stop_loss", status="canceled").exists()  # noqa: E731
            await seen(bench, lambda: cancel_at_ibkr(bench, stop_number()), gone)
            number = await asyncio.to_thread(lab.asked, lambda: ForeignOrder.objects.get().broker_order_id)
            done = is_alarm if choice is MissingStop.ALARM else ended
            await seen(bench, lambda: cancel_at_ibkr(bench, number), done)

    asyncio.run(story())
    assert len(working_stops(bench)) == (0 if choice is MissingStop.ALARM else 1)


def test_a_stop_whose_position_is_closed_by_hand_is_canceled(bench: lab.Lab) -> None:
    def left() -> bool:
        return Order.objects.filter(role="stop_loss", status="canceled").exists() and not Position.objects.exists()

    async def story() -> None:
        async with at_work(bench):
            await asyncio.to_thread(lab.asked, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True))
            await lab.until(is_protected, "the position has its stop")
            await seen(bench, lambda: by_hand(bench, side="SELL"), left)

    asyncio.run(story())
    assert (working_stops(bench), Decimal(held(bench))) == ([], Decimal(0))
