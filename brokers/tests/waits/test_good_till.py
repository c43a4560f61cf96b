"""Orders good till a date: IBKR has them until canceled, and Halyard cancels them at their time, however late it looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import Lifetime, OrderStatus, OrderType, Release, TimeInForce
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.notices import unchanged
from brokers.orders import cancels, execution, reconciliation, tickets, unsent
from brokers.orders.identity import found
from brokers.orders.modifications import asking
from brokers.orders.waits import good_till
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import intent, opened, status
from brokers.tests.waits.test_behind_cancels import NIGHT, OPEN, asked, behind

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
END = datetime(2026, 12, 4, 21, 0, tzinfo=UTC)
AT_ITS_TIME = "Canceled by Halyard at its time: it was good till 2026-12-04 21:00:00 UTC."


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, rows.connection(team, environment="paper", base_url="https://127.0.0.1:5000/v1/api"))


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_quotes()
    gateway.clear_faults()


def working(account: BrokerageAccount, **values: Any) -> Order:
    """A limit order that works at IBKR and is good till END."""
    fields = {"type": "limit", "limit_price": 1, "status": "accepted", "broker_order_id": "70", **values}
    return rows.order(account, time_in_force="gtd", good_till=END, **fields)


def dated(end: datetime, **values: Any) -> Any:
    """A buy far below the market."""
    fields = {"type": OrderType.LIMIT, "limit_price": D("1.00"), **values}
    return intent("entry", "buy", 10, time_in_force=TimeInForce.GTD, good_till=end, **fields)


def refreshed(order: Order) -> Order:
    order.refresh_from_db()
    return order


def report(order: Order, shown: OrderStatus, now: datetime) -> None:
    fact = OrderFacts(account_id=order.account.account_id, broker_order_id="70", reference=None, status=shown)
    reconciliation.apply(order.connection, orders=[fact], now=now)


def at_the_broker(bench: lab.Lab, end: datetime, **values: Any) -> Order:
    """An order good till `end` that IBKR has."""
    order = opened(bench, dated(end, **values)).orders.get(role="entry")
    lab.work()
    assert refreshed(order).status == "accepted"
    return order


def test_ibkr_gets_it_good_till_canceled_and_halyard_cancels_it_at_its_time(bench: lab.Lab) -> None:
    end = timezone.now() + timedelta(days=3)
    order = at_the_broker(bench, end)
    (sent,) = json.loads(bench.posts()[0]["body"])["orders"]
    assert (sent["tif"], sent["price"], "goodTillDate" in sent) == ("GTC", 1, False)
    assert cancels.ask_due(end - timedelta(microseconds=1)) == 0
    assert cancels.ask_due(end) == 1
    assert cancels.ask_due(end) == 0
    lab.lived(lambda: status(order) == "canceled")
    reason = f"Canceled by Halyard at its time: it was good till {end:%Y-%m-%d %H:%M:%S} UTC."
    assert (refreshed(order).reason, order.good_till) == (reason, end)
    assert order.events.filter(new="pending_cancel").get().cause == reason
    assert [row["status"] for row in bench.at_broker()] == ["Cancelled"]


def test_whoever_works_then_cancels_it_without_having_known_of_it(bench: lab.Lab) -> None:
    """The lanes that take over find it by its row, and look by themselves."""
    order = at_the_broker(bench, timezone.now() + timedelta(days=3))
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now(), good_till=timezone.now())

    async def story() -> None:
        async with lab.watching(), lab.working():
            await lab.until(lambda: status(order) == "canceled", "the order is canceled")

    asyncio.run(story())
    assert refreshed(order).reason.startswith("Canceled by Halyard at its time")


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (timedelta(0), AT_ITS_TIME),
        (timedelta(seconds=59), AT_ITS_TIME),
        (timedelta(seconds=60), "Canceled by Halyard 1 minute after its time: it was good till"),
        (timedelta(hours=3, minutes=5), "Canceled by Halyard 3 hours 5 minutes after its time: it was good till"),
        (timedelta(days=2, minutes=4), "Canceled by Halyard 2 days 4 minutes after its time: it was good till"),
    ],
)
def test_who_comes_late_cancels_it_at_once_and_says_how_late(
    account: BrokerageAccount, late: timedelta, words: str
) -> None:
    order = working(account)
    assert cancels.ask_due(END + late) == 1
    assert (refreshed(order).status, order.reason.startswith(words)) == ("pending_cancel", True)


@pytest.mark.parametrize("before", ["submitted", "unknown", "needs_attention"])
def test_what_is_in_doubt_at_its_time_is_canceled_once_it_is_known_to_work(
    account: BrokerageAccount, before: str
) -> None:
    order = working(account, status=before)
    assert cancels.ask_due(END + timedelta(minutes=1)) == 0
    report(order, OrderStatus.ACCEPTED, END + timedelta(minutes=7))
    assert cancels.ask_due(END + timedelta(minutes=7)) == 1
    assert "7 minutes after its time" in refreshed(order).reason


def test_what_fills_before_the_cancel_arrives_is_a_fill(bench: lab.Lab) -> None:
    order = at_the_broker(bench, timezone.now() + timedelta(days=3))
    bench.gateway.quote("AAPL", bid="0.98", ask="0.99", last="0.99")
    assert order.good_till is not None
    assert cancels.ask_due(order.good_till) == 1
    lab.lived(lambda: status(order) == "filled")
    assert refreshed(order).filled_quantity == 10
    # Nobody reads that it was canceled.
    assert (order.reason, order.reason_code) == ("", "")


def test_a_cancel_whose_answer_is_lost_is_looked_up(bench: lab.Lab) -> None:
    order = at_the_broker(bench, timezone.now() + timedelta(days=3))
    bench.gateway.fault(
        action={"drop_connection": True}, match={"user": bench.user, "method": "DELETE"}, phase="after", times=1
    )
    assert order.good_till is not None
    assert cancels.ask_due(order.good_till) == 1
    lab.lived(lambda: status(order) == "canceled")
    assert refreshed(order).reason.startswith("Canceled by Halyard at its time")


def refuse(order: Order, at: datetime) -> None:
    """IBKR is asked for the cancel, and says no."""
    attempt = cancels.begin_cancel(refreshed(order), at)
    cancels.finish_cancel(order, attempt, cancels.REJECTED, "No.", at, code="order-not-canceled")
    assert (refreshed(order).status, order.reason_code) == ("accepted", "order-not-canceled")


def test_a_cancel_that_ibkr_refuses_is_asked_for_again_when_its_market_opens(account: BrokerageAccount) -> None:
    order, monday = working(account), datetime(2026, 12, 7, 14, 30, tzinfo=UTC)
    assert cancels.ask_due(END) == 1
    refuse(order, END)
    assert cancels.ask_due(END + timedelta(seconds=5)) == 0
    # END is a Friday's close: nothing opens before Monday.
    assert cancels.ask_due(monday - timedelta(seconds=1)) == 0
    assert cancels.ask_due(monday) == 1
    assert "2 days 17 hours after its time" in refreshed(order).reason


def test_one_that_is_refused_in_an_open_market_is_asked_for_again_there(account: BrokerageAccount) -> None:
    """It waited for the next day's open, and could fill until the close."""
    noon = datetime(2026, 12, 3, 17, 0, tzinfo=UTC)
    order = working(account)
    Order.objects.filter(pk=order.pk).update(good_till=noon, expires_at=noon)
    at, friday = noon, datetime(2026, 12, 4, 14, 30, tzinfo=UTC)
    for again in (noon + timedelta(minutes=5), noon + timedelta(minutes=10), friday):
        assert cancels.ask_due(at) == 1
        refuse(order, at)
        assert refreshed(order).cancel_again_at == again
        assert cancels.ask_due(again - timedelta(seconds=1)) == 0
        told = unchanged.why_it_works_on(order, 1, "No.")
        assert ("in a few minutes, " in told) == (again < friday)
        at = again


