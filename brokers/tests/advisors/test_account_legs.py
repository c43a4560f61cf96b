"""The stop and the target of an entry for an advisor's group: in each account an order of its own, for what it got."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team
from accounts.tests.refusals import refused_by
from brokers.domain.orders import Distance, DistanceIn, OrderIntent, OrderType, Release, TimeInForce
from brokers.models import BrokerageAccount, Execution, Lapse, Order
from brokers.orders.fills import account_legs
from brokers.tests import lab, rows
from brokers.tests.orders.test_group_legs import EVERYBODY, bench, clients_hold
from brokers.tests.orders.test_partly_filled_entries import canceled, lived, match
from brokers.tests.orders.test_plans import intent, opened, status

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["bench"]


def legs(quantity: int, **stop: Any) -> tuple[OrderIntent, ...]:
    by_account = {"release": Release.BY_ACCOUNT, "time_in_force": TimeInForce.GTC}
    at = {"stop_price": Decimal("0.50"), **stop}
    return (
        intent("take_profit", "sell", quantity, type=OrderType.LIMIT, limit_price=Decimal(900), **by_account),
        intent("stop_loss", "sell", quantity, type=OrderType.STOP, **by_account, **at),
    )


def entered(quantity: int = 10, **stop: Any) -> OrderIntent:
    return intent("entry", "buy", quantity, allocation=EVERYBODY, then=legs(quantity, **stop))


def of_accounts(role: str) -> dict[str, list[int]]:
    """The sizes of the legs of each account, in the order they were made."""
    sizes: dict[str, list[int]] = {}
    for order in Order.objects.filter(role=role).select_related("account").order_by("account__account_id", "pk"):
        sizes.setdefault(order.account.account_id, []).append(int(order.quantity))
    return sizes


def clients(bench: lab.Lab) -> list[str]:
    numbers = bench.connection.accounts.exclude(pk=bench.account.pk).order_by("account_id")
    return list(numbers.values_list("account_id", flat=True))


def work_on() -> bool:
    """Whether every leg works at IBKR, each under the number of its own account."""
    there = Order.objects.filter(role__in=["stop_loss", "take_profit"])
    return there.exists() and not there.exclude(status="accepted").exists()


def test_each_account_gets_a_stop_and_a_target_for_what_it_got(bench: lab.Lab) -> None:
    entry = opened(bench, entered()).orders.get()
    lived(lambda: status(entry) == "filled", work_on)
    fills = Execution.objects.filter(order=entry).values_list("account__account_id", "quantity")
    got = {number: [int(units)] for number, units in fills}
    assert sorted(units for [units] in got.values()) == [2, 2, 3, 3]
    assert (of_accounts("stop_loss"), of_accounts("take_profit")) == (got, got)
    entry.refresh_from_db()
    assert entry.legs_by_account is not None
    assert (entry.legs_look_at, entry.legs_by_account["untold"]) == (None, False)
    assert set(entry.account_legs.all()) == set(Order.objects.exclude(pk=entry.pk))
    own = [(leg.account_id, leg.fa_group, leg.time_in_force) for leg in Order.objects.exclude(pk=entry.pk)]
    assert {(group, time) for _, group, time in own} == {("", "gtc")}
    assert bench.account.pk not in {account for account, _, _ in own}
    # A target that fills cancels the stop beside it, and leaves its account flat.
    bench.gateway.quote("AAPL", bid=901, ask=902, last=901)
    lived(
        lambda: not Order.objects.filter(role="take_profit").exclude(status="filled").exists(),
        lambda: not Order.objects.filter(role="stop_loss").exclude(status="canceled").exists(),
        lambda: clients_hold(bench) == 0,
    )


def test_an_entry_that_fills_in_parts_is_protected_part_by_part(bench: lab.Lab) -> None:
    place = match(bench, "POST", "/iserver/account/everybody/orders")
    bench.gateway.fault(action={"partial_fill": 0.4}, match=place)
    entry = opened(bench, entered(100)).orders.get()
    lived(lambda: sum(Execution.objects.values_list("quantity", flat=True)) == 40)
    now = timezone.now()
    assert account_legs.place_what_waits(now) == 0, "it may be over in a moment"
    assert account_legs.place_what_waits(now + account_legs.PART_WAITS) == 4
    assert account_legs.place_what_waits(now + 2 * account_legs.PART_WAITS) == 0, "nobody gets them twice"
    ten = {number: [10] for number in clients(bench)}
    assert of_accounts("stop_loss") == ten
    lived(work_on)
    canceled(entry)
    lived(lambda: Order.objects.get(pk=entry.pk).legs_look_at is None)
    assert of_accounts("stop_loss") == ten


def test_legs_at_a_distance_stand_from_the_fill(bench: lab.Lab) -> None:
    bench.gateway.quote("AAPL", bid=199, ask=200, last=200)
    distance = Distance(value=Decimal(10), counts=DistanceIn.PERCENT)
    entry = opened(bench, entered(stop_price=Decimal(150), from_fill=distance)).orders.get()
    lived(lambda: status(entry) == "filled")
    entry.refresh_from_db()
    assert entry.average_price is not None
    prices = set(Order.objects.filter(role="stop_loss").values_list("stop_price", flat=True))
    assert prices == {(entry.average_price * Decimal("0.9")).quantize(Decimal("0.01"))}
    assert not entry.legs_from_fill, "nothing is moved afterwards"


def test_a_leg_that_one_account_may_not_have_is_a_missing_stop_there(bench: lab.Lab) -> None:
    barred = clients(bench)[1]
    bench.gateway.fault(
        action={"status": 400, "body": {"error": "No trading permissions."}},
        match=match(bench, "POST", f"/iserver/account/{barred}/orders"),
        times=None,
    )
    entry = opened(bench, entered()).orders.get()
    lived(
        lambda: status(entry) == "filled",
        lambda: Lapse.objects.filter(account__account_id=barred).exists(),
        lambda: Order.objects.filter(role="stop_loss", status="accepted").count() == 3,
    )
    assert set(Order.objects.filter(role="stop_loss").exclude(account__account_id=barred).values_list("status")) == {
        ("accepted",)
    }
    assert not Lapse.objects.exclude(account__account_id=barred).exists()


# By rows alone -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def entry(team: Team) -> Order:
    """An entry of ten for a group of U1 and U2, whose legs wait; IBKR has not told what it filled."""
    own = rows.account(team, account_id="F1", kind="advisor")
    for number in ("U1", "U2"):
        rows.account(team, of=own.connection, account_id=number)
    made = {"placed": {}, "units": "0", "untold": False}
    leg = {"role": "stop_loss", "side": "sell", "type": "stop", "time_in_force": "gtc", "outside_rth": False}
    no_price = {"limit_price": None, "trail_amount": None, "trail_percent": None, "distance": None, "distance_in": ""}
    return rows.order(
        own,
        fa_group="family",
        fa_method="NetLiq",
        quantity=Decimal(10),
        legs_by_account={"legs": [{**leg, **no_price, "stop_price": "95"}], **made},
        legs_look_at=timezone.now(),
        status="filled",
        filled_quantity=Decimal(10),
        filled_at=timezone.now(),
    )


def filled(entry: Order, number: str, units: int, **values: Any) -> Execution:
    account = BrokerageAccount.objects.get(account_id=number)
    return rows.execution(entry, account=account, quantity=Decimal(units), **values)


def waits(entry: Order) -> bool:
    """Whether accounts of it may still lack their legs."""
    return Order.objects.filter(pk=entry.pk, legs_look_at__isnull=False).exists()


def test_what_is_not_told_yet_is_waited_for(entry: Order) -> None:
    now = timezone.now()
    filled(entry, "U1", 6)
    assert account_legs.place_what_waits(now) == 1
    filled(entry, "U2", 3)
    assert account_legs.place_what_waits(now) == 0, "it was looked at a moment ago"
    assert account_legs.place_what_waits(now + account_legs.PART_WAITS) == 1
    assert of_accounts("stop_loss") == {"U1": [6], "U2": [3]}
    assert waits(entry), "one more has filled for somebody"
    assert account_legs.place_what_waits(now + timedelta(days=5)) == 0
    assert not waits(entry)
    entry.refresh_from_db()
    assert "IBKR has not told all fills" in account_legs.in_words(entry)


def test_what_left_since_the_fill_gets_no_leg(entry: Order) -> None:
    now = timezone.now()
    for number, units, sold in (("U1", 6, 6), ("U2", 4, 1)):
        fill = filled(entry, number, units, seen_at=now - timedelta(seconds=2))
        rows.order(
            fill.account, role="exit", side="sell", quantity=Decimal(sold), created_at=now - timedelta(seconds=1)
        )
    assert account_legs.place_what_waits(now) == 1
    assert of_accounts("stop_loss") == {"U2": [3]}
    assert not waits(entry)


@pytest.mark.parametrize("many", [2, 12])
def test_reading_what_accounts_lack_is_as_many_questions_for_twelve_as_for_two(entry: Order, many: int) -> None:
    now = timezone.now()
    Order.objects.filter(pk=entry.pk).update(quantity=many, filled_quantity=many)
    for number in range(many):
        if not BrokerageAccount.objects.filter(account_id=f"U{number + 1}").exists():
            rows.account(entry.team, entry.connection, account_id=f"U{number + 1}")
        filled(entry, f"U{number + 1}", 1)
    with CaptureQueriesContext(connection) as asked:
        account_legs.place([Order.objects.get(pk=entry.pk)], now)
    assert len(of_accounts("stop_loss")) == many
    assert len([each for each in asked if each["sql"].startswith("SELECT")]) == 8


def test_an_exit_that_waits_for_its_price_takes_no_leg_away(entry: Order) -> None:
    now = timezone.now()
    for number, units in (("U1", 6), ("U2", 4)):
        fill = filled(entry, number, units, seen_at=now - timedelta(seconds=2))
        rows.order(
            fill.account,
            role="exit",
            side="sell",
            type="limit",
            limit_price=Decimal(900),
            quantity=Decimal(units),
            created_at=now - timedelta(seconds=1),
        )
    assert account_legs.place_what_waits(now) == 2
    assert of_accounts("stop_loss") == {"U1": [6], "U2": [4]}


def test_what_cannot_be_placed_keeps_no_other_back(entry: Order) -> None:
    now = timezone.now()
    filled(entry, "U1", 10)
    broken = rows.order(
        entry.account,
        fa_group="family",
        fa_method="NetLiq",
        legs_by_account={"legs": [{}], "placed": {}, "units": "0", "untold": False},
        legs_look_at=now,
        status="filled",
        filled_quantity=Decimal(10),
    )
    filled(broken, "U2", 10)
    account_legs.place([broken], now)
    assert account_legs.place_what_waits(now) == 1
    assert of_accounts("stop_loss") == {"U1": [10]}
    assert waits(broken), "it is tried again"


def test_an_entry_that_filled_nothing_waits_for_no_legs(entry: Order) -> None:
    Order.objects.filter(pk=entry.pk).update(status="canceled", filled_quantity=0)
    assert account_legs.place_what_waits(timezone.now()) == 0
    assert not waits(entry)
    assert not Order.objects.exclude(pk=entry.pk).exists()


def test_postgres_keeps_legs_by_account_to_entries_of_groups(entry: Order) -> None:
    plain = rows.order(rows.account(entry.team))
    wrong: list[dict[str, Any]] = [{"legs_look_at": timezone.now()}, {"legs_by_account": {"legs": []}}]
    for values in wrong:
        with refused_by("only_an_entry_for_a_group_has_legs_by_account"):
            Order.objects.filter(pk=plain.pk).update(**values)
    with refused_by("legs_by_account_are_no_orders"):
        Order.objects.filter(pk=entry.pk).update(release="by_account")
