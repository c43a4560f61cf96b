"""Orders that have filled at a real gateway and are in no row: found, asked about, counted, and nothing doubled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.elsewhere.whose import Choice
from brokers.domain.orders import Instrument
from brokers.models import BrokerageAccount, Execution, ForeignOrder, Order, Position, UnclaimedOrder
from brokers.models.unclaimed import asked
from brokers.needs.kinds import NEEDS
from brokers.orders import cancels
from brokers.protection import claiming, orphaned
from brokers.protection.adopting import ChoiceRefused
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.lab import lived

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")
REFERENCE = "hy-00000000000000000000000000000001"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    gateway.clear_quotes()
    return lab.make(team, gateway)


def is_asked() -> bool:
    return asked().exists()


def is_held() -> bool:
    return Position.objects.exists()


def filled_by_hand(bench: lab.Lab, **values: Any) -> None:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 5, "type": "MKT", "reference": REFERENCE, **values}
    bench.gateway.by_hand(bench.user, **order)


def doubted(bench: lab.Lab, ticker: str = "AAPL") -> str | None:
    """The code by which nothing is opened in the contract; None where something may be."""
    BrokerageAccount.objects.filter(pk=bench.account.pk).update(book_as_of=timezone.now())
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    instrument = Instrument(ticker=ticker)
    view = live_book.load([(account, instrument)], timezone.now(), ask=False).view(account, instrument)
    assert isinstance(view, View)
    return None if view.snapshot.doubted is None else view.snapshot.doubted.code


def needs(team: Team) -> list[str]:
    return [kind.name for kind in NEEDS if list(kind.rows(team, timezone.now()))]


def test_an_order_that_filled_while_nobody_had_its_row_is_asked_about(bench: lab.Lab, team: Team) -> None:
    filled_by_hand(bench)
    lived(is_asked, is_held)
    row = asked().get()
    assert (row.account, row.reference, row.ticker, row.side) == (bench.account, REFERENCE, "AAPL", "buy")
    assert (row.filled, row.asset_class) == (Decimal(5), "stock")
    assert {fill.order_id for fill in row.fills} == {None}
    assert sum(fill.quantity for fill in row.fills) == Decimal(5)
    # It counts in the account's position, and asks on the dashboard; nothing is sent.
    assert Position.objects.get(account=bench.account).quantity == Decimal(5)
    assert needs(team) == ["filled orders in no row"]
    assert doubted(bench) == "order-undecided"
    assert bench.posts() == []


def test_a_part_that_filled_before_the_order_was_canceled_is_asked_about(bench: lab.Lab, alice: User) -> None:
    orders = f"/iserver/account/{bench.account.account_id}/orders"
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action={"partial_fill": 0.4}, match=match)
    limit = {"conid": 265598, "side": "BUY", "quantity": 10, "orderType": "LMT", "price": 100000, "tif": "DAY"}
    _, (placed,) = bench.gateway.call(bench.user, "POST", orders, {"orders": [{**limit, "cOID": REFERENCE}]})
    while "order_id" not in placed:
        _, (placed,) = bench.gateway.call(bench.user, "POST", f"/iserver/reply/{placed['id']}", {"confirmed": True})
    bench.gateway.call(bench.user, "DELETE", f"{orders[:-1]}/{placed['order_id']}")
    lived(is_asked, is_held)
    row = asked().get()
    assert (row.filled, row.quantity) == (Decimal(4), Decimal(10))
    order = claiming.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.status, order.filled_quantity, order.quantity) == ("canceled", Decimal(4), Decimal(10))
    assert order.executions.count() == Execution.objects.count()


def test_an_adopted_one_has_its_row_anew_with_its_fills(bench: lab.Lab, alice: User, team: Team) -> None:
    filled_by_hand(bench)
    lived(is_asked, is_held)
    row = asked().get()
    order = claiming.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.reference, order.status, order.role) == (REFERENCE, "filled", "entry")
    assert (order.quantity, order.filled_quantity) == (Decimal(5), Decimal(5))
    assert set(order.executions.all()) == set(Execution.objects.all())
    assert (needs(team), doubted(bench)) == ([], None)
    row.refresh_from_db()
    assert (row.choice, row.decided_by, row.order) == ("adopt", alice, order)
    assert AuditEntry.objects.get(action="unclaimed_order.decided").subject == REFERENCE
    with pytest.raises(ChoiceRefused, match="has its row by now"):
        claiming.choose(row=row, choice=Choice.LEAVE, actor=alice, now=timezone.now())
    # The next look at the fills makes nothing of it again.
    lived(lambda: BrokerageAccount.objects.filter(book_as_of__gt=row.decided_at).exists())
    assert (UnclaimedOrder.objects.count(), Order.objects.count(), bench.posts()) == (1, 1, [])


def test_one_that_is_left_asks_no_more_however_often_its_fills_are_read(bench: lab.Lab, alice: User) -> None:
    filled_by_hand(bench)
    lived(is_asked)
    row = asked().get()
    claiming.choose(row=row, choice=Choice.LEAVE, actor=alice, now=timezone.now())
    since = timezone.now()
    lived(lambda: BrokerageAccount.objects.filter(book_as_of__gt=since).exists())
    assert (asked().exists(), doubted(bench), UnclaimedOrder.objects.count()) == (False, None, 1)
    # It can be adopted after all.
    order = claiming.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert order.status == "filled"


def test_what_has_filled_cannot_be_canceled(bench: lab.Lab, alice: User) -> None:
    row = rows.unclaimed_order(bench.account)
    with pytest.raises(ChoiceRefused, match="Close the position instead") as refused:
        claiming.choose(row=row, choice=Choice.CANCEL, actor=alice, now=timezone.now())
    assert refused.value.code == "order-over"


@pytest.mark.parametrize(
    ("values", "code"),
    [({"asset_class": "warrant"}, "class-not-traded"), ({"asset_class": "unknown"}, "class-not-traded")],
)
def test_what_halyard_has_no_orders_of_is_not_adopted(
    bench: lab.Lab, alice: User, values: dict[str, Any], code: str
) -> None:
    row = rows.unclaimed_order(bench.account, **values)
    with pytest.raises(ChoiceRefused) as refused:
        claiming.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert refused.value.code == code
    assert not Order.objects.exists()


def test_fills_of_our_own_orders_and_of_others_ask_nothing(bench: lab.Lab) -> None:
    bench.order()
    filled_by_hand(bench, reference="my-own", quantity=3)
    filled_by_hand(bench, reference="", quantity=2)

    def all_there() -> bool:
        return Execution.objects.filter(order__isnull=False).exists() and (
            sum(fill.quantity for fill in Execution.objects.filter(order=None)) == Decimal(5)
        )

    lived(all_there)
    assert not UnclaimedOrder.objects.exists()


def test_one_that_works_asks_by_one_row_and_goes_on_asking_once_it_has_filled(
    bench: lab.Lab, alice: User, team: Team
) -> None:
    filled_by_hand(bench, type="LMT", limit_price=1)
    lived(ForeignOrder.objects.exists)
    assert needs(team) == ["orders in no row"]
    bench.gateway.quote("AAPL", bid="0.5", ask="0.6", last="0.55", ttl_s=30)
    try:
        lived(is_asked)
    finally:
        bench.gateway.clear_quotes()
    assert needs(team) == ["filled orders in no row"]
    assert doubted(bench) == "order-undecided"
    row = asked().get()
    assert (row.type, row.limit_price, row.quantity, row.filled) == ("limit", Decimal(1), Decimal(5), Decimal(5))
    order = claiming.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.type, order.limit_price, order.status) == ("limit", Decimal(1), "filled")


def test_one_that_was_left_while_it_worked_is_left_once_it_has_filled(bench: lab.Lab, alice: User) -> None:
    filled_by_hand(bench, type="LMT", limit_price=1)
    lived(ForeignOrder.objects.exists)
    row = ForeignOrder.objects.select_related("account__team").get()
    orphaned.choose(row=row, choice=Choice.LEAVE, actor=alice, now=timezone.now())
    bench.gateway.quote("AAPL", bid="0.5", ask="0.6", last="0.55", ttl_s=30)
    try:
        lived(Execution.objects.exists, lambda: not ForeignOrder.objects.exists())
    finally:
        bench.gateway.clear_quotes()
    assert not asked().exists()
    assert UnclaimedOrder.objects.get().decided_by == alice


def test_exits_go_on_while_it_is_asked_about(bench: lab.Lab) -> None:
    filled_by_hand(bench)
    lived(is_asked, is_held)
    way_out = bench.order(role="exit", side="sell", quantity=Decimal(5))

    def is_out() -> bool:
        return Order.objects.get(pk=way_out.pk).status == "filled"

    lived(is_out)
    assert not cancels.unsent_cancels().exists()
    assert len(bench.posts()) == 1
