"""Contracts by IBKR's word of the day: rules kept and used, other numbers followed, an old number looked up once more."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = 265598, 900000001


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    bench = lab.make(team, gateway)
    BrokerageAccount.objects.update(book_as_of=timezone.now(), equity=100_000, available_funds=100_000)
    return bench


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    return rows.strategy(team, timezone.now())


def arm(bench: lab.Lab, preset: str, times: int = 5) -> None:
    bench.gateway.fault(preset=preset, match={"user": bench.user}, times=times)


def decided() -> Decision:
    """The last decision, once IBKR has answered what it waits for."""
    for _ in range(3):
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.select_related("ticket").latest("pk")


def test_rules_come_with_the_contract(bench: lab.Lab) -> None:
    ContractLookup.objects.update(status="wanted")
    lab.work()
    rules = ContractLookup.objects.get().rules
    assert rules is not None
    assert rules["order_types"] == [
        *("market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"),
        *("midprice", "trailing_stop_limit"),
    ]
    assert ["cls", ["market", "limit"]] in rules["times"]


def test_an_order_that_the_rules_exclude_is_not_sent(bench: lab.Lab, strategy: Strategy) -> None:
    arm(bench, "contract_takes_limits_only")
    ContractLookup.objects.update(status="wanted")
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    decision = decided()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "R01", "order-type-not-taken")
    assert "It takes limit orders" in decision.reason
    assert bench.posts() == []


def test_a_contract_is_asked_for_again_on_another_day(bench: lab.Lab, strategy: Strategy) -> None:
    ContractLookup.objects.update(asked_at=timezone.now() - timedelta(days=1))
    arm(bench, "contract_replaced")
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    decided()
    lookup = ContractLookup.objects.get()
    assert (lookup.conid, lookup.replaced_at is None) == (NEW, False)
    assert Order.objects.get().conid == NEW


def test_a_ticker_that_ibkr_does_not_find_today_keeps_its_number(bench: lab.Lab, strategy: Strategy) -> None:
    ContractLookup.objects.update(asked_at=timezone.now() - timedelta(days=1))
    bench.gateway.fault(match={"user": bench.user, "path": "/trsrv/stocks"}, action={"status": 200, "body": {}})
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    assert decided().status == "accepted"
    assert ContractLookup.objects.values_list("status", "conid", "reason").get() == ("found", OLD, "")


def test_an_old_number_is_looked_up_once_more_and_the_signal_decided_anew(bench: lab.Lab, strategy: Strategy) -> None:
    arm(bench, "order_no_secdef", times=1)
    arm(bench, "contract_replaced")
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    decision = decided()
    first, second = Order.objects.order_by("pk")
    assert (first.status, first.reason_code, first.conid) == ("rejected", "contract-renumbered", OLD)
    assert "decided once more" in first.reason
    assert (decision.attempt, second.conid, second.quantity) == (2, NEW, Decimal(10))
    assert second.status in {"accepted", "filled"}


def test_the_same_number_is_refused_as_unknown(bench: lab.Lab, strategy: Strategy) -> None:
    arm(bench, "order_no_secdef", times=1)
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    decided()
    assert Order.objects.values_list("status", "reason_code").get() == ("rejected", "contract-unknown")
    assert len(bench.posts()) == 1


def test_it_is_not_looked_up_twice_on_one_day(bench: lab.Lab, strategy: Strategy) -> None:
    ContractLookup.objects.update(replaced_at=timezone.now())
    arm(bench, "order_no_secdef", times=1)
    arm(bench, "contract_replaced")
    rows.subscription(strategy, bench.account, timezone.now())
    rows.signal(strategy, timezone.now(), reading=reading("buy"))
    decided()
    assert Order.objects.values_list("status", "reason_code").get() == ("rejected", "contract-unknown")


def test_an_order_without_a_signal_says_what_to_do(bench: lab.Lab) -> None:
    arm(bench, "order_no_secdef", times=1)
    arm(bench, "contract_replaced")
    order = bench.order()
    lab.work()
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("rejected", "contract-renumbered")
    assert order.reason.endswith("Look at the position, then send the signal again.")
