"""Another end of an order: given here at once, told to nobody at IBKR, and never against a cancel that is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.domain.contracts.lifetimes import MOST_DAYS, Worked, has_an_end_to_move, why_kept
from brokers.domain.orders import Lifetime, Modification, OrderStatus, OrderType, Role, TimeInForce
from brokers.models import BrokerageAccount, Order, OrderModification, Ticket
from brokers.orders import cancels
from brokers.orders.modifications import asking, sending, wishes
from brokers.orders.modifications.checks import NotChangeable
from brokers.orders.waits import wished_cancels
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import changes
from brokers.tests.waits.test_good_till import at_the_broker, refreshed, refuse

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
END = NOW + timedelta(days=3)
UNTIL_CANCELED = Lifetime(None)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def working(account: BrokerageAccount | Ticket, **values: Any) -> Order:
    """A limit order that works at IBKR and is good till END."""
    fields = {
        "type": "limit",
        "limit_price": 1,
        "status": "accepted",
        "broker_order_id": "70",
        "time_in_force": "gtd",
        "good_till": END,
        "submitted_at": NOW,
        "created_at": NOW,
        "expires_at": NOW,
        "changed_at": NOW,
    }
    return rows.order(account, **{**fields, **values})


def move(order: Order, to: datetime | None, at: datetime = NOW, actor: User | None = None) -> OrderModification:
    return asking.change(order=order, values={}, lifetime=Lifetime(to), actor=actor, now=at)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(NotChangeable) as refused:
        call()
    assert str(refused.value).endswith(".")
    return refused.value.code


# By values alone ------------------------------------------------------------------------------------------------------


def worked(**values: Any) -> Worked:
    fields: dict[str, Any] = {
        "role": Role.ENTRY,
        "type": OrderType.LIMIT,
        "status": OrderStatus.ACCEPTED,
        "time_in_force": TimeInForce.GTD,
        "placed_at": NOW,
    }
    return Worked(**{**fields, **values})


LATER = Lifetime(END + timedelta(days=1))


@pytest.mark.parametrize(
    ("order", "wanted", "code"),
    [
        ({}, LATER, None),
        ({}, Lifetime(NOW + timedelta(seconds=1)), None),
        ({}, UNTIL_CANCELED, None),
        ({"time_in_force": TimeInForce.GTC}, LATER, None),
        ({"role": Role.EXIT}, LATER, None),
        ({"status": OrderStatus.CREATED, "placed_at": None}, LATER, None),
        ({"status": OrderStatus.SUBMITTED}, LATER, None),
        ({"status": OrderStatus.NEEDS_ATTENTION}, LATER, None),
        ({"type": OrderType.MARKET}, LATER, None),
        ({}, Lifetime(NOW), "good-till-date-passed"),
        ({}, Lifetime(NOW - timedelta(days=1)), "good-till-date-passed"),
        ({}, Lifetime(NOW + timedelta(days=MOST_DAYS)), None),
        ({}, Lifetime(NOW + timedelta(days=MOST_DAYS, seconds=1)), "good-till-date-too-far"),
        # It counts from when it was placed: IBKR goes by that.
        (
            {"placed_at": NOW - timedelta(days=80)},
            Lifetime(NOW + timedelta(days=10, seconds=1)),
            "good-till-date-too-far",
        ),
        ({"status": OrderStatus.PENDING_CANCEL}, LATER, "being-canceled"),
        ({"status": OrderStatus.FILLED}, LATER, "order-over"),
        ({"status": OrderStatus.EXPIRED}, UNTIL_CANCELED, "order-over"),
        ({"role": Role.STOP_LOSS, "time_in_force": TimeInForce.GTC}, LATER, "cannot-be-changed"),
        ({"role": Role.TAKE_PROFIT, "time_in_force": TimeInForce.GTC}, LATER, "cannot-be-changed"),
        ({"time_in_force": TimeInForce.DAY}, LATER, "cannot-be-changed"),
        ({"time_in_force": TimeInForce.OPG}, UNTIL_CANCELED, "cannot-be-changed"),
        ({"type": OrderType.MARKET, "time_in_force": TimeInForce.GTC}, LATER, "cannot-be-changed"),
    ],
)
def test_which_ends_are_moved(order: dict[str, Any], wanted: Lifetime, code: str | None) -> None:
    why = why_kept(worked(**order), wanted, NOW)
    assert (None if why is None else why[0]) == code
    assert why is None or (why[1][0].isupper() and why[1].endswith("."))


@pytest.mark.parametrize(
    ("order", "has_one"),
    [
        ({}, True),
        ({"time_in_force": TimeInForce.GTC}, True),
        ({"time_in_force": TimeInForce.DAY}, False),
        ({"role": Role.STOP_LOSS, "time_in_force": TimeInForce.GTC}, False),
        ({"status": OrderStatus.PENDING_CANCEL}, False),
        ({"status": OrderStatus.CANCELED}, False),
    ],
)
def test_which_orders_are_offered_another(order: dict[str, Any], *, has_one: bool) -> None:
    assert has_an_end_to_move(worked(**order)) is has_one


# On its row -----------------------------------------------------------------------------------------------------------


def test_who_moved_it_from_where_to_where_is_written_down(account: BrokerageAccount, alice: User) -> None:
    order = working(account)
    row = move(order, END + timedelta(days=1), actor=alice)
    assert (row.status, row.asked_by, row.time_in_force, row.good_till, row.good_till_before, row.ended_at) == (
        "made",
        alice,
        "gtd",
        END + timedelta(days=1),
        END,
        NOW,
    )
    assert (refreshed(order).good_till, order.time_in_force, order.changed_at) == (END + timedelta(days=1), "gtd", NOW)
    event = order.events.get(old="accepted", new="accepted")
    assert event.cause == (
        "Good till 2026-12-05 15:00 UTC from now on, before good till 2026-12-04 15:00 UTC; IBKR has it till canceled and is "
        "asked nothing"
    )
    entry = AuditEntry.objects.get(action="order.change_requested")
    assert (entry.before, entry.after) == (
        {"end": "good till 2026-12-04 15:00 UTC"},
        {"change": "good till 2026-12-05 15:00 UTC"},
    )


def test_the_same_end_again_changes_nothing(account: BrokerageAccount) -> None:
    order = working(account)
    assert move(order, END).reason_code == "already-so"
    move(order, END + timedelta(days=1))
    assert move(order, END + timedelta(days=1)).reason_code == "already-so"
    assert order.events.filter(old="accepted").count() == 1


def test_a_date_is_taken_away_and_given_again(account: BrokerageAccount) -> None:
    order = working(account)
    row = move(order, None)
    assert (row.time_in_force, row.good_till, row.good_till_before) == ("gtc", None, END)
    assert (refreshed(order).time_in_force, order.good_till) == ("gtc", None)
    assert cancels.ask_due(END + timedelta(days=30)) == 0
    assert move(order, None).reason_code == "already-so"
    assert move(order, END).good_till_before is None
    assert (refreshed(order).time_in_force, order.good_till) == ("gtd", END)
    assert cancels.ask_due(END) == 1


def test_what_waits_to_leave_never_leaves_after_its_new_end(account: BrokerageAccount) -> None:
    order = working(account, status="created", broker_order_id="", submitted_at=None, expires_at=END)
    sooner = NOW + timedelta(hours=1)
    assert move(order, sooner).status == "made"
    assert (refreshed(order).good_till, order.expires_at) == (sooner, sooner)
    assert move(order, END).status == "made"
    # Longer it works, not longer it waits to leave.
    assert (refreshed(order).good_till, order.expires_at) == (END, sooner)
    assert not order.events.filter(old="created").exists()


@pytest.mark.parametrize("status", ["created", "submitted", "unknown"])
def test_what_is_to_be_canceled_once_it_has_arrived_keeps_its_end(account: BrokerageAccount, status: str) -> None:
    order = working(account, status=status, broker_order_id="", submitted_at=None)
    wished_cancels.wish_cancels(account, [order], "Asked for.", NOW)
    assert code_of(lambda: move(order, None)) == "being-canceled"
    assert refreshed(order).good_till == END


def test_all_parts_of_an_entry_that_end_together_get_the_new_end(account: BrokerageAccount) -> None:
    first = working(account)
    part, other = (
        working(first.ticket, broker_order_id=str(number), good_till=END + timedelta(days=wait))
        for number, wait in ((71, 0), (72, 1))
    )
    move(first, None)
    assert [refreshed(each).good_till for each in (first, part, other)] == [None, None, END + timedelta(days=1)]


def test_prices_leave_for_ibkr_and_the_end_does_not(account: BrokerageAccount) -> None:
    order = working(account)
    row = asking.change(order=order, values={"limit_price": Decimal(2)}, lifetime=UNTIL_CANCELED, actor=None, now=NOW)
    assert (row.status, row.values()) == ("waiting", {"limit_price": Decimal(2)})
    assert [each.status for each in order.modifications.order_by("pk")] == ["made", "waiting"]
    assert [each.pk for each in sending.due()] == [order.pk]


def test_a_refused_date_leaves_its_prices_alone_too(account: BrokerageAccount) -> None:
    order = working(account)

    def both() -> object:
        return asking.change(
            order=order, values={"limit_price": Decimal(2)}, lifetime=Lifetime(NOW), actor=None, now=NOW
        )

    assert code_of(both) == "good-till-date-passed"
    assert not OrderModification.objects.exists()


# Against whoever ends orders by the clock -----------------------------------------------------------------------------


def test_moved_before_its_end_it_is_canceled_at_the_new_one(account: BrokerageAccount) -> None:
    order = working(account)
    move(order, END + timedelta(days=1), at=END - timedelta(seconds=1))
    assert [cancels.ask_due(END), cancels.ask_due(END + timedelta(days=1))] == [0, 1]


def test_past_its_end_it_is_moved_as_long_as_nobody_has_asked_for_its_cancel(account: BrokerageAccount) -> None:
    order = working(account)
    assert move(order, END + timedelta(days=1), at=END + timedelta(seconds=3)).status == "made"
    assert cancels.ask_due(END + timedelta(seconds=4)) == 0


def test_once_its_cancel_is_asked_for_the_end_stays(account: BrokerageAccount) -> None:
    order = working(account)
    assert cancels.ask_due(END) == 1
    assert code_of(lambda: move(order, None, at=END)) == "being-canceled"
    # A signal's is written down.
    wanted = [Modification(reference=order.reference, lifetime=UNTIL_CANCELED)]
    with transaction.atomic():
        [row] = wishes.ask(wanted, wishes.Asker(expires_at=END), END)
    assert (row.status, row.reason_code) == ("not_made", "being-canceled")
    assert refreshed(order).good_till == END


def test_one_that_ibkr_did_not_cancel_starts_anew_with_its_new_end(account: BrokerageAccount) -> None:
    order = working(account)
    assert cancels.ask_due(END) == 1
    refuse(order, END)
    assert refreshed(order).cancel_again_at is not None
    later = END + timedelta(hours=2)
    assert move(order, later, at=END + timedelta(minutes=1)).status == "made"
    assert (refreshed(order).cancel_again_at, order.reason, order.reason_code) == (None, "", "")
    assert [cancels.ask_due(END + timedelta(hours=1)), cancels.ask_due(later)] == [0, 1]


def wait_until_waited_for(thread: threading.Thread) -> None:
    """Go on once somebody waits for what this transaction holds."""
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
    with database.cursor() as cursor:
        while thread.is_alive():
            cursor.execute(waits)
            if cursor.fetchone() == (True,):
                return
    raise AssertionError("nobody waits for it")


def test_of_two_at_once_the_second_sees_what_the_first_has_done(account: BrokerageAccount) -> None:
    """The sweep has asked for the cancel and not committed: whoever moves the end waits for it, and is refused."""
    order, asked, told = working(account), threading.Event(), list[str]()

    def person() -> None:
        asked.wait()
        try:
            told.append(code_of(lambda: move(order, None, at=END)))
        finally:
            database.close()

    thread = threading.Thread(target=person)
    thread.start()
    try:
        with transaction.atomic():
            assert cancels._end_dated([order.pk], END) == 1
            asked.set()
            wait_until_waited_for(thread)
    finally:
        asked.set()
        thread.join()
    assert told == ["being-canceled"]


def test_whoever_ends_it_by_the_clock_passes_one_whose_end_is_just_being_moved(account: BrokerageAccount) -> None:
    order, counts = working(account), list[int]()

    def sweep() -> None:
        try:
            counts.append(cancels.ask_due(END))
        finally:
            database.close()

    with transaction.atomic():
        move(order, END + timedelta(days=1), at=END)
        thread = threading.Thread(target=sweep)
        thread.start()
        thread.join()
    assert counts == [0]
    assert cancels.ask_due(END) == 0
    assert refreshed(order).status == "accepted"


# At the simulated gateway ---------------------------------------------------------------------------------------------


def test_on_the_wire_nothing_leaves_until_its_new_end(bench: lab.Lab) -> None:
    now = timezone.now()
    order = at_the_broker(bench, now + timedelta(days=3))
    sooner = now + timedelta(hours=1)
    assert move(order, None, at=now).status == "made"
    assert move(order, sooner, at=now).status == "made"
    lab.work()
    assert changes(bench) == []
    assert cancels.ask_due(sooner - timedelta(seconds=1)) == 0
    assert [row["status"] for row in bench.at_broker()] == ["Submitted"]
    assert cancels.ask_due(sooner) == 1
    lab.lived(lambda: refreshed(order).status == "canceled")
    assert [row["status"] for row in bench.at_broker()] == ["Cancelled"]
    assert order.reason == f"Canceled by Halyard at its time: it was good till {sooner:%Y-%m-%d %H:%M:%S} UTC."


def test_on_the_wire_a_price_that_leaves_takes_no_date_along(bench: lab.Lab) -> None:
    now = timezone.now()
    order = at_the_broker(bench, now + timedelta(days=3))
    asking.change(
        order=order,
        values={"limit_price": Decimal("1.50")},
        lifetime=Lifetime(now + timedelta(days=1)),
        actor=None,
        now=now,
    )
    lab.lived(lambda: refreshed(order).limit_price == Decimal("1.50"))
    [sent] = changes(bench)
    assert (sent["tif"], sent["price"]) == ("GTC", 1.5)
    assert order.good_till == now + timedelta(days=1)


@pytest.mark.parametrize(
    ("role", "to", "leaves_by"),
    [
        ("exit", NOW + timedelta(days=2), NOW + timedelta(days=2)),
        ("exit", NOW + timedelta(hours=1), NOW + timedelta(hours=1)),
        ("exit", NOW + timedelta(days=30), NOW + timedelta(days=4)),
        ("exit", None, NOW + timedelta(days=4)),
        # A signal to enter is no younger for it.
        ("entry", NOW + timedelta(days=2), NOW + timedelta(days=1)),
    ],
)
def test_a_way_out_that_waits_may_leave_until_its_new_end(
    account: BrokerageAccount, role: str, to: datetime | None, leaves_by: datetime
) -> None:
    """It ended at its first end, whatever a person had said since."""
    cut = NOW + timedelta(days=1)
    order = working(
        account,
        role=role,
        side="sell",
        status="created",
        broker_order_id="",
        submitted_at=None,
        good_till=cut,
        expires_at=cut,
    )
    assert move(order, to).status == "made"
    assert (refreshed(order).good_till, order.expires_at) == (to, leaves_by)
