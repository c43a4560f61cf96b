"""What each account of a group got of an entry with several targets: parted as it comes, and its stop follows by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import OrderType, Side
from brokers.domain.protection.scenes import Presence, lack_of
from brokers.models import BrokerageAccount, ContractLookup, Order, OrderModification
from brokers.orders import reconciliation
from brokers.orders.fills import account_legs
from brokers.orders.modifications import by_rule
from brokers.protection import scenes
from brokers.tests import rows
from brokers.tests.advisors.test_account_legs import filled
from brokers.tests.orders.test_reconciliation import report

pytestmark = pytest.mark.django_db(transaction=True)
RULE = [1, "break_even", "0"]


def leg(role: str, share: str | None = None, **values: Any) -> dict[str, Any]:
    shape = {"side": "sell", "time_in_force": "gtc", "outside_rth": False, "distance": None, "distance_in": ""}
    prices = dict.fromkeys(("limit_price", "stop_price", "trail_amount", "trail_percent"))
    return {**shape, **prices, "role": role, "share": share, "quantity": "10", "moves": RULE, **values}


LEGS = [
    leg("stop_loss", type="stop", stop_price="95"),
    leg("take_profit", "0.5", type="limit", limit_price="110"),
    leg("take_profit", "0.25", type="limit", limit_price="120"),
]


@pytest.fixture
def entry(team: Team) -> Order:
    """An entry of a hundred for a group of U1 and U2 at a limit: half of it at 110, a quarter at 120, a quarter without a target."""
    own = rows.account(team, account_id="F1", kind="advisor")
    for number in ("U1", "U2"):
        rows.account(team, of=own.connection, account_id=number)
    ContractLookup.objects.create(
        connection=own.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=265598,
        answered_at=timezone.now(),
        increments=[],
    )
    return rows.order(
        own,
        fa_group="family",
        fa_method="NetLiq",
        quantity=Decimal(100),
        type=OrderType.LIMIT,
        limit_price=Decimal(100),
        legs_by_account={"legs": LEGS, "placed": {}, "units": "0", "untold": False},
        legs_look_at=timezone.now(),
        status="accepted",
        broker_order_id="77",
    )


# A stop and the target beside it: their size, and which target it is; 0 of a stop alone.
Pairs = list[tuple[int, int]]


def got(entry: Order) -> dict[str, Pairs]:
    """What each account has: its stops in the order of their making, each with the target that hangs on it."""
    made: dict[str, Pairs] = {}
    stops = entry.account_legs.filter(role="stop_loss").select_related("account").prefetch_related("children")
    for stop in stops.order_by("pk"):
        targets = [(int(target.quantity), target.rung or 0) for target in stop.children.all()] or [
            (int(stop.quantity), 0)
        ]
        assert {size for size, _ in targets} == {stop.quantity}
        made.setdefault(stop.account.account_id, []).extend(targets)
    return made


def pairs(*sizes: int) -> Pairs:
    """A stop beside each target, and one alone for what is left."""
    *targets, rest = sizes
    beside = [(size, rung) for rung, size in enumerate(targets, 1) if size]
    return [*beside, (rest, 0)] if rest else beside


def fill(entry: Order, number: str, units: int, name: str) -> ExecutionFacts:
    return ExecutionFacts(
        account_id=number,
        execution_id=f"{name}.01",
        reference=entry.reference,
        broker_order_id="77",
        conid=entry.conid,
        ticker=entry.ticker,
        side=Side.BUY,
        quantity=Decimal(units),
        price=Decimal(100),
        fee=Decimal(1),
        currency="USD",
        exchange="NASDAQ",
        executed_at=entry.created_at,
    )


def told(entry: Order, now: datetime, so_far: int, *fills: ExecutionFacts) -> None:
    """One piece of news: what has filled so far, and some of the fills."""
    reports: list[OrderFacts] = [report(entry, None, filled_quantity=Decimal(so_far), average_price=Decimal(100))]
    reconciliation.apply(entry.account.connection, orders=reports, executions=fills, now=now)
    entry.refresh_from_db()


def test_the_first_part_of_an_entry_with_a_limit_has_its_legs_by_the_news_that_tells_all_of_it(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 12, fill(entry, "U1", 8, "a"))
    assert got(entry) == {}, "who got the other four is not told"
    told(entry, now, 12, fill(entry, "U2", 4, "b"))
    assert got(entry) == {"U1": pairs(4, 2, 2), "U2": pairs(2, 1, 1)}
    # What follows is put together for ten seconds, so that a sweep through the book makes no pair for each trade.
    told(entry, now, 16, fill(entry, "U1", 4, "c"))
    told(entry, now, 20, fill(entry, "U1", 4, "d"))
    assert account_legs.place_what_waits(now) == 0
    assert account_legs.place_what_waits(now + account_legs.PART_WAITS) == 1
    assert got(entry)["U1"] == pairs(4, 2, 2) + pairs(4, 2, 2)


def test_an_entry_at_the_market_that_fills_on_waits_for_its_rest(entry: Order) -> None:
    Order.objects.filter(pk=entry.pk).update(type="market", limit_price=None)
    now = timezone.now()
    told(entry, now, 12, fill(entry, "U1", 12, "a"))
    assert got(entry) == {}
    told(entry, now, 100, fill(entry, "U1", 40, "b"), fill(entry, "U2", 48, "c"))
    assert entry.status == "filled"
    assert got(entry) == {"U1": pairs(26, 13, 13), "U2": pairs(24, 12, 12)}


def test_too_few_units_leave_a_target_out_and_what_comes_later_goes_where_it_lacks(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 5, fill(entry, "U1", 1, "a"), fill(entry, "U2", 4, "b"))
    assert got(entry) == {"U1": [(1, 0)], "U2": pairs(2, 1, 1)}
    told(entry, now, 8, fill(entry, "U1", 3, "c"))
    assert account_legs.place_what_waits(now + account_legs.PART_WAITS) == 1
    # Four are two, one and one; the one without a target works already.
    assert got(entry)["U1"] == [(1, 0), *pairs(2, 1, 0)]
    Order.objects.filter(pk=entry.pk).update(status="canceled")
    account_legs.place_what_waits(now + 2 * account_legs.PART_WAITS)
    entry.refresh_from_db()
    assert "Too few" not in account_legs.in_words(entry)
    assert "a target for 50% at 110 and a target for 25% at 120" in account_legs.in_words(entry)


def test_the_page_names_accounts_with_too_few_units(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 5, fill(entry, "U1", 1, "a"), fill(entry, "U2", 4, "b"))
    Order.objects.filter(pk=entry.pk).update(status="canceled")
    account_legs.place_what_waits(now + account_legs.PART_WAITS)
    said = account_legs.in_words(Order.objects.get(pk=entry.pk))
    assert said.endswith(", for what it got. Too few units for each target: U1 none at 110 and 120.")


def test_what_left_since_the_fill_is_taken_off_what_has_no_target_then_off_the_furthest(entry: Order) -> None:
    now = timezone.now()
    bought = filled(entry, "U1", 8, seen_at=now - timedelta(seconds=2), executed_at=now - timedelta(seconds=2))
    rows.order(bought.account, role="exit", side="sell", quantity=Decimal(3), created_at=now - timedelta(seconds=1))
    Order.objects.filter(pk=entry.pk).update(status="canceled", filled_quantity=8)
    assert account_legs.place_what_waits(now) == 1
    assert got(entry) == {"U1": pairs(4, 1, 0)}


def test_what_left_is_taken_off_one_part_alone(entry: Order) -> None:
    now = timezone.now()
    ago = [now - timedelta(seconds=seconds) for seconds in (20, 9, 2)]
    bought = filled(entry, "U1", 4, seen_at=ago[0], executed_at=ago[0])
    filled(entry, "U1", 4, seen_at=ago[1], executed_at=ago[1])
    rows.order(bought.account, role="exit", side="sell", quantity=Decimal(3), created_at=ago[2])
    Order.objects.filter(pk=entry.pk).update(filled_quantity=8, type="market", limit_price=None)
    assert account_legs.place_what_waits(now) == 1
    assert account_legs.place_what_waits(now + timedelta(seconds=11)) == 1
    # Of the first part one is left, and the second one stays whole.
    assert sum(size for size, _ in got(entry)["U1"]) == 5


def test_an_error_with_one_part_leaves_none_and_the_sweep_places_all(entry: Order) -> None:
    """The parts of an account are written down together, or not at all."""
    now, kept = timezone.now(), {"placed": {}, "units": "0", "untold": False}
    # A price that Postgres takes for no order: the second target has none.
    broken = [*LEGS[:2], {**LEGS[2], "limit_price": None}]
    Order.objects.filter(pk=entry.pk).update(legs_by_account={"legs": broken, **kept})
    told(entry, now, 8, fill(entry, "U1", 8, "a"))
    assert entry.filled_quantity == 8, "its fills are home all the same"
    assert got(entry) == {}
    Order.objects.filter(pk=entry.pk).update(legs_by_account={"legs": LEGS, **kept})
    assert account_legs.place_what_waits(now + account_legs.PART_WAITS) == 1
    assert got(entry) == {"U1": pairs(4, 2, 2)}


# The stop follows ------------------------------------------------------------------------------------------------------


def works(entry: Order) -> None:
    """Every leg works at IBKR."""
    for number, each in enumerate(entry.account_legs.order_by("pk"), 500):
        Order.objects.filter(pk=each.pk, status="created").update(status="accepted", broker_order_id=str(number))


def fills(leg: Order, now: datetime) -> None:
    """The target fills, and its stop is canceled with it."""
    price = leg.limit_price
    values = {"filled_quantity": leg.quantity, "average_price": price, "filled_at": now, "changed_at": now}
    Order.objects.filter(pk=leg.pk).update(status="filled", **values)
    assert leg.parent is not None
    Order.objects.filter(pk=leg.parent.pk).update(status="canceled")
    leg.refresh_from_db()


def follow(target: Order, now: datetime) -> None:
    """As the transaction does that brings a target's fill home."""
    with transaction.atomic():
        by_rule.follow([target], now)


