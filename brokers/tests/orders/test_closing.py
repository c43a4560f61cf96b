"""The end of a position, whoever opened it, at a real gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, Team, User
from brokers.domain.orders import AssetClass, OrderStatus
from brokers.models import BrokerageAccount, Closing, Connection, ContractLookup, Order, Position
from brokers.orders import closing
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import status

# When, at what price, and with what result.
DONE_WITH_RESULT = re.compile(
    r"(Sold|Bought back) \d+ at [\d,.]+ USD, done at \d\d:\d\d:\d\d UTC\. "
    r"Result: [+\u2212]?[\d,.]+ USD against an average cost of [\d,.]+, (before fees|after [\d,.]+ USD of fees)\."
)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def close(bench: lab.Lab, actor: User | None = None, **values: Any) -> Closing:
    fields = {"reason": "The team asked for it.", "now": timezone.now(), **values}
    return closing.close(
        account=BrokerageAccount.objects.get(pk=bench.account.pk),
        conid=265598,
        ticker="AAPL",
        asset_class=AssetClass.STOCK,
        actor=actor,
        **fields,
    )


def ended(wish: Closing) -> bool:
    wish.refresh_from_db()
    return wish.status != "open"


def held(bench: lab.Lab) -> Decimal | None:
    return Position.objects.filter(account=bench.account, conid=265598).values_list("quantity", flat=True).first()


def lived(*steps: Callable[[], object]) -> None:
    """The world at work: news comes home, lanes run, and each step is waited for before the next is done."""

    async def story() -> None:
        async with lab.watching():
            for step in steps:
                await lab.until(step, "the next step is done")
                await asyncio.to_thread(lab.work)

    asyncio.run(story())


def closes(bench: lab.Lab, **values: Any) -> Closing:
    """Close what is held and see it through."""
    wish = close(bench, **values)

    async def story() -> None:
        async with lab.watching():
            while not await asyncio.to_thread(lab.holds, lambda: ended(wish)):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 60))
    return wish


def begun(bench: lab.Lab, quantity: int) -> None:
    """A position that was opened elsewhere, and that our book shows."""
    bench.gateway.seed(bench.user, cash={"USD": 1_000_000}, positions=[{"symbol": "AAPL", "quantity": quantity}])
    lived(lambda: held(bench) == quantity)


@pytest.mark.parametrize(("quantity", "side"), [(10, "sell"), (-7, "buy")])
def test_it_ends_a_position_that_somebody_else_opened(bench: lab.Lab, alice: User, quantity: int, side: str) -> None:
    begun(bench, quantity)
    wish = closes(bench, actor=alice)
    assert wish.status == "done"
    assert DONE_WITH_RESULT.fullmatch(wish.note), wish.note
    assert held(bench) is None
    order = Order.objects.get()
    assert (order.role, order.type, order.side, order.quantity) == ("exit", "market", side, Decimal(abs(quantity)))
    assert order.events.earliest("id").cause == "planned to close the position: The team asked for it."
    entry = AuditEntry.objects.get(action="position.close_requested")
    assert (entry.actor, entry.subject) == (alice, f"AAPL in {bench.account.account_id}")


def test_it_closes_a_part_and_no_more(bench: lab.Lab) -> None:
    begun(bench, 10)
    wish = closes(bench, quantity=Decimal(4))
    assert wish.status == "done"
    assert wish.note.startswith("Closed in part, as asked for. Sold 4 at "), wish.note
    assert "Result: " in wish.note
    lived(lambda: held(bench) == 6)
    assert Order.objects.get().quantity == 4


def test_it_first_cancels_whatever_works_in_it(bench: lab.Lab) -> None:
    begun(bench, 10)
    stop = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), time_in_force="gtc")
    lab.work()
    other = ContractLookup.objects.create(connection=bench.connection, ticker="MSFT", asset_class="stock")
    lab.work()
    other.refresh_from_db()
    elsewhere = bench.order(conid=other.conid, ticker="MSFT", type="limit", limit_price=Decimal(1))
    lab.work()
    assert status(stop) == "accepted"
    wish = closes(bench)
    exit_order = Order.objects.get(role="exit")
    assert (wish.status, status(stop), status(elsewhere)) == ("done", "canceled", "accepted")
    assert exit_order.created_at > stop.events.get(new="canceled").at
    assert stop.events.get(new="pending_cancel").cause == "The position in AAPL is being closed: The team asked for it."


def test_what_has_not_left_yet_never_leaves(bench: lab.Lab) -> None:
    begun(bench, 10)
    entry = bench.order()
    closes(bench)
    assert status(entry) == OrderStatus.CANCELED
    assert len(bench.posts()) == 1


def test_nothing_held_is_done_once_the_book_says_so(bench: lab.Lab) -> None:
    wish = close(bench)
    assert (wish.status, wish.note) == ("open", "Waiting for a fresh look at the account's positions.")
    lived(lambda: BrokerageAccount.objects.get(pk=bench.account.pk).book_as_of, lambda: ended(wish))
    assert (wish.status, bench.posts()) == ("done", [])


def test_an_old_book_is_never_read_as_no_position(bench: lab.Lab) -> None:
    now = timezone.now()
    bench.account.book_as_of = now - timedelta(seconds=6)
    bench.account.save()
    assert close(bench, now=now).note == "Waiting for a fresh look at the account's positions."
    # Nobody has watched the account since: the stream process reads it at once.
    assert closing.accounts_to_read(now) == {bench.connection.pk: {bench.account.pk}}
    Connection.objects.update(stream_since=now - timedelta(minutes=1), stream_heard_at=now)
    assert closing.accounts_to_read(now) == {}


def test_a_book_from_before_the_last_fill_is_not_acted_on(bench: lab.Lab) -> None:
    now = timezone.now()
    rows.filled(bench.order(), at=now)
    bench.account.book_as_of = now - timedelta(seconds=1)
    bench.account.save()
    wish = close(bench, now=now + timedelta(seconds=1))
    assert wish.note == "Waiting for the account's positions after the last fill or cancel."
    assert closing.accounts_to_read(timezone.now()) == {bench.connection.pk: {bench.account.pk}}
    BrokerageAccount.objects.update(book_as_of=now + timedelta(seconds=1))
    assert closing.work(now + timedelta(seconds=2)) == 1
    assert ended(wish)


def test_which_accounts_to_read_is_asked_in_one_statement(
    bench: lab.Lab, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now()
    away, others = rows.account(bench.connection.team), rows.account(bench.connection.team)
    for account in (bench.account, away, others):
        closing.close(
            account=account,
            conid=265598,
            ticker="AAPL",
            asset_class=AssetClass.STOCK,
            reason="Asked.",
            actor=None,
            now=now,
        )
    wanted = {account.connection_id: {account.pk} for account in (bench.account, others)}
    # IBKR does not show it any more since the connection has another user: nobody can read it, and its closing says so.
    BrokerageAccount.objects.filter(pk=away.pk).update(capabilities_as_of=None)
    closing.work(now)
    note = "IBKR has not shown this account since another user name was set for its connection."
    assert Closing.objects.get(account=away).note == note
    with django_assert_num_queries(1):
        assert closing.accounts_to_read(now) == wanted
    shards = [closing.accounts_to_read(now, shard, 2) for shard in (0, 1)]
    assert shards[0] | shards[1] == wanted
    assert all(key % 2 == shard for shard in (0, 1) for key in shards[shard])


def test_a_list_that_lags_behind_a_fill_does_not_sell_twice(bench: lab.Lab) -> None:
    now = timezone.now()
    bench.account.book_as_of = now
    bench.account.save()
    rows.position(bench.account)
    wish = close(bench, now=now)
    rows.filled(Order.objects.get(), at=now)

    def at(seconds: int) -> str:
        BrokerageAccount.objects.update(book_as_of=now + timedelta(seconds=seconds))
        closing.work(now + timedelta(seconds=seconds))
        wish.refresh_from_db()
        return wish.note

    assert at(5) == "Waiting for the account's positions to show what the last order closed."
    assert at(29) == "Waiting for the account's positions to show what the last order closed."
    assert Order.objects.count() == 1
    assert at(31) == "A market order to sell 10 is on its way."


def test_a_second_wish_is_the_first_and_may_make_it_larger(bench: lab.Lab) -> None:
    first = close(bench, quantity=Decimal(4))
    assert close(bench, quantity=Decimal(2)).pk == first.pk
    first.refresh_from_db()
    assert first.quantity == 4
    assert close(bench, reason="Trading was stopped.").pk == first.pk
    whole = Closing.objects.get(pk=first.pk)
    assert (whole.quantity, whole.reason) == (None, "Trading was stopped.")


def test_it_gives_up_after_five_orders_that_ibkr_refuses(bench: lab.Lab) -> None:
    begun(bench, 10)
    refusal = "The exchange is closed for this contract."
    path = "/iserver/account/*/orders"
    bench.gateway.fault(action={"reject": refusal}, match={"user": bench.user, "method": "POST", "path": path}, times=9)
    wish = closes(bench)
    assert (wish.status, Order.objects.count()) == ("failed", 5)
    assert wish.note.startswith("5 market orders did not end it. The last one:")
    assert refusal in wish.note
    assert wish.note.endswith("Close AAPL in IBKR's own app, or close it here again.")


def test_it_gives_up_when_ibkr_gets_no_order_in_a_quarter_of_an_hour(bench: lab.Lab) -> None:
    now = timezone.now()
    bench.account.book_as_of = now
    bench.account.save()
    rows.position(bench.account)
    Connection.objects.update(session_status="unreachable", session_reason="The gateway cannot be reached.")
    wish = close(bench, now=now)
    closing.work(now + timedelta(minutes=14))
    wish.refresh_from_db()
    assert wish.note == "The market order waits for the session at IBKR: The gateway cannot be reached."
    closing.work(now + timedelta(minutes=16))
    wish.refresh_from_db()
    assert (wish.status, status(Order.objects.get())) == ("failed", "canceled")


@pytest.mark.parametrize(
    ("at", "note"),
    [
        (
            datetime(2026, 11, 20, 15, 0, tzinfo=UTC),
            "The market order works at IBKR; where its market is closed, it rests there until the open.",
        ),
        (
            datetime(2026, 11, 21, 15, 0, tzinfo=UTC),
            "The market order rests at IBKR until the market opens, Monday 09:30 in New York.",
        ),
    ],
)
def test_a_market_order_may_rest_until_the_open_for_as_long_as_it_takes(
    bench: lab.Lab, at: datetime, note: str
) -> None:
    bench.account.book_as_of = at
    bench.account.save()
    Connection.objects.update(environment="paper")
    rows.position(bench.account)
    wish = close(bench, now=at)
    order = Order.objects.get()
    Order.objects.move(order, OrderStatus.SUBMITTED, now=at, submitted_at=at)
    Order.objects.move(order, OrderStatus.ACCEPTED, now=at, acknowledged_at=at, broker_order_id="1")
    closing.work(at + timedelta(hours=1))
    wish.refresh_from_db()
    assert (wish.status, wish.note) == ("open", note)


def test_its_order_is_made_once_however_often_it_is_worked(bench: lab.Lab) -> None:
    now = timezone.now()
    bench.account.book_as_of = now
    bench.account.save()
    rows.position(bench.account)
    close(bench, now=now)
    for _ in range(3):
        closing.work(now)
    assert Order.objects.count() == 1
