"""Sizes that the broker changes: the legs of an entry that fills in part, changes by hand, and orders that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import AssetClass, OrderType, Release, TimeInForce
from brokers.models import BrokerageAccount, Closing, Order, Position, Ticket
from brokers.orders import cancels, closing
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import intent, opened, resting, status
from brokers.tests.orders.test_resizes import planned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_quotes()


def lived(*steps: Callable[[], object]) -> None:
    """The world at work until each step, one after the other, has come about."""

    async def story() -> None:
        async with lab.watching():
            for step in steps:
                while not await asyncio.to_thread(lab.holds, step):
                    await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 60))


def match(bench: lab.Lab, method: str, path: str = "/iserver/account/*/order/*") -> dict[str, str]:
    return {"user": bench.user, "method": method, "path": path}


def partly_filled(bench: lab.Lab, fraction: float = 0.4, cancel_after: int | None = None) -> tuple[Order, Order, Order]:
    """A hundred are bought with a stop and a target; so much of it fills, and the rest works on."""
    place = match(bench, "POST", "/iserver/account/*/orders")
    bench.gateway.fault(action={"partial_fill": fraction}, match=place)
    with_parent = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC}
    stop = intent("stop_loss", "sell", 100, type=OrderType.STOP, stop_price=Decimal("0.50"), **with_parent)
    profit = intent("take_profit", "sell", 100, type=OrderType.LIMIT, limit_price=Decimal(900), **with_parent)
    entry = intent("entry", "buy", 100, cancel_after=cancel_after, then=(profit, stop))
    ticket = opened(bench, entry)
    filled = Decimal(str(fraction)) * 100
    lived(lambda: ticket.orders.get(role="entry").filled_quantity == filled)
    bench.gateway.clear_faults()
    return tuple(ticket.orders.get(role=role) for role in ("entry", "take_profit", "stop_loss"))  # type: ignore[return-value]


def canceled(entry: Order) -> None:
    """What had not filled is canceled, as its `cancelAfter` says."""
    Order.objects.filter(pk=entry.pk).update(cancel_after=1, acknowledged_at=timezone.now() - timedelta(seconds=2))
    cancels.ask_due(timezone.now())
    lived(lambda: status(entry) == "canceled")


def shown(order: Order) -> tuple[str, Decimal, Decimal]:
    order.refresh_from_db()
    return order.status, order.filled_quantity, order.quantity


def by_hand(bench: lab.Lab, order: Order, quantity: int) -> None:
    """Somebody changes the order's size in TWS."""
    order.refresh_from_db()
    path = f"/iserver/account/{bench.account.account_id}/order/{order.broker_order_id}"
    body = {"conid": order.conid, "side": order.side.upper(), "quantity": quantity, "tif": order.time_in_force.upper()}
    body |= {"orderType": {"stop": "STP", "limit": "LMT"}[order.type]}
    body |= {"price": float(order.stop_price or order.limit_price or 0)}
    answer = bench.gateway.call(bench.user, "POST", path, body)
    assert answer[0] == 200
    assert "error" not in answer[1], answer


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def close(bench: lab.Lab) -> Closing:
    wish = closing.close(
        account=BrokerageAccount.objects.get(pk=bench.account.pk),
        conid=265598,
        ticker="AAPL",
        asset_class=AssetClass.STOCK,
        reason="The team asked for it.",
        actor=None,
        now=timezone.now(),
    )

    def over() -> bool:
        wish.refresh_from_db()
        return wish.status != "open"

    lived(over)
    return wish


def ask(order: Order) -> None:
    order.refresh_from_db()
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())


def asked(bench: lab.Lab) -> int:
    return len(bench.gateway.journal(bench.user, method="DELETE"))


