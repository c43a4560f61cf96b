"""Stops that are to move once a target has filled: after splits, placed anew, in a market that went on, and refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.actions.reading import Ratio
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import Modification, MoveTo, OrderStatus, StopMove
from brokers.models import BrokerageAccount, ContractLookup, Notice, Order, OrderModification, Rescaling, Ticket
from brokers.notices import parts, telling, unchanged
from brokers.orders import reconciliation
from brokers.orders.modifications import asking, by_rule, sending, wishes
from brokers.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)

D = Decimal
AAPL = 265598
RULE: dict[str, Any] = {"moves_after": 1, "moves_to": "break_even", "moves_by": D(0)}
LEG: dict[str, Any] = {"side": "sell", "time_in_force": "gtc", "quantity": D(5), "release": "with_parent"}


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = rows.account(team)
    ContractLookup.objects.create(
        connection=made.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=AAPL,
        answered_at=timezone.now(),
        increments=[],
    )
    return made


def ladder(account: BrokerageAccount, **entry: Any) -> Ticket:
    """Ten long from 100 in two parts: targets at 104 and 110, a stop at 95 for each, that goes to break-even."""
    ticket = rows.ticket(account)
    for number, price in enumerate((104, 110)):
        part = rows.order(ticket, quantity=D(5), broker_order_id=f"{number}0", **entry)
        Order.objects.filter(pk=part.pk).update(
            status="filled", filled_quantity=D(5), average_price=D(100), filled_at=part.created_at
        )
        for at, (role, values) in enumerate(
            [
                ("stop_loss", {"type": "stop", "stop_price": D(95)}),
                ("take_profit", {"type": "limit", "limit_price": D(price)}),
            ],
            1,
        ):
            leg(ticket, role, broker_order_id=f"{number}{at}", parent=part, **values)
    return ticket


def leg(ticket: Ticket, role: str, **values: Any) -> Order:
    return rows.order(ticket, **{**LEG, **RULE, "role": role, "status": "accepted", **values})


def near(ticket: Ticket, role: str) -> Order:
    return ticket.orders.filter(role=role).order_by("pk")[0]


def far(ticket: Ticket, role: str) -> Order:
    return ticket.orders.filter(role=role).order_by("pk")[1]


def fills(target: Order, at: datetime | None = None, price: object = None) -> None:
    """A target fills, and the product hears of it."""
    now = at or timezone.now()
    Order.objects.filter(pk=target.pk).update(
        status="filled",
        filled_quantity=target.quantity,
        average_price=D(str(price or target.limit_price)),
        filled_at=now,
        changed_at=now,
    )
    target.refresh_from_db()


def follow(target: Order) -> None:
    with transaction.atomic():
        by_rule.follow([target], timezone.now())


def asked(stop: Order) -> list[tuple[str, str, Decimal | None]]:
    found = OrderModification.objects.filter(order=stop, by_rule=True).order_by("pk")
    return [(row.status, row.reason_code, row.stop_price) for row in found]


def quoted(account: BrokerageAccount, price: object, at: datetime) -> None:
    value = D(str(price))
    ContractLookup.objects.filter(connection=account.connection).update(
        bid=value, ask=value, last=value, quote_as_of=at, quote_flags="R", last_flag=""
    )


TO_BREAK_EVEN = [("waiting", "", D(100))]


def test_the_far_stop_goes_to_break_even(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert (asked(near(ticket, "stop_loss")), asked(far(ticket, "stop_loss"))) == ([], TO_BREAK_EVEN)


# Splits ---------------------------------------------------------------------------------------------------------------


def two_for_one(ticket: Ticket) -> None:
    """As IBKR's reports leave it: sizes and prices of what works, and no fill, are of the shares of after."""
    for order in ticket.orders.exclude(role="entry"):
        Rescaling.keep(order, None, Ratio(new=2, old=1), timezone.now())
        half = {name: price / 2 for name in ("stop_price", "limit_price") if (price := getattr(order, name))}
        Order.objects.filter(pk=order.pk).update(quantity=order.quantity * 2, **half)


def seen_in_the_positions(ticket: Ticket) -> None:
    rows.split(ticket.account)


def renumbered(ticket: Ticket) -> None:
    ticket.orders.exclude(role="entry").update(conid=700000)