def test_it_is_not_asked_for_ever(account: BrokerageAccount) -> None:
    order, at, asked_on = working(account), END, 0
    while at < END + timedelta(days=21):
        if cancels.ask_due(at):
            refuse(order, at)
            asked_on += 1
        at += timedelta(hours=6)
    assert asked_on == 7


# A Friday's close of pairs in New York; and Sunday evening, when they trade again.
FRIDAY, SUNDAY = datetime(2026, 12, 4, 22, 0, tzinfo=UTC), datetime(2026, 12, 6, 22, 0, tzinfo=UTC)


def listed(account: BrokerageAccount, order: Order, *sessions: str) -> ContractLookup:
    """What IBKR has said of the order's contract: its sessions as "2026-12-07T08:00/2026-12-07T16:30", in UTC."""
    spans = [tuple(datetime.fromisoformat(f"{each}+00:00") for each in session.split("/")) for session in sessions]
    seconds = [[int(opens.timestamp()), int(closes.timestamp())] for opens, closes in spans]
    hours = {"regular": seconds, "extended": seconds, "as_of": None, "zone": "Europe/Berlin"} if seconds else None
    return ContractLookup.objects.create(
        connection=account.connection,
        ticker=order.ticker,
        asset_class=order.asset_class,
        conid=order.conid,
        currency=order.currency,
        status="found",
        hours=hours,
    )


