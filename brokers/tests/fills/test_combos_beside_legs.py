"""What a combo's order has filled moves its legs before their executions come home: nobody sells a leg on old positions."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import explained, live_book
from brokers.book.actions import noticing
from brokers.book.views import NotYet, View
from brokers.domain.contracts.combos import number_of
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount, Closing, ContractLookup, Order, Position
from brokers.models.options import combos
from brokers.orders import closing, orphans
from brokers.orders.closings import combos as held_combos
from brokers.orders.closings import own_orders, waiting
from brokers.orders.modifications import protecting
from brokers.orders.modifications.checks import NotChangeable
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
LOW, HIGH, FAR = 700_000_001, 700_000_002, 700_000_003
NAMES = {LOW: "SPY 261218C640", HIGH: "SPY 261218C650", FAR: "SPY 261218C660"}
NUMBER, NAME = number_of(LOW, HIGH), "SPY 261218C640/650"
OTHER, OTHER_NAME = number_of(LOW, FAR), "SPY 261218C640/660"
SECOND = timedelta(seconds=1)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = rows.account(team, book_as_of=now)
    for conid, ticker in {**NAMES, NUMBER: NAME, OTHER: OTHER_NAME}.items():
        ContractLookup.objects.create(
            connection=made.connection, ticker=ticker, asset_class="option", status="found", conid=conid,
            answered_at=now, multiplier=D(100),
        )  # fmt: skip
    return made


def hold(account: BrokerageAccount, **quantities: int) -> None:
    for name, quantity in quantities.items():
        conid = {"low": LOW, "high": HIGH, "far": FAR}[name]
        rows.position(account, conid=conid, ticker=NAMES[conid], asset_class="option", quantity=D(quantity))


def ordered(account: BrokerageAccount, quantity: int, at: datetime, *, of: int = NUMBER, **values: Any) -> Order:
    """An order for combos, bought or sold below zero, that has filled by its own report at a moment."""
    side, size = ("buy" if quantity > 0 else "sell"), D(abs(quantity))
    fields: dict[str, Any] = {
        "conid": of, "ticker": NAME if of == NUMBER else OTHER_NAME, "asset_class": "option", "side": side,
        "role": "entry" if quantity > 0 else "exit", "quantity": size, "filled_quantity": size, "status": "filled",
        "filled_at": at, "submitted_at": at, "acknowledged_at": at, "changed_at": at, **values,
    }  # fmt: skip
    return rows.order(account, **fields)


def told(order: Order, at: datetime, *legs: int) -> None:
    """The executions of these legs come home."""
    for leg in legs:
        side = order.side if leg == LOW else {"buy": "sell", "sell": "buy"}[order.side]
        rows.execution(order, conid=leg, ticker=NAMES[leg], side=side, seen_at=at, executed_at=at)


def seen(account: BrokerageAccount, ticker: str, now: datetime) -> tuple[Snapshot, ...]:
    account.refresh_from_db()
    instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
    view = live_book.load([(account, instrument)], now).view(account, instrument)
    assert isinstance(view, View), view
    return view.alternatives


def positions(account: BrokerageAccount, ticker: str, now: datetime) -> list[Decimal]:
    return [each.position for each in seen(account, ticker, now)]


def test_an_exit_of_a_combo_that_has_filled_is_counted_for_its_legs_at_once(
    account: BrokerageAccount, now: datetime
) -> None:
    hold(account, low=10, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    assert positions(account, NAMES[LOW], now) == [8]
    out = ordered(account, -2, now + SECOND)
    # By its own report alone: either 10 are held and two of them leave, or 8 are.
    assert positions(account, NAMES[LOW], now) == [10, 8]
    assert positions(account, NAME, now) == [2, 0]
    # One leg after the other: each counts once.
    told(out, now + SECOND, LOW)
    assert positions(account, NAMES[LOW], now) == [10, 8]
    told(out, now + SECOND, HIGH)
    assert positions(account, NAMES[LOW], now) == [10, 8]
    assert positions(account, NAMES[HIGH], now) == [-2, 0]
    # IBKR lists what is left.
    Position.objects.filter(conid=LOW).update(quantity=8)
    Position.objects.filter(conid=HIGH).delete()
    BrokerageAccount.objects.update(book_as_of=now + 2 * SECOND)
    assert positions(account, NAMES[LOW], now + 2 * SECOND) == [8]


def test_a_part_of_a_combo_that_works_is_counted_too(account: BrokerageAccount, now: datetime) -> None:
    hold(account, low=10, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    ordered(account, -2, now + SECOND, filled_quantity=D(1), status="partially_filled", filled_at=None)
    assert positions(account, NAMES[LOW], now) == [9, 8]


def test_an_entry_of_a_combo_that_has_filled_is_counted_for_its_legs_at_once(
    account: BrokerageAccount, now: datetime
) -> None:
    hold(account, low=8)
    ordered(account, 2, now + SECOND)
    assert positions(account, NAMES[LOW], now) == [8, 10]
    assert positions(account, NAMES[HIGH], now) == [0, -2]
    assert positions(account, NAME, now) == [0, 2]
    # Canceled with a part filled.
    Order.objects.update(status="canceled", filled_quantity=1, quantity=2)
    assert positions(account, NAMES[LOW], now) == [8, 9]


def test_what_is_held_beside_combos_leaves_and_nothing_is_opened_there(
    account: BrokerageAccount, now: datetime
) -> None:
    hold(account, low=12, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    (one,) = seen(account, NAMES[LOW], now)
    assert one.position == 10
    assert one.in_combos is not None
    assert one.in_combos.code == "leg-of-a-combo"
    (inside,) = seen(account, NAMES[HIGH], now)
    assert (inside.position, inside.in_combos is not None) == (D(0), True)


def test_an_entry_of_a_combo_that_works_for_days_keeps_no_option_from_leaving(
    account: BrokerageAccount, now: datetime
) -> None:
    hold(account, low=10)
    ordered(account, 2, now - SECOND, status="accepted", filled_quantity=D(0), filled_at=None)
    (one,) = seen(account, NAMES[LOW], now)
    assert (one.position, one.in_combos is not None) == (D(10), True)


def test_an_exit_of_an_option_that_works_keeps_no_combo_from_leaving(account: BrokerageAccount, now: datetime) -> None:
    hold(account, low=12, high=-5)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    rows.order(
        account, conid=LOW, ticker=NAMES[LOW], asset_class="option", side="sell", role="exit", type="limit",
        limit_price=D(9), status="accepted",
    )  # fmt: skip
    (one,) = seen(account, NAME, now)
    # Not the five that both legs would make: three of the short ones were written alone.
    assert one.position == 2
    assert one.in_combos is not None
    assert one.in_combos.code == "order-in-a-leg"


def test_legs_that_were_bought_one_by_one_leave_without_what_works_in_one(
    account: BrokerageAccount, now: datetime
) -> None:
    hold(account, low=5, high=-5)
    rows.order(
        account, conid=LOW, ticker=NAMES[LOW], asset_class="option", side="sell", role="take_profit", type="limit",
        limit_price=D(9), status="accepted", quantity=D(3),
    )  # fmt: skip
    (one,) = seen(account, NAME, now)
    assert one.position == 2


def test_a_combo_that_has_just_filled_is_known_before_its_legs_are_listed(
    account: BrokerageAccount, now: datetime
) -> None:
    ordered(account, 2, now + SECOND)
    # Another one with the same leg, and that leg by itself: each would close what the first one has just opened.
    for ticker in (OTHER_NAME, NAMES[HIGH]):
        for each in seen(account, ticker, now) if ticker != OTHER_NAME else ():
            assert each.in_combos is not None
    account.refresh_from_db()
    instrument = Instrument(ticker=OTHER_NAME, asset_class=AssetClass.OPTION)
    assert isinstance(live_book.load([(account, instrument)], now).view(account, instrument), NotYet)


MIDDLE, MIDDLE_NAME = number_of(HIGH, FAR), "SPY 261218C650/660"


def test_a_leg_that_two_combos_have_the_other_way_round_leaves_neither_of_them(
    account: BrokerageAccount, now: datetime
) -> None:
    ContractLookup.objects.create(
        connection=account.connection, ticker=MIDDLE_NAME, asset_class="option", status="found", conid=MIDDLE,
        answered_at=now, multiplier=D(100),
    )  # fmt: skip
    for number, name in ((NUMBER, NAME), (MIDDLE, MIDDLE_NAME)):
        ordered(account, 2, now - SECOND, of=number, ticker=name)
    # IBKR nets what one has written and the other has bought.
    hold(account, low=2, far=-2)
    for outer in (LOW, FAR):
        (one,) = seen(account, NAMES[outer], now)
        assert (one.position, one.in_combos is not None) == (D(0), True)
    for name in (NAME, MIDDLE_NAME):
        (one,) = seen(account, name, now)
        assert one.position == 2
    made = wish(account, NUMBER)
    closing.work(now + SECOND)
    made.refresh_from_db()
    assert (made.status, sold()) == ("open", {NUMBER: D(2)})
    # A leg that is gone takes what is left of both apart.
    Position.objects.filter(conid=LOW).delete()
    (one,) = seen(account, NAMES[FAR], now)
    assert one.position == -2


@pytest.mark.parametrize(
    ("orders", "legs", "nets"),
    [
        # Never more than is held of both.
        ([(NUMBER, 5)], {"low": 2, "high": -2}, {NUMBER: 2}),
        ([(NUMBER, 5)], {"low": 2, "high": 2}, {}),
        ([(NUMBER, 5)], {"low": -2, "high": 2}, {}),
        # What two have in common is held once.
        ([(NUMBER, 2), (OTHER, 2)], {"low": 3, "high": -2, "far": -2}, {NUMBER: 2, OTHER: 1}),
        ([(NUMBER, 2), (OTHER, 2)], {"low": 4, "high": -2, "far": -2}, {NUMBER: 2, OTHER: 2}),
    ],
)
def test_combos_are_held_as_far_as_their_legs_are(
    account: BrokerageAccount,
    now: datetime,
    orders: list[tuple[int, int]],
    legs: dict[str, int],
    nets: dict[int, int],
) -> None:
    hold(account, **legs)
    for number, quantity in orders:
        ordered(account, quantity, now, of=number)
    found = {each.number: each.net for each in combos.load([account.pk], now).get((account.pk, LOW), ())}
    assert sum(found.values()) == sum(nets.values())
    assert len(found) == len(nets)


def wish(account: BrokerageAccount, conid: int, quantity: Decimal | None = None) -> Closing:
    account.refresh_from_db()
    assert account.book_as_of is not None
    return Closing.objects.create(
        team=account.team, account=account, conid=conid, ticker={**NAMES, NUMBER: NAME}[conid], asset_class="option",
        quantity=quantity, reason="asked", asked_at=account.book_as_of,
    )  # fmt: skip


def sold() -> dict[int, Decimal]:
    return dict(Order.objects.filter(status="created").values_list("conid", "quantity"))


def test_a_close_of_a_leg_waits_for_what_a_combo_has_filled(account: BrokerageAccount, now: datetime) -> None:
    hold(account, low=10, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    ordered(account, -2, now + SECOND)
    made = wish(account, LOW)
    closing.work(now + 2 * SECOND)
    made.refresh_from_db()
    assert (made.status, sold()) == ("open", {})
    assert made.note == "Waiting for the account's positions after the last fill or cancel."
    assert closing.accounts_to_read(now + 2 * SECOND) == {account.connection_id: {account.pk}}
    Position.objects.filter(conid=LOW).update(quantity=8)
    Position.objects.filter(conid=HIGH).delete()
    BrokerageAccount.objects.update(book_as_of=now + 2 * SECOND)
    closing.work(now + 3 * SECOND)
    assert sold() == {LOW: D(8)}


def test_a_close_of_a_combo_waits_for_what_its_legs_have_filled(account: BrokerageAccount, now: datetime) -> None:
    hold(account, low=2, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    # A leg was sold elsewhere a moment ago: its fill has the leg's number, and no order of ours.
    rows.execution(
        Order.objects.get(), order=None, conid=LOW, ticker=NAMES[LOW], side="sell", quantity=D(2), seen_at=now + SECOND
    )
    made = wish(account, NUMBER)
    closing.work(now + 2 * SECOND)
    made.refresh_from_db()
    assert (made.status, sold()) == ("open", {})
    assert closing.accounts_to_read(now + 2 * SECOND) == {account.connection_id: {account.pk}}


def test_what_a_combo_fills_while_a_close_looks_is_not_sold_twice(
    account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(account, low=10, high=-2)
    ordered(account, 2, now - SECOND)
    told(Order.objects.get(), now - SECOND, LOW, HIGH)
    wish(account, LOW, D(10))
    missing = waiting.book_missing

    def filled_meanwhile(*args: Any) -> str | None:
        found = missing(*args)
        ordered(account, -2, now + SECOND)
        return found

    monkeypatch.setattr(waiting, "book_missing", filled_meanwhile)
    closing.work(now + SECOND)
    assert sold() == {LOW: D(8)}


def test_the_time_of_a_close_begins_when_a_combo_with_the_leg_was_canceled(
    account: BrokerageAccount, now: datetime
) -> None:
    made = wish(account, LOW)
    ordered(account, 2, now + SECOND, status="canceled", filled_quantity=D(0), filled_at=None)
    assert own_orders.began_at(made) == now + SECOND


@pytest.mark.parametrize(("legs", "alone"), [((12, -2), 10), ((2, -2), 0), ((2, -12), 0), ((1, -2), 0)])
def test_what_is_beside_combos_follows_from_the_sides(
    account: BrokerageAccount, now: datetime, legs: tuple[int, int], alone: int
) -> None:
    hold(account, low=legs[0], high=legs[1])
    ordered(account, 2, now - SECOND)
    leg = held_combos.of_leg(account, LOW, "option", now)
    assert leg is not None
    assert leg.alone == alone


def test_a_stop_is_not_sized_by_positions_from_before_a_combos_fill(account: BrokerageAccount, now: datetime) -> None:
    hold(account, low=10)
    ordered(account, -2, now + SECOND)
    account.refresh_from_db()
    with pytest.raises(NotChangeable) as refused:
        protecting.protect(account=account, conid=LOW, values={"stop_price": D(1)}, actor=None, now=now + SECOND)
    assert refused.value.code == "book-is-old"


def test_a_working_exit_of_a_combo_is_not_left_behind_while_its_legs_are_held(
    account: BrokerageAccount, now: datetime
) -> None:
    minute = timedelta(minutes=1)
    BrokerageAccount.objects.update(book_as_of=now + minute)
    hold(account, low=2, high=-2)
    ordered(
        account, -2, now, type="limit", limit_price=D(4), status="accepted", filled_quantity=D(0), filled_at=None,
        broker_order_id="7",
    )  # fmt: skip
    assert orphans.cancel(now + minute) == 0
    Position.objects.filter(conid=HIGH).delete()
    assert orphans.cancel(now + minute) == 1


def test_what_a_combo_has_filled_explains_what_is_held_of_its_legs(account: BrokerageAccount, now: datetime) -> None:
    made = ordered(account, 2, now)
    assert [each.signed for each in explained._told_by_orders(account, LOW, now - SECOND)] == [2]
    assert [each.signed for each in explained._told_by_orders(account, HIGH, now - SECOND)] == [-2]
    assert noticing._untold(account, HIGH, now) == [-2]
    told(made, now, HIGH)
    assert explained._told_by_orders(account, HIGH, now - SECOND) == []
    assert noticing._untold(account, HIGH, now) == [0]
