"""Fills of a combo come leg by leg, and count as whole combos."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.feed.needs import Need, needs_of
from accounts.models import Team
from brokers.domain.contracts.combos import number_of
from brokers.models import BrokerageAccount, Execution, NetFill, Order, SubmissionAttempt, UnexplainedChange
from brokers.models.options import combos
from brokers.models.unclaimed import change_by
from brokers.orders.fills.attached import attach
from brokers.orders.fills.told import in_whole
from brokers.tests import rows

LOW, HIGH = 700_000_001, 700_000_002
D = Decimal


def test_as_many_combos_have_filled_as_there_are_of_both_legs() -> None:
    legs = (LOW, HIGH)
    assert in_whole(legs, []) == []
    assert in_whole(legs, [(LOW, D(3), D(8))]) == []
    assert in_whole(legs, [(LOW, D(3), D(8)), (HIGH, D(2), D(5))]) == [(D(2), D(3))]
    # Until the third of the short leg is told, the first two of the long one count.
    assert in_whole(legs, [(LOW, D(2), D(8)), (LOW, D(1), D(11)), (HIGH, D(2), D(5))]) == [(D(2), D(3))]
    # A part of three and one of one: at the difference of the averages.
    parts = [(LOW, D(3), D(8)), (HIGH, D(3), D(5)), (LOW, D(1), D(9)), (HIGH, D(1), D(5))]
    assert in_whole(legs, parts) == [(D(4), D("3.25"))]
    assert in_whole(legs, [*parts, (265598, D(100), D(1))]) == [(D(4), D("3.25"))]


NUMBER, NAME = number_of(LOW, HIGH), "SPY 261218C640/650"


def ordered(account: BrokerageAccount, **values: Any) -> Order:
    return rows.order(account, **{"conid": NUMBER, "ticker": NAME, "asset_class": "option", **values})


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def net(account: BrokerageAccount) -> dict[int, Decimal]:
    sums: dict[int, Decimal] = {}
    for conid, quantity in NetFill.objects.filter(account=account).values_list("conid", "quantity"):
        sums[conid] = sums.get(conid, D(0)) + quantity
    return sums


@pytest.mark.django_db
def test_what_our_orders_hold_of_each_leg_follows_from_a_combos_fills(account: BrokerageAccount) -> None:
    bought = ordered(account, filled_quantity=D(2))
    assert net(account) == {LOW: D(2), HIGH: D(-2)}
    Order.objects.filter(pk=bought.pk).update(filled_quantity=D(5))
    assert net(account) == {LOW: D(5), HIGH: D(-5)}
    ordered(account, side="sell", role="exit", filled_quantity=D(4))
    rows.order(account, conid=LOW, ticker="SPY 261218C640", asset_class="option", filled_quantity=D(3))
    assert net(account) == {LOW: D(4), HIGH: D(-1)}
    # What is said of an order is taken back under the numbers under which it was counted.
    Order.objects.filter(pk=bought.pk).update(conid=number_of(LOW, HIGH + 1), ticker="SPY 261218C640/651")
    assert net(account) == {LOW: D(4), HIGH: D(4), HIGH + 1: D(-5)}


@pytest.mark.django_db
def test_what_is_counted_of_each_leg_is_gathered(account: BrokerageAccount) -> None:
    made = ordered(account, quantity=D(900), filled_quantity=D(1))
    for filled in range(2, 600):
        Order.objects.filter(pk=made.pk).update(filled_quantity=D(filled))
    assert net(account) == {LOW: D(599), HIGH: D(-599)}
    # One in thirty-two changes gathers what was written before it: that none of six hundred does has a chance of 1 in 10^8.
    assert NetFill.objects.filter(account=account).count() < 1_000


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"type": "stop", "stop_price": D(1)},
        {"type": "midprice"},
        {"time_in_force": "ioc"},
        {"time_in_force": "opg"},
        {"role": "stop_loss"},
        {"role": "take_profit"},
        {"outside_rth": True},
        {"fa_group": "all", "fa_method": "NetLiq"},
        {"asset_class": "stock"},
        {"ticker": "SPY 261218C640"},
        {"conid": LOW},
    ],
)
def test_postgres_refuses_an_order_for_a_combo_that_ibkr_does_not_take(
    account: BrokerageAccount, values: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match="order_of_a_combo_is_one_that_ibkr_takes"), transaction.atomic():
        ordered(account, **values)
    assert ordered(account, type="limit", limit_price=D("3.2"), time_in_force="gtc").pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("legs", "net_held"),
    [((2, -2), 2), ((5, -2), 2), ((2, 0), 0), ((0, 0), 0), ((-2, 2), 0)],
)
def test_a_combo_counts_as_held_while_ibkr_shows_both_legs(
    account: BrokerageAccount, now: datetime, legs: tuple[int, int], net_held: int
) -> None:
    ordered(account, filled_quantity=D(2), quantity=D(2), status="filled")
    for conid, quantity in zip((LOW, HIGH), legs, strict=True):
        if quantity:
            rows.position(account, conid=conid, asset_class="option", ticker=f"SPY {conid}", quantity=D(quantity))
    found = combos.load([account.pk], now)
    if not net_held:
        assert found == {}
        return
    assert set(found) == {(account.pk, LOW), (account.pk, HIGH)}
    (one,) = found[account.pk, LOW]
    assert (one.net, one.works, one.ticker, one.number) == (D(2), False, NAME, NUMBER)


@pytest.mark.django_db
def test_a_change_of_either_leg_may_be_the_fill_of_a_combo_in_doubt(account: BrokerageAccount) -> None:
    now = timezone.now()
    sold = ordered(account, side="sell", status="unknown", submitted_at=now - timedelta(seconds=9))
    assert change_by(sold) is None
    at = {"team": account.team, "account": account, "before": 0, "before_at": now, "since": now, "as_of": now}
    # The other way round than a sale would change it.
    wrong = UnexplainedChange.objects.create(conid=LOW, quantity=D(1), **at)
    assert change_by(sold) is None
    right = UnexplainedChange.objects.create(conid=HIGH, quantity=D(1), **at)
    assert change_by(sold) == right
    wrong.delete()
    right.delete()
    assert change_by(sold) is None


@pytest.mark.django_db
def test_fills_that_come_before_their_order_is_known_are_named_by_its_legs(account: BrokerageAccount) -> None:
    bought = ordered(account, quantity=D(2), broker_order_id="7")
    for conid, side in ((LOW, "buy"), (HIGH, "sell"), (HIGH, "buy")):
        rows.execution(bought, order=None, conid=conid, side=side, ticker="SPY", broker_order_id="7", quantity=D(2))
    assert attach(bought) == 2
    named = set(Execution.objects.filter(order=bought).values_list("conid", "ticker"))
    assert named == {(LOW, "SPY 261218C640"), (HIGH, "SPY 261218C650")}


@pytest.mark.django_db
def test_a_combo_of_which_one_leg_is_told_becomes_a_need_after_a_minute(account: BrokerageAccount) -> None:
    """Decisions about it waited, and nobody was told why."""
    now = timezone.now()
    bought = ordered(account, quantity=D(2))
    rows.execution(bought, conid=LOW, side="buy", ticker="SPY 261218C640", quantity=D(2), seen_at=now)
    rows.execution(bought, conid=HIGH, side="sell", ticker="SPY 261218C650", quantity=D(1), seen_at=now)

    def told(seconds: float) -> list[Need]:
        return [
            need
            for need in needs_of(account.team, now + timedelta(seconds=seconds)).rows
            if need.key == f"half-told-{bought.code}"
        ]

    assert not told(59)
    (need,) = told(61)
    assert need.title == (
        f"IBKR has told 2 of the long leg and 1 of the short one: buy SPY 18 Dec 2026 640/650 call spread in {account.account_id}"
    )
    assert (need.alarm, str(bought.code) in need.href) == (True, True)
    assert not told(timedelta(days=4, seconds=1).total_seconds())
    rows.execution(bought, conid=HIGH, side="sell", ticker="SPY 261218C650", quantity=D(1), seen_at=now)
    assert not told(61)


@pytest.mark.django_db
def test_one_of_which_both_legs_are_told_is_no_need(account: BrokerageAccount) -> None:
    now = timezone.now()
    bought = ordered(account)
    for conid, side in ((LOW, "buy"), (HIGH, "sell")):
        rows.execution(bought, conid=conid, side=side, quantity=D(1), seen_at=now)
    assert not needs_of(account.team, now + timedelta(minutes=2)).rows


@pytest.mark.django_db
@pytest.mark.parametrize(("held", "is_need"), [(1, True), (-1, False), (0, False)])
def test_a_way_out_of_a_combo_that_nobody_confirmed_is_a_need_while_both_legs_are_held(
    account: BrokerageAccount, held: int, is_need: bool
) -> None:
    """It was looked for under the combo's own number, under which nothing is held."""
    now = timezone.now()
    out = ordered(account, role="exit", side="sell", status="rejected", changed_at=now)
    SubmissionAttempt.objects.create(
        order=out, kind=SubmissionAttempt.Kind.REPLY, request={"confirmed": False}, sent_at=now
    )
    for conid, sign in ((LOW, held), (HIGH, -held)) if held else ():
        rows.position(account, conid=conid, ticker="SPY", asset_class="option", quantity=D(sign))
    found = [need.key for need in needs_of(account.team, now).rows]
    assert (f"declined-{out.code}" in found) is is_need
