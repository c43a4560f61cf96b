"""Two processes on one pace: at IBKR it looks as if there were one, whatever happens to Valkey."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from brokers.domain.brokerage import Paused
from brokers.domain.calls import Rank
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.circuits import Way
from brokers.ibkr.pace.limits import Limit
from brokers.ibkr.pacing import NO_PACING, Egress, Pace, Pacing
from brokers.tests.pace.conftest import OwnValkey

pytestmark = [pytest.mark.usefixtures("servers"), pytest.mark.xdist_group("pace")]

WALL = "https://gateway.example/v1/api"


def login(username: str = "A", tenant: str = "1", auth: AuthMethod = AuthMethod.GATEWAY, **values: str) -> Login:
    environment = Environment(values.get("environment", "paper"))
    return Login(username=username, environment=environment, auth_method=auth, base_url=WALL, tenant=tenant)


@dataclass
class Wire:
    """What would be seen at IBKR: when each request left."""

    left: list[float] = field(default_factory=list)

    async def send(self, pace: Pace, count: int, endpoint: str = "trsrv/stocks", rank: Rank = Rank.FIRST) -> None:
        async def one() -> None:
            await pace.turn(endpoint, rank)
            self.left.append(time.monotonic())

        await asyncio.gather(*(one() for _ in range(count)))

    def most(self, seconds: float = 1.0) -> int:
        """The most requests within any such window."""
        times = sorted(self.left)
        return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


@asynccontextmanager
async def processes(url: str, count: int = 2, per_second: int = 50) -> AsyncIterator[list[Egress]]:
    """So many processes that share a pace, all of which have heard of each other."""
    egresses = [Egress() for _ in range(count)]
    async with AsyncExitStack() as stack:
        shared = [await stack.enter_async_context(egress.sharing(url, per_second=per_second)) for egress in egresses]
        give_up = time.monotonic() + 5
        while any(line.processes != count for line in shared):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        yield egresses


async def test_ten_a_second_leave_from_all_processes_together(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        wire = Wire()
        began = time.monotonic()
        await asyncio.gather(*(wire.send(egress.pace(login(), Pacing()), 14) for egress in (first, second)))
    assert len(wire.left) == 28
    assert wire.most() <= 10
    # As many as may: the third ten begin after two windows.
    assert 2.0 <= max(wire.left) - began < 4.5


@pytest.mark.parametrize(("endpoint", "seconds"), [("tickle", 1.0), ("slow", 1.5), ("fyi/settings", 1.0)])
async def test_an_endpoint_is_asked_as_seldom_as_if_there_were_one_process(
    valkey: OwnValkey, endpoint: str, seconds: float
) -> None:
    pacing = Pacing(endpoints={"tickle": Limit(1, 1), "slow": Limit(1, 1.5)})
    async with processes(valkey.url) as egresses:
        wire = Wire()
        await asyncio.gather(*(wire.send(egress.pace(login(), pacing), 2, endpoint) for egress in egresses))
    times = sorted(wire.left)
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= seconds


async def test_another_endpoint_and_another_user_do_not_wait(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        await first.pace(login(), Pacing()).turn("portfolio/accounts")
        began = time.monotonic()
        await second.pace(login(), Pacing()).turn("iserver/account/orders")
        await second.pace(login("B"), Pacing()).turn("portfolio/accounts")
        assert time.monotonic() - began < 0.5


async def test_a_way_out_of_one_process_passes_the_questions_of_another(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        wire = Wire()
        questions = asyncio.create_task(wire.send(first.pace(login(), Pacing()), 30, rank=Rank.READ))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await second.pace(login(), Pacing()).turn("iserver/account/{account}/orders", Rank.FIRST)
        await second.pace(login(), Pacing()).turn("tickle", Rank.FIRST, Way.TICKLE)
        assert time.monotonic() - began < 0.5
        questions.cancel()


async def test_a_tenant_that_storms_leaves_the_others_their_part_of_our_address(valkey: OwnValkey) -> None:
    async with processes(valkey.url, per_second=20) as (first, second):
        wire, waits = Wire(), []
        greedy = [first.pace(login(f"G{n}", "greedy", AuthMethod.OAUTH), Pacing()) for n in range(6)]
        storm = [asyncio.create_task(wire.send(pace, 40)) for pace in greedy]
        await asyncio.sleep(1.5)
        neighbour = second.pace(login("N", "neighbour", AuthMethod.OAUTH), Pacing())
        for _ in range(8):
            began = time.monotonic()
            await neighbour.turn("trsrv/stocks", Rank.FIRST)
            wire.left.append(time.monotonic())
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.2)
        for task in storm:
            task.cancel()
    # The storm had it all until somebody else came.
    assert max(waits[2:]) < 0.5
    assert wire.most() <= 20


async def test_a_pause_that_one_process_met_is_kept_by_all(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        first.trip(login(), "60", Pacing(), None)
        await asyncio.sleep(0.2)
        # It has not heard of it yet, and learns it from its first request.
        await second.pace(login(), Pacing()).turn("trsrv/stocks")
        with pytest.raises(Paused) as paused:
            second.circuit(login()).check()
        assert 55 < (paused.value.retry_after or 0) <= 60
        assert "slow down" in str(paused.value)
        second.circuit(login("A", tenant="2")).check()


async def test_a_simulated_login_hears_of_it_within_a_moment_though_it_asks_for_no_turn(valkey: OwnValkey) -> None:
    user = login(environment="simulated")
    async with processes(valkey.url) as (first, second):
        circuit = second.circuit(user)
        valkey.client.config_resetstat()
        first.trip(user, "30", NO_PACING, None)
        await asyncio.sleep(1.0)
        assert circuit.remaining > 0
        assert valkey.client.info("commandstats").get("cmdstat_evalsha") is None


async def test_a_process_that_starts_later_and_an_emptied_server_know_it_too(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        first.trip(login(), "60", Pacing(), None)
        await asyncio.sleep(0.2)
        valkey.client.flushall()
        fresh = Egress()
        async with fresh.sharing(valkey.url):
            await fresh.pace(login(), Pacing()).turn("trsrv/stocks")
            assert fresh.circuit(login()).remaining > 50
        assert second is not first


async def test_one_cancel_a_second_has_its_way_through_from_all_processes_together(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, second):
        first.trip(login(), "60", Pacing(), None)
        await asyncio.sleep(1.2)
        for egress, may in ((first, True), (second, False)):
            circuit = egress.circuit(login())
            await egress.pace(login(), Pacing()).turn("cancel", Rank.FIRST, Way.CANCEL)
            assert (circuit.wait(Way.CANCEL) == 0) is may
        await asyncio.sleep(1.1)
        await second.pace(login(), Pacing()).turn("cancel", Rank.FIRST, Way.CANCEL)
        second.circuit(login()).check(Way.CANCEL)


async def test_an_emptied_server_breaks_no_limit_and_stops_nothing_for_longer_than_a_moment(valkey: OwnValkey) -> None:
    slow = Pacing(endpoints={"slow": Limit(1, 3)})
    async with processes(valkey.url) as egresses:
        wire, orders = Wire(), Wire()
        first, second = (egress.pace(login(), slow) for egress in egresses)
        await orders.send(first, 1, "slow")
        storms = [asyncio.create_task(wire.send(pace, 15)) for pace in (first, second)]
        await asyncio.sleep(0.4)
        valkey.client.flushall()
        again = asyncio.create_task(orders.send(second, 1, "slow"))
        await asyncio.gather(*storms, again)
    assert wire.most() <= 10
    # What one process knew, the other one keeps to.
    assert orders.left[1] - orders.left[0] >= 3.0
    gaps = sorted(wire.left)
    assert max(later - earlier for earlier, later in itertools.pairwise(gaps)) < 2.5


@pytest.mark.parametrize("how", ["ended", "hangs"])
async def test_without_valkey_requests_leave_and_all_together_keep_the_limit(valkey: OwnValkey, how: str) -> None:
    async with processes(valkey.url) as egresses:
        paces = [egress.pace(login(), Pacing()) for egress in egresses]
        (valkey.stop if how == "ended" else valkey.hang)()
        try:
            wire = Wire()
            began = time.monotonic()
            await asyncio.gather(*(wire.send(pace, 6) for pace in paces))
            assert min(wire.left) - began < 0.6
            assert max(wire.left) - began < 2.5
            # Five each, and no process knows of the other.
            assert wire.most() <= 10
        finally:
            (valkey.start if how == "ended" else valkey.go_on)()
        await asyncio.sleep(1.7)
        assert all(egress.shared and egress.shared.processes == 2 for egress in egresses)
        again = Wire()
        await asyncio.gather(*(again.send(pace, 6) for pace in paces))
        assert again.most() <= 10


async def test_a_server_whose_clock_goes_back_holds_nobody_up(valkey: OwnValkey) -> None:
    async with processes(valkey.url) as (first, _):
        pace = first.pace(login(), Pacing())
        await pace.turn("portfolio/accounts")
        ahead = int(time.time() * 1000) + 3_600_000
        for key in valkey.client.keys("halyard:pace:user:*") + valkey.client.keys("halyard:pace:endpoint:*"):
            valkey.client.delete(key)
            valkey.client.lpush(key, *[ahead] * 10)
        valkey.client.set("halyard:pace:epoch", ahead)
        valkey.client.hset("halyard:pace:pauses", "another", f"{ahead * 2}|slow down")
        began = time.monotonic()
        await pace.turn("portfolio/accounts")
        assert time.monotonic() - began < 2.5
        await asyncio.sleep(0.6)
        assert first._circuits["another"].remaining <= 900


async def test_a_turn_is_one_round_trip(valkey: OwnValkey) -> None:
    async with processes(valkey.url, 1) as (only,):
        paces = [only.pace(login(f"U{n}", f"{n}"), Pacing()) for n in range(50)]
        await paces[0].turn("trsrv/stocks")
        valkey.client.config_resetstat()
        for pace in paces:
            await pace.turn("trsrv/stocks")
        stats = valkey.client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == 50
        assert "cmdstat_script|load" not in stats


async def test_a_process_that_ends_at_once_ends(valkey: OwnValkey) -> None:
    """Most tasks of a worker see that another one is at work, and end within a moment of their start."""
    async with asyncio.timeout(20):
        for number in range(100):
            egress = Egress()
            async with egress.sharing(valkey.url):
                await asyncio.sleep(number / 20_000)
    assert valkey.client.zcard("halyard:pace:processes") == 0
