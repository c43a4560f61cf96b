"""The page and the API that change an order where it stands: what may be changed, and one sentence for what may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.domain.orders import Modification, OrderStatus, OrderType, Role, Side
from brokers.models import Order, OrderModification
from brokers.orders.modifications import asking, checks, wishes
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def stop(team: Team) -> Order:
    account = rows.account(team)
    rows.position(account, market_price=Decimal(180))
    return rows.order(
        account,
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=Decimal(170),
        quantity=Decimal(10),
        status="accepted",
        broker_order_id="1",
    )


def address(order: Order, name: str = "order_change") -> str:
    return reverse(name, args=[order.team.code, order.code])


def test_a_trader_moves_a_stop(signed_in: Client, stop: Order) -> None:
    page = signed_in.get(address(stop)).content.decode()
    assert "Move the stop in AAPL" in page
    assert "market 180" in page
    answer = signed_in.post(address(stop), {"stop_price": "172.5"}, follow=True)
    [row] = OrderModification.objects.all()
    assert (row.status, row.stop_price, row.asked_by) == ("waiting", Decimal("172.5"), answer.wsgi_request.user)
    shown = answer.content.decode()
    assert "IBKR is asked to change it: stop 172.5." in shown
    assert "Changes in place" in shown
    entry = AuditEntry.objects.get(action="order.change_requested")
    assert entry.after == {"change": "stop 172.5"}
    again = signed_in.post(address(stop), {"stop_price": "172.5"}, follow=True).content.decode()
    assert "The same change is on its way already: stop 172.5." in again


def test_the_page_of_a_leg_says_that_its_entrys_fill_moves_it(signed_in: Client, stop: Order) -> None:
    entry = rows.order(stop.ticket, status="filled", filled_quantity=Decimal(10), legs_from_fill=True)
    Order.objects.filter(pk=stop.pk).update(parent=entry, distance=Decimal(2), distance_in="percent")
    now = timezone.now()
    asker = wishes.Asker(expires_at=now, from_fill=True)
    [row] = wishes.ask([Modification(reference=stop.reference, stop_price=Decimal(172))], asker, now)
    page = signed_in.get(address(stop, "order")).content.decode()
    assert f'counted from the fill of <a href="{address(entry, "order")}">its entry</a>' in page
    assert "stop 172" in page
    # The change of a person takes its place, and the page says so.
    signed_in.post(address(stop), {"stop_price": "171"})
    row.refresh_from_db()
    assert (row.status, row.reason_code) == ("not_made", "superseded-change")


def test_the_page_of_an_order_offers_it_where_it_can_be(signed_in: Client, stop: Order) -> None:
    assert "Move stop" in signed_in.get(address(stop, "order")).content.decode()
    Order.objects.filter(pk=stop.pk).update(status="filled", filled_quantity=10)
    assert "Move stop" not in signed_in.get(address(stop, "order")).content.decode()
    assert "It cannot be changed now" in signed_in.get(address(stop)).content.decode()


def test_what_is_refused_says_why_on_the_form(signed_in: Client, stop: Order) -> None:
    answer = signed_in.post(address(stop), {"stop_price": "181"})
    assert answer.status_code == 422
    assert "is past a stop to sell at 181" in answer.content.decode()
    assert signed_in.post(address(stop), {}).status_code == 422
    assert not OrderModification.objects.exists()


@pytest.fixture
def dated(team: Team) -> Order:
    """An entry that is good till a minute three days from now."""
    end = timezone.now().replace(second=0, microsecond=0) + timedelta(days=3)
    return rows.order(
        rows.account(team),
        type="limit",
        limit_price=Decimal(1),
        status="accepted",
        broker_order_id="1",
        time_in_force="gtd",
        good_till=end,
    )


def test_a_trader_moves_the_end_of_an_order(signed_in: Client, dated: Order) -> None:
    assert "Good till" in signed_in.get(address(dated)).content.decode()
    assert dated.good_till is not None
    later = dated.good_till + timedelta(days=1)
    shown = signed_in.post(address(dated), {"good_till": f"{later:%Y-%m-%dT%H:%M}Z"}, follow=True).content.decode()
    assert f"The order is good till {later:%Y-%m-%d %H:%M} UTC now. Nothing was sent to IBKR." in shown
    assert f'before till <time datetime="{dated.good_till.isoformat()}"' in shown
    [row] = OrderModification.objects.all()
    assert (row.status, row.good_till, row.good_till_before) == ("made", later, dated.good_till)
    gone = signed_in.post(address(dated), {"until_canceled": "on"}, follow=True).content.decode()
    assert "The order is good till canceled now." in gone
    assert "no date any more" not in signed_in.get(address(dated)).content.decode()


def test_what_is_no_end_for_it_is_said_on_the_form(signed_in: Client, dated: Order) -> None:
    for said, words in (
        ({"good_till": "2020-01-01T10:00"}, "which has passed"),
        ({"good_till": "soon"}, "Write a day and a time"),
        ({"good_till": "2027-01-01T10:00", "until_canceled": "on"}, "not both"),
    ):
        answer = signed_in.post(address(dated), said)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert not OrderModification.objects.exists()


def test_where_its_cancel_is_under_way_its_end_is_not_offered(signed_in: Client, dated: Order) -> None:
    Order.objects.filter(pk=dated.pk).update(status="pending_cancel")
    page = signed_in.get(address(dated)).content.decode()
    assert "It cannot be changed now" in page
    answer = signed_in.post(address(dated), {"good_till": "2099-01-01T10:00"})
    assert answer.status_code == 422


def test_one_that_has_not_left_yet_is_offered_its_end(signed_in: Client, dated: Order) -> None:
    Order.objects.filter(pk=dated.pk).update(status="created", broker_order_id="")
    assert address(dated) in signed_in.get(address(dated, "order")).content.decode()
    signed_in.post(address(dated), {"until_canceled": "on"})
    dated.refresh_from_db()
    assert (dated.time_in_force, dated.good_till) == ("gtc", None)


SUBJECT = checks.Subject(
    role=Role.STOP_LOSS,
    side=Side.SELL,
    type=OrderType.STOP,
    status=OrderStatus.ACCEPTED,
    quantity=Decimal(10),
    filled=Decimal(0),
    market=Decimal(180),
)
ENTRY: dict[str, Any] = {"role": Role.ENTRY, "side": Side.BUY, "type": OrderType.LIMIT, "filled": Decimal(4)}


@pytest.mark.parametrize(
    ("values", "subject", "code"),
    [
        ({}, {}, "nothing-to-change"),
        ({"stop_price": "171"}, {"status": OrderStatus.FILLED}, "not-changeable-now"),
        ({"stop_price": "171"}, {"status": OrderStatus.SUBMITTED}, "not-changeable-now"),
        ({"limit_price": "171"}, {}, "cannot-be-changed"),
        ({"quantity": "5"}, {}, "cannot-be-changed"),
        ({"stop_price": "171"}, {"type": OrderType.TRAILING_STOP_LIMIT}, "cannot-be-changed"),
        ({"limit_price": "171"}, {"type": OrderType.MARKET, "role": Role.EXIT}, "cannot-be-changed"),
        ({"trail_amount": "1", "trail_percent": "1"}, {"type": OrderType.TRAILING_STOP}, "two-trails"),
        ({"stop_price": "171.003"}, {}, "off-tick"),
        ({"stop_price": "180"}, {}, "price-on-wrong-side"),
        ({"stop_price": "179"}, {"side": Side.BUY}, "price-on-wrong-side"),
        (
            {"limit_price": "179"},
            {"role": Role.TAKE_PROFIT, "type": OrderType.LIMIT},
            "price-on-wrong-side",
        ),
        ({"quantity": "4.5"}, ENTRY, "invalid-quantity"),
        ({"quantity": "4"}, ENTRY, "quantity-below-filled"),
        ({"quantity": "11"}, ENTRY, "entry-not-larger"),
        ({"quantity": "5", "limit_price": "190"}, ENTRY, None),
        ({"quantity": "5"}, {**ENTRY, "divided": True}, "cannot-be-changed"),
        ({"limit_price": "190"}, {**ENTRY, "divided": True}, None),
        ({"stop_price": "171"}, {"market": None}, None),
    ],
)
def test_what_cannot_be_changed(values: dict[str, str], subject: dict[str, Any], code: str | None) -> None:
    wanted = {name: Decimal(value) for name, value in values.items()}
    ticks = dict.fromkeys(wanted.values(), Decimal("0.01"))
    if code is None:
        checks.check(replace(SUBJECT, **subject), wanted, ticks)
        return
    with pytest.raises(checks.NotChangeable) as refused:
        checks.check(replace(SUBJECT, **subject), wanted, ticks)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")


def test_the_order_of_a_group_gets_no_other_size(signed_in: Client, stop: Order) -> None:
    values = {"limit_price": Decimal(170), "status": "accepted", "broker_order_id": "2"}
    entry = rows.order(stop.account, type="limit", fa_group="family", fa_method="NetLiq", **values)
    assert list(signed_in.get(address(entry)).context["form"].fields) == ["limit_price"]
    with pytest.raises(checks.NotChangeable, match="IBKR has divided the order"):
        asking.change(order=entry, values={"quantity": Decimal(5)}, actor=None, now=timezone.now())


def test_a_smaller_entry_makes_its_legs_smaller_before_it(signed_in: Client, stop: Order) -> None:
    entry = rows.order(
        stop.account,
        role="entry",
        type="limit",
        limit_price=Decimal(150),
        quantity=Decimal(10),
        status="accepted",
        broker_order_id="2",
    )
    Order.objects.filter(pk=stop.pk).update(parent=entry)
    signed_in.post(address(entry), {"quantity": "6"})
    changed = OrderModification.objects.order_by("pk").values_list("order", "quantity")
    assert list(changed) == [(stop.pk, Decimal(6)), (entry.pk, Decimal(6))]
