"""Ways out, reversals and brackets in a contract that has another number since a split: they follow what is held."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import contracts
from brokers.models import BrokerageAccount, ContractLookup, Order, Position
from brokers.needs.protection import unprotected
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = 265598, 900000001


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    """Ten are held by our book under the old number; by IBKR, after a reverse split, two under the new one."""
    return account_of(team, gateway, positions=[{"symbol": "MSFT", "quantity": 2}])


def account_of(team: Team, gateway: RunningGateway, **books: Any) -> lab.Lab:
    made = lab.make(team, gateway, **books)
    BrokerageAccount.objects.update(book_as_of=timezone.now(), equity=100_000, available_funds=100_000)
    return made


def follow(bench: lab.Lab, **terms: Any) -> Strategy:
    made = rows.strategy(bench.account.team, timezone.now())
    rows.subscription(made, bench.account, timezone.now(), **terms)
    return made


@pytest.fixture
def strategy(bench: lab.Lab) -> Strategy:
    return follow(bench)


def split(bench: lab.Lab) -> None:
    """IBKR refuses the next order under the old number, and lists the new one."""
    match = {"user": bench.user}
    bench.gateway.fault(preset="order_no_secdef", match=match, times=1)
    bench.gateway.fault(preset="contract_replaced", match=match, times=5)


def hold(bench: lab.Lab) -> None:
    broker.position(bench.account, conid=OLD, quantity=Decimal(10))


def decided(strategy: Strategy, action: str, **more: Any) -> Decision:
    rows.signal(strategy, timezone.now(), reading={**reading(action, quantity=None), **more})
    for _ in range(4):
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


def test_a_way_out_sells_what_is_held_under_the_new_number(bench: lab.Lab, strategy: Strategy) -> None:
    hold(bench)
    split(bench)
    decision = decided(strategy, "exit")
    first, second = Order.objects.order_by("pk")
    assert (first.conid, first.quantity, first.status, first.reason_code) == (
        OLD,
        Decimal(10),
        "rejected",
        "contract-renumbered",
    )
    # Ten would be five times what is there: the size is that of the new number.
    assert (second.conid, second.quantity, second.side, second.role) == (NEW, Decimal(2), "sell", "exit")
    assert (decision.status, decision.attempt) == ("accepted", 2)
    assert list(Position.objects.values_list("conid", "quantity")) == [(NEW, Decimal(2))]
    assert [(row["conid"], row["side"], row["totalSize"]) for row in bench.at_broker()] == [(NEW, "SELL", 2.0)]


def test_a_reversal_leaves_by_the_new_number_and_enters_by_it(bench: lab.Lab) -> None:
    hold(bench)
    split(bench)
    decided(
        follow(bench, allow_swap=True), "sell", quantity={"value": "4", "type": "fixed_quantity"}, sentiment="bearish"
    )
    assert {order.conid for order in Order.objects.filter(status="rejected")} == {OLD}
    sent = Order.objects.filter(conid=NEW).order_by("pk")
    assert [(order.role, order.side, order.quantity) for order in sent] == [
        ("exit", "sell", Decimal(2)),
        ("entry", "sell", Decimal(4)),
    ]
    assert (
        not Order.objects.filter(conid=OLD).exclude(status__in=["rejected", "expired", "canceled", "denied"]).exists()
    )


def test_a_bracket_leaves_again_whole_by_the_new_number(team: Team, gateway: RunningGateway) -> None:
    bench = account_of(team, gateway)
    split(bench)
    decided(
        follow(bench),
        "buy",
        quantity={"value": "3", "type": "fixed_quantity"},
        stop_loss={"mode": "percent", "value": "5"},
        take_profit={"mode": "percent", "value": "5"},
    )
    refused = Order.objects.filter(conid=OLD)
    assert {order.role for order in refused} == {"entry", "stop_loss", "take_profit"}
    assert not refused.exclude(status__in=["rejected", "denied", "expired", "canceled"]).exists()
    again = Order.objects.filter(conid=NEW)
    assert {(order.role, order.quantity) for order in again} == {
        ("entry", Decimal(3)),
        ("stop_loss", Decimal(3)),
        ("take_profit", Decimal(3)),
    }
    at_broker = bench.at_broker()
    assert [row["conid"] for row in at_broker] == [NEW, NEW, NEW]


def test_a_way_out_that_finds_nothing_under_the_new_number_sells_nothing(team: Team, gateway: RunningGateway) -> None:
    bench = account_of(team, gateway)
    hold(bench)
    split(bench)
    decision = decided(follow(bench), "exit")
    assert Order.objects.values_list("status", "reason_code").get() == ("rejected", "contract-renumbered")
    assert decision.status == "rejected", decision.reason
    assert bench.at_broker() == []
    assert ContractLookup.objects.get().conid == NEW
    assert not Position.objects.exists()


def test_a_position_that_a_split_left_without_its_stop_is_said_to_be_so(team: Team, gateway: RunningGateway) -> None:
    bench = account_of(team, gateway)
    ticket = broker.ticket(bench.account)
    broker.order(ticket, role="entry", status="filled", filled_quantity=Decimal(10), filled_at=timezone.now())
    stop = broker.order(ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(90), status="accepted")
    # IBKR holds the shares under another number since today, and the book follows it.
    lookup = ContractLookup.objects.get()
    renumbered = replace(lookup.value(), conid=NEW)
    contracts.answer(lookup, now=timezone.now(), contract=renumbered)
    held = broker.position(bench.account, conid=NEW, quantity=Decimal(2))
    assert list(unprotected(team)) == [], "its stop still works as far as anybody knows"
    Order.objects.filter(pk=stop.pk).update(status="canceled")
    assert list(unprotected(team)) == [held]
