"""Shares of London: charts and IBKR's prices are in pence, money is in pounds, and the account counts in its own currency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from brokers.models import BrokerageAccount, ContractLookup, ExchangeRate, Execution, Order, Position
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
VODAFONE = 880_000_009
D = Decimal


def send(of: Strategy, action: str = "buy", ticker: str = "LSE:VOD", **values: Any) -> None:
    facts = symbols.read(ticker, Kind.STOCK, timezone.now()).canonical()
    rows.signal(of, timezone.now(), reading={"action": action, "instrument": facts, **values})


def settled() -> bool:
    settle.settle_waiting(timezone.now())
    return not Decision.objects.filter(status="pending").exists()


def decided(of: Strategy, action: str = "buy", **values: Any) -> Decision:
    send(of, action, **values)
    for _ in range(5):
        BrokerageAccount.objects.update(book_as_of=timezone.now())
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


def units(quantity: int) -> dict[str, Any]:
    return {"quantity": {"value": str(quantity), "type": "fixed_quantity"}}


def test_a_share_is_bought_and_sold_in_pence_and_counted_in_pounds(
    client: Client, alice: User, bench: lab.Lab, strategy: Strategy
) -> None:
    bench.gateway.quote(VODAFONE, bid=D("92.4"), ask=D("92.5"), last=D("92.5"), ttl_s=600)
    pages: list[str] = []

    async def until(done: Callable[[], object]) -> None:
        await lab.until(lambda: settled() and done(), "it has come to that")

    async def story() -> None:
        async with lab.working(), lab.watching():
            limit: dict[str, Any] = {"order": {"type": "limit", "limit": "95"}}
            await asyncio.to_thread(send, strategy, **units(1000), **limit)
            await until(Position.objects.filter(quantity=1000, average_cost=D("92.5")).exists)
            pages.append(await asyncio.to_thread(page))
            await asyncio.to_thread(bench.gateway.quote, VODAFONE, bid=D("97.5"), ask=D("97.6"), last=D(97), ttl_s=600)
            await asyncio.to_thread(send, strategy, "exit")
            await until(Order.objects.filter(role="exit", status="filled").exists)
            await until(Execution.objects.exclude(fee=None).filter(side="sell").exists)

    def page() -> str:
        client.force_login(alice)
        return client.get(f"/teams/{bench.account.team.code}/orders/{Order.objects.get().code}/").text

    asyncio.run(asyncio.wait_for(story(), 60))
    lookup = ContractLookup.objects.get(ticker="LSE:VOD")
    assert (lookup.exchange, lookup.currency, lookup.multiplier) == ("LSE", "GBP", D("0.01"))
    # A limit of the chart is IBKR's limit.
    assert [D(str(row["price"])) for row in bench.at_broker() if row["side"] == "BUY"] == [D(95)]
    bought, sold = Execution.objects.order_by("pk")
    assert (bought.price, sold.price) == (D("92.5"), D("97.5"))
    # Three pounds at least, and the fees are in pounds, as the fills are.
    assert {(each.fee, each.currency, each.ticker) for each in (bought, sold)} == {(D(3), "GBP", "LSE:VOD")}
    assert "@ 92.50 pence" in pages[0]
    # Half of what it is worth in pounds, at IBKR's rate into dollars.
    rate = ExchangeRate.objects.get(source="GBP", target="USD").rate
    inputs = Decision.objects.order_by("pk")[0].inputs
    assert inputs is not None
    assert rate is not None
    estimate = inputs["assessment"][0]
    assert D(estimate["margin"]) == (1000 * D(estimate["price"]) / 100 * rate / 2).quantize(D("0.01"))
    # A thousand shares, five pence up, less six pounds of fees: 44 pounds.
    ledger = bench.gateway.call(bench.user, "GET", f"/portfolio/{bench.account.account_id}/ledger")[1]
    assert D(str(ledger["GBP"]["cashbalance"])) == D(44)


def test_an_amount_of_money_buys_so_many_pounds_worth(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.quote(VODAFONE, bid=D(90), ask=D(90), last=D(90), ttl_s=600)
    ten_thousand: dict[str, Any] = {"quantity": {"value": "10000", "type": "dollar_amount"}}
    assert decided(strategy, **ten_thousand).status == "accepted"
    rate = ExchangeRate.objects.get(source="GBP", target="USD").rate
    assert rate is not None
    assert abs(Order.objects.get().quantity - D(10_000) / rate / D("0.9")) <= 1


def test_where_ibkr_does_not_say_that_it_counts_in_pence_nothing_is_sent(bench: lab.Lab, strategy: Strategy) -> None:
    bench.gateway.fault(
        match={"user": bench.user, "path": f"/iserver/contract/{VODAFONE}/info-and-rules"},
        action={"status": 200, "body": {"rules": {"priceMagnifier": None}}},
        times=9,
    )
    decision = decided(strategy, **units(10))
    assert (decision.status, decision.reason_code) == ("rejected", "other-unit")
    assert "counts in pence" in decision.reason
    assert bench.posts() == []
