"""Changes of what an account holds: explained by fills, or kept with since when they are not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.book import explained, holdings
from brokers.domain.brokerage import PositionFacts
from brokers.models import BrokerageAccount, Order, UnexplainedChange
from brokers.models.unclaimed import change_by
from brokers.tests import rows

pytestmark = pytest.mark.django_db
THREE, FIVE, TEN = Decimal(3), Decimal(5), Decimal(10)
AAPL, OTHER = 265598, 1


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose book was read at `now`, and which held nothing."""
    return rows.account(team, book_as_of=now)


def after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def fill(account: BrokerageAccount, at: datetime, side: str = "buy", quantity: Decimal = TEN) -> None:
    rows.execution(rows.order(account), side=side, quantity=quantity, seen_at=at)


def read(account: BrokerageAccount, at: datetime, held: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """IBKR's list of positions as it was asked for at a moment; returns what no fill explains, by contract."""
    facts = [
        PositionFacts(
            account_id=account.account_id,
            conid=conid,
            ticker="AAPL",
            asset_class="stock",
            quantity=quantity,
            average_cost=None,
        )
        for conid, quantity in held.items()
    ]
    holdings.refresh(account, positions=facts, summary=None, as_of=at)
    kept = UnexplainedChange.objects.filter(account=account).exclude(quantity=0)
    return dict(kept.values_list("conid", "quantity"))


def test_a_fill_explains_what_it_made(account: BrokerageAccount, now: datetime) -> None:
    fill(account, after(now, 60))
    assert read(account, after(now, 61), {AAPL: TEN}) == {}
    assert not UnexplainedChange.objects.exists()
    assert read(account, after(now, 120), {AAPL: FIVE}) == {AAPL: -FIVE}


def test_fills_of_both_sides_are_added_up(account: BrokerageAccount, now: datetime) -> None:
    for side, quantity in (("buy", TEN), ("sell", FIVE)):
        fill(account, after(now, 60), side, quantity)
    assert read(account, after(now, 120), {AAPL: FIVE}) == {}
    assert read(account, after(now, 180), {AAPL: TEN}) == {AAPL: FIVE}


def test_one_contract_does_not_explain_another(account: BrokerageAccount, now: datetime) -> None:
    fill(account, after(now, 60))
    assert read(account, after(now, 120), {AAPL: TEN, OTHER: TEN}) == {OTHER: TEN}


def test_what_is_not_explained_stands_until_its_fill_is_told(account: BrokerageAccount, now: datetime) -> None:
    assert read(account, after(now, 30), {AAPL: TEN}) == {AAPL: TEN}
    assert read(account, after(now, 60), {AAPL: TEN}) == {AAPL: TEN}
    row = UnexplainedChange.objects.get()
    assert (row.before, row.before_at, row.since, row.as_of) == (Decimal(0), now, after(now, 30), after(now, 60))
    fill(account, after(now, 65))
    assert read(account, after(now, 66), {AAPL: TEN}) == {}


def test_what_an_order_is_known_to_have_filled_explains_before_its_executions_do(
    account: BrokerageAccount, now: datetime
) -> None:
    Order.objects.filter(pk=rows.order(account).pk).update(filled_quantity=TEN, changed_at=after(now, 29))
    assert read(account, after(now, 30), {AAPL: TEN}) == {}


def test_a_fill_that_met_a_reading_may_be_in_it(account: BrokerageAccount, now: datetime) -> None:
    rows.position(account, quantity=TEN)
    fill(account, after(now, 2), quantity=FIVE)
    assert read(account, after(now, 60), {AAPL: TEN}) == {}
    # Or it was not.
    assert read(account, after(now, 61), {AAPL: TEN + FIVE}) == {}
    assert read(account, after(now, 62), {AAPL: TEN + TEN}) == {AAPL: FIVE}


def test_a_fill_that_was_told_just_before_a_reading_may_have_been_missing_there(
    account: BrokerageAccount, now: datetime
) -> None:
    fill(account, after(now, -1))
    assert read(account, after(now, 2), {AAPL: TEN}) == {}


def test_a_list_that_lags_behind_a_fill_shows_no_change_and_hides_none(
    account: BrokerageAccount, now: datetime
) -> None:
    fill(account, after(now, 58))
    assert read(account, after(now, 60), {}) == {}
    assert read(account, after(now, 70), {AAPL: -FIVE}) == {AAPL: -FIVE}
    assert read(account, after(now, 80), {AAPL: TEN}) == {}
    assert not UnexplainedChange.objects.exists()


def test_a_list_that_lacks_a_fill_for_longer_is_not_explained(account: BrokerageAccount, now: datetime) -> None:
    fill(account, after(now, 20))
    assert read(account, after(now, 60), {}) == {AAPL: -TEN}


def test_without_a_reading_before_nothing_is_compared(team: Team, now: datetime) -> None:
    assert read(rows.account(team), now, {AAPL: TEN}) == {}


def test_what_nobody_looks_for_is_forgotten_after_three_minutes(account: BrokerageAccount, now: datetime) -> None:
    read(account, after(now, 30), {AAPL: TEN})
    assert read(account, after(now, 210), {AAPL: TEN}) == {AAPL: TEN}
    assert read(account, after(now, 211), {AAPL: TEN}) == {}
    # What is held now is what the next reading is compared with.
    assert read(account, after(now, 240), {AAPL: TEN}) == {}


@pytest.mark.parametrize("status", ["unknown", "needs_attention", "pending_cancel"])
def test_it_stands_for_as_long_as_an_order_is_looked_for(account: BrokerageAccount, now: datetime, status: str) -> None:
    order = rows.order(account, status=status)
    read(account, after(now, 30), {AAPL: TEN})
    assert read(account, after(now, 3000), {AAPL: TEN}) == {AAPL: TEN}
    assert explained.asks(account, after(now, 209))
    assert not explained.asks(account, after(now, 211))
    Order.objects.filter(pk=order.pk).update(status="expired")
    assert read(account, after(now, 3001), {AAPL: TEN}) == {}


def test_more_of_it_is_news(account: BrokerageAccount, now: datetime) -> None:
    read(account, after(now, 30), {AAPL: FIVE})
    read(account, after(now, 60), {AAPL: TEN})
    assert UnexplainedChange.objects.get().since == after(now, 60)


def test_an_older_reading_changes_nothing(account: BrokerageAccount, now: datetime) -> None:
    read(account, after(now, 30), {AAPL: TEN})
    assert read(account, after(now, 29), {}) == {AAPL: TEN}


def test_after_a_clock_that_was_set_back_all_is_compared_anew(account: BrokerageAccount, now: datetime) -> None:
    read(account, after(now, 30), {AAPL: TEN})
    UnexplainedChange.objects.update(before_at=after(now, 20))
    earlier = after(now, 10)
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=earlier)
    assert read(account, earlier, {AAPL: TEN}) == {}


