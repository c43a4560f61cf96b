"""Stop losses that trail with a limit at a gateway: their prices move there, our rows follow, and a change keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import Accepted, OrderFacts
from brokers.domain.orders import OrderStatus, OrderType, Release, TimeInForce
from brokers.models import ContractLookup, Order, Position
from brokers.orders import reconciliation
from brokers.orders.execution import Answer
from brokers.orders.modifications import sending
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.modifications.test_sent import after, ask
from brokers.tests.orders.test_plans import intent, opened, status
from brokers.tests.orders.test_resizes import planned

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_quotes()


def at(bench: lab.Lab, price: int | str) -> None:
    bench.gateway.quote("AAPL", bid=price, ask=price, last=price)


def prices(order: Order) -> list[Decimal | None]:
    """Its stop and its limit, as our row has them."""
    order.refresh_from_db()
    return [order.stop_price, order.limit_price]


@pytest.fixture
def held(bench: lab.Lab) -> Order:
    """Ten are bought at 100, with a stop that trails five behind the market and fills one below at worst; returns that."""
    at(bench, 100)
    stop = intent(
        "stop_loss",
        "sell",
        10,
        type=OrderType.TRAILING_STOP_LIMIT,
        stop_price=D(95),
        limit_price=D(94),
        trail_amount=D(5),
        time_in_force=TimeInForce.GTC,
        release=Release.WITH_PARENT,
    )
    ticket = opened(bench, intent("entry", "buy", 10, then=(stop,)))
    lab.lived(lambda: status(ticket.orders.get(role="entry")) == "filled")
    leg = ticket.orders.get(role="stop_loss")
    assert (leg.status, prices(leg)) == ("accepted", [D(95), D(94)])
    return leg


def test_it_travels_with_its_entry_and_its_row_follows_the_prices_at_ibkr(bench: lab.Lab, held: Order) -> None:
    leg = json.loads(bench.posts()[0]["body"])["orders"][1]
    assert (leg["orderType"], leg["price"], leg["auxPrice"]) == ("TRAILLMT", 94, 95)
    assert (leg["trailingType"], leg["trailingAmt"], leg["tif"]) == ("amt", 5, "GTC")
    at(bench, 110)
    lab.lived(lambda: prices(held) == [D(105), D(104)])
    # It follows, and never back.
    at(bench, 107)
    at(bench, "104.50")
    lab.lived(lambda: status(held) == "filled")
    assert held.events.filter(new="filled").exists()


def test_it_does_not_fill_behind_its_limit(bench: lab.Lab, held: Order) -> None:
    at(bench, 110)
    lab.lived(lambda: prices(held) == [D(105), D(104)])
    at(bench, 100)
    (row,) = (row for row in bench.at_broker() if str(row["orderId"]) == held.broker_order_id)
    assert row["filledQuantity"] == 0
    at(bench, 104)
    lab.lived(lambda: status(held) == "filled")
    held.refresh_from_db()
    assert held.average_price == 104


def test_a_leg_that_becomes_smaller_keeps_the_prices_that_ibkr_moved_it_to(bench: lab.Lab, held: Order) -> None:
    at(bench, 110)
    lab.lived(lambda: prices(held) == [D(105), D(104)])
    planned(bench, held, to=4)
    lab.lived(lambda: Order.objects.get(pk=held.pk).quantity == 4)
    (change,) = (
        json.loads(entry["body"])
        for entry in bench.gateway.journal(bench.user, method="POST")
        if entry["path"].endswith(f"/order/{held.broker_order_id}")
    )
    assert (change["quantity"], change["auxPrice"], change["price"]) == (4, 105, 104)
    assert prices(held) == [D(105), D(104)]


@pytest.mark.parametrize("known_by", ["quote", "mark"])
def test_where_ibkrs_lists_name_no_prices_a_smaller_leg_is_no_looser_than_the_market_has_left_it(
    bench: lab.Lab, held: Order, known_by: str
) -> None:
    """What it had trailed was lost: the change carried the prices of the start."""
    with bench.gateway.behaving(trails_show_prices=False):
        at(bench, 110)
        lab.lived(lambda: [D(row["auxPrice"]) for row in _trailing(bench)] == [])
        assert prices(held) == [D(95), D(94)]
        now = timezone.now()
        seen = {"bid": 110, "ask": 111, "last": 110, "quote_as_of": now, "quote_flags": "R"}
        if known_by == "mark":
            seen = {}
            holding = Position.objects.filter(account=held.account_id, conid=held.conid)
            assert holding.update(market_price=D(110), as_of=now) == 1
        ContractLookup.objects.filter(conid=held.conid).update(**seen or {"quote_as_of": None})
        planned(bench, held, to=4)
        lab.lived(lambda: Order.objects.get(pk=held.pk).quantity == 4)
    (change,) = (
        json.loads(entry["body"])
        for entry in bench.gateway.journal(bench.user, method="POST")
        if entry["path"].endswith(f"/order/{held.broker_order_id}")
    )
    assert (change["quantity"], change["auxPrice"], change["price"]) == (4, 105, 104)
    assert prices(held) == [D(105), D(104)]


def _trailing(bench: lab.Lab) -> list[dict[str, Any]]:
    return [row for row in bench.at_broker() if row["origOrderType"] == "TRAILLMT" and "auxPrice" in row]


def test_an_older_list_loosens_no_stop_when_the_leg_becomes_smaller(bench: lab.Lab, held: Order) -> None:
    at(bench, 110)
    lab.lived(lambda: prices(held) == [D(105), D(104)])
    # It was asked for before the trail moved, and comes home behind the stream's news.
    older = facts(held, type=OrderType.TRAILING_STOP_LIMIT, stop_price=D(95), limit_price=D(94))
    reconciliation.apply(held.connection, orders=[older], now=timezone.now())
    planned(bench, held, to=4)
    lab.lived(lambda: Order.objects.get(pk=held.pk).quantity == 4)
    (row,) = (row for row in bench.at_broker() if str(row["orderId"]) == held.broker_order_id)
    assert (row["auxPrice"], row["price"]) == ("105.00", "104.00")


def facts(order: Order, **values: Any) -> OrderFacts:
    return OrderFacts(
        account_id=order.account.account_id,
        broker_order_id=order.broker_order_id,
        reference=order.reference,
        status=OrderStatus.ACCEPTED,
        **values,
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"type": OrderType.TRAILING_STOP_LIMIT, "stop_price": D(97), "limit_price": D(96)}, (97, 96)),
        # After a split they are lower.
        ({"type": OrderType.TRAILING_STOP_LIMIT, "stop_price": D(50), "limit_price": D(49)}, (50, 49)),
        ({"type": OrderType.TRAILING_STOP_LIMIT, "stop_price": D(97)}, (95, 94)),
        ({"type": OrderType.TRAILING_STOP_LIMIT, "limit_price": D(97)}, (95, 94)),
        ({"type": OrderType.LIMIT, "stop_price": D(97), "limit_price": D(96)}, (95, 94)),
        ({"stop_price": D(97), "limit_price": D(96)}, (95, 94)),
    ],
)
def test_ibkrs_word_on_both_prices_counts(team: Team, values: dict[str, Any], expected: tuple[int, int]) -> None:
    order = rows.order(
        rows.account(team),
        role="stop_loss",
        side="sell",
        type="trailing_stop_limit",
        stop_price=D(95),
        limit_price=D(94),
        trail_amount=D(5),
        status="accepted",
        broker_order_id="7",
    )
    reconciliation.apply(order.connection, orders=[facts(order, **values)], now=timezone.now())
    assert prices(order) == [D(price) for price in expected]


@pytest.fixture
def row(team: Team) -> Order:
    """A stop that trails, as rows have it: no gateway."""
    return rows.order(
        rows.account(team),
        role="stop_loss",
        side="sell",
        type="trailing_stop_limit",
        stop_price=D(95),
        limit_price=D(94),
        trail_amount=D(5),
        status="accepted",
        broker_order_id="7",
    )


@pytest.mark.parametrize(
    ("side", "moved", "older", "tighter"),
    [("sell", 105, 100, 106), ("buy", 85, 90, 84)],
)
def test_once_it_has_moved_it_moves_one_way_while_older_lists_come_home(
    row: Order, side: str, moved: int, older: int, tighter: int
) -> None:
    now, away = timezone.now(), 1 if side == "buy" else -1
    Order.objects.filter(pk=row.pk).update(side=side, stop_price=D(95), limit_price=D(95 + away))

    def hear(stop: int, after: int, limit: int | None = None, **more: Any) -> list[Decimal | None]:
        report = facts(
            row,
            type=OrderType.TRAILING_STOP_LIMIT,
            stop_price=D(stop),
            limit_price=D(limit or stop + away),
            **more,
        )
        reconciliation.apply(row.connection, orders=[report], now=now + timedelta(seconds=after))
        return prices(row)

    assert hear(moved, 0) == [D(moved), D(moved + away)]
    assert hear(older, 5) == [D(moved), D(moved + away)]
    assert hear(moved, 6, limit=moved + 2 * away) == [D(moved), D(moved + away)]
    assert hear(tighter, 10) == [D(tighter), D(tighter + away)]
    # With another size too it may be of before a split: it is looked at again.
    assert hear(tighter - 2 * away, 12, quantity=row.quantity * 2) == [D(tighter), D(tighter + away)]
    # No list is as old as that: somebody has loosened it, or a split has.
    assert hear(older, 71) == [D(older), D(older + away)]


def test_a_change_whose_answer_is_lost_is_known_by_the_distance_of_its_prices(row: Order) -> None:
    now = timezone.now()
    change = ask(row, trail_amount="3", limit_price="94.5")
    sending.begin(row, now)
    # It has trailed since; the list is brought home before it is asked.
    trailed = facts(row, type=OrderType.TRAILING_STOP_LIMIT, stop_price=D("97.20"), limit_price=D("96.70"))
    reconciliation.apply(row.connection, orders=[trailed], now=now)
    assert sending.settle_lost(row, [trailed], now)
    row.refresh_from_db()
    assert (after(change), row.trail_amount) == (("made", ""), D(3))


def test_the_limit_keeps_the_distance_that_was_asked_for_from_a_stop_that_has_trailed_since(row: Order) -> None:
    now = timezone.now()
    change = ask(row, trail_amount="3", limit_price="94.5")
    trailed = facts(row, type=OrderType.TRAILING_STOP_LIMIT, stop_price=D(97), limit_price=D(96))
    reconciliation.apply(row.connection, orders=[trailed], now=now)
    attempt, leg = sending.begin(row, now)
    assert (leg.intent.stop_price, leg.intent.limit_price) == (D(97), D("96.5"))
    again = facts(row, type=OrderType.TRAILING_STOP_LIMIT, stop_price=D(98), limit_price=D(97))
    reconciliation.apply(row.connection, orders=[again], now=now)
    sending.finish(row, attempt, Answer(outcome=Accepted(acks=()), attempt_pk=attempt), now)
    assert (after(change), prices(row)) == (("made", ""), [D(98), D("97.5")])
    said = row.events.order_by("-pk").values_list("cause", flat=True)[:2]
    assert list(said) == [
        "IBKR has changed it: stop 98, limit 97.5 and trail 3",
        "IBKR is asked to change it: stop 97, limit 96.5 and trail 3",
    ]


@pytest.mark.parametrize("apart", [1, 2])
def test_the_distance_of_before_tells_of_no_change(row: Order, apart: int) -> None:
    now = timezone.now()
    change = ask(row, trail_amount="3", limit_price=str(95 - apart))
    sending.begin(row, now)
    trailed = facts(row, type=OrderType.TRAILING_STOP_LIMIT, stop_price=D(97), limit_price=D(96))
    assert sending.settle_lost(row, [trailed], now)
    assert after(change) == ("waiting", "")


def test_a_stop_that_stands_keeps_its_own(team: Team) -> None:
    order = rows.order(
        rows.account(team),
        type="stop_limit",
        stop_price=D(95),
        limit_price=D(94),
        status="accepted",
        broker_order_id="7",
    )
    told = facts(order, type=OrderType.STOP_LIMIT, stop_price=D(97), limit_price=D(96))
    reconciliation.apply(order.connection, orders=[told], now=timezone.now())
    assert prices(order) == [D(95), D(94)]
