"""A flip whose exit does not fill in time, under each of its policies, from signal to broker at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderType
from brokers.models import Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.terms.terms import ExitUnfilled
from strategies.models import Decision
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = 90


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def decided() -> bool:
    settle.settle_waiting(timezone.now())
    settled = Decision.objects.exclude(status="pending").first()
    assert settled is None or settled.status == "accepted", settled.reason if settled else ""
    return settled is not None


def exit_order() -> Order:
    order: Order = Order.objects.get(role="exit")
    return order


def entry() -> Order:
    order: Order = Order.objects.get(role="entry")
    return order


def out_of_time() -> None:
    """The moment when the exit has worked as long as it was given, and a little longer."""
    ago = timedelta(seconds=WAIT + 1)
    Order.objects.filter(role="exit").update(acknowledged_at=timezone.now() - ago)


def too_late_for_the_entry() -> bool:
    Order.objects.filter(role="entry").update(expires_at=timezone.now() - timedelta(seconds=1))
    return True


def flipped(team: Team, bench: lab.Lab, policy: ExitUnfilled, *steps: tuple[Callable[[], object], str]) -> None:
    """Ten are held, a sell turns the position round by a limit far away; each step is waited for while lanes run."""
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(
        strategy,
        bench.account,
        now,
        allow_swap=True,
        exit_order_type=OrderType.LIMIT,
        exit_unfilled=policy,
        exit_wait_seconds=WAIT,
    )
    bench.gateway.seed(bench.user, cash={"USD": 1_000_000}, positions=[{"symbol": "AAPL", "quantity": 10}])

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: held(bench) == 10, "ten are held")
            values: dict[str, Any] = {**reading("sell", quantity="12"), "signal_price": "9999"}
            await asyncio.to_thread(rows.signal, strategy, timezone.now(), reading=values)
            await lab.until(decided, "the plan is made")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: exit_order().status == "accepted", "the exit works")
            assert await asyncio.to_thread(lambda: entry().status) == "created"
            await asyncio.to_thread(out_of_time)
            for seen, what in steps:
                while not await asyncio.to_thread(lab.holds, seen):
                    await asyncio.to_thread(lab.work)
                assert what

    asyncio.run(asyncio.wait_for(story(), 90))


def test_at_the_market_the_exit_fills_and_the_entry_follows(team: Team, bench: lab.Lab) -> None:
    flipped(
        team,
        bench,
        ExitUnfilled.MARKET,
        (lambda: exit_order().status == "filled", "the exit fills at the market"),
        (lambda: held(bench) == -12, "the position is turned round"),
    )
    leaving, entering = exit_order(), entry()
    assert (leaving.type, leaving.limit_price, entering.status) == ("market", None, "filled")
    assert leaving.reason == "Changed to a market order: it was not filled within 90 seconds at 9999."
    assert leaving.attempts.filter(kind="post").count() == 1


def test_canceled_the_entry_is_dropped_with_the_reason(team: Team, bench: lab.Lab) -> None:
    flipped(team, bench, ExitUnfilled.CANCEL, (lambda: entry().status == "canceled", "the entry is dropped"))
    leaving, entering = exit_order(), entry()
    assert (leaving.status, leaving.type, held(bench)) == ("canceled", "limit", Decimal(10))
    assert leaving.reason == "Not filled within the 90 seconds it was given."
    assert entering.reason == "Not sent: the order to sell 10 AAPL, which it was to follow, ended as canceled."


def test_kept_the_exit_works_on_and_the_entry_is_dropped_with_the_reason(team: Team, bench: lab.Lab) -> None:
    flipped(
        team,
        bench,
        ExitUnfilled.KEEP,
        (too_late_for_the_entry, "its time is over"),
        (lambda: entry().status == "expired", "the entry is dropped"),
    )
    leaving, entering = exit_order(), entry()
    assert (leaving.status, leaving.type, leaving.limit_price) == ("accepted", "limit", Decimal(9999))
    assert entering.reason.startswith(
        "Not sent: the order to sell 10 AAPL, which it was to follow, did not fill within"
    )


def test_a_change_that_ibkr_refuses_keeps_the_exit_and_drops_the_entry(team: Team, bench: lab.Lab) -> None:
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/order/*"}
    bench.gateway.fault(action={"body": {"error": "Not now."}, "status": 200}, match=match, times=5)
    flipped(
        team,
        bench,
        ExitUnfilled.MARKET,
        (lambda: exit_order().reason, "the refusal is said"),
        (too_late_for_the_entry, "its time is over"),
        (lambda: entry().status == "expired", "the entry is dropped"),
    )
    assert exit_order().reason.startswith("Kept as a limit order: IBKR did not make it a market order. ")
    assert exit_order().reason.endswith('IBKR: "Not now."')
    assert (exit_order().status, held(bench)) == ("accepted", Decimal(10))