def test_the_legs_of_a_partly_filled_entry_have_the_brokers_size(bench: lab.Lab) -> None:
    entry, target, stop = partly_filled(bench)
    canceled(entry)
    assert shown(entry) == ("canceled", Decimal(40), Decimal(100))
    lived(lambda: (shown(target)[2], shown(stop)[2]) == (Decimal(40), Decimal(40)))
    assert target.events.filter(cause="IBKR has it at 40 instead of 100").count() == 1
    bench.gateway.quote("AAPL", bid=901, ask=902, last=901)
    lived(lambda: status(target) == "filled", lambda: status(stop) == "canceled", lambda: held(bench) == 0)
    assert shown(target) == ("filled", Decimal(40), Decimal(40))
    # Nothing is left to ask for, and the next way out is not held back.
    before = asked(bench)
    later = opened(bench, intent("entry", "buy", 1), cancels=(target.reference, stop.reference)).orders.get()
    lived(lambda: status(later) == "filled")
    assert asked(bench) == before


def test_legs_that_wake_while_their_entry_still_fills_end_with_what_it_filled(bench: lab.Lab) -> None:
    with bench.gateway.behaving(legs_wake_early=True):
        entry, target, stop = partly_filled(bench)
        bench.gateway.quote("AAPL", bid=901, ask=902, last=901)
        lived(lambda: shown(target)[1] == 40)
        assert shown(target) == ("partially_filled", Decimal(40), Decimal(100))
        canceled(entry)
        lived(lambda: status(target) == "filled", lambda: status(stop) == "canceled")
        assert shown(target) == ("filled", Decimal(40), Decimal(40))


def test_a_stop_filled_in_part_follows_too_and_the_other_leg_is_over(bench: lab.Lab) -> None:
    entry, target, stop = partly_filled(bench, 0.25)
    canceled(entry)
    bench.gateway.quote("AAPL", bid="0.40", ask="0.41", last="0.40")
    lived(lambda: status(stop) == "filled", lambda: status(target) == "canceled")
    assert shown(stop) == ("filled", Decimal(25), Decimal(25))


@pytest.mark.parametrize("size", [6, 14])
def test_a_size_changed_by_hand_is_taken_over(bench: lab.Lab, size: int) -> None:
    order = resting(bench, quantity=Decimal(10))
    by_hand(bench, order, size)
    lived(lambda: shown(order)[2] == size)
    assert order.events.latest("id").cause == f"IBKR has it at {size} instead of 10"
    assert order.status == "accepted"


def test_an_order_cut_by_ibkr_fills_whole(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"resized": 0.5}, match=match(bench, "POST", "/iserver/account/*/orders"))
    order = bench.order(quantity=Decimal(10))
    lived(lambda: status(order) == "filled")
    assert shown(order) == ("filled", Decimal(5), Decimal(5))


@pytest.mark.parametrize(
    "words",
    [
        "OrderID {last} doesn't exist",
        "OrderId {last} that needs to be cancelled can not be cancelled, state: Filled.",
        "Order {last} not found",
        "Cancel attempted when order is not in a cancellable state.",
        "Order is already cancelled",
    ],
)
def test_an_order_that_is_gone_ends_and_is_not_asked_about_again(bench: lab.Lab, words: str) -> None:
    order = resting(bench, quantity=Decimal(10))
    Order.objects.filter(pk=order.pk).update(status="partially_filled", filled_quantity=Decimal(4))
    # It ended while nobody listened, and the day's list has it no longer.
    gone_at_broker(bench, order)
    bench.gateway.fault(action={"status": 400, "body": {"error": words}}, match=match(bench, "DELETE"), times=None)
    ask(order)
    before = asked(bench)
    lived(lambda: status(order) == "canceled")
    order.refresh_from_db()
    assert order.reason == "IBKR has this order no longer: 4 of 10 were filled, and the rest ended there."
    assert asked(bench) == before + 1


