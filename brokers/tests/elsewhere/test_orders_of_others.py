"""Orders placed elsewhere at a real gateway: seen, counted, and touched only where a person says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.elsewhere.exposure import Added
from brokers.domain.elsewhere.whose import Choice
from brokers.domain.orders import Instrument, OrderStatus
from brokers.models import BrokerageAccount, Closing, ContractLookup, Execution, ForeignOrder, Order, Position
from brokers.orders import cancels, closing
from brokers.protection import foreign_cancels, orphaned
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


def seen() -> bool:
    return ForeignOrder.objects.exists()


def gone() -> bool:
    return not ForeignOrder.objects.exists()


def by_hand(bench: lab.Lab, **values: Any) -> dict[str, Any]:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 5, "type": "LMT", "limit_price": 1, **values}
    return bench.gateway.by_hand(bench.user, **order)


def canceled_at_the_gateway(bench: lab.Lab) -> list[str]:
    return [entry["path"] for entry in bench.gateway.journal(bench.user, method="DELETE") if "/order/" in entry["path"]]


def test_an_order_by_hand_is_stored_as_what_it_is_and_counted(bench: lab.Lab) -> None:
    placed = by_hand(bench)
    lived(seen)
    row = ForeignOrder.objects.get()
    assert (row.broker_order_id, row.ticker, row.asset_class) == (str(placed["order_id"]), "AAPL", "stock")
    assert (row.side, row.type, row.time_in_force) == ("buy", "limit", "day")
    assert (row.quantity, row.remaining, row.limit_price) == (Decimal(5), Decimal(5), Decimal(1))
    assert row.currency == "USD"
    assert "5 AAPL Limit 1.00" in row.described
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    book = live_book.load([(account, Instrument(ticker="AAPL"))], timezone.now(), ask=False)
    view = book.view(account, Instrument(ticker="AAPL"))
    assert isinstance(view, View)
    assert view.snapshot.elsewhere == Added(Decimal(5), Decimal(0))
    assert account.available_funds is not None
    assert view.snapshot.available_funds == account.available_funds - Decimal("2.5")
    assert canceled_at_the_gateway(bench) == []


def test_a_cancel_that_a_person_asks_for_leaves_once_and_ends_it(bench: lab.Lab, alice: User) -> None:
    placed = by_hand(bench)
    lived(seen)
    row = ForeignOrder.objects.select_related("account__team").get()
    assert foreign_cancels.ask([row], actor=alice, now=timezone.now()) == 1
    assert foreign_cancels.ask([row], actor=alice, now=timezone.now()) == 0
    lived(gone)
    (path,) = canceled_at_the_gateway(bench)
    assert path.endswith(f"/{placed['order_id']}")
    entry = AuditEntry.objects.get(action="foreign_order.cancel_requested")
    assert (entry.actor, entry.after) == (alice, {"side": "buy", "remaining": "5.00000000", "ticker": "AAPL"})


def test_a_cancel_in_doubt_is_repeated_only_after_the_order_was_read_as_working(bench: lab.Lab, alice: User) -> None:
    row = rows.foreign_order(bench.account)
    now = timezone.now()
    foreign_cancels.ask([row], actor=alice, now=now)
    for number in range(cancels.MOST_REQUESTS):
        due = foreign_cancels.next_one(bench.connection.pk)
        assert due is not None, number
        at = now + timedelta(minutes=number)
        assert foreign_cancels.begin(due, at)
        assert not foreign_cancels.begin(due, at), "two lanes send one request"
        foreign_cancels.finish(due, foreign_cancels.AMBIGUOUS, "")
        assert foreign_cancels.next_one(bench.connection.pk) is None, "asked again without a look"
        ForeignOrder.objects.update(seen_at=at + timedelta(seconds=31))
    assert foreign_cancels.next_one(bench.connection.pk) is None


def test_closing_a_position_cancels_theirs_first_where_that_was_asked(bench: lab.Lab, alice: User) -> None:
    bench.gateway.hold(bench.user, symbol="AAPL", quantity=5)
    by_hand(bench, side="SELL", limit_price=100000)
    lived(seen, Position.objects.filter(account=bench.account).exists)
    row = ForeignOrder.objects.select_related("account__team").get()
    foreign_cancels.ask([row], actor=alice, now=timezone.now())
    account = BrokerageAccount.objects.select_related("connection", "team").get(pk=bench.account.pk)
    wish = closing.close(
        account=account,
        conid=265598,
        ticker="AAPL",
        asset_class="stock",
        reason="All of it.",
        actor=alice,
        now=timezone.now(),
    )
    assert wish.note == "Waiting until IBKR has canceled the order placed elsewhere."
    assert not Order.objects.exists()

    def closed() -> bool:
        return Closing.objects.get().status == "done"

    async def story() -> None:
        async with lab.watching():
            while not await asyncio.to_thread(lab.holds, closed):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 90))
    paths = [
        (entry["method"], entry["path"].rpartition("/")[2])
        for entry in bench.gateway.journal(bench.user)
        if entry.get("method") in {"POST", "DELETE"} and "/order" in entry["path"]
    ]
    assert paths == [("DELETE", row.broker_order_id), ("POST", "orders")]


def test_an_order_with_our_reference_that_no_row_knows_waits_for_a_person(bench: lab.Lab) -> None:
    by_hand(bench, reference=REFERENCE)
    lived(seen)
    row = ForeignOrder.objects.get()
    assert row.bears_our_reference
    assert list(orphaned.undecided()) == [row]
    assert canceled_at_the_gateway(bench) == []
    assert bench.posts() == []


@pytest.mark.parametrize(
    ("code", "type_of_order", "prices"),
    [
        ("MIT", "market_if_touched", {"stop_price": "1.25"}),
        ("LIT", "limit_if_touched", {"stop_price": "1.25", "limit_price": "1.2"}),
    ],
)
def test_one_that_waits_to_be_touched_is_adopted_as_what_it_is(
    bench: lab.Lab, alice: User, code: str, type_of_order: str, prices: dict[str, str]
) -> None:
    bench.gateway.by_hand(bench.user, symbol="AAPL", quantity=5, reference=REFERENCE, type=code, **prices)
    lived(seen)
    row = ForeignOrder.objects.select_related("account__team").get()
    assert (row.type, row.is_stop) == (type_of_order, False)
    order = orphaned.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.type, order.role, order.status) == (type_of_order, "entry", "accepted")
    shown = {name: getattr(order, name) for name in ("stop_price", "limit_price")}
    assert shown == {name: Decimal(prices[name]) if name in prices else None for name in shown}


def test_an_adopted_order_is_ours_with_the_fills_that_came_before(bench: lab.Lab, alice: User) -> None:
    placed = by_hand(bench, reference=REFERENCE)
    lived(seen)
    row = ForeignOrder.objects.select_related("account__team").get()
    order = orphaned.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.reference, order.broker_order_id) == (REFERENCE, str(placed["order_id"]))
    assert (order.status, order.role) == ("accepted", "entry")
    assert (order.quantity, order.limit_price) == (Decimal(5), Decimal(1))
    assert gone()
    assert list(orphaned.undecided()) == []
    bench.gateway.quote("AAPL", bid="0.5", ask="0.6", last="0.55", ttl_s=30)

    def filled() -> bool:
        return Order.objects.get().status == OrderStatus.FILLED and Execution.objects.filter(order=order).exists()

    try:
        lived(filled)
    finally:
        bench.gateway.clear_quotes()
    assert bench.posts() == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"asset_class": "warrant"}, "class-not-traded"),
        ({"type": ""}, "type-not-traded"),
        ({"type": "trailing_stop", "stop_price": Decimal(1)}, "distance-not-known"),
        ({"type": "trailing_stop_limit", "stop_price": Decimal(1)}, "distance-not-known"),
        ({"quantity": None}, "type-not-traded"),
        ({"time_in_force": "gtd"}, "time-not-traded"),
    ],
)
def test_what_halyard_has_no_orders_of_is_not_adopted(
    bench: lab.Lab, alice: User, values: dict[str, Any], code: str
) -> None:
    row = rows.foreign_order(bench.account, reference=REFERENCE, **values)
    with pytest.raises(ChoiceRefused) as refused:
        orphaned.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert refused.value.code == code
    assert not Order.objects.exists()
    assert ForeignOrder.objects.exists()


def test_one_that_is_left_alone_asks_no_more_and_stays(bench: lab.Lab, alice: User) -> None:
    row = rows.foreign_order(bench.account, reference=REFERENCE)
    orphaned.choose(row=row, choice=Choice.LEAVE, actor=alice, now=timezone.now())
    assert list(orphaned.undecided()) == []
    assert ForeignOrder.objects.get().left_by == alice


@pytest.mark.parametrize(
    ("values", "code"),
    [({"reference": REFERENCE}, "order-undecided"), ({"reference": "my-own"}, None), ({}, None)],
)
def test_nothing_is_opened_beside_an_order_of_which_nobody_has_said_what_it_is(
    bench: lab.Lab, alice: User, values: dict[str, Any], code: str | None
) -> None:
    lived(lambda: BrokerageAccount.objects.filter(pk=bench.account.pk, book_as_of__isnull=False).exists())
    row = rows.foreign_order(bench.account, **{"reference": "", **values})
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)

    def doubted() -> str | None:
        view = live_book.load([(account, AAPL)], timezone.now(), ask=False).view(account, AAPL)
        assert isinstance(view, View)
        return None if view.snapshot.doubted is None else view.snapshot.doubted.code

    assert doubted() == code
    if code is not None:
        orphaned.choose(row=row, choice=Choice.LEAVE, actor=alice, now=timezone.now())
        assert doubted() is None


def test_an_order_of_somebody_else_cannot_be_adopted(bench: lab.Lab, alice: User) -> None:
    row = rows.foreign_order(bench.account, reference="my-own")
    with pytest.raises(ChoiceRefused, match="Halyard did not place this order"):
        orphaned.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())


def test_a_fill_that_came_before_its_order_is_given_to_it(bench: lab.Lab) -> None:
    filled = bench.gateway.fill_without_order(bench.user, symbol="AAPL", side="BUY", quantity=1)
    lived(Execution.objects.exists)
    assert Execution.objects.get().order is None
    order = bench.order()
    Order.objects.move(order, OrderStatus.SUBMITTED, now=timezone.now(), submitted_at=timezone.now())
    Order.objects.move(order, OrderStatus.ACCEPTED, now=timezone.now(), broker_order_id=str(filled["order_id"]))
    # The next look at the fills tells whose it is.
    lived(Execution.objects.filter(order=order).exists)
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("filled", Decimal(1))
    assert Execution.objects.count() == 1


def test_an_order_at_any_price_counts_by_what_is_known_and_a_future_is_named_as_not_counted(bench: lab.Lab) -> None:
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    BrokerageAccount.objects.update(available_funds=Decimal(10_000), book_as_of=timezone.now())
    account.refresh_from_db()
    market = rows.foreign_order(
        bench.account, conid=265598, side="buy", type="market", remaining=Decimal(5), limit_price=None, stop_price=None
    )
    rows.foreign_order(
        bench.account,
        broker_order_id="9002",
        conid=515416632,
        ticker="ES",
        asset_class="future",
        side="buy",
        remaining=Decimal(2),
    )

    def seen_by_a_decision() -> tuple[Decimal | None, tuple[str, ...]]:
        book = live_book.load([(account, Instrument(ticker="AAPL"))], timezone.now(), ask=False)
        view = book.view(account, Instrument(ticker="AAPL"))
        assert isinstance(view, View)
        return view.snapshot.available_funds, view.snapshot.uncounted

    # Nobody has said what a share costs: it is not counted, and said to be so.
    assert seen_by_a_decision() == (Decimal(10_000), (f"buy 5 {market.ticker}", "buy 2 ES"))
    ContractLookup.objects.update(last=Decimal(200), quote_as_of=timezone.now())
    assert seen_by_a_decision() == (Decimal(9_500), ("buy 2 ES",))
    ContractLookup.objects.update(quote_as_of=timezone.now() - timedelta(days=2))
    assert seen_by_a_decision()[1] == (f"buy 5 {market.ticker}", "buy 2 ES")
