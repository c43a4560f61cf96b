"""Our orders out, through a real gateway on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.db.models import Count
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from accounts.turns import AT_ONCE, Manners
from brokers import ibkr
from brokers.book import live_book
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.orders import Instrument, OrderStatus
from brokers.models import ContractLookup, Order
from brokers.orders import cancels, execution, unsent
from brokers.orders.statements import ROUNDS
from brokers.postgres.locks import Space, direct_parameters, try_only_one
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def orders(bench: lab.Lab) -> dict[str, str]:
    """Matches the order requests of this user."""
    return {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}


def moment(value: datetime | None) -> datetime:
    """A moment that has come."""
    assert value is not None
    return value


def after(order: Order) -> Order:
    order.refresh_from_db()
    return order


def test_it_sends_a_created_order_once_and_writes_down_the_answer(bench: lab.Lab) -> None:
    order = bench.order()
    assert lab.work()
    assert after(order).status == OrderStatus.ACCEPTED
    assert order.broker_order_id == str(bench.at_broker()[0]["orderId"])
    assert [event.new for event in order.events.order_by("id")] == ["created", "submitted", "accepted"]
    attempt = order.attempts.get()
    assert (attempt.kind, attempt.outcome) == ("post", "accepted")
    assert attempt.sent_at <= moment(order.acknowledged_at)
    assert order.ticket.worked_at is not None
    assert len(bench.posts()) == 1


def test_it_finds_nothing_to_do_the_second_time(bench: lab.Lab) -> None:
    bench.order()
    lab.work()
    lab.work()
    assert len(bench.posts()) == 1


def test_it_leaves_a_shard_that_another_worker_has(bench: lab.Lab) -> None:
    order = bench.order()
    with try_only_one(Space.WORK, 0) as held:
        assert held is not None
        assert lab.work() is False
    assert after(order).status == OrderStatus.CREATED
    assert bench.posts() == []


def test_it_sends_exits_before_entries(bench: lab.Lab) -> None:
    entry = bench.order(role="entry")
    leaving = bench.order(role="exit", side="sell")
    lab.work()
    assert moment(after(leaving).submitted_at) < moment(after(entry).submitted_at)


@pytest.mark.parametrize("role", ["exit", "stop_loss", "take_profit"])
def test_a_way_out_leaves_before_entries_of_contracts_that_had_their_turn_less_lately(
    bench: lab.Lab, role: str
) -> None:
    entries = [bench.order(role="entry", conid=conid) for conid in (1, 2)]
    leaving = bench.order(role=role, side="sell", conid=9)
    for conid in (1, 2, 9):
        ROUNDS[bench.connection.pk].leave(bench.account.pk, conid)
    taken = [execution.take_next(bench.connection.pk, timezone.now()) for _ in range(3)]
    assert [job.orders[0].pk for job in taken if job is not None] == [leaving.pk, *(order.pk for order in entries)]


def test_it_shows_the_brokers_words_when_an_order_is_refused(bench: lab.Lab) -> None:
    text = "We cannot accept an order at the limit price you selected."
    bench.gateway.fault(action={"reject": text}, match=orders(bench))
    order = bench.order()
    lab.work()
    assert after(order).status == OrderStatus.REJECTED
    assert text in order.reason
    assert order.ticket.worked_at is not None


def test_it_asks_the_broker_which_contract_a_ticker_means(bench: lab.Lab) -> None:
    lookup = ContractLookup.objects.create(connection=bench.connection, ticker="MSFT", asset_class="stock")
    lab.work()
    lookup.refresh_from_db()
    assert (lookup.status, lookup.currency) == ("found", "USD")
    assert lookup.conid
    assert lookup.bid is not None
    assert lookup.ask is not None
    assert lookup.ask >= lookup.bid
    assert lookup.permitted == [bench.account.account_id]


def test_it_asks_again_for_a_permission_that_was_missing(bench: lab.Lab) -> None:
    # Noon in New York, far from the turn of a trading day.
    now = timezone.now().replace(hour=17)
    lookup = ContractLookup.objects.get(ticker="AAPL")
    pairs = [(bench.account, Instrument(ticker="AAPL"))]

    def state(permitted: list[str] | None, asked: timedelta) -> str:
        ContractLookup.objects.update(status="found", permitted=permitted, asked_at=now - asked)
        live_book.load(pairs, now)
        lookup.refresh_from_db()
        return lookup.status

    assert state(["U9"], timedelta(minutes=9)) == "found"
    assert state(None, timedelta(minutes=11)) == "found"
    assert state([bench.account.account_id], timedelta(minutes=11)) == "found"
    assert state([bench.account.account_id], timedelta(days=1)) == "wanted"
    assert state(["U9"], timedelta(minutes=11)) == "wanted"
    lab.work()
    lookup.refresh_from_db()
    assert (lookup.status, lookup.permitted) == ("found", [bench.account.account_id])


def test_a_contract_whose_rules_ibkr_keeps_to_itself_is_found_all_the_same(bench: lab.Lab) -> None:
    lookup = ContractLookup.objects.create(connection=bench.connection, ticker="MSFT", asset_class="stock")
    match = {"user": bench.user, "path": "/iserver/contract/*/info-and-rules"}
    bench.gateway.fault(action={"status": 500, "body": {"error": "unknown"}}, match=match)
    lab.work()
    lookup.refresh_from_db()
    assert (lookup.status, lookup.permitted) == ("found", None)


def test_it_keeps_the_brokers_sentence_for_an_unknown_ticker(bench: lab.Lab) -> None:
    lookup = ContractLookup.objects.create(connection=bench.connection, ticker="XYZQ", asset_class="stock")
    lab.work()
    lookup.refresh_from_db()
    assert lookup.status == "unknown"
    assert "XYZQ" in lookup.reason


def test_it_never_sends_an_order_past_its_time(bench: lab.Lab) -> None:
    order = bench.order(expires_at=timezone.now() - timedelta(seconds=1))
    lab.work()
    assert after(order).status == OrderStatus.EXPIRED
    assert order.reason.startswith("Not sent")
    assert bench.posts() == []


def test_an_order_waits_for_a_gateway_that_is_down_and_then_expires_with_the_reason(team: Team, settings: Any) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)
        gateway.kill()
        order = bench.order(expires_at=timezone.now() + timedelta(seconds=2))
        lab.work()
        assert after(order).status == OrderStatus.EXPIRED
        assert "could not leave within" in order.reason
        bench.connection.refresh_from_db()
        assert bench.connection.session_status == "unreachable"
        gateway.restart()
        lab.work()
        assert bench.posts() == []


def test_an_order_waits_for_a_gateway_that_comes_back(team: Team, settings: Any) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)
        gateway.kill()
        order = bench.order()
        assert execution.take_next(bench.connection.pk, timezone.now()) is not None
        # As if the connection had been refused: provably not sent, so the order waits again.
        assert Order.objects.move(after(order), OrderStatus.CREATED, now=timezone.now(), cause="not sent")
        gateway.restart()
        lab.work()
        assert after(order).status == OrderStatus.ACCEPTED
        assert [row["order_ref"] for row in bench.at_broker()] == [order.reference]


def test_an_order_whose_answer_is_lost_is_found_by_its_reference_and_never_sent_again(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=orders(bench), phase="after")
    order = bench.order()
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    assert [event.new for event in order.events.order_by("id")][:3] == ["created", "submitted", "unknown"]
    assert len(bench.posts()) == 1
    assert [row["order_ref"] for row in bench.at_broker()] == [order.reference]


def test_an_order_that_was_lost_on_the_way_is_sent_again_only_after_proven_absence(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=orders(bench), phase="before")
    order = bench.order()
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    moves = [event.new for event in order.events.order_by("id")]
    assert moves[:6] == ["created", "submitted", "unknown", "submitted", "created", "submitted"]
    assert [row["order_ref"] for row in bench.at_broker()] == [order.reference]


def test_a_worker_that_died_after_the_broker_had_the_order_doubles_nothing(bench: lab.Lab) -> None:
    order = bench.order()
    _die_between_sent_and_heard(bench, sent=True)
    assert after(order).status == OrderStatus.SUBMITTED
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    assert len(bench.posts()) == 1
    assert len(bench.at_broker()) == 1


def test_a_worker_that_died_before_the_broker_had_the_order_loses_nothing(bench: lab.Lab) -> None:
    order = bench.order()
    _die_between_sent_and_heard(bench, sent=False)
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    assert len(bench.posts()) == 1
    assert len(bench.at_broker()) == 1


def _die_between_sent_and_heard(bench: lab.Lab, *, sent: bool) -> None:
    """Everything a worker does up to the moment it is killed."""
    import asyncio

    job = execution.take_next(bench.connection.pk, timezone.now())
    assert job is not None

    async def send() -> None:
        async with ibkr.new_http(reach()) as http:
            broker = ibkr.connect(connections.login_of(bench.connection), http)
            await broker.submit(job.account_id, job.legs)
            await broker.close()

    if sent:
        asyncio.run(send())


def test_a_known_question_is_confirmed_and_kept(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"question": ["o10151"]}, match=orders(bench))
    order = bench.order()
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    post, reply = order.attempts.order_by("id")
    assert (post.outcome, reply.kind, reply.outcome) == ("question", "reply", "accepted")
    assert reply.request["confirmed"] is True


def test_a_fat_finger_question_is_declined_and_nothing_is_placed(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"question": ["o383"]}, match=orders(bench))
    order = bench.order()
    lab.work()
    assert after(order).status == OrderStatus.REJECTED
    assert "does not confirm" in order.reason
    assert order.attempts.get(kind="reply").request["confirmed"] is False
    assert bench.at_broker() == []


def test_a_lost_session_is_opened_again_and_the_order_leaves_once(bench: lab.Lab) -> None:
    bench.gateway.lose(bench.user)
    order = bench.order()
    lab.work()
    assert after(order).status in {OrderStatus.ACCEPTED, OrderStatus.FILLED}
    assert len(bench.at_broker()) == 1


def test_one_connections_hanging_broker_delays_nobody_else(bench: lab.Lab, team: Team) -> None:
    other = lab.make(team, bench.gateway)
    bench.gateway.fault(action={"delay_ms": 3000}, match=orders(bench))
    slow, quick = bench.order(), other.order()
    lab.work()
    assert moment(after(quick).acknowledged_at) < moment(after(slow).acknowledged_at)
    assert moment(slow.acknowledged_at) - moment(slow.submitted_at) >= timedelta(seconds=3)


def test_a_cancel_is_asked_for_and_the_order_stays_until_the_broker_says_so(bench: lab.Lab, alice: object) -> None:
    order = bench.order(type="limit", limit_price=Decimal("1.00"))
    lab.work()
    assert cancels.request_cancel(order=after(order), actor=None, now=timezone.now())
    assert after(order).status == OrderStatus.PENDING_CANCEL
    lab.work()
    assert [(a.kind, a.outcome, a.answer) for a in order.attempts.order_by("pk")][1:] == [
        ("cancel", "accepted", "IBKR has the request.")
    ]
    assert after(order).status == OrderStatus.PENDING_CANCEL
    assert [row["status"] for row in bench.at_broker()] == ["Cancelled"]


def test_an_order_that_never_left_is_canceled_at_once(bench: lab.Lab) -> None:
    order = bench.order()
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())
    lab.work()
    assert after(order).status == OrderStatus.CANCELED
    assert bench.posts() == []


def test_a_disabled_connection_sends_nothing(bench: lab.Lab) -> None:
    order = bench.order()
    connections.disable(connection=bench.connection, actor=None, now=timezone.now())
    lab.work()
    assert after(order).status == OrderStatus.CREATED
    assert bench.posts() == []


def test_twenty_orders_leave_in_the_order_they_were_made(bench: lab.Lab) -> None:
    made = [bench.order() for _ in range(20)]
    lab.work()
    sent = [json.loads(entry["body"])["orders"][0]["cOID"] for entry in bench.posts()]
    assert sent == [order.reference for order in made]


def test_two_tickets_of_two_teams_never_share_a_session(bench: lab.Lab, charlie: User) -> None:
    from accounts import teams

    other = lab.make(teams.found_team(owner=charlie, name="Charlie's team", now=timezone.now()), bench.gateway)
    mine, theirs = bench.order(), other.order()
    lab.work()
    assert [row["order_ref"] for row in bench.at_broker()] == [mine.reference]
    assert [row["order_ref"] for row in other.at_broker()] == [theirs.reference]


async def test_an_order_leaves_while_what_time_brings_of_another_team_takes_long(bench: lab.Lab, bob: User) -> None:
    """A row of the other team is held, on which the look at what is too late waits."""
    now = timezone.now()

    def another_order() -> int:
        other = rows.account(teams.found_team(owner=bob, name="Bob's team", now=now))
        return rows.order(other, created_at=now + timedelta(hours=1), expires_at=now + timedelta(hours=2)).pk

    def order() -> int:
        made = bench.order()
        notify(ORDERS_CHANNEL, str(bench.connection.pk))
        return made.pk

    def is_waited_for() -> bool:
        statement = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(**direct_parameters()) as session:
            return session.execute(statement).fetchone() is not None

    held = await asyncio.to_thread(lab.asked, another_order)
    parameters = await asyncio.to_thread(lab.asked, direct_parameters)
    async with await psycopg.AsyncConnection.connect(**{**parameters, "autocommit": False}) as holder:
        await holder.execute("SELECT FROM brokers_order WHERE id = %s FOR UPDATE", [held])
        async with lab.working():
            try:
                await lab.until(is_waited_for, "the look at what is too late waits")
                made = await asyncio.to_thread(lab.asked, order)
                sent = Order.objects.filter(pk=made, status=OrderStatus.ACCEPTED)
                await lab.until(sent.exists, "the order has left", within=5)
                assert await asyncio.to_thread(lab.asked, is_waited_for)
            finally:
                await holder.rollback()


async def test_orders_leave_though_what_time_brings_cannot_be_done(
    bench: lab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[datetime] = []

    def fails(now: datetime) -> int:
        failed.append(now)
        raise OperationalError("it is away") if len(failed) % 2 else ValueError("a row that nobody thought of")

    def order() -> int:
        made = bench.order()
        notify(ORDERS_CHANNEL, str(bench.connection.pk))
        return made.pk

    monkeypatch.setattr(unsent, "expire_overdue", fails)
    async with lab.working() as working:
        await lab.until(lambda: len(failed) > 2, "it has failed both ways")
        made = await asyncio.to_thread(lab.asked, order)
        sent = Order.objects.filter(pk=made, status=OrderStatus.ACCEPTED)
        await lab.until(sent.exists, "the order has left")
        assert not working.done()


async def rests_after_the_first(orders: Callable[[], list[int]]) -> None:
    """Of these entries, as many leave as a team may send at once; the others leave when another team's unit has ended.

    The clock of manners stands still, so that nothing but the other's end lets the lane go on.
    """
    looks: list[float] = []

    def clock() -> float:
        looks.append(100.0)
        return 100.0

    def statuses() -> dict[str, int]:
        counts = Order.objects.filter(pk__in=made).values_list("status").annotate(count=Count("pk"))
        return dict(counts.order_by("status"))

    manners = Manners(clock)
    made = await asyncio.to_thread(lab.asked, orders)
    first = int(AT_ONCE) + 1
    async with lab.working(manners=manners):
        with manners.at_work(-1):
            await lab.until(lambda: statuses().get("accepted") == first, "the first have left")
            seen = len(looks)
            await lab.until(lambda: len(looks) > seen + 2, "the lane has asked again whether it may go on")
            assert await asyncio.to_thread(lab.asked, statuses) == {"accepted": first, "created": 2}
        await lab.until(lambda: statuses() == {"accepted": first + 2}, "the others have left")


async def test_a_team_that_sends_much_lets_go_first_who_is_at_work_and_has_written_down_what_came_back(
    bench: lab.Lab,
) -> None:
    await rests_after_the_first(lambda: [bench.order().pk for _ in range(int(AT_ONCE) + 3)])


async def test_what_is_no_way_out_yet_makes_nobody_hurry(bench: lab.Lab) -> None:
    """The legs of an entry that rests at IBKR, a stop held back by an order in doubt, and a cancel that rests there."""

    def orders() -> list[int]:
        entry = bench.order(type="limit", limit_price=Decimal(1), status="accepted", broker_order_id="1")
        legs = {"side": "sell", "parent": entry, "release": "after_parent_fills"}
        rows.order(entry.ticket, **legs, role="take_profit", type="limit", limit_price=Decimal(900))
        rows.order(entry.ticket, **legs, role="stop_loss", type="stop", stop_price=Decimal(1))
        bench.order(conid=2, status="needs_attention")
        bench.order(conid=2, role="exit", side="sell")
        resting = bench.order(conid=3, status="pending_cancel", broker_order_id="3")
        resting.attempts.create(kind="cancel", outcome="accepted", sent_at=timezone.now(), answered_at=timezone.now())
        return [bench.order().pk for _ in range(int(AT_ONCE) + 3)]

    await rests_after_the_first(orders)


async def test_ways_out_rest_for_nobody(bench: lab.Lab) -> None:
    def exits() -> list[int]:
        return [bench.order(role="exit", side="sell").pk for _ in range(int(AT_ONCE) + 3)]

    manners = Manners(lambda: 100.0)
    made = await asyncio.to_thread(lab.asked, exits)
    async with lab.working(manners=manners):
        with manners.at_work(-1):
            left = Order.objects.filter(pk__in=made, status="accepted")
            await lab.until(lambda: left.count() == len(made), "all have left")
            assert manners.does_much(bench.connection.team_id, manners.clock())