def gone_at_broker(bench: lab.Lab, order: Order) -> None:
    bench.gateway.call(
        bench.user, "DELETE", f"/iserver/account/{bench.account.account_id}/order/{order.broker_order_id}"
    )
    empty = {"status": 200, "body": {"orders": [], "snapshot": True}}
    bench.gateway.fault(action=empty, match=match(bench, "GET", "/iserver/account/orders"), times=None)
    bench.gateway.fault(action={"suppress_ws": {"topic": "sor", "s": 60}}, match={"user": bench.user})


def test_an_order_that_is_filled_meanwhile_is_filled_and_not_canceled(bench: lab.Lab) -> None:
    order = resting(bench, quantity=Decimal(10))
    bench.gateway.fault(preset="cancel_already_filled", match=match(bench, "DELETE"))
    bench.gateway.quote("AAPL", bid="0.90", ask="0.91", last="0.90")
    ask(order)
    lab.work()
    assert shown(order)[:2] == ("filled", Decimal(10))


def test_an_order_said_to_be_gone_that_the_broker_shows_goes_on_working(bench: lab.Lab) -> None:
    order = resting(bench, quantity=Decimal(10))
    bench.gateway.fault(preset="cancel_unknown_order", match=match(bench, "DELETE"))
    ask(order)
    lived(lambda: status(order) == "accepted")
    order.refresh_from_db()
    assert order.reason.startswith("Not canceled: IBKR has no working order")
    assert order.reason.endswith("Yet it shows the order as working.")


def test_a_plan_waits_no_longer_than_a_leg_that_is_gone_takes_to_be_proven_gone(bench: lab.Lab) -> None:
    leg = resting(bench, quantity=Decimal(10))
    gone_at_broker(bench, leg)
    after = opened(bench, intent("entry", "buy", 2), cancels=(leg.reference,)).orders.get()
    lived(lambda: status(after) not in {"created", "submitted"})
    assert status(leg) == "canceled"


def test_a_close_is_not_held_back_by_a_leg_that_is_gone(bench: lab.Lab) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 1_000_000}, positions=[{"symbol": "AAPL", "quantity": 10}])
    leg = bench.order(
        role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), time_in_force="gtc", quantity=Decimal(10)
    )
    lived(lambda: status(leg) == "accepted", lambda: held(bench) == 10)
    leg.refresh_from_db()
    gone_at_broker(bench, leg)
    wish = close(bench)
    assert (wish.status, status(leg), held(bench)) == ("done", "canceled", Decimal(0))


def test_a_plan_known_to_follow_a_filled_order_leaves(bench: lab.Lab) -> None:
    """What was forty of a hundred when the plan was made is all of forty when it leaves: nothing has changed."""
    target = resting(bench, quantity=Decimal(40))
    Order.objects.filter(pk=target.pk).update(status="filled", filled_quantity=Decimal(40))
    known = {target.reference: Decimal(40)}
    later = opened(bench, intent("entry", "buy", 1), cancels=(target.reference,), **known).orders.get()
    lived(lambda: status(later) == "filled")


def test_a_resize_that_ibkr_takes_at_another_size_is_shown_at_that_size(bench: lab.Lab) -> None:
    stop = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), quantity=Decimal(10))
    lab.work()
    stop.refresh_from_db()
    bench.gateway.fault(action={"resized": 0.5}, match=match(bench, "POST"))
    exit_order: Ticket = planned(bench, stop)
    lived(lambda: shown(stop)[2] == 3)
    assert status(exit_order.orders.get()) not in {"created", "canceled"}


def test_a_leg_cut_while_it_is_to_be_smaller_is_small_enough(bench: lab.Lab) -> None:
    stop = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), quantity=Decimal(10))
    lab.work()
    stop.refresh_from_db()
    by_hand(bench, stop, 5)
    exit_order = planned(bench, stop).orders.get()
    lived(lambda: shown(stop)[2] in {5, 6}, lambda: status(exit_order) not in {"created", "submitted"})
    stop.refresh_from_db()
    assert stop.resize_to is None
