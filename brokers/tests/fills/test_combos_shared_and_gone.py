"""Combos that share a leg, and combos that were closed elsewhere: what is held of each, by what IBKR lists."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.contracts.combos import number_of, sign_in
from brokers.domain.orders import AssetClass, Instrument
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount, Closing, ContractLookup, Order, Position
from brokers.models.options import combos
from brokers.orders import closing, orphans
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
A, B, C, E = 700_000_001, 700_000_002, 700_000_003, 700_000_004
STRIKES = {A: 640, B: 650, C: 660, E: 670}
MINUTE = timedelta(minutes=1)


def name(number: int) -> str:
    long, short = -number >> 31, -number & (2**31 - 1)
    return f"SPY 261218C{STRIKES[long]}/{STRIKES[short]}"


AB, BC, AC, CE = number_of(A, B), number_of(B, C), number_of(A, C), number_of(C, E)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = rows.account(team, book_as_of=now)
    tickers = {
        **{conid: f"SPY 261218C{strike}" for conid, strike in STRIKES.items()},
        **{n: name(n) for n in (AB, BC, AC, CE)},
    }
    for conid, ticker in tickers.items():
        ContractLookup.objects.create(
            connection=made.connection, ticker=ticker, asset_class="option", status="found", conid=conid,
            answered_at=now, multiplier=D(100),
        )  # fmt: skip
    return made


def hold(account: BrokerageAccount, listed: dict[int, int]) -> None:
    Position.objects.all().delete()
    for conid, quantity in listed.items():
        if quantity:
            rows.position(
                account, conid=conid, ticker=f"SPY 261218C{STRIKES[conid]}", asset_class="option", quantity=D(quantity)
            )


def filled(account: BrokerageAccount, conid: int, quantity: int, at: datetime, **values: Any) -> Order:
    """An order that has filled, for a combo or a single option; sold where the quantity is below zero."""
    fields: dict[str, Any] = {
        "conid": conid, "ticker": name(conid) if conid < 0 else f"SPY 261218C{STRIKES[conid]}", "asset_class": "option",
        "side": "buy" if quantity > 0 else "sell", "role": "entry", "quantity": D(abs(quantity)),
        "filled_quantity": D(abs(quantity)), "status": "filled", "filled_at": at, "submitted_at": at,
        "acknowledged_at": at, "changed_at": at, **values,
    }  # fmt: skip
    return rows.order(account, **fields)


def seen(account: BrokerageAccount, ticker: str, now: datetime) -> Snapshot:
    account.refresh_from_db()
    instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
    view = live_book.load([(account, instrument)], now).view(account, instrument)
    assert isinstance(view, View), view
    (one,) = view.alternatives
    return one


def nets(account: BrokerageAccount, now: datetime) -> dict[int, Decimal]:
    found = combos.load([account.pk], now)
    return {each.number: each.net for several in found.values() for each in several if each.net}


SHARED: list[tuple[dict[int, int], dict[int, int], dict[int, int]]] = [
    # What one has written and another has bought IBKR lists nowhere: the outer legs are each other's cover.
    ({AB: 2, BC: 2}, {A: 2, C: -2}, {AB: 2, BC: 2}),
    ({AB: 2, BC: 1}, {A: 2, B: -1, C: -1}, {AB: 2, BC: 1}),
    ({AB: 1, BC: 2}, {A: 1, B: 1, C: -2}, {AB: 1, BC: 2}),
    ({AB: 2, BC: 2, CE: 2}, {A: 2, E: -2}, {AB: 2, BC: 2, CE: 2}),
    ({AB: -2, BC: -2}, {A: -2, C: 2}, {AB: -2, BC: -2}),
    # More of an outer leg was bought alone.
    ({AB: 2, BC: 2}, {A: 7, C: -2}, {AB: 2, BC: 2}),
    # A part of a leg was closed elsewhere: as many are held as what is left of all legs makes.
    ({AB: 2, BC: 1}, {A: 2, C: -1}, {AB: 1, BC: 1}),
    ({AB: 2, BC: 2}, {A: 1, C: -2}, {AB: 1, BC: 1}),
    ({AB: 2, BC: 2, CE: 2}, {A: 2, E: -1}, {AB: 1, BC: 1, CE: 1}),
    # All of it was: none is held, of either.
    ({AB: 2, BC: 2}, {C: -2}, {}),
    ({AB: 2, BC: 2}, {A: -2, C: 2}, {}),
    ({AB: 2, BC: 2}, {}, {}),
    # The same way round it counts once.
    ({AB: 2, AC: 2}, {A: 2, B: -2, C: -2}, {AB: 2}),
]  # fmt: skip


@pytest.mark.parametrize(("bought", "listed", "held"), SHARED)
def test_as_many_are_held_as_what_is_listed_of_all_legs_makes(
    account: BrokerageAccount, now: datetime, bought: dict[int, int], listed: dict[int, int], held: dict[int, int]
) -> None:
    for number, quantity in bought.items():
        filled(account, number, quantity, now - MINUTE)
    hold(account, listed)
    found = nets(account, now)
    if {AB, AC} <= set(bought):
        assert sum(found.values()) == sum(held.values())
    else:
        assert found == held
    # Whatever is held, no more of a leg is in combos than is listed of it, on its side.
    for conid in STRIKES:
        made = sum((sign_in(number, conid) * net for number, net in found.items()), D(0))
        assert abs(made) <= abs(listed.get(conid, 0))
        assert made * listed.get(conid, 0) >= 0


@pytest.mark.parametrize(
    ("bought", "listed"),
    [({AB: 2, BC: 2}, {A: 2, C: -2}), ({AB: 2, BC: 1}, {A: 2, C: -1}), ({AB: 2, BC: 2}, {A: 5, C: -2})],
)
def test_an_outer_leg_leaves_by_itself_only_beyond_what_it_covers(
    account: BrokerageAccount, now: datetime, bought: dict[int, int], listed: dict[int, int]
) -> None:
    for number, quantity in bought.items():
        filled(account, number, quantity, now - MINUTE)
    hold(account, listed)
    alone = seen(account, "SPY 261218C640", now)
    # What is written at 660 keeps as many at 640.
    assert alone.position == listed[A] + listed[C]
    assert alone.in_combos is not None
    assert seen(account, "SPY 261218C660", now).position == 0
    position = Position.objects.get(conid=A)
    with pytest.raises(closing.NotClosable, match="whose other leg would be left alone"):
        closing.close(
            account=account, conid=A, ticker=position.ticker, asset_class="option", quantity=D(listed[A] + listed[C] + 1),
            reason="asked", actor=None, now=now,
        )  # fmt: skip


def test_a_combo_in_the_middle_of_others_is_closed_though_neither_leg_is_listed(
    account: BrokerageAccount, now: datetime
) -> None:
    for number in (AB, BC, CE):
        filled(account, number, 2, now - MINUTE)
    hold(account, {A: 2, E: -2})
    wish = Closing.objects.create(
        team=account.team,
        account=account,
        conid=BC,
        ticker=name(BC),
        asset_class="option",
        reason="asked",
        asked_at=now,
    )
    closing.work(now)
    wish.refresh_from_db()
    sold = Order.objects.get(status="created")
    assert (wish.status, sold.conid, sold.side, sold.quantity, sold.currency) == ("open", BC, "sell", D(2), "USD")


def works(account: BrokerageAccount, number: int, at: datetime, side: str = "sell") -> Order:
    return filled(
        account, number, 2 if side == "buy" else -2, at, role="exit", type="limit", limit_price=D(4), status="accepted",
        filled_quantity=D(0), filled_at=None, broker_order_id="7",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bought", "listed", "side"),
    [
        ({AB: 2, BC: 2}, {A: 2, C: -2}, "sell"),
        ({AB: 2, BC: 3}, {A: 2, B: 1, C: -3}, "sell"),
        ({AB: -2, BC: -2}, {A: -2, C: 2}, "buy"),
    ],
)
def test_a_working_exit_of_a_combo_stays_where_another_one_nets_its_leg(
    account: BrokerageAccount, now: datetime, bought: dict[int, int], listed: dict[int, int], side: str
) -> None:
    for number, quantity in bought.items():
        filled(account, number, quantity, now - 2 * MINUTE)
    out = works(account, AB, now - 2 * MINUTE, side)
    hold(account, listed)
    assert orphans.cancel(now) == 0
    # The other one is gone, and with it what held this one's leg.
    filled(account, BC, -int(bought[BC]), now - MINUTE)
    hold(account, {A: listed[A]})
    assert orphans.cancel(now) == 1
    out.refresh_from_db()
    assert out.status == "pending_cancel"


def test_a_combo_that_was_closed_elsewhere_is_none_once_its_options_are_bought_one_by_one(
    account: BrokerageAccount, now: datetime
) -> None:
    filled(account, AB, 2, now - 9 * MINUTE)
    # Leg by leg in another program; then by two single orders of ours.
    filled(account, A, 2, now - MINUTE)
    hold(account, {A: 2})
    assert nets(account, now) == {}
    filled(account, B, -2, now - MINUTE)
    hold(account, {A: 2, B: -2})
    assert nets(account, now) == {}
    for ticker, held in (("SPY 261218C640", 2), ("SPY 261218C650", -2)):
        one = seen(account, ticker, now)
        assert (one.position, one.in_combos is None) == (D(held), True)
    # Both leave as one order where that is asked for.
    assert seen(account, name(AB), now).position == 2
    position = Position.objects.get(conid=A)
    made = closing.close(
        account=account, conid=A, ticker=position.ticker, asset_class="option", quantity=None, reason="asked", actor=None,
        now=now,
    )  # fmt: skip
    assert made.conid == A


STALE: list[tuple[dict[int, int], dict[int, int], int]] = [
    # Beyond what was bought one by one, the combo is there still.
    ({A: 2, B: -2}, {A: 3, B: -3}, 1),
    ({A: 2, B: -2}, {A: 4, B: -4}, 2),
    ({A: 3, B: -2}, {A: 3, B: -3}, 1),
    # One leg alone says nothing of the other, which the combo's own covers.
    ({A: 2}, {A: 2, B: -2}, 2),
    ({B: -2}, {A: 2, B: -2}, 2),
    # What single orders have closed opens nothing.
    ({A: -2, B: 2}, {A: 2, B: -2}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("alone", "listed", "held"), STALE)
@pytest.mark.parametrize("way", [1, -1])
def test_what_single_orders_have_opened_of_both_legs_is_in_no_combo(
    account: BrokerageAccount, now: datetime, alone: dict[int, int], listed: dict[int, int], held: int, way: int
) -> None:
    filled(account, AB, 2 * way, now - 9 * MINUTE)
    for conid, quantity in alone.items():
        filled(account, conid, quantity * way, now - MINUTE)
    hold(account, {conid: quantity * way for conid, quantity in listed.items()})
    assert nets(account, now) == {AB: held * way}


def test_what_single_orders_have_filled_before_a_combo_says_nothing_of_it(
    account: BrokerageAccount, now: datetime
) -> None:
    # Bought one by one, closed elsewhere, and then bought as one.
    for conid, quantity in ((A, 2), (B, -2), (AB, 2)):
        filled(account, conid, quantity, now - MINUTE)
    hold(account, {A: 2, B: -2})
    assert nets(account, now) == {AB: 2}
    # Brought home late, as an order that somebody claims for a strategy is: it has filled before.
    for conid, quantity in ((A, 2), (B, -2)):
        filled(account, conid, quantity, now - 9 * MINUTE)
    assert nets(account, now) == {AB: 2}