def moved(entry: Order) -> dict[str, int]:
    """How many stops of each account were asked to move, all to where that account entered."""
    asked = OrderModification.objects.filter(order__group_entry=entry, by_rule=True)
    assert set(asked.values_list("stop_price", flat=True)) <= {Decimal(100)}
    numbers = [each.order.account.account_id for each in asked.select_related("order__account")]
    return {number: numbers.count(number) for number in numbers}


def test_the_stops_of_an_account_move_once_all_its_orders_for_a_target_have_filled(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 12, fill(entry, "U1", 8, "a"), fill(entry, "U2", 4, "b"))
    told(entry, now, 20, fill(entry, "U1", 8, "c"))
    account_legs.place_what_waits(now + account_legs.PART_WAITS)
    works(entry)
    first, second = entry.account_legs.filter(account__account_id="U1", rung=1).order_by("pk")
    fills(first, now)
    follow(first, now)
    assert (moved(entry), by_rule.follow_what_waits(now)) == ({}, 0), "the other order for this target works"
    fills(second, now)
    follow(second, now)
    # Four stops of it are left: two for the second target, two for what has none. The other account's stay.
    assert moved(entry) == {"U1": 4}
    follow(second, now)
    assert by_rule.follow_what_waits(now) == 0
    assert moved(entry) == {"U1": 4}, "each moves once"


