"""A stop that is missing, by each choice and each fault: the simulated IBKR, our lanes and our stream."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.doubts.choices import Choice
from brokers.domain.orders import OrderType, Release, TimeInForce
from brokers.domain.protection.choices import MissingStop
from brokers.models import Closing, ForeignOrder, Lapse, Notice, Order, Position, Ticket
from brokers.orders import tickets, undecided
from brokers.protection import rounds
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import intent

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
CHOICES = list(MissingStop)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def bracket(bench: lab.Lab, choice: MissingStop, *, fills: bool, quantity: int = 5) -> Ticket:
    """An entry with a stop far below; it fills at once, or rests far below the market."""
    stop = intent(
        "stop_loss",
        "sell",
        quantity,
        type=OrderType.STOP,
        stop_price=Decimal("0.50"),
        release=Release.WITH_PARENT,
        time_in_force=TimeInForce.GTC,
    )
    values: dict[str, Any] = {} if fills else {"type": OrderType.LIMIT, "limit_price": Decimal("1.00")}
    now = timezone.now()
    draft = tickets.Draft(
        account=bench.account,
        key=uuid.uuid4(),
        conid=265598,
        currency="USD",
        multiplier=Decimal(1),
        intents=(intent("entry", "buy", quantity, then=(stop,), **values),),
        cancels=(),
        expires_at=now + timedelta(minutes=1),
        missing_stop=choice,
    )
    with transaction.atomic():
        return tickets.open_tickets([draft], now)[0]


def refuse_the_stop(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="stop_refused", match={"user": bench.user})


def story(bench: lab.Lab, ticket: Callable[[], Ticket], done: Callable[[], object], what: str) -> None:
    """Lanes and stream at work, from the ticket to what becomes of it."""

    async def main() -> None:
        async with lab.watching(), lab.working():
            await asyncio.to_thread(lab.asked, ticket)
            await lab.until(done, what)

    asyncio.run(main())


def ended() -> bool:
    return Lapse.objects.exclude(ended_at=None).exists()


def working_stops(bench: lab.Lab) -> list[dict[str, Any]]:
    orders = bench.gateway.control("GET", f"/{bench.user}/orders")
    return [each for each in orders if each["type"] == "STP" and each["status"] in {"Submitted", "PreSubmitted"}]


def held(bench: lab.Lab) -> int:
    orders = bench.gateway.control("GET", f"/{bench.user}/orders")
    return sum(int(o["filled"]) * (1 if o["side"] == "BUY" else -1) for o in orders)


def test_an_entry_whose_stop_is_refused_is_canceled_before_it_fills(bench: lab.Lab) -> None:
    refuse_the_stop(bench)
    story(bench, lambda: bracket(bench, MissingStop.CANCEL_ENTRY, fills=False), ended, "the lapse is over")
    entry = Order.objects.get(role="entry")
    lapse = Lapse.objects.get()
    assert (entry.status, lapse.fault, lapse.alarm) == ("canceled", "half_accepted", False)
    assert "asked IBKR to cancel the entry" in lapse.did
    assert held(bench) == 0
    assert working_stops(bench) == []


def test_an_entry_may_work_on_until_it_fills_and_gets_its_stop_then(bench: lab.Lab) -> None:
    refuse_the_stop(bench)
    story(bench, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=False), Lapse.objects.exists, "it is seen")
    lapse = Lapse.objects.get()
    assert (lapse.verdict, lapse.alarm, working_stops(bench)) == ("entry-without-stop", False, [])
    assert Order.objects.get(role="entry").status == "accepted"


@pytest.mark.parametrize("choice", [MissingStop.CANCEL_ENTRY, MissingStop.PLACE_STOP])
def test_what_has_filled_gets_its_stop_alone(bench: lab.Lab, choice: MissingStop) -> None:
    refuse_the_stop(bench)
    story(bench, lambda: bracket(bench, choice, fills=True), ended, "the lapse is over")
    (stop,) = working_stops(bench)
    assert (stop["quantity"], stop["tif"]) == ("5", "GTC")
    assert Lapse.objects.get().sent == 1
    assert Order.objects.filter(role="stop_loss", status="accepted").count() == 1


def closed() -> bool:
    """Whether the book has shown that nothing is held: that comes after the last fill, with the next read."""
    return Closing.objects.filter(status="done").exists()


def test_what_has_filled_is_flattened(bench: lab.Lab) -> None:
    refuse_the_stop(bench)
    story(bench, lambda: bracket(bench, MissingStop.FLATTEN, fills=True), closed, "the position is closed")
    assert ended()
    assert held(bench) == 0
    assert not Position.objects.exists()


@pytest.mark.parametrize("fills", [True, False])
def test_an_alarm_sends_nothing(bench: lab.Lab, fills: bool) -> None:
    refuse_the_stop(bench)
    story(bench, lambda: bracket(bench, MissingStop.ALARM, fills=fills), Lapse.objects.exists, "it is seen")
    lapse = Lapse.objects.get()
    assert (lapse.verdict, lapse.alarm) == ("alarm-chosen", True)
    assert len(bench.posts()) == 1
    assert Notice.objects.get(lapse=lapse).kind == "missing-stop"


def is_alarm() -> bool:
    return Lapse.objects.filter(alarm=True).exists()


def settled(bench: lab.Lab, choice: MissingStop) -> Callable[[], bool]:
    """Whether what was chosen has come about."""
    if choice is MissingStop.ALARM:
        return is_alarm
    return ended


FAULTS = {"stop_canceled_later": "canceled", "half_accepted_bracket": "lost"}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stop_that_is_canceled_later_or_never_was(bench: lab.Lab, fault: str, choice: MissingStop) -> None:
    bench.gateway.fault(preset=fault, match={"user": bench.user})
    story(bench, lambda: bracket(bench, choice, fills=True), settled(bench, choice), "it is settled")
    lapse = Lapse.objects.get()
    assert lapse.fault == FAULTS[fault]
    left = {MissingStop.FLATTEN: (0, 0), MissingStop.ALARM: (5, 0)}.get(choice, (5, 1))
    assert (held(bench), len(working_stops(bench))) == left


def test_a_stop_that_ibkr_shows_no_more_is_asked_about_before_it_is_placed_anew(bench: lab.Lab, alice: User) -> None:
    bench.gateway.fault(preset="stop_lost", match={"user": bench.user})
    story(bench, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True), is_alarm, "somebody is asked")
    assert (Lapse.objects.get().verdict, len(bench.posts())) == ("stop-not-shown", 1)
    lost = Order.objects.get(role="stop_loss")

    def say() -> Ticket:
        undecided.choose(order=lost, choice=Choice.ABSENT, actor=alice, now=timezone.now())
        rounds.look(timezone.now())
        return lost.ticket

    story(bench, say, ended, "the stop is placed anew")
    assert len(working_stops(bench)) == 1


@pytest.mark.parametrize("choice", [MissingStop.CANCEL_ENTRY, MissingStop.FLATTEN])
def test_an_entry_that_works_loses_its_stop_and_is_canceled(bench: lab.Lab, choice: MissingStop) -> None:
    bench.gateway.fault(preset="stop_canceled_later", match={"user": bench.user})
    story(bench, lambda: bracket(bench, choice, fills=False), ended, "the lapse is over")
    assert Order.objects.get(role="entry").status == "canceled"
    assert (held(bench), len(working_stops(bench))) == (0, 0)


def test_a_stop_placed_elsewhere_protects_as_well(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="foreign_stop", match={"user": bench.user})
    bench.gateway.fault(preset="stop_canceled_later", match={"user": bench.user})

    def canceled() -> bool:
        return Order.objects.filter(role="stop_loss", status="canceled").exists()

    story(bench, lambda: bracket(bench, MissingStop.FLATTEN, fills=True), canceled, "its own stop is gone")
    rounds.look(timezone.now() + timedelta(seconds=5))
    assert not Lapse.objects.exists()
    assert ForeignOrder.objects.get().remaining == 5
    assert (held(bench), len(bench.posts())) == (5, 1)


@pytest.mark.parametrize("choice", [MissingStop.PLACE_STOP, MissingStop.ALARM])
def test_a_position_that_somebody_shrinks_has_a_stop_of_its_size(bench: lab.Lab, choice: MissingStop) -> None:
    bench.gateway.fault(
        preset="position_shrunk", match={"user": bench.user}, action={"foreign_exit": {"s": 1, "share": 0.4}}
    )

    def sized() -> bool:
        stop = Order.objects.filter(role="stop_loss").first()
        return is_alarm() if choice is MissingStop.ALARM else stop is not None and stop.quantity == 3

    story(bench, lambda: bracket(bench, choice, fills=True), sized, "the stop is as small as the position")
    assert Lapse.objects.get().fault == "too_large"
    assert [each["quantity"] for each in working_stops(bench)] == ["5" if choice is MissingStop.ALARM else "3"]


def test_the_mend_survives_a_crash_before_it_leaves(bench: lab.Lab) -> None:
    """The lapse and its order are one transaction: who comes next finds both, and sends once."""
    refuse_the_stop(bench)
    bracket(bench, MissingStop.PLACE_STOP, fills=True)
    # The worker dies with the answer in its hand: nothing is written down.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("brokers.protection.home.mending.look_at", _die)
        with contextlib.suppress(_Died):
            lab.work()
    for _ in range(3):
        rounds.look(timezone.now() + timedelta(seconds=5))
    story(bench, lambda: Ticket.objects.get(pk=Ticket.objects.earliest("pk").pk), ended, "the lapse is over")
    assert len(working_stops(bench)) == 1
    assert Lapse.objects.get().sent == 1


class _Died(Exception):
    pass


def _die(*_: object) -> None:
    raise _Died


def test_a_mend_whose_answer_is_lost_is_looked_for_and_not_sent_twice(bench: lab.Lab) -> None:
    refuse_the_stop(bench)
    bench.gateway.fault(
        action={"drop_connection": True},
        match={**PLACE, "user": bench.user, "nth": 2},
        phase="after",
    )
    story(bench, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True), ended, "the lapse is over")
    assert len(working_stops(bench)) == 1
    assert len(bench.posts()) == 2


def test_a_mend_that_is_refused_too_needs_a_person(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="stop_refused", match={"user": bench.user}, times=None)
    story(bench, lambda: bracket(bench, MissingStop.PLACE_STOP, fills=True), is_alarm, "somebody is called")
    lapse = Lapse.objects.get()
    assert (lapse.verdict, lapse.sent, working_stops(bench)) == ("stop-not-taken", 2, [])
