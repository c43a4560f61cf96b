"""Signals for an advisor's group, from the webhook's row to the accounts of the clients and back, at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.advisors import reading as groups
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Execution, Order, Position
from brokers.postgres.incarnation import this_database
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.control.halt import reach
from strategies.deciding import settle
from strategies.domain.plan.plan import Terms
from strategies.models import Decision, Strategy
from strategies.setup import subscriptions
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
GROUP = "/iserver/account/allocation/group"
TEN = {"value": "10", "type": "fixed_quantity"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    """An advisor with three clients in one group, which IBKR has shown."""
    made = lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 3)
    BrokerageAccount.objects.filter(connection=made.connection).update(orders_home_in=this_database())
    members = [{"name": number} for number in numbers(made)]
    body = {"name": "family", "accounts": members, "default_method": "E"}
    assert gateway.call(made.user, "POST", GROUP, body)[1] == {"success": True}
    groups.want(made.connection, timezone.now())
    lab.work()
    return made


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made, now = rows.strategy(team, timezone.now()), timezone.now()
    subscription = subscriptions.subscribe(
        team=team,
        strategy=made,
        account=bench.account,
        group=AccountGroup.objects.get(),
        terms=Terms(),
        actor=None,
        now=now,
    )
    subscriptions.enable(subscription=subscription, actor=None, now=now)
    return made


def numbers(bench: lab.Lab) -> list[str]:
    clients = bench.connection.accounts.exclude(pk=bench.account.pk).order_by("account_id")
    return list(clients.values_list("account_id", flat=True))


def decided(strategy: Strategy, **values: Any) -> Callable[[], bool]:
    """A signal of now; what is given back settles it until its decision is made."""
    signal = rows.signal(strategy, timezone.now(), reading=values)

    def settled() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

    return settled


def held(bench: lab.Lab) -> list[int]:
    """What each client holds, in the order of their numbers."""
    of = dict(
        Position.objects.filter(account__connection=bench.connection).values_list("account__account_id", "quantity")
    )
    return [int(of.get(number, 0)) for number in numbers(bench)]


async def until(*steps: Callable[[], bool]) -> None:
    """The lanes at work until each of these is true, one after the other; the test's own time limit ends it."""
    for step in steps:
        while not await asyncio.to_thread(lab.holds, step):
            await asyncio.to_thread(lab.work)


def test_one_signal_to_a_group_fills_each_client_and_leaves_each_with_nothing(
    bench: lab.Lab, strategy: Strategy
) -> None:
    everything = {name: value for name, value in reading("exit").items() if name != "quantity"}

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(lambda: decided(strategy, **{**reading("buy"), "quantity": TEN}))
            await until(entry, lambda: held(bench) == [4, 3, 3])
            # IBKR does not show its groups any more: an entry would wait, a way out does not.
            bench.gateway.fault(action={"status": 503}, match={"path": GROUP, "user": bench.user}, times=None)
            await asyncio.to_thread(lambda: Advisor.objects.update(read_at=timezone.now() - groups.BELIEVED_FOR))
            way_out = await asyncio.to_thread(lambda: decided(strategy, **everything))
            await until(way_out, lambda: held(bench) == [0, 0, 0])

    asyncio.run(story())
    entry, *ways_out = Order.objects.order_by("pk")
    assert (entry.account, entry.fa_group, entry.fa_method) == (bench.account, "family", "EqualQuantity")
    assert [(order.account.account_id, int(order.quantity), order.fa_group) for order in ways_out] == [
        (number, quantity, "") for number, quantity in zip(numbers(bench), (4, 3, 3), strict=True)
    ]
    assert set(Order.objects.values_list("status", flat=True)) == {"filled"}
    # Every fill is in its own client's account, once, and belongs to its order.
    fills = Execution.objects.order_by("account__account_id", "pk").values_list(
        "account__account_id", "order__side", "quantity"
    )
    assert list(fills) == [
        (number, side, Decimal(quantity))
        for number, quantity in zip(numbers(bench), (4, 3, 3), strict=True)
        for side in ("buy", "sell")
    ]
    bought, sold = Decision.objects.order_by("pk")
    assert "Divided by equal quantity among family: " in bought.reason
    assert bought.plan is not None
    assert [share["quantity"] for share in bought.plan["shares"]] == ["4", "3", "3"]
    assert "Account by account: " in sold.reason


def test_whoever_stops_a_groups_subscription_closes_what_its_clients_hold(bench: lab.Lab, strategy: Strategy) -> None:
    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(lambda: decided(strategy, **{**reading("buy"), "quantity": TEN}))
            await until(entry, lambda: held(bench) == [4, 3, 3])

    asyncio.run(story())
    reached = reach(strategy.team, strategy.subscriptions.get())
    assert sorted(reached.positions.values_list("account__account_id", flat=True)) == numbers(bench)


def test_a_group_that_ibkr_removed_between_the_decision_and_the_order_is_refused_and_places_nothing(
    bench: lab.Lab, strategy: Strategy
) -> None:
    bench.gateway.call(bench.user, "POST", f"{GROUP}/delete", {"name": "family"})

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(lambda: decided(strategy, **{**reading("buy"), "quantity": TEN}))
            await until(entry, lambda: Order.objects.filter(status="rejected").exists())

    asyncio.run(story())
    order = Order.objects.get()
    assert order.reason_code
    assert order.reason.rstrip('"').endswith((".", "family"))
    assert held(bench) == [0, 0, 0]


def test_an_account_that_nobody_added_keeps_entries_back(bench: lab.Lab, strategy: Strategy) -> None:
    group = AccountGroup.objects.get()
    group.members = [*group.members, {"account": "U9999999", "amount": None}]
    group.save()

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(lambda: decided(strategy, **{**reading("buy"), "quantity": TEN}))
            await until(entry)

    asyncio.run(story())
    decision = Decision.objects.get()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "B10", "group-account-unknown")
    assert "U9999999" in decision.reason
    assert not Order.objects.exists()


def test_an_advisors_own_account_is_followed_by_a_group_only(bench: lab.Lab, team: Team) -> None:
    made, now = rows.strategy(team, timezone.now(), "Whole"), timezone.now()
    with pytest.raises(subscriptions.SubscriptionRefused, match="an advisor's own account"):
        subscriptions.subscribe(team=team, strategy=made, account=bench.account, terms=Terms(), actor=None, now=now)
    client = bench.connection.accounts.exclude(pk=bench.account.pk).earliest("pk")
    with pytest.raises(subscriptions.SubscriptionRefused, match="not for both"):
        subscriptions.subscribe(
            team=team,
            strategy=made,
            account=client,
            group=AccountGroup.objects.get(),
            terms=Terms(),
            actor=None,
            now=now,
        )
