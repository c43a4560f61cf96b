"""Micro futures, whose margin no table of ours knows today: IBKR's preview is asked, and IBKR has the last word."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, MarginPreview, Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Signal, Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
MICROS = ["MES1!", "MNQ1!", "M2K1!", "MGC1!"]
PREVIEW = "/orders/whatif"
SILENT = ["preview_timeout", "preview_503", "preview_not_json", "preview_without_figures"]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    strategy = strategies.create_strategy(
        team=team, actor=None, name="Micros", asset_class=Kind.FUTURE, now=timezone.now()
    )
    rows.subscription(strategy, bench.account, timezone.now(), allow_add=True)
    return strategy


def send(strategy: Strategy, action: str, ticker: str, **more: Any) -> Signal:
    symbol = symbols.read(ticker, Kind.FUTURE, timezone.now())
    return rows.signal(strategy, timezone.now(), reading={"action": action, "instrument": symbol.canonical(), **more})


def contracts(quantity: int) -> dict[str, Any]:
    return {"quantity": {"value": str(quantity), "type": "fixed_quantity"}}


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def is_over(signal: Signal) -> bool:
    """Whether the signal was decided, and every order that it led to has ended."""
    settle.settle_waiting(timezone.now())
    decisions = Decision.objects.filter(signal=signal)
    if not decisions.exists() or decisions.filter(status="pending").exists():
        return False
    open_orders = Order.objects.filter(ticket__decision__signal=signal).exclude(
        status__in=["filled", "rejected", "canceled", "expired", "denied"]
    )
    return not open_orders.exists()


Step = tuple[str, str, dict[str, Any]]


def estimates(decision: Decision) -> list[dict[str, Any]]:
    assert decision.inputs is not None
    expected: list[dict[str, Any]] = decision.inputs["assessment"]
    return expected


def play(bench: lab.Lab, strategy: Strategy, *steps: Step, left: int = 0) -> list[Decision]:
    """Each signal to its end, one after the other, and the positions that are left; the decisions."""

    async def story() -> None:
        async with lab.watching():
            await lab.until(
                lambda: BrokerageAccount.objects.get(pk=bench.account.pk).book_as_of is not None, "the book is read"
            )
            for action, ticker, more in steps:
                signal = await asyncio.to_thread(lambda: send(strategy, action, ticker, **more))  # noqa: B023
                while not await asyncio.to_thread(lab.holds, lambda: is_over(signal)):  # noqa: B023
                    await asyncio.to_thread(lab.work)
            await lab.until(lambda: held(bench) == left, f"{left} are held")

    asyncio.run(asyncio.wait_for(story(), 90))
    return list(Decision.objects.order_by("pk"))


@pytest.mark.parametrize("ticker", MICROS)
def test_a_micro_future_is_bought_and_sold_by_an_account_that_can_carry_it(
    bench: lab.Lab, strategy: Strategy, ticker: str
) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 50_000})
    entry, exit_ = play(bench, strategy, ("buy", ticker, contracts(1)), ("exit", ticker, {}))
    assert (entry.status, exit_.status) == ("accepted", "accepted")
    assert "IBKR decides" not in entry.reason
    (estimate,) = estimates(entry)
    assert estimate["margin_from"] == "preview"
    assert 500 < Decimal(estimate["margin"]) < 10_000
    assert "margin needed by IBKR's preview" in estimate["sentence"]
    # One question for the entry, and none for the way out.
    assert len(bench.gateway.journal(bench.user, path=PREVIEW)) == 1
    assert list(Order.objects.order_by("pk").values_list("status", flat=True)) == ["filled", "filled"]


@pytest.mark.parametrize("ticker", MICROS)
def test_an_account_that_is_too_small_is_refused_by_ibkrs_figure(
    bench: lab.Lab, strategy: Strategy, ticker: str
) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 900})
    (decision,) = play(bench, strategy, ("sell", ticker, contracts(1)))
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "R04", "insufficient_buying_power")
    assert decision.reason.startswith("Margin needed by IBKR's preview ")
    assert decision.reason.endswith(" USD of 900.00 available. Order less, or add funds.")
    assert bench.posts() == []
    assert not Order.objects.exists()


@pytest.mark.parametrize("preset", [*SILENT, "preview_no_permission"])
def test_ibkr_decides_about_what_its_preview_does_not_tell(bench: lab.Lab, strategy: Strategy, preset: str) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 50_000})
    bench.gateway.fault(
        preset=preset, match={"user": bench.user, "path": "/iserver/account/*/orders/whatif"}, times=None
    )
    decision, exit_ = play(bench, strategy, ("buy", "MGC1!", contracts(1)), ("exit", "MGC1!", {}))
    assert (decision.status, exit_.status) == ("accepted", "accepted")
    assert decision.reason.endswith("IBKR decides when the order arrives.")
    expected = "No trading permissions" if preset == "preview_no_permission" else "the exchange's figure of 2022-01-21"
    assert expected in decision.reason
    assert [order.status for order in Order.objects.order_by("pk")] == ["filled", "filled"]


def test_what_ibkr_refuses_when_the_order_arrives_is_said_in_a_sentence(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 900})
    bench.gateway.fault(
        preset="preview_timeout", match={"user": bench.user, "path": "/iserver/account/*/orders/whatif"}, times=None
    )
    (decision,) = play(bench, strategy, ("buy", "MNQ1!", contracts(1)))
    assert decision.status == "accepted"
    order = Order.objects.get()
    assert order.status == "rejected"
    assert "EQUITY MUST EXCEED THE INITIAL MARGIN" in order.reason.upper()
    assert held(bench) == 0


def test_a_root_that_no_table_knows_is_traded_by_ibkrs_preview(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 50_000})
    steps: tuple[Step, ...] = (("buy", "SIL1!", contracts(1)), ("buy", "SIL1!", contracts(1)), ("exit", "SIL1!", {}))
    decisions = play(bench, strategy, *steps)
    assert [decision.status for decision in decisions] == ["accepted"] * 3
    # The second entry goes by the first one's preview.
    assert [estimates(decision)[0]["margin_from"] for decision in decisions] == ["preview", "preview", ""]
    assert len(bench.gateway.journal(bench.user, path=PREVIEW)) == 1
    assert MarginPreview.objects.get().wanted_at is None


def test_twice_as_many_contracts_need_twice_the_previewed_margin(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 6_000})
    first, second = play(bench, strategy, ("buy", "MES1!", contracts(1)), ("buy", "MES1!", contracts(5)), left=1)
    assert first.status == "accepted"
    assert (second.status, second.rule) == ("rejected", "R04")
    needed = Decimal(estimates(first)[0]["margin"])
    assert f"{needed * 5:,.0f}"[:3] in second.reason
    assert len(bench.posts()) == 1