def test_a_pair_is_asked_for_again_when_pairs_trade_again(account: BrokerageAccount) -> None:
    order = working(account, ticker="EURUSD", asset_class="forex", conid=12087792, quantity=25_000)
    assert cancels.ask_due(FRIDAY) == 1
    refuse(order, FRIDAY)
    assert refreshed(order).cancel_again_at == SUNDAY
    assert [cancels.ask_due(at) for at in (SUNDAY - timedelta(seconds=1), SUNDAY)] == [0, 1]


def test_a_share_in_frankfurt_is_asked_for_again_by_its_own_sessions(account: BrokerageAccount) -> None:
    order = working(account, ticker="XETR:SAP", currency="EUR", conid=14204)
    # The close on Xetra, which is hours before the end.
    listed(account, order, "2026-12-04T08:00/2026-12-04T21:30", "2026-12-07T08:00/2026-12-07T16:30")
    assert cancels.ask_due(END) == 1
    refuse(order, END)
    opens = datetime(2026, 12, 7, 8, 0, tzinfo=UTC)
    assert [cancels.ask_due(at) for at in (opens - timedelta(seconds=1), opens)] == [0, 1]


def test_where_ibkr_has_not_said_its_hours_they_are_asked_for_and_its_next_morning_counts(
    account: BrokerageAccount,
) -> None:
    order = working(account, ticker="XETR:SAP", currency="EUR", conid=14204)
    lookup = listed(account, order)
    assert cancels.ask_due(END) == 1
    refuse(order, END)
    lookup.refresh_from_db()
    assert lookup.hours_wanted_at == END
    morning = datetime(2026, 12, 7, 8, 30, tzinfo=UTC)
    assert refreshed(order).cancel_again_at == morning
    # IBKR answers that Monday is a holiday there: what is closed is not asked for.
    tuesday = datetime(2026, 12, 8, 8, 0, tzinfo=UTC)
    ContractLookup.objects.filter(pk=lookup.pk).delete()
    listed(account, order, "2026-12-04T08:00/2026-12-04T16:30", "2026-12-08T08:00/2026-12-08T16:30")
    assert cancels.ask_due(morning) == 0
    assert refreshed(order).cancel_again_at == tuesday
    assert [cancels.ask_due(at) for at in (tuesday - timedelta(seconds=1), tuesday)] == [0, 1]


def test_a_cancel_that_is_refused_on_the_wire_is_sent_again_at_its_next_open(bench: lab.Lab) -> None:
    order = at_the_broker(bench, timezone.now() + timedelta(days=3))
    bench.gateway.fault(
        action={"status": 400, "body": {"error": "Order cannot be canceled now"}},
        match={"user": bench.user, "method": "DELETE"},
        times=1,
    )
    assert order.good_till is not None
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now(), good_till=timezone.now())
    assert cancels.ask_due(timezone.now()) == 1
    lab.lived(lambda: status(order) == "accepted" and refreshed(order).cancel_again_at is not None)
    again = order.cancel_again_at
    assert again is not None
    assert cancels.ask_due(again - timedelta(seconds=1)) == 0
    assert cancels.ask_due(again) == 1
    lab.lived(lambda: status(order) == "canceled")


def test_the_legs_of_what_has_filled_live_on_at_its_size(bench: lab.Lab) -> None:
    bench.gateway.fault(
        action={"partial_fill": 0.4},
        match={"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"},
    )
    travels = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC}
    stop = intent("stop_loss", "sell", 10, type=OrderType.STOP, stop_price=D("0.50"), **travels)
    end = timezone.now() + timedelta(days=3)
    entry = opened(bench, dated(end, limit_price=D(900), then=(stop,))).orders.get(role="entry")
    lab.lived(lambda: refreshed(entry).filled_quantity == 4)
    bench.gateway.clear_faults()
    assert cancels.ask_due(end) == 1
    leg = entry.children.get()
    lab.lived(lambda: status(entry) == "canceled", lambda: refreshed(leg).quantity == 4)
    assert (leg.status, leg.time_in_force, leg.good_till) == ("accepted", "gtc", None)
    assert cancels.ask_due(end + timedelta(days=30)) == 0


