"""Owners are told of orders that stay as they were: canceled too late by IBKR's word, or a stop that was not moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail

from accounts.models import Team, User
from brokers.models import BrokerageAccount, Dispatch, Notice, Order, OrderModification
from brokers.notices import telling, unchanged
from brokers.orders import cancels
from brokers.tests import rows

pytestmark = pytest.mark.django_db
END = datetime(2026, 12, 4, 21, 0, tzinfo=UTC)


@pytest.fixture
def account(team: Team, alice: User) -> BrokerageAccount:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return rows.account(team, rows.connection(team, environment="paper", base_url="https://127.0.0.1:5000/v1/api"))


def refused(account: BrokerageAccount, at: datetime) -> Order:
    order = Order.objects.filter(account=account).first() or rows.order(
        account,
        type="limit",
        limit_price=1,
        quantity=Decimal(10),
        status="accepted",
        broker_order_id="70",
        time_in_force="gtd",
        good_till=END,
    )
    assert cancels.ask_due(at) == 1
    order.refresh_from_db()
    attempt = cancels.begin_cancel(order, at)
    cancels.finish_cancel(order, attempt, cancels.REJECTED, "Not in the auction", at)
    order.refresh_from_db()
    return order


def test_owners_are_told_once_of_an_order_that_works_past_its_date(account: BrokerageAccount) -> None:
    order = refused(account, END)
    assert [unchanged.tell_of_ends(END + timedelta(seconds=wait)) for wait in (1, 31)] == [1, 0]
    telling.send(END + timedelta(minutes=1))
    (letter,) = mail.outbox
    assert letter.subject == f"An order of {account.connection.name} works on past the date it was good till"
    assert (
        f"Buy 10 AAPL in {account.account_id} was good till 2026-12-04 21:00:00 UTC and works on. IBKR did not cancel it: "
        "Not in the auction. Halyard asks again when its market opens next, 2026-12-07 14:30:00 UTC; until then it may fill."
    ) in letter.body
    assert str(order.code) in letter.body


def test_they_are_told_again_each_time_its_market_opens_and_at_last_that_nobody_asks_any_more(
    account: BrokerageAccount,
) -> None:
    opens = datetime(2026, 12, 7, 14, 30, tzinfo=UTC)
    for at in [END, *(opens + timedelta(days=day) for day in (0, 1, 2, 3, 4, 7))]:
        refused(account, at)
        assert unchanged.tell_of_ends(at + timedelta(seconds=1)) == 1
    told = list(Notice.objects.order_by("pk").values_list("why", flat=True))
    assert [("asks no more" in why, "asks again" in why) for why in told] == [(False, True)] * 6 + [(True, False)]


def test_nobody_is_told_of_what_is_over_by_then(account: BrokerageAccount) -> None:
    order = refused(account, END)
    Order.objects.filter(pk=order.pk).update(status="canceled")
    assert unchanged.tell_of_ends(END + timedelta(seconds=1)) == 0


def leg(account: BrokerageAccount, **values: Any) -> Order:
    fields = {"type": "stop", "stop_price": 95, "role": "stop_loss", "side": "sell", "broker_order_id": "7"}
    return rows.order(account, status="accepted", quantity=Decimal(10), **{**fields, **values})


def change(order: Order, **values: Any) -> OrderModification:
    reason = "Kept as it is: IBKR did not change it. No."
    fields: dict[str, Any] = {"status": "refused", "reason_code": "refused", "reason": reason, "ended_at": END}
    return OrderModification.objects.create(
        team=order.team,
        order=order,
        connection=order.connection,
        asked_at=END,
        expires_at=END,
        **{"stop_price": Decimal("97.51"), **fields, **values},
    )


def test_owners_are_told_once_of_a_stop_that_was_not_moved(account: BrokerageAccount) -> None:
    order = leg(account)
    change(order)
    assert [unchanged.tell_of_changes(END + timedelta(seconds=wait)) for wait in (1, 31)] == [1, 0]
    telling.send(END + timedelta(minutes=1))
    (letter,) = mail.outbox
    assert (
        f"The stop loss of AAPL in {account.account_id} (sell 10) stands at stop 95 at IBKR. It was to have stop 97.51. "
        "Kept as it is: IBKR did not change it. No."
    ) in letter.body
    assert str(order.code) in letter.body
    assert Dispatch.objects.get().status == "sent"


@pytest.mark.parametrize(
    ("order", "row", "told"),
    [
        ({}, {"status": "not_made", "reason_code": "change-too-late", "reason": "Late."}, 1),
        ({"role": "take_profit"}, {"from_fill": True}, 1),
        ({}, {"from_fill": True, "status": "not_made", "reason_code": "price-on-wrong-side", "reason": "Past."}, 1),
        ({}, {"from_fill": True, "status": "not_made", "reason_code": "fills-not-told", "reason": "Untold."}, 1),
        # Somebody wanted it so, it was over, or it is no stop.
        ({}, {"from_fill": True, "status": "not_made", "reason_code": "moved-by-others", "reason": "Moved."}, 0),
        ({}, {"status": "not_made", "reason_code": "superseded-change", "reason": "Later."}, 0),
        ({}, {"status": "made", "reason_code": "", "reason": ""}, 0),
        ({"role": "take_profit"}, {}, 0),
        ({"status": "filled", "filled_quantity": Decimal(10)}, {}, 0),
        ({}, {"ended_at": END - timedelta(hours=3)}, 0),
    ],
)
def test_of_which_changes_they_are_told(
    account: BrokerageAccount, order: dict[str, Any], row: dict[str, Any], told: int
) -> None:
    one = leg(account)
    Order.objects.filter(pk=one.pk).update(**order)
    change(one, **row)
    assert unchanged.tell_of_changes(END + timedelta(seconds=1)) == told


def test_of_one_stop_that_is_refused_again_and_again_they_are_told_once_an_hour(account: BrokerageAccount) -> None:
    one, other = leg(account), leg(account, broker_order_id="8")
    for number in range(4):
        change(one, stop_price=Decimal(90 + number))
    change(other)
    assert unchanged.tell_of_changes(END + timedelta(seconds=1)) == 2
    assert "to have stop 93." in Notice.objects.order_by("pk")[0].why
    assert unchanged.tell_of_changes(END + timedelta(minutes=59)) == 0
    change(one, ended_at=END + timedelta(minutes=60))
    assert unchanged.tell_of_changes(END + timedelta(minutes=62)) == 1


def test_who_asked_for_it_sees_it_on_the_page(account: BrokerageAccount, alice: User) -> None:
    change(leg(account), asked_by=alice)
    assert unchanged.tell_of_changes(END + timedelta(seconds=1)) == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        # What was wanted and what IBKR has are both named, whatever our row was when the change was planned.
        ({"stop_price": Decimal("97.51")}, "stands at stop 48.76 at IBKR. It was to have stop 97.51. A split"),
        # Where nothing says what it was to be, no price of before is given out for it.
        ({"stop_price": None}, "stands at stop 48.76 at IBKR. A split"),
    ],
)
def test_after_a_split_they_read_what_ibkr_has_and_what_was_wanted(
    account: BrokerageAccount, row: dict[str, Any], words: str
) -> None:
    order = leg(account)
    change(order, **row, by_rule=True, status="not_made", reason_code="split-meanwhile", reason="A split came.")
    Order.objects.filter(pk=order.pk).update(stop_price=Decimal("48.76"))
    assert unchanged.tell_of_changes(END + timedelta(seconds=1)) == 1
    assert words in Notice.objects.get().why
