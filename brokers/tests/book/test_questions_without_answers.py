"""A question about a contract that IBKR cannot answer: it rests while others have their turn, and is given up in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.book import contracts, live_book
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import ContractLookup
from brokers.postgres.threads import Threads
from brokers.processes import previews, prices
from brokers.processes.wire import Wire
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
ES, MSFT = Instrument(ticker="ES", asset_class=AssetClass.FUTURE), Instrument(ticker="MSFT")
SPY_CALL = Instrument(ticker="SPY C +1 weeks 630", asset_class=AssetClass.OPTION)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_faults()


@dataclass
class Lane:
    """What a lane asks with, at a clock that a test sets."""

    bench: lab.Lab
    now: datetime = field(default_factory=timezone.now)

    def run(self, *steps: Callable[[Wire], Awaitable[object]]) -> None:
        asyncio.run(self._run(steps))

    async def _run(self, steps: tuple[Callable[[Wire], Awaitable[object]], ...]) -> None:
        connection = self.bench.connection
        login = await asyncio.to_thread(lab.asked, lambda: connections.login_of(connection))
        async with ibkr.new_http(reach()) as http:
            broker, threads = ibkr.connect(login, http, shelf=lab.SHELVES.of(login)), Threads()
            wire = Wire(
                connection_pk=connection.pk,
                broker=broker,
                threads=threads,
                clock=lambda: self.now,
                wake=asyncio.Event(),
                stopping=asyncio.Event(),
            )
            try:
                for step in steps:
                    await step(wire)
            finally:
                await broker.close()
                threads.close()

    def passes(self, seconds: float) -> Callable[[Wire], Awaitable[object]]:
        async def passing(wire: Wire) -> None:
            self.now += timedelta(seconds=seconds)

        return passing


async def fails(wire: Wire) -> None:
    with pytest.raises(BrokerUnavailable):
        await prices.answer_lookups(wire)


async def goes_on(wire: Wire) -> None:
    assert await prices.answer_lookups(wire)


def asked(bench: lab.Lab, *instruments: Instrument, now: datetime) -> None:
    for instrument in instruments:
        live_book.load([(bench.account, instrument)], now)


def row(instrument: Instrument) -> ContractLookup:
    return ContractLookup.objects.get(ticker=instrument.ticker)


def test_the_next_question_has_its_turn_and_the_first_is_asked_again_later(bench: lab.Lab) -> None:
    bench.gateway.fault(match={"path": "/trsrv/futures"}, action={"status": 500, "body": {"error": "oops"}}, times=None)
    lane = Lane(bench)
    asked(bench, ES, MSFT, now=lane.now)
    lane.run(fails, goes_on)
    assert (row(ES).status, row(MSFT).status) == ("wanted", "found")
    bench.gateway.clear_faults()
    lane.run(goes_on)
    assert row(ES).status == "found"


def test_a_question_that_rests_lets_the_lane_sleep_with_one_that_makes_way_for_it(bench: lab.Lab) -> None:
    bench.gateway.fault(match={"path": "/trsrv/futures"}, action={"status": 500, "body": {"error": "oops"}}, times=None)
    lane = Lane(bench)
    asked(bench, ES, now=lane.now)
    ContractLookup.objects.exclude(ticker="ES").update(borrow_wanted_at=lane.now)

    async def sleeps(wire: Wire) -> None:
        wire.wake.clear()
        await prices.answer_borrow(wire)
        assert not wire.wake.is_set()

    async def goes_on_waking(wire: Wire) -> None:
        wire.wake.set()
        await prices.answer_borrow(wire)
        assert wire.wake.is_set()

    lane.run(fails, sleeps, goes_on_waking)
    assert ContractLookup.objects.filter(borrow_wanted_at=lane.now, borrow_answered_at=None).exists()


@pytest.mark.parametrize("comes_first", [True, False])
def test_what_comes_while_a_question_is_weighed_is_seen(bench: lab.Lab, comes_first: bool) -> None:
    async def weighs(wire: Wire) -> None:
        loop, seen = asyncio.get_running_loop(), asyncio.Event()

        def waits(connection_pk: int, now: datetime) -> bool:
            loop.call_soon_threadsafe(wire.wake.set)
            loop.call_soon_threadsafe(seen.set)
            return comes_first

        wire.wake.set()
        assert await previews.comes_first(wire, waits) is comes_first
        await seen.wait()
        assert wire.wake.is_set()

    Lane(bench).run(weighs)


def test_a_lane_that_is_to_end_asks_nothing_more(bench: lab.Lab) -> None:
    async def ends(wire: Wire) -> None:
        wire.stopping.set()
        assert not await previews.makes_way(wire, asyncio.create_task(asyncio.Event().wait()))

    Lane(bench).run(ends)


def test_it_is_given_up_after_a_minute_with_a_sentence_and_asked_anew_two_minutes_later(bench: lab.Lab) -> None:
    bench.gateway.fault(match={"path": "/trsrv/futures"}, action={"status": 500, "body": {"error": "oops"}}, times=None)
    lane = Lane(bench)
    asked(bench, ES, now=lane.now)
    steps: list[Callable[[Wire], Awaitable[object]]] = []
    for rest in prices.RESTS:
        steps += [fails, goes_on, lane.passes(rest.total_seconds())]
    lane.run(*steps, goes_on)
    told = row(ES)
    assert (told.status, told.reason_code) == ("unknown", contracts.NOT_TOLD)
    assert told.reason.startswith("IBKR was asked 6 times what ES is, and failed each time. Send the signal again in 2")
    asked(bench, ES, now=lane.now + timedelta(minutes=1))
    assert row(ES).status == "unknown"
    asked(bench, ES, now=lane.now + timedelta(minutes=3))
    assert row(ES).status == "wanted"


def questions(bench: lab.Lab, name: str) -> int:
    return len(bench.gateway.journal(bench.user, method="GET", path=f"/iserver/secdef/{name}"))


def test_a_chain_is_forgotten_with_its_session_and_with_each_answer_that_is_none(bench: lab.Lab) -> None:
    counts: list[int] = []

    async def pick(wire: Wire) -> None:
        await wire.broker.contract(SPY_CALL)
        counts.append(questions(bench, "search"))

    async def sign_in(wire: Wire) -> None:
        assert (await wire.broker.open_session()).ready

    async def fail(wire: Wire) -> None:
        # Of an option that was picked today nothing is asked: another strike is.
        bench.gateway.fault(match={"path": "/iserver/secdef/info"}, action={"status": 500}, times=None)
        with pytest.raises(BrokerUnavailable):
            await wire.broker.contract(replace(SPY_CALL, ticker="SPY C +1 weeks 635"))
        bench.gateway.clear_faults()

    Lane(bench).run(pick, pick, sign_in, pick, fail, pick)
    first, second, signed_in, failed = counts
    assert (second - first, signed_in - second, failed - signed_in) == (0, 1, 1)


@pytest.mark.parametrize("name", [SPY_CALL.ticker, ""])
def test_strikes_that_are_not_shown_are_asked_for_once_more(bench: lab.Lab, name: str) -> None:
    found: list[str] = []

    async def pick(wire: Wire) -> None:
        picked = (await wire.broker.contract(SPY_CALL)).ticker
        asked_for = Instrument(ticker=name or picked, asset_class=AssetClass.OPTION)
        await wire.broker.open_session()
        before = questions(bench, "strikes")
        bench.gateway.fault(preset="strikes_empty", times=1)
        found.extend([picked, (await wire.broker.contract(asked_for)).ticker])
        assert questions(bench, "strikes") - before == 2

    Lane(bench).run(pick)
    assert found[0] == found[1]
