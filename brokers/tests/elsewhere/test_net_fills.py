"""What our orders in a contract have bought less what they have sold: kept by Postgres with each fill."""

from __future__ import annotations

import importlib
import random
import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from accounts.models import Team
from brokers.models import BrokerageAccount, NetFill, Order
from brokers.tests import rows

AAPL, MSFT = 265598, 272093
BACKFILL = importlib.import_module("brokers.migrations.0061_net_fills_of_before").FILL


def net(account: BrokerageAccount) -> dict[int, Decimal]:
    totals = NetFill.objects.filter(account=account).order_by().values("conid").annotate(total=Sum("quantity"))
    return {each["conid"]: each["total"] for each in totals if each["total"]}


def of_orders(account: BrokerageAccount) -> dict[int, Decimal]:
    sums: dict[int, Decimal] = {}
    for order in Order.objects.filter(account=account):
        bought = order.filled_quantity if order.side == "buy" else -order.filled_quantity
        sums[order.conid] = sums.get(order.conid, Decimal(0)) + bought
    return {conid: total for conid, total in sums.items() if total}


@pytest.mark.django_db
def test_whatever_becomes_of_orders_the_sum_is_that_of_their_fills(team: Team) -> None:
    account, chance = rows.account(team), random.Random(7)
    orders = [
        rows.order(account, quantity=Decimal(100), side=chance.choice(["buy", "sell"]), filled_quantity=Decimal(filled))
        for filled in (0, 0, 0, 5, 0, 0)
    ]
    for _ in range(200):
        change = chance.choice(["filled_quantity", "filled_quantity", "filled_quantity", "side", "conid"])
        value = {
            "filled_quantity": Decimal(chance.randrange(0, 100)),
            "side": chance.choice(["buy", "sell"]),
            "conid": chance.choice([AAPL, MSFT]),
        }[change]
        Order.objects.filter(pk=chance.choice(orders).pk).update(**{change: value})
        assert net(account) == of_orders(account)


@pytest.mark.django_db
def test_rows_are_gathered_so_that_a_long_history_leaves_few(team: Team) -> None:
    account = rows.account(team)
    order = rows.order(account, quantity=Decimal(2_000))
    for filled in range(1, 1_001):
        Order.objects.filter(pk=order.pk).update(filled_quantity=filled)
    assert net(account) == {AAPL: Decimal(1_000)}
    # One change in thirty-two gathers them: that none of four hundred does happens once in three hundred thousand times.
    assert NetFill.objects.count() < 400


@pytest.mark.django_db
def test_what_was_filled_before_is_added_once_however_much_was_noted_since(team: Team) -> None:
    account = rows.account(team)
    rows.order(account, filled_quantity=Decimal(7))
    NetFill.objects.all().delete()
    rows.order(account, side="sell", filled_quantity=Decimal(3))
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(BACKFILL)
        assert net(account) == {AAPL: Decimal(4)}


@pytest.mark.django_db(transaction=True)
def test_two_who_fill_two_contracts_in_two_orders_do_not_wait_for_each_other(team: Team) -> None:
    account, meet = rows.account(team), threading.Barrier(2, timeout=10)
    orders = [[rows.order(account, conid=conid) for conid in (AAPL, MSFT)] for _ in range(2)]
    failures: list[BaseException] = []

    def fill(first: Order, second: Order) -> None:
        try:
            with transaction.atomic():
                Order.objects.filter(pk=first.pk).update(filled_quantity=1)
                meet.wait()
                Order.objects.filter(pk=second.pk).update(filled_quantity=1)
                meet.wait()
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=fill, args=pair) for pair in (orders[0], reversed(orders[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert net(account) == {AAPL: Decimal(2), MSFT: Decimal(2)}