def test_it_does_not_leave_after_its_end(bench: lab.Lab) -> None:
    now = timezone.now()
    order = opened(bench, dated(now + timedelta(seconds=5))).orders.get()
    assert order.expires_at == order.good_till == now + timedelta(seconds=5)
    late = now + timedelta(seconds=6)
    assert execution.take_next(order.connection_id, late) is None
    assert unsent.expire_overdue(late) == 1
    assert (refreshed(order).status, order.reason_code) == ("expired", "good-till-date-passed")
    assert order.reason.startswith("Not sent: it was good till ")
    assert bench.posts() == []


@pytest.mark.parametrize(
    ("end", "until"),
    [
        (OPEN + timedelta(hours=2), OPEN + timedelta(minutes=5)),
        (OPEN - timedelta(hours=1), OPEN - timedelta(hours=1)),
    ],
)
def test_one_that_waits_behind_a_cancel_waits_no_longer_than_to_its_end(
    account: BrokerageAccount, end: datetime, until: datetime
) -> None:
    old = rows.order(
        account,
        type="limit",
        limit_price=1,
        status="accepted",
        broker_order_id="7",
        acknowledged_at=NIGHT,
        changed_at=NIGHT,
        created_at=NIGHT,
    )
    leaving = intent(
        "exit",
        "sell",
        2,
        type=OrderType.LIMIT,
        limit_price=D(2),
        time_in_force=TimeInForce.GTD,
        good_till=end,
    )
    (order,) = behind(old, leaving)
    asked(old)
    assert refreshed(order).expires_at == until
    unsent.expire_overdue(until - timedelta(minutes=1))
    assert status(order) == "created"
    unsent.expire_overdue(until + timedelta(minutes=1))
    assert status(order) == "expired"


def test_a_clock_that_was_set_back_gives_it_no_time_beyond_its_end(account: BrokerageAccount) -> None:
    now = timezone.now()
    order = rows.order(
        account,
        type="limit",
        limit_price=1,
        time_in_force="gtd",
        created_at=now + timedelta(hours=2),
        expires_at=now + timedelta(hours=3),
        good_till=now + timedelta(hours=3),
    )
    unsent.expire_overdue(now)
    assert refreshed(order).expires_at == now + timedelta(hours=1)
    Order.objects.filter(pk=order.pk).update(
        created_at=now + timedelta(hours=2),
        expires_at=now + timedelta(minutes=30),
        good_till=now + timedelta(minutes=30),
    )
    unsent.expire_overdue(now)
    assert refreshed(order).expires_at <= now + timedelta(minutes=30)


def test_a_second_order_that_a_change_left_ends_with_the_first(account: BrokerageAccount) -> None:
    order = working(account)
    shown = OrderFacts(
        account_id=account.account_id,
        broker_order_id="71",
        reference=None,
        status=OrderStatus.ACCEPTED,
        type=OrderType.LIMIT,
        limit_price=D(2),
    )
    second = found.make(order, shown, timezone.now())
    assert (second.time_in_force, second.good_till) == ("gtd", END)
    assert cancels.ask_due(END) == 2


@pytest.mark.parametrize(("kept", "ends"), [(None, END + timedelta(days=1)), (timezone.now(), END)])
def test_a_second_order_gets_the_other_end_of_the_first_until_both_are_kept(
    account: BrokerageAccount, kept: datetime | None, ends: datetime
) -> None:
    """It was canceled at the end of before, which the first one had no more."""
    order = working(account)
    Order.objects.filter(pk=order.pk).update(role="exit", side="sell")
    order.refresh_from_db()
    shown = OrderFacts(account_id=account.account_id, broker_order_id="71", reference=None, status=OrderStatus.ACCEPTED)
    second = found.make(order, shown, timezone.now())
    Order.objects.filter(pk=second.pk).update(kept_both_at=kept)
    asking.change(
        order=order, values={}, lifetime=Lifetime(END + timedelta(days=1)), actor=None, now=END - timedelta(days=2)
    )
    assert [refreshed(each).good_till for each in (order, second)] == [END + timedelta(days=1), ends]


def test_it_is_said_in_words() -> None:
    assert good_till.why_canceled(END, END) == AT_ITS_TIME
    assert tickets.named(dated(END)).good_till == END
