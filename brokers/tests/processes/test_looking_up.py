"""Looks at IBKR's lists beside a lane's work: what may leave does not wait for them; a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order
from brokers.orders import cancels
from brokers.postgres.locks import Space, try_only_one
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.processes.beside.errand import Errand
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)
MSFT = 272093
LISTS = "/iserver/account/orders"
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
# As long as a read is waited for, nearly: whatever waits for the list comes after it.
SLOW_MS = 8_000


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def slow_lists(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"delay_ms": SLOW_MS}, match={"method": "GET", "path": LISTS}, times=None)


def asked_for(bench: lab.Lab) -> bool:
    return bool(bench.gateway.faults()[0]["hits"])


def asked_after_it(bench: lab.Lab) -> int:
    """Requests for the list of executions, which a look asks for after the list of orders; one of the sign-in as well."""
    return len(bench.gateway.journal(bench.user, path="/iserver/account/trades"))


def of_another(bench: lab.Lab) -> Order:
    made = bench.order(conid=MSFT, ticker="MSFT", role="exit", side="sell")
    notify(ORDERS_CHANNEL, str(bench.connection.pk))
    return made


def test_an_exit_leaves_while_a_list_is_waited_for(bench: lab.Lab) -> None:
    lost = bench.order(status="unknown", submitted_at=timezone.now())
    slow_lists(bench)
    before = asked_after_it(bench)

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: asked_for(bench), "the list is asked for", 40)
            await asyncio.to_thread(lab.asked, lambda: of_another(bench))
            await lab.until(bench.posts, "the exit has left", 40)
            # The list is still waited for.
            assert asked_after_it(bench) == before

    asyncio.run(story())
    assert status(lost) == "unknown"


def test_a_cancel_and_a_session_that_is_gone_do_not_wait_for_a_list_either(bench: lab.Lab) -> None:
    """The sign-in needs the lock that a lane holds while it works."""
    working = bench.order(type="limit", limit_price=1)
    lab.work()
    bench.order(status="unknown", conid=MSFT, ticker="MSFT", submitted_at=timezone.now())
    slow_lists(bench)
    before = asked_after_it(bench)

    def is_free() -> bool:
        with try_only_one(Space.CONNECTION, bench.connection.pk) as session:
            return session is not None

    def wished() -> None:
        cancels.request_cancel(order=working, actor=None, now=timezone.now())

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: asked_for(bench), "the list is asked for", 40)
            # The lane takes it for moments, for what else is to leave.
            await lab.until(is_free, "the lock is free")
            await asyncio.to_thread(lab.asked, wished)
            await lab.until(lambda: bench.gateway.journal(bench.user, method="DELETE"), "the cancel has left", 40)
            assert asked_after_it(bench) == before

    asyncio.run(story())


def test_after_a_lost_answer_the_session_is_looked_at_before_the_next_order_and_no_list_is_waited_for(
    bench: lab.Lab,
) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE, times=1)
    slow_lists(bench)
    before = asked_after_it(bench)
    lost = bench.order()
    bench.order(conid=MSFT, ticker="MSFT")

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: len(bench.posts()) > 1, "the second order has left", 40)
            assert asked_after_it(bench) == before

    asyncio.run(story())
    assert status(lost) == "unknown"
    kinds = [entry["path"] for entry in bench.gateway.journal(bench.user, method="POST")]
    first, second = (number for number, path in enumerate(kinds) if path.endswith("/orders"))
    assert any(path.endswith("/auth/status") for path in kinds[first:second])


def test_a_lane_stays_until_what_is_in_doubt_is_settled(bench: lab.Lab) -> None:
    """Though it would end a moment after its last work."""
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE, phase="after")
    lost = bench.order()
    lab.work()
    assert status(lost) in {"accepted", "filled"}


def test_an_errand_has_its_lane_look_again_at_once_or_later_and_rests_meanwhile() -> None:
    async def survives(work: Awaitable[float]) -> float:
        return await work

    async def story() -> None:
        wake, may_end = asyncio.Event(), asyncio.Event()
        errand = Errand(wake, survives)

        async def work() -> float:
            await may_end.wait()
            return 3600.0

        def state() -> tuple[bool, bool]:
            return errand.is_over, wake.is_set()

        errand.begin(work)
        errand.look_again()
        may_end.set()
        await lab.until(lambda: not errand.is_under_way, "the work has ended")
        assert state() == (True, True), "more was asked for meanwhile, so it does not wait"
        wake.clear()
        errand.begin(work, wakes=True)
        await lab.until(lambda: not errand.is_under_way, "the work has ended")
        assert state() == (False, False), "it is to look again in an hour, and its lane stays for that"
        await errand.stop()
        assert state() == (True, False)

    asyncio.run(story())