def test_a_stop_that_comes_to_work_later_is_found_by_the_sweep(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 8, fill(entry, "U1", 8, "a"))
    [target] = entry.account_legs.filter(rung=1)
    Order.objects.filter(pk=target.pk).update(broker_order_id="1")
    fills(target, now)
    follow(target, now)
    assert moved(entry) == {}
    works(entry)
    assert by_rule.follow_what_waits(now) == 2
    assert moved(entry) == {"U1": 2}


def test_a_stop_of_one_part_that_ended_is_missing_though_the_others_work(entry: Order) -> None:
    now = timezone.now()
    told(entry, now, 8, fill(entry, "U1", 8, "a"))
    works(entry)
    account = BrokerageAccount.objects.get(account_id="U1")
    later = now + timedelta(seconds=5)
    rows.position(account, quantity=Decimal(8), as_of=later)
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=later)

    def lacks() -> Decimal:
        seen = scenes.load(account.pk, entry.conid, later)
        assert seen is not None
        return lack_of(seen.scene, Presence.WORKING).held

    assert lacks() == 0
    first, second, _ = entry.account_legs.filter(role="stop_loss").order_by("pk")
    for ended, status in ((first, "rejected"), (second, "canceled")):
        values = {"status": status, "submitted_at": now, "changed_at": later}
        Order.objects.filter(pk=ended.pk).update(**values)
        ended.children.update(**values)
    assert lacks() == 6
    # A target that has filled took its part along, and its stop is missed by nobody.
    second.children.update(status="filled", filled_quantity=2, filled_at=now)
    assert lacks() == 4