@pytest.mark.parametrize("came", [two_for_one, seen_in_the_positions, renumbered])
@pytest.mark.parametrize("to", ["break_even", "trail_amount"])
def test_after_a_split_the_stop_stays_and_a_person_is_told(account: BrokerageAccount, came: Any, to: str) -> None:
    ticket = ladder(account, created_at=timezone.now() - timedelta(days=3))
    ticket.orders.exclude(role="entry").update(moves_to=to, moves_by=D(2))
    came(ticket)
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    stop = far(ticket, "stop_loss")
    assert [(status, code) for status, code, _ in asked(stop)] == [("not_made", "split-meanwhile")]
    assert "Move it by hand." in stop.events.order_by("-pk")[0].cause
    assert by_rule.follow_what_waits(timezone.now()) == 0
    assert unchanged.tell_of_changes(timezone.now()) == 1
    assert unchanged.tell_of_changes(timezone.now()) == 0
    assert "shares of before" in Notice.objects.get().why


@pytest.mark.parametrize("by_report", [True, False])
def test_a_change_that_waited_over_a_split_does_not_leave(account: BrokerageAccount, *, by_report: bool) -> None:
    ticket = ladder(account, created_at=timezone.now() - timedelta(days=3))
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    stop = far(ticket, "stop_loss")
    assert asked(stop) == TO_BREAK_EVEN
    if by_report:
        report = OrderFacts(
            account_id=account.account_id,
            broker_order_id=stop.broker_order_id,
            status=OrderStatus.ACCEPTED,
            quantity=D(10),
            stop_price=D("47.5"),
        )
        reconciliation.apply(account.connection, orders=[report], now=timezone.now())
    else:
        seen_in_the_positions(ticket)
    assert sending.next_change(account.connection_id, timezone.now()) is None
    assert asked(stop) == [("not_made", "split-meanwhile", D(100))]