@pytest.mark.parametrize(
    ("side", "sent", "held", "explains"),
    [
        ("buy", 20, TEN, True),
        ("buy", 33, TEN, True),
        ("buy", 36, TEN, False),
        ("sell", 20, TEN, False),
        ("sell", 20, -TEN, True),
    ],
)
def test_an_order_explains_a_change_to_its_side_that_was_seen_after_it_was_sent(
    account: BrokerageAccount, now: datetime, side: str, sent: int, held: Decimal, explains: bool
) -> None:
    order = rows.order(account, side=side, submitted_at=after(now, sent))
    read(account, after(now, 30), {AAPL: held})
    assert (change_by(order) is not None) == explains
    assert change_by(rows.order(account, side=side)) is None
    assert change_by(rows.order(account, side=side, conid=OTHER, submitted_at=after(now, sent))) is None


def test_orders_that_fill_in_many_parts_around_a_reading_are_explained_as_those_in_few(
    account: BrokerageAccount, now: datetime
) -> None:
    for second in (60, 61, 62):
        fill(account, after(now, second), "sell", THREE)
    assert read(account, after(now, 63), {AAPL: -3 * THREE}) == {}
    # IBKR told one just before that reading, whose list lacked it.
    fill(account, after(now, 62.9), "sell", THREE)
    for part in range(10):
        fill(account, after(now, 64 + part / 10), "sell", THREE)
    assert read(account, after(now, 66), {AAPL: -14 * THREE}) == {}


@pytest.mark.parametrize(("most", "left"), [(explained.MOST_TRIED, {}), (2, {AAPL: THREE})])
def test_beyond_what_can_be_tried_all_fills_count(
    account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch, most: int, left: dict[int, Decimal]
) -> None:
    monkeypatch.setattr(explained, "MOST_TRIED", most)
    for second in (60, 61, 62):
        fill(account, after(now, second), "sell", THREE)
    # This list has the part that IBKR tells half a second later.
    assert read(account, after(now, 61.5), {AAPL: -3 * THREE}) == {}
    assert read(account, after(now, 63), {AAPL: -3 * THREE}) == left


@pytest.mark.parametrize(("held", "left"), [(40, {}), (30, {}), (50, {AAPL: TEN}), (10, {AAPL: -TEN})])
def test_fills_that_certainly_came_between_two_readings_are_one_sum(
    account: BrokerageAccount, now: datetime, held: int, left: dict[int, Decimal]
) -> None:
    # From a change that nothing explains on, what is held is compared with the reading before it.
    assert read(account, after(now, 10), {AAPL: FIVE}) == {AAPL: FIVE}
    # One met that reading, two came for certain, and the list may lack the last one.
    for second in (2, 20, 21, 95):
        fill(account, after(now, second))
    (seen,) = explained._fills_since(account, after(now, -5), after(now, 10), after(now, 100)).values()
    assert sorted(each.signed for each in seen) == [TEN, TEN, 2 * TEN]
    assert read(account, after(now, 100), {AAPL: Decimal(held)}) == left


def test_the_sums_are_of_each_contract_and_side(account: BrokerageAccount, now: datetime) -> None:
    for side, conid in (("buy", AAPL), ("buy", AAPL), ("sell", AAPL), ("buy", OTHER)):
        order = rows.order(account, conid=conid)
        rows.execution(order, side=side, quantity=TEN, seen_at=after(now, 20))
    found = explained._fills_since(account, now, now, after(now, 100))
    assert {conid: sorted(each.signed for each in fills) for conid, fills in found.items()} == {
        AAPL: [-TEN, 2 * TEN],
        OTHER: [TEN],
    }
