"""Sessions kept alive and news brought home, through a real gateway on loopback."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Team
from brokers.book import looks
from brokers.connections import connections
from brokers.domain.capabilities import Capabilities
from brokers.models import BrokerageAccount, Connection, Execution, Order, Position
from brokers.processes import stream
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def status(order: Order) -> str:
    return str(Order.objects.values_list("status", flat=True).get(pk=order.pk))


def session(connection: Connection) -> str:
    return str(Connection.objects.values_list("session_status", flat=True).get(pk=connection.pk))


def test_it_signs_a_new_connection_in_and_finds_its_account(team: Team, gateway: RunningGateway) -> None:
    connection = rows.connection(team)

    async def story() -> None:
        async with lab.watching():
            await lab.until(
                lambda: BrokerageAccount.objects.filter(book_as_of__isnull=False).exists(), "the book is read"
            )

    asyncio.run(story())
    account = BrokerageAccount.objects.get()
    assert account.account_id.startswith("SIM")
    assert (account.equity, account.is_paper) == (Decimal(1_000_000), True)
    assert account.capabilities == Capabilities(
        lite=False, clearing="open", client_trades=True, asset_types=account.asset_types
    )
    assert account.asset_types.startswith("STK,CFD")
    assert session(connection) == "active"
    assert [event.status for event in connection.session_events.order_by("id")][-1] == "active"


def test_a_database_that_goes_away_while_it_is_asked_is_waited_for(
    bench: lab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[object] = []

    def fails(now: object) -> set[int]:
        failed.append(now)
        if len(failed) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return set()

    monkeypatch.setattr(stream, "_due", fails)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: len(failed) > 1, "it has asked again")
            order = await asyncio.to_thread(lab.asked, bench.order)
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(order) == "filled", "its news come home")

    asyncio.run(story())


def test_permissions_are_looked_at_again_when_they_are_old(bench: lab.Lab) -> None:
    def capabilities() -> tuple[str, bool]:
        account = BrokerageAccount.objects.get()
        return account.asset_types, account.book_as_of is not None

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: capabilities()[1], "the book is read")

    BrokerageAccount.objects.update(asset_types="STK")
    asyncio.run(story())
    assert capabilities() == ("STK", True)
    BrokerageAccount.objects.update(capabilities_as_of=timezone.now() - timedelta(hours=21), book_as_of=None)
    asyncio.run(story())
    assert capabilities()[0].startswith("STK,CFD,OPT")


def test_a_fill_comes_home_with_its_price_its_fee_and_the_new_position(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: _book(bench) is not None, "the book is read")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(order) == "filled", "the order is filled")
            await lab.until(Position.objects.exists, "the position is read")

    order = bench.order(quantity=Decimal(10))
    asyncio.run(story())
    execution = Execution.objects.get()
    order.refresh_from_db()
    assert (execution.order, execution.quantity, execution.fee) == (order, Decimal(10), Decimal(1))
    assert order.average_price == execution.price
    assert order.filled_quantity == 10
    assert Position.objects.get().quantity == 10
    assert [event.new for event in order.events.order_by("id")][-1] == "filled"


def _book(bench: lab.Lab) -> Any:
    return BrokerageAccount.objects.values_list("book_as_of", flat=True).get(pk=bench.account.pk)


def _connection(bench: lab.Lab) -> Connection:
    return Connection.objects.get(pk=bench.connection.pk)


def test_the_stream_of_an_account_in_use_gives_a_sign_of_life_more_often_than_it_beats(
    bench: lab.Lab, settings: Any
) -> None:
    settings.STREAM_PROOF_SECONDS = 1
    bench.gateway.hold(bench.user, symbol="AAPL", quantity=1)

    def present(read: int) -> bool:
        """Whether a decision could go by a book that was read so many seconds ago, under a stream that is older."""
        account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
        account.book_as_of, account.book_read_at = timezone.now() - timedelta(seconds=read), None
        since = account.connection.stream_since
        account.connection.stream_since = since and account.book_as_of
        return account.is_present(timezone.now())

    async def story() -> None:
        async with lab.watching():
            await lab.until(Position.objects.exists, "the position is read")
            begun = timezone.now()
            await lab.until(
                lambda: (at := _connection(bench).stream_heard_at) is not None and at > begun + timedelta(seconds=1),
                "signs of life are written, while IBKR beats every ten seconds",
                within=8,
            )
            await lab.until(lambda: present(read=10), "an older read is good enough meanwhile")
            # The socket stays open and says nothing any more.
            bench.gateway.fault(match={"user": bench.user}, action={"suppress_ws": {"topic": "*", "s": 60}})
            await lab.until(
                lambda: (
                    (at := _connection(bench).stream_heard_at) is not None
                    and timezone.now() - at > timedelta(seconds=2)
                ),
                "its silence is seen",
            )
            await lab.until(lambda: _connection(bench).stream_since is not None, "the stream is open all the same")
            await lab.until(lambda: not present(read=10), "the same read is too old now")

    asyncio.run(story())
    bench.gateway.clear_faults()


def test_the_stream_of_an_idle_account_is_left_alone(bench: lab.Lab, team: Team, settings: Any) -> None:
    settings.STREAM_PROOF_SECONDS = 1
    used = lab.make(team, bench.gateway)
    bench.gateway.hold(used.user, symbol="AAPL", quantity=1)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: _book(bench) is not None, "the book of the idle account is read")
            await lab.until(lambda: len(used.gateway.events(used.user, "ech")) > 3, "the other gives signs of life")

    asyncio.run(story())
    assert bench.gateway.events(bench.user, "sor")
    assert not bench.gateway.events(bench.user, "ech")


def test_a_lane_looks_at_ibkr_itself_for_a_decision_whose_stream_is_silent(bench: lab.Lab) -> None:
    then = timezone.now() - timedelta(seconds=30)
    BrokerageAccount.objects.update(book_as_of=then, equity=None)
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    account.connection.stream_heard_at = None
    bench.gateway.hold(bench.user, symbol="AAPL", quantity=7)
    looks.want([account], timezone.now())
    lab.work()
    account.refresh_from_db()
    assert account.book_as_of is not None
    assert account.book_as_of > then
    assert (account.book_wanted_at, account.equity is not None) == (None, True)
    assert Position.objects.get().quantity == 7
    # What IBKR does not answer is over as well: who still waits asks again.
    bench.gateway.fault(match={"user": bench.user, "path": "/portfolio2/*"}, action={"status": 503}, times=0)
    account.connection.stream_heard_at = None
    looks.want([account], timezone.now() + timedelta(seconds=30))
    lab.work()
    account.refresh_from_db()
    assert account.book_wanted_at is None
    bench.gateway.clear_faults()


def test_a_look_at_a_gateway_that_answers_late_is_good_enough(bench: lab.Lab, settings: Any) -> None:
    settings.STREAM_PROOF_SECONDS = 1
    then = timezone.now() - timedelta(seconds=30)
    BrokerageAccount.objects.update(book_as_of=then)
    Connection.objects.update(stream_since=None)
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    slow = {"delay_ms": 1500}
    bench.gateway.fault(match={"user": bench.user, "path": "/portfolio2/*"}, action=slow, times=0)
    looks.want([account], timezone.now())
    lab.work()
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    assert account.book_as_of is not None
    assert account.book_read_at is not None
    assert account.book_read_at - account.book_as_of > timedelta(seconds=1)
    # Otherwise the decision would ask again and again, and no exit would ever leave.
    assert account.is_present(account.book_read_at + timedelta(seconds=1))
    assert not account.is_present(account.book_read_at + timedelta(seconds=2))
    bench.gateway.clear_faults()


def test_fills_of_an_outage_are_found_afterwards(team: Team, settings: Any) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)
        order = bench.order()
        lab.work()
        # Nobody listens while it fills, and the gateway goes down and comes back.
        gateway.kill()

        async def story() -> None:
            async with lab.watching():
                await lab.until(lambda: session(bench.connection) == "unreachable", "the outage is seen")
                await asyncio.to_thread(gateway.restart)
                await lab.until(lambda: status(order) == "filled", "the fill is found")
                await lab.until(lambda: session(bench.connection) == "active", "the session is back")

        asyncio.run(story())
        assert Execution.objects.count() == 1
        story_told = [event.status for event in bench.connection.session_events.order_by("id")]
        assert "unreachable" in story_told
        assert story_told[-1] == "active"


def test_a_fill_does_not_wait_while_ibkr_is_asked_for_the_book(bench: lab.Lab) -> None:
    """The first fill makes the book old, and its read hangs; the second one comes home by the stream all the same."""

    def asked(path: str) -> int:
        return len(bench.gateway.journal(bench.user, path=path))

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: _book(bench) is not None, "the book is read")
            bench.gateway.fault(
                match={"user": bench.user, "path": "/portfolio2/*"}, action={"delay_ms": 60_000}, times=0
            )
            before = asked("portfolio2")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(first) == "filled", "the first fill is home")
            await lab.until(lambda: asked("portfolio2") > before, "the book is asked for")
            lists = asked("/iserver/account/orders")
            second = await asyncio.to_thread(bench.order)
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(second) == "filled", "the second fill is home")
            assert asked("/iserver/account/orders") == lists, "the stream told it, and no list"

    first = bench.order()
    asyncio.run(story())
    bench.gateway.clear_faults()


def test_a_stolen_session_is_seen_and_told_with_its_cause(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: _book(bench) is not None, "the book is read")
            bench.gateway.steal(bench.user)
            await lab.until(
                lambda: bench.connection.session_events.filter(status="competing").exists(), "the theft is seen"
            )

    asyncio.run(story())
    event = bench.connection.session_events.filter(status="competing").first()
    assert event is not None
    assert "another login" in event.reason
    assert event.evidence["competing"] is True


def test_a_cut_socket_is_opened_again_and_misses_nothing(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: _book(bench) is not None, "the book is read")
            bench.gateway.close_sockets(bench.user)
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(order) == "filled", "the order is filled")

    order = bench.order()
    asyncio.run(story())
    assert Execution.objects.count() == 1


def test_a_canceled_order_ends_when_the_broker_says_so(bench: lab.Lab) -> None:
    from brokers.orders import cancels

    order = bench.order(type="limit", limit_price=Decimal("1.00"))
    lab.work()
    order.refresh_from_db()
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())

    async def story() -> None:
        async with lab.watching():
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(order) == "canceled", "the order is canceled")

    asyncio.run(story())


def test_a_disabled_connection_is_no_longer_watched(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching() as keeper:
            await lab.until(lambda: bench.connection.pk in keeper.watches, "it is watched")
            await asyncio.to_thread(connections.disable, connection=bench.connection, actor=None, now=timezone.now())
            await lab.until(lambda: bench.connection.pk not in keeper.watches, "it is no longer watched")

    asyncio.run(story())
    assert session(bench.connection) == "signed_out"


def test_an_account_that_ibkr_does_not_show_ends_no_stream(bench: lab.Lab) -> None:
    """Something asks for a read of an account that is none of this sign-in's: one that went with another user."""
    stranger = rows.account(bench.connection.team)
    made = bench.order()

    async def story() -> None:
        async with lab.watching() as keeper:
            await lab.until(lambda: keeper.watches, "the connection is watched")
            watch = keeper.watches[bench.connection.pk]
            await lab.until(lambda: watch.listening, "the stream is followed")
            listening = watch.listening
            watch.errands.dirty.add(stranger.pk)
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(made) == "filled", "the fill is home")
            await lab.until(lambda: stranger.pk not in watch.errands.dirty, "nobody is to read it any more")
            assert watch.listening is listening

    asyncio.run(story())