def test_a_persons_change_that_waited_over_a_split_does_not_leave(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    stop = far(ticket, "stop_loss")
    with transaction.atomic():
        asker = wishes.Asker(expires_at=timezone.now() + timedelta(days=1))
        wishes.ask([Modification(reference=stop.reference, stop_price=D(99))], asker, timezone.now())
    report = OrderFacts(
        account_id=account.account_id,
        broker_order_id=stop.broker_order_id,
        status=OrderStatus.ACCEPTED,
        quantity=D(10),
        stop_price=D("47.5"),
    )
    reconciliation.apply(account.connection, orders=[report], now=timezone.now())
    row = OrderModification.objects.get()
    assert (row.status, row.reason_code) == ("not_made", "split-meanwhile")


# Placed anew ----------------------------------------------------------------------------------------------------------


def anew(ticket: Ticket, role: str, **values: Any) -> Order:
    """A leg instead of the far one, in a ticket of its own."""
    old = far(ticket, role)
    Order.objects.filter(pk=old.pk).update(status="canceled")
    price = {"stop_price": old.stop_price, "limit_price": old.limit_price, "type": old.type}
    made = {**price, "broker_order_id": f"9{role}", "release": "at_once", "moves_with": old.reference, **values}
    return leg(rows.ticket(ticket.account), role, **made)


def test_a_stop_that_was_placed_instead_of_another_moves_as_that_one(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    stop = anew(ticket, "stop_loss")
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert asked(stop) == TO_BREAK_EVEN


def test_one_that_had_not_come_to_ibkr_yet_is_moved_by_the_sweep(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    stop = anew(ticket, "stop_loss", status="submitted", broker_order_id="")
    assert by_rule.follow_what_waits(timezone.now()) == 0
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert asked(stop) == []
    Order.objects.filter(pk=stop.pk).update(status="accepted", broker_order_id="91")
    assert by_rule.follow_what_waits(timezone.now()) == 1
    assert by_rule.follow_what_waits(timezone.now()) == 0
    assert asked(stop) == TO_BREAK_EVEN


def test_a_target_that_was_placed_instead_of_another_counts_as_that_one(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    target = anew(ticket, "take_profit")
    fills(target)
    follow(target)
    assert asked(near(ticket, "stop_loss")) == TO_BREAK_EVEN
    # Its own stop ends with it.
    assert asked(far(ticket, "stop_loss")) == []


# A market that went on ------------------------------------------------------------------------------------------------


def test_by_the_sweep_the_market_of_now_counts_and_not_the_targets_fill(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    now = timezone.now()
    Order.objects.filter(pk=far(ticket, "stop_loss").pk).update(status="submitted")
    fills(near(ticket, "take_profit"), now - timedelta(hours=3))
    Order.objects.filter(pk=far(ticket, "stop_loss").pk).update(status="accepted")
    quoted(account, "99.50", now)
    assert by_rule.follow_what_waits(now) == 1
    assert asked(far(ticket, "stop_loss")) == [("not_made", "price-on-wrong-side", D(100))]


def test_a_target_that_filled_at_a_price_of_hours_ago_holds_no_move_back(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    now = timezone.now()
    # It filled below break-even: the entry has filled higher since.
    fills(near(ticket, "take_profit"), now - timedelta(hours=3), price=99)
    quoted(account, "103", now)
    assert by_rule.follow_what_waits(now) == 1
    assert asked(far(ticket, "stop_loss")) == TO_BREAK_EVEN


def test_beside_a_size_that_is_being_changed_the_move_waits_for_the_sweep(account: BrokerageAccount) -> None:
    ticket, now = ladder(account), timezone.now()
    stop = far(ticket, "stop_loss")
    part = ticket.orders.filter(role="entry").order_by("pk")[1]
    Order.objects.filter(pk=part.pk).update(status="partially_filled", filled_quantity=D(3))
    wanted = [Modification(reference=each.reference, quantity=D(4)) for each in (stop, part)]
    with transaction.atomic():
        wishes.ask(wanted, wishes.Asker(expires_at=now + timedelta(minutes=1)), now)
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert (asked(stop), by_rule.follow_what_waits(now)) == ([], 0)
    for row in OrderModification.objects.filter(status="waiting"):
        wishes.end(row, wishes.Status.NOT_MADE, now, code="already-filled", reason="Filled.")
    assert by_rule.follow_what_waits(now) == 1
    assert asked(stop) == TO_BREAK_EVEN


@pytest.mark.parametrize("status", ["waiting", "leaving"])
@pytest.mark.parametrize(("to", "moved"), [(D(102), []), (D(97), TO_BREAK_EVEN)])
def test_a_price_that_somebody_asked_for_stands_first(
    account: BrokerageAccount, status: str, to: Decimal, moved: list[Any]
) -> None:
    """A stop that a person moves past break-even came back to it where the target filled before that change was made."""
    ticket, now = ladder(account), timezone.now()
    stop = far(ticket, "stop_loss")
    with transaction.atomic():
        asker = wishes.Asker(expires_at=now + timedelta(minutes=1))
        wishes.ask([Modification(reference=stop.reference, stop_price=to)], asker, now)
    OrderModification.objects.update(status=status)
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert (asked(stop), by_rule.follow_what_waits(now)) == ([], 0)
    (theirs,) = OrderModification.objects.all()
    assert (theirs.status, theirs.stop_price) == (status, to)
    wishes.end(theirs, wishes.Status.MADE, now)
    Order.objects.filter(pk=stop.pk).update(stop_price=to)
    assert by_rule.follow_what_waits(now) == 1
    assert asked(stop) == moved


@pytest.mark.parametrize(
    ("by_then", "code"),
    [
        ({"stop_price": D(102)}, "closer-already"),
        ({"stop_price": D(100)}, "closer-already"),
        ({"type": "trailing_stop", "stop_price": None, "trail_amount": D(3)}, "follows-already"),
        ({"stop_price": D(97)}, ""),
    ],
)
def test_a_stop_that_was_moved_at_ibkr_while_the_rules_move_waited_is_not_taken_back(
    account: BrokerageAccount, by_then: dict[str, Any], code: str
) -> None:
    ticket, now = ladder(account), timezone.now()
    stop = far(ticket, "stop_loss")
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert asked(stop) == TO_BREAK_EVEN
    Order.objects.filter(pk=stop.pk).update(**by_then)
    change = sending.next_change(account.connection_id, now)
    assert (change is None) == bool(code)
    assert asked(stop) == [("not_made" if code else "waiting", code, D(100))]
    assert unchanged.tell_of_changes(now) == 0


def test_where_the_entrys_fills_are_never_told_the_stop_stays_and_that_is_said(account: BrokerageAccount) -> None:
    ticket, now = ladder(account), timezone.now()
    ticket.orders.filter(role="entry").update(average_price=None)
    fills(near(ticket, "take_profit"), now)
    assert by_rule.follow_what_waits(now) == 0
    assert by_rule.follow_what_waits(now + timedelta(days=1)) == 1
    assert by_rule.follow_what_waits(now + timedelta(days=1)) == 0
    assert [code for _, code, _ in asked(far(ticket, "stop_loss"))] == ["fills-not-told"]


# Told to people -------------------------------------------------------------------------------------------------------


def test_a_move_that_ibkr_refuses_is_told_to_the_owners_once(account: BrokerageAccount, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    ticket = ladder(account)
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    stop, now = far(ticket, "stop_loss"), timezone.now()
    wishes.end(
        OrderModification.objects.get(order=stop), wishes.Status.REFUSED, now, code="refused", reason="Kept as it is."
    )
    assert [unchanged.tell_of_changes(now) for _ in range(2)] == [1, 0]
    telling.send(now)
    (letter,) = mail.outbox
    assert letter.subject == f"A stop or a target at {account.connection.name} was not changed"
    assert "Kept as it is." in letter.body
    assert reverse("order", args=[account.team.code, stop.code]) in letter.body


def test_a_stop_that_stands_closer_already_is_told_to_nobody(account: BrokerageAccount) -> None:
    ticket = ladder(account)
    Order.objects.filter(pk=far(ticket, "stop_loss").pk).update(stop_price=D(102))
    fills(near(ticket, "take_profit"))
    follow(near(ticket, "take_profit"))
    assert "It stays: at 102" in far(ticket, "stop_loss").events.order_by("-pk")[0].cause
    assert unchanged.tell_of_changes(timezone.now()) == 0


@pytest.mark.parametrize("refused", ["rejected", "denied", "expired"])
def test_a_part_that_is_refused_alone_is_told_to_the_owners_once(account: BrokerageAccount, refused: str) -> None:
    ticket, now = ladder(account), timezone.now()
    part = ticket.orders.filter(role="entry").order_by("pk")[1]
    values = {"status": refused, "reason": "Too far from the market.", "reason_code": "r", "changed_at": now}
    Order.objects.filter(pk=part.pk).update(
        filled_quantity=0, filled_at=None, average_price=None, **values, broker_order_id=""
    )
    assert [parts.tell(now) for _ in range(2)] == [1, 0]
    assert Notice.objects.get().why == (
        f"Of the entry of 10 AAPL in {account.account_id} a part of 5 does not work: Too far from the market. 5 work or "
        "have filled, each part with its legs. Send what is missing again, if you want it."
    )


def test_an_entry_that_is_refused_whole_is_no_part(account: BrokerageAccount) -> None:
    ticket, now = ladder(account), timezone.now()
    ticket.orders.filter(role="entry").update(
        status="rejected", filled_quantity=0, filled_at=None, average_price=None, changed_at=now
    )
    assert parts.tell(now) == 0


# By hand --------------------------------------------------------------------------------------------------------------


def test_a_price_of_one_part_of_an_entry_is_that_of_all(account: BrokerageAccount) -> None:
    ticket = rows.ticket(account)
    limit = {"role": "entry", "type": "limit", "limit_price": D(90), "status": "accepted", "quantity": D(5)}
    entries = [rows.order(ticket, broker_order_id=str(number), **limit) for number in range(3)]
    Order.objects.filter(pk=entries[2].pk).update(limit_price=D(80))
    asking.change(order=entries[0], values={"limit_price": D(91)}, actor=None, now=timezone.now())
    changed = OrderModification.objects.values_list("order", "limit_price", "status")
    # The third was given a price of its own.
    assert sorted(changed) == [(part.pk, D(91), "waiting") for part in entries[:2]]


def test_the_rule_is_carried_by_whatever_is_placed_instead() -> None:
    rule = StopMove(after=1, to=MoveTo.BREAK_EVEN, by=D(0))
    assert rule.carried_from("a").carried_from("b").instead_of == "a"
