"""Legs at a distance are moved to where they stand from the fill: once for each state of it, and never in the dark."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team
from brokers.domain.actions.reading import Ratio
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import (
    Distance,
    DistanceIn,
    Instrument,
    Modification,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from brokers.models import BrokerageAccount, ContractLookup, Order, OrderModification, Rescaling, Ticket
from brokers.orders import reconciliation, tickets
from brokers.orders.modifications import from_fill, sending, wishes
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import changes, match
from brokers.tests.orders.test_resizes import worked
from brokers.tests.protection.test_missing_stops import ended, story, working_stops

pytestmark = pytest.mark.django_db(transaction=True)

D = Decimal
AAPL = Instrument(ticker="AAPL")
TWO_PERCENT = Distance(value=D(2), counts=DistanceIn.PERCENT)
FOUR_PERCENT = Distance(value=D(4), counts=DistanceIn.PERCENT)


def leg(role: Role, distance: Distance | None, **values: Any) -> OrderIntent:
    kind = OrderType.STOP if role is Role.STOP_LOSS else OrderType.LIMIT
    wanted: dict[str, Any] = {"type": kind, "side": Side.SELL, "quantity": D(10), **values}
    return OrderIntent(
        role=role,
        instrument=AAPL,
        time_in_force=TimeInForce.GTC,
        release=Release.WITH_PARENT,
        from_fill=distance,
        **wanted,
    )


def plan(account: BrokerageAccount, *legs: OrderIntent, **values: Any) -> Ticket:
    """Buy ten AAPL at the market, with legs."""
    wanted: dict[str, Any] = {"type": OrderType.MARKET, "quantity": D(10), **values}
    entry = OrderIntent(role=Role.ENTRY, instrument=AAPL, side=Side.BUY, then=legs, **wanted)
    now = timezone.now()
    draft = tickets.Draft(
        account=account,
        key=uuid.uuid4(),
        conid=265598,
        currency="USD",
        multiplier=D(1),
        intents=(entry,),
        cancels=(),
        expires_at=now + timedelta(minutes=1),
    )
    with transaction.atomic():
        return tickets.open_tickets([draft], now)[0]


def order(ticket: Ticket, role: Role) -> Order:
    return ticket.orders.get(role=role)


def last(of: Order) -> OrderModification:
    return of.modifications.order_by("-pk")[0]


def up(price: Decimal, tick: str = "0.01") -> Decimal:
    return (price / D(tick)).to_integral_value(ROUND_CEILING) * D(tick)


# At a real gateway ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def far(bench: lab.Lab) -> Ticket:
    """An entry with a stop and a target planned from a price far from the one at which it fills."""
    return plan(
        bench.account,
        leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D("1.00")),
        leg(Role.TAKE_PROFIT, FOUR_PERCENT, limit_price=D("9999.00")),
    )


def is_moved(ticket: Ticket) -> bool:
    asked = OrderModification.objects.filter(order__ticket=ticket, from_fill=True)
    return asked.exclude(ended_at=None).count() == 2


def test_a_stop_and_a_target_move_to_where_they_stand_from_the_fill(bench: lab.Lab) -> None:
    ticket = far(bench)
    worked(lambda: is_moved(ticket), "both legs are moved")
    entry, stop, target = (order(ticket, role) for role in (Role.ENTRY, Role.STOP_LOSS, Role.TAKE_PROFIT))
    average = entry.average_price
    assert average is not None
    assert (stop.stop_price, target.limit_price) == (up(average * D("0.98")), up(average * D("1.04")))
    assert entry.legs_counted_from == average
    # In place, once each: the same orders at IBKR, and never a moment without a stop.
    asked = {each["orderType"]: each for each in changes(bench)}
    assert len(changes(bench)) == 2
    assert {kind: D(str(each["price"])) for kind, each in asked.items()} == {
        "STP": stop.stop_price,
        "LMT": target.limit_price,
    }
    assert not bench.gateway.journal(bench.user, method="DELETE")
    resting = {row["origOrderType"]: row for row in bench.at_broker() if row["status"] != "Filled"}
    assert D(resting["STOP"]["auxPrice"]) == stop.stop_price
    said = f"IBKR is asked to change it: stop {grouped(stop.stop_price)} (2 % below the fill at {grouped(average)})"
    assert said in stop.events.values_list("cause", flat=True)


def test_ibkr_refuses_and_the_old_stop_stands(bench: lab.Lab) -> None:
    bench.gateway.fault(
        action={"body": {"error": "It cannot be changed."}, "status": 200}, match=match(bench), times=10
    )
    ticket = far(bench)
    worked(lambda: is_moved(ticket), "both changes are answered")
    stop = order(ticket, Role.STOP_LOSS)
    assert (stop.stop_price, stop.status, last(stop).status) == (D(1), "accepted", "refused")
    assert last(stop).reason.startswith("Kept as it is: IBKR did not change it.")


def test_an_answer_that_is_lost_is_read_back_and_nothing_is_asked_twice(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=match(bench), phase="after")
    ticket = far(bench)
    worked(lambda: is_moved(ticket), "both changes are known")
    average = order(ticket, Role.ENTRY).average_price
    assert average is not None
    assert order(ticket, Role.STOP_LOSS).stop_price == up(average * D("0.98"))
    assert len(changes(bench)) == 2


def test_a_stop_that_ibkr_cancels_instead_is_placed_anew(bench: lab.Lab) -> None:
    """Whatever becomes of the change, the position ends with one stop over all of it."""
    bench.gateway.fault(preset="stop_canceled_later", match={"user": bench.user})
    story(
        bench,
        lambda: plan(bench.account, leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D("1.00"))),
        ended,
        "it is mended",
    )
    assert [each["quantity"] for each in working_stops(bench)] == ["10"]
    assert not OrderModification.objects.filter(status__in=["waiting", "leaving"]).exists()


# By rows --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    account = rows.account(team)
    ContractLookup.objects.create(
        connection=account.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=265598,
        answered_at=timezone.now(),
        increments=[],
    )
    return account


def working(account: BrokerageAccount, *legs: OrderIntent, status: str = "accepted") -> Ticket:
    """The entry and its legs as IBKR has them: planned at 100, with a stop at 98 and a target at 104."""
    ticket = plan(
        account,
        *(
            legs
            or (
                leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D(98)),
                leg(Role.TAKE_PROFIT, FOUR_PERCENT, limit_price=D(104)),
            )
        ),
    )
    for number, each in enumerate(ticket.orders.order_by("pk"), 1):
        legs_status = {} if each.role == Role.ENTRY else {"status": status}
        Order.objects.filter(pk=each.pk).update(
            **{"status": "accepted", **legs_status}, broker_order_id=str(number), submitted_at=timezone.now()
        )
    return ticket


def fills(
    entry: Order, *prices: str, quantity: str = "10", revision: int = 1, then: OrderStatus | None = None
) -> datetime:
    """IBKR tells of fills of the entry, of equal size, and of how it stands then."""
    now = timezone.now()
    each = D(quantity) / len(prices)
    told = [
        ExecutionFacts(
            account_id=entry.account.account_id,
            execution_id=f"0001.{number:02}.{revision:02}",
            reference=entry.reference,
            broker_order_id=entry.broker_order_id or "1",
            conid=entry.conid,
            ticker="AAPL",
            side=Side.BUY,
            quantity=each,
            price=D(price),
            fee=None,
            currency="USD",
            exchange="",
            executed_at=now,
        )
        for number, price in enumerate(prices)
    ]
    reports = []
    if then is not None:
        reports = [OrderFacts(account_id=entry.account.account_id, broker_order_id="1", status=then)]
    reconciliation.apply(entry.account.connection, orders=reports, executions=told, now=now)
    return now


def asked(ticket: Ticket) -> list[tuple[str, str, Decimal]]:
    rows_of = OrderModification.objects.filter(order__ticket=ticket).order_by("pk")
    return [
        (row.order.role, row.status, row.stop_price or row.limit_price or D(0))
        for row in rows_of.select_related("order")
    ]


BOTH = [("stop_loss", "waiting", D("97.51")), ("take_profit", "waiting", D("103.48"))]


def test_parts_wait_for_the_end_of_the_filling(account: BrokerageAccount) -> None:
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "99.00", quantity="5")
    assert asked(ticket) == []
    fills(order(ticket, Role.ENTRY), "99.00", "100.00")
    assert asked(ticket) == BOTH
    # The same news again changes nothing.
    fills(order(ticket, Role.ENTRY), "99.00", "100.00")
    assert asked(ticket) == BOTH


def test_a_report_of_a_fill_waits_for_every_execution(account: BrokerageAccount) -> None:
    ticket = working(account)
    entry = order(ticket, Role.ENTRY)
    facts = OrderFacts(
        account_id=account.account_id,
        broker_order_id="1",
        status=OrderStatus.FILLED,
        filled_quantity=D(10),
        average_price=D("99.9"),
    )
    reconciliation.apply(account.connection, orders=[facts], now=timezone.now())
    entry.refresh_from_db()
    assert (entry.status, asked(ticket)) == ("filled", [])
    fills(entry, "99.00", quantity="5")
    assert asked(ticket) == []
    fills(entry, "99.00", "100.00")
    assert asked(ticket) == BOTH


def test_an_entry_canceled_with_a_part_is_counted_from_that(account: BrokerageAccount) -> None:
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "99.50", quantity="4", then=OrderStatus.CANCELED)
    assert asked(ticket) == BOTH


def test_an_entry_that_ended_by_a_persons_word_is_counted_by_the_sweep(account: BrokerageAccount) -> None:
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "99.50", quantity="4")
    assert from_fill.count_what_waits(timezone.now()) == 0
    Order.objects.filter(pk=order(ticket, Role.ENTRY).pk).update(status="canceled")
    assert from_fill.count_what_waits(timezone.now()) == 1
    assert from_fill.count_what_waits(timezone.now()) == 0
    assert asked(ticket) == BOTH


def test_fills_that_never_come_keep_no_other_entry_back_and_that_is_said(account: BrokerageAccount) -> None:
    untold, told = working(account), working(account)
    Order.objects.filter(ticket=told).update(broker_order_id="")
    for ticket in (untold, told):
        values = {"status": "filled", "filled_quantity": D(10), "average_price": D("99.5")}
        Order.objects.filter(pk=order(ticket, Role.ENTRY).pk).update(**values)
    rows.execution(order(told, Role.ENTRY), price=D("99.5"))
    assert from_fill.count_what_waits(timezone.now()) == 1
    assert (asked(told), asked(untold)) == (BOTH, [])
    later = timezone.now() + timedelta(days=2)
    assert from_fill.count_what_waits(later) == 1
    assert {row.reason_code for row in OrderModification.objects.filter(order__ticket=untold)} == {"fills-not-told"}
    assert from_fill.count_what_waits(later) == 0
    # They come after all.
    fills(order(untold, Role.ENTRY), "99.50")
    assert asked(untold)[2:] == BOTH


def test_a_size_that_is_being_changed_comes_first(account: BrokerageAccount) -> None:
    """An order and its legs get a size together, and nothing comes between; what stands from the fill follows."""
    ticket = working(account)
    now = timezone.now()
    with transaction.atomic():
        wanted = [Modification(reference=each.reference, quantity=D(8)) for each in ticket.orders.order_by("pk")]
        wishes.ask(wanted, wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    fills(order(ticket, Role.ENTRY), "99.50")
    assert not OrderModification.objects.filter(from_fill=True).exists()
    assert from_fill.count_what_waits(now) == 0
    for row in OrderModification.objects.filter(status="waiting"):
        wishes.end(row, wishes.Status.NOT_MADE, now, code="already-filled", reason="Filled.")
    assert from_fill.count_what_waits(now) == 1
    assert [each for each in asked(ticket) if each[1] == "waiting"] == BOTH


def test_an_entry_that_filled_nothing_moves_nothing(account: BrokerageAccount) -> None:
    ticket = working(account)
    facts = OrderFacts(account_id=account.account_id, broker_order_id="1", status=OrderStatus.CANCELED)
    reconciliation.apply(account.connection, orders=[facts], now=timezone.now())
    assert asked(ticket) == []


def test_nothing_is_sent_where_the_price_is_the_same_on_its_tick(account: BrokerageAccount) -> None:
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "100.00")
    assert asked(ticket) == []
    assert order(ticket, Role.ENTRY).legs_counted_from == 100


def test_a_corrected_fill_counts_anew_and_the_same_correction_does_not(account: BrokerageAccount) -> None:
    ticket = working(account, leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D(98)))
    fills(order(ticket, Role.ENTRY), "99.50")
    fills(order(ticket, Role.ENTRY), "101.00", revision=2)
    fills(order(ticket, Role.ENTRY), "101.00", revision=2)
    assert asked(ticket) == [("stop_loss", "not_made", D("97.51")), ("stop_loss", "waiting", D("98.98"))]


def test_a_correction_back_to_the_planned_price_sends_nothing(account: BrokerageAccount) -> None:
    ticket = working(account, leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D(98)))
    fills(order(ticket, Role.ENTRY), "99.50")
    fills(order(ticket, Role.ENTRY), "100.00", revision=2)
    assert asked(ticket) == [("stop_loss", "not_made", D("97.51"))]


def test_a_correction_behind_a_change_that_leaves_is_asked_for_as_well(account: BrokerageAccount) -> None:
    """The row still has the planned price, and IBKR is about to have another."""
    ticket = working(account, leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D(98)))
    fills(order(ticket, Role.ENTRY), "99.50")
    sending.begin(order(ticket, Role.STOP_LOSS), timezone.now())
    fills(order(ticket, Role.ENTRY), "100.00", revision=2)
    assert asked(ticket) == [("stop_loss", "leaving", D("97.51")), ("stop_loss", "waiting", D(98))]
    # And back to what is on its way: nothing more is wanted.
    fills(order(ticket, Role.ENTRY), "99.50", revision=3)
    assert asked(ticket) == [("stop_loss", "leaving", D("97.51")), ("stop_loss", "not_made", D(98))]


def test_a_fill_before_the_answer_waits_for_the_legs_to_arrive(account: BrokerageAccount) -> None:
    ticket = working(account, status="submitted")
    fills(order(ticket, Role.ENTRY), "99.50")
    assert asked(ticket) == BOTH
    assert sending.next_change(account.connection_id, timezone.now()) is None
    ticket.orders.exclude(role=Role.ENTRY).update(status="accepted")
    change = sending.next_change(account.connection_id, timezone.now())
    assert change is not None
    assert change.order.role == Role.STOP_LOSS


@pytest.mark.parametrize(
    ("status", "code"),
    [("filled", "already-filled"), ("canceled", "order-over"), ("pending_cancel", "being-canceled")],
)
def test_a_leg_that_is_over_is_left_and_that_is_said(account: BrokerageAccount, status: str, code: str) -> None:
    ticket = working(account)
    stop = order(ticket, Role.STOP_LOSS)
    values = {"filled_quantity": stop.quantity} if status == "filled" else {}
    Order.objects.filter(pk=stop.pk).update(status=status, **values)
    fills(order(ticket, Role.ENTRY), "99.50")
    row = last(stop)
    assert (row.status, row.reason_code, row.stop_price) == ("not_made", code, D("97.51"))
    assert row.reason.endswith("It was to stand 2 % below the fill at 99.5.")
    assert last(order(ticket, Role.TAKE_PROFIT)).status == "waiting"


@pytest.mark.parametrize("status", ["waiting", "leaving", "made"])
@pytest.mark.parametrize("end", ["made", "refused"])
def test_what_somebody_else_has_moved_stays_once_ibkr_has_moved_it(
    account: BrokerageAccount, status: str, end: str
) -> None:
    ticket = working(account)
    stop, now = order(ticket, Role.STOP_LOSS), timezone.now()
    with transaction.atomic():
        wanted = Modification(reference=stop.reference, stop_price=D(95))
        [row] = wishes.ask([wanted], wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    asked = OrderModification.objects.filter(pk=row.pk)
    asked.update(status=status, ended_at=now if status == "made" else None)
    fills(order(ticket, Role.ENTRY), "99.50")
    if status != "made":
        # Whether that one counts is not known before IBKR has answered.
        assert from_fill.count_what_waits(now) == 0
        assert last(stop).pk == row.pk
        row.refresh_from_db()
        code, reason = ("", "") if end == "made" else ("refused", "No.")
        with transaction.atomic():
            wishes.end(row, wishes.Status(end), now, code=code, reason=reason)
        assert from_fill.count_what_waits(now) == 1
    if status != "made" and end == "refused":
        assert (last(stop).status, last(stop).stop_price, last(stop).from_fill) == ("waiting", D("97.51"), True)
        return
    assert (last(stop).status, last(stop).reason_code) == ("not_made", "moved-by-others")


def test_what_ibkr_refused_somebody_else_does_not_keep_it(account: BrokerageAccount) -> None:
    ticket = working(account)
    stop, now = order(ticket, Role.STOP_LOSS), timezone.now()
    with transaction.atomic():
        wanted = Modification(reference=stop.reference, stop_price=D(95))
        [row] = wishes.ask([wanted], wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
        wishes.end(row, wishes.Status.REFUSED, now, code="refused", reason="No.")
    fills(order(ticket, Role.ENTRY), "99.50")
    assert (last(stop).status, last(stop).stop_price) == ("waiting", D("97.51"))


def test_a_person_who_moves_it_meanwhile_is_followed(account: BrokerageAccount) -> None:
    ticket = working(account)
    fills(order(ticket, Role.ENTRY), "99.50")
    stop, now = order(ticket, Role.STOP_LOSS), timezone.now()
    with transaction.atomic():
        wanted = Modification(reference=stop.reference, stop_price=D(95))
        wishes.ask([wanted], wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    assert asked(ticket) == [
        ("stop_loss", "not_made", D("97.51")),
        ("take_profit", "waiting", D("103.48")),
        ("stop_loss", "waiting", D(95)),
    ]


def test_a_leg_changed_with_a_split_is_left_to_a_person(account: BrokerageAccount) -> None:
    ticket = working(account)
    stop = order(ticket, Role.STOP_LOSS)
    Rescaling.keep(stop, None, Ratio(new=2, old=1), timezone.now())
    fills(order(ticket, Role.ENTRY), "99.50")
    assert last(stop).reason_code == "split-meanwhile"


def test_without_its_ticks_nothing_is_sent(account: BrokerageAccount) -> None:
    ticket = working(account)
    ContractLookup.objects.all().delete()
    fills(order(ticket, Role.ENTRY), "99.50")
    assert {(row.status, row.reason_code) for row in OrderModification.objects.all()} == {
        ("not_made", "contract-not-known")
    }


def test_a_price_that_does_not_exist_is_not_sent(account: BrokerageAccount) -> None:
    far_below = Distance(value=D(200), counts=DistanceIn.AMOUNT)
    ticket = working(account, leg(Role.STOP_LOSS, far_below, stop_price=D(98)))
    fills(order(ticket, Role.ENTRY), "99.50")
    # It names no price: the one that stands was not asked for.
    row = last(order(ticket, Role.STOP_LOSS))
    assert (row.status, row.reason_code, row.values()) == ("not_made", "no-such-price", {})


def quoted(account: BrokerageAccount, price: str, at: datetime) -> None:
    ContractLookup.objects.filter(connection=account.connection).update(
        bid=D(price), ask=D(price), last=D(price), quote_as_of=at, quote_flags="R", last_flag=""
    )


def test_a_price_that_the_market_has_passed_is_not_asked_for(account: BrokerageAccount) -> None:
    """The fill is corrected when the market is elsewhere."""
    ticket = working(account, leg(Role.STOP_LOSS, TWO_PERCENT, stop_price=D(98)))
    fills(order(ticket, Role.ENTRY), "100.00")
    quoted(account, "98.50", timezone.now())
    fills(order(ticket, Role.ENTRY), "101.00", revision=2)
    row = last(order(ticket, Role.STOP_LOSS))
    assert (row.status, row.reason_code, row.stop_price) == ("not_made", "price-on-wrong-side", D("98.98"))


def test_a_price_that_the_market_passes_while_it_waits_does_not_leave(account: BrokerageAccount) -> None:
    ticket = working(account)
    # A quote from before the fill says nothing of the market after it.
    quoted(account, "97.00", timezone.now() - timedelta(seconds=1))
    fills(order(ticket, Role.ENTRY), "99.50")
    assert asked(ticket) == BOTH
    quoted(account, "97.00", timezone.now())
    change = sending.next_change(account.connection_id, timezone.now())
    assert change is not None
    assert change.order.role == Role.TAKE_PROFIT
    row = last(order(ticket, Role.STOP_LOSS))
    assert (row.status, row.reason_code) == ("not_made", "price-on-wrong-side")
    assert row.reason == (
        "Not moved: the market at 97 is past stop 97.51, so it would fill at once. It stands where it stood: move it by "
        "hand, or close the position."
    )


def test_a_price_of_its_own_and_a_trail_stay(account: BrokerageAccount) -> None:
    trails = replace(leg(Role.STOP_LOSS, None, trail_percent=D(2)), type=OrderType.TRAILING_STOP)
    ticket = working(account, trails, leg(Role.TAKE_PROFIT, None, limit_price=D(104)))
    assert not order(ticket, Role.ENTRY).legs_from_fill
    fills(order(ticket, Role.ENTRY), "99.50")
    assert asked(ticket) == []


def test_a_plain_entry_costs_no_statement_more(account: BrokerageAccount) -> None:
    """Nothing is asked of legs where the entry has none at a distance."""
    plain = working(account, leg(Role.STOP_LOSS, None, stop_price=D(98)))
    with CaptureQueriesContext(database) as statements:
        fills(order(plain, Role.ENTRY), "99.50")
    assert not [each for each in statements.captured_queries if "distance" in each["sql"].split("WHERE")[-1]]
    assert not [each for each in statements.captured_queries if 'legs_counted_from" =' in each["sql"]]
