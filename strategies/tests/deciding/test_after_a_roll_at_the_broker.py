"""A position of a month the chart has left, closed by its continuous name at a real gateway, in the chart's own roots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import ContractLookup, Order, Position
from brokers.rulebook.products.futures import code_of
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    now = timezone.now()
    made = strategies.create_strategy(team=team, actor=None, name="Futures", asset_class=Kind.FUTURE, now=now)
    rows.subscription(made, bench.account, now)
    return made


def listed(bench: lab.Lab, symbol: str) -> list[dict[str, Any]]:
    """The months of a root in IBKR's words, the nearest first."""
    listing: list[dict[str, Any]] = bench.gateway.call(bench.user, "GET", f"/trsrv/futures?symbols={symbol}")[1][symbol]
    return listing


def month_of(bench: lab.Lab, conid: int) -> date:
    shown = bench.gateway.call(bench.user, "GET", f"/iserver/contract/{conid}/info")[1]["contract_month"]
    return date(int(shown[:4]), int(shown[4:]), 1)


def buy_by_hand(bench: lab.Lab, conid: int, quantity: int) -> None:
    """An order from outside, as at IBKR's own screen."""
    order = {"conid": conid, "orderType": "MKT", "side": "BUY", "tif": "DAY", "quantity": quantity}
    order |= {"manualIndicator": False, "extOperator": bench.user}
    path = f"/iserver/account/{bench.account.account_id}/orders"
    status, answer = bench.gateway.call(bench.user, "POST", path, {"orders": [order]})
    while status == 200 and "id" in answer[0] and "order_id" not in answer[0]:
        status, answer = bench.gateway.call(
            bench.user, "POST", f"/iserver/reply/{answer[0]['id']}", {"confirmed": True}
        )
    assert "order_id" in answer[0], answer


def signaled(strategy: Strategy, action: str, ticker: str) -> Callable[[], bool]:
    symbol = symbols.read(ticker, Kind.FUTURE, timezone.now())
    signal = rows.signal(strategy, timezone.now(), reading={"action": action, "instrument": symbol.canonical()})

    def settled() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

    return settled


def held(bench: lab.Lab) -> list[tuple[Any, ...]]:
    positions = Position.objects.filter(account=bench.account, quantity__gt=0).order_by("conid")
    return [(each.ticker, each.conid, each.quantity) for each in positions]


async def worked(seen: Callable[[], bool], what: str) -> None:
    for _ in range(100):
        if await asyncio.to_thread(lab.holds, seen):
            return
        await asyncio.to_thread(lab.work)
    pytest.fail(f"still waiting until {what}")


def test_an_exit_by_the_charts_name_closes_the_month_it_has_left(bench: lab.Lab, strategy: Strategy) -> None:
    # The nearest month of gold that is listed is always one the chart has left: serial, or past its first notice.
    nearest = listed(bench, "GC")[0]["conid"]
    old = code_of("GC", month_of(bench, nearest))
    buy_by_hand(bench, nearest, 2)

    async def story() -> None:
        async with lab.watching():
            await worked(lambda: held(bench) == [(old, nearest, 2)], "the position is seen")
            await worked(await asyncio.to_thread(signaled, strategy, "exit", "COMEX:GC1!"), "the exit is decided")
            await worked(lambda: held(bench) == [], "it is closed")

    asyncio.run(asyncio.wait_for(story(), 120))
    decision = Decision.objects.get()
    assert decision.reason == f"Exit all 2 contracts of {old} held long."
    order = Order.objects.get()
    assert (order.ticker, order.conid, order.side, order.status) == (old, nearest, "sell", "filled")
    assert order.quantity == 2
    # What the chart's name stands for is known under both names, and is another month.
    front = ContractLookup.objects.get(ticker="GC")
    assert front.conid != nearest
    assert front.conid is not None
    assert ContractLookup.objects.get(ticker=code_of("GC", month_of(bench, front.conid))).conid == front.conid


@pytest.mark.parametrize(
    ("symbol", "multiplier", "root"),
    [("EUR", 125000, "6E"), ("BRR", 5, "BTC"), ("VIX", 1000, "VX"), ("DAX", 1, "FDXS"), ("SI", 1000, "SIL")],
)
def test_a_position_in_ibkrs_words_is_left_by_the_charts_root(
    bench: lab.Lab, strategy: Strategy, symbol: str, multiplier: int, root: str
) -> None:
    conids = ",".join(str(row["conid"]) for row in listed(bench, symbol))
    definitions = bench.gateway.call(bench.user, "GET", f"/trsrv/secdef?conids={conids}")[1]["secdef"]
    # The last one that is listed is no month of the chart, and is named by hand.
    conid = [row["conid"] for row in definitions if row["multiplier"] == multiplier][-1]
    ticker = code_of(root, month_of(bench, conid))
    buy_by_hand(bench, conid, 1)

    async def story() -> None:
        async with lab.watching():
            await worked(lambda: held(bench) == [(ticker, conid, 1)], "the position is seen by the chart's root")
            await worked(await asyncio.to_thread(signaled, strategy, "exit", f"{root}1!"), "the first exit is decided")
            refused = await asyncio.to_thread(Decision.objects.get)
            assert refused.reason_code == "other-month-held"
            assert f'{{"ticker": "{ticker}", "action": "exit"}}' in refused.reason
            # The message it advises works.
            await worked(await asyncio.to_thread(signaled, strategy, "exit", ticker), "the second exit is decided")
            await worked(lambda: held(bench) == [], "it is closed")

    asyncio.run(asyncio.wait_for(story(), 120))
    assert Order.objects.get().conid == conid


def test_a_root_nobody_knows_is_asked_about(bench: lab.Lab, strategy: Strategy) -> None:
    async def story() -> None:
        async with lab.watching():
            await worked(await asyncio.to_thread(signaled, strategy, "buy", "XYZ1!"), "it is decided")

    asyncio.run(asyncio.wait_for(story(), 120))
    decision = Decision.objects.get()
    assert (decision.status, decision.rule) == ("rejected", "B01")
    assert decision.reason.startswith("IBKR lists no future with the root XYZ.")
