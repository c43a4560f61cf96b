"""In every class: orders that cancel each other, changed orders and canceled ones, by ibind (an independent client, unmodified)
and by Halyard; and the orders of a share abroad."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OF_FUTURES, AssetClass, Instrument, OrderIntent, OrderType, Release, TimeInForce
from brokers.models import Order
from brokers.orders import cancels
from brokers.orders.modifications import asking
from brokers.simulator.catalogue import listed
from brokers.simulator.catalogue.instrument import Instrument as Listed
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.description.test_same_rows_as_ibind import Ibind, by_ibind, place, placed, rows_of
from brokers.tests.description.test_same_rows_in_every_class import PRICES, contract_of, instrument_of
from brokers.tests.orders.test_plans import intent

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
ABROAD = "equity abroad"
CLASSES = [*PRICES, ABROAD]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traded:
    """What is traded of a class, at a price that its halves leave on the tick."""

    contract: Listed
    instrument: Instrument
    price: Decimal
    quantity: int

    def ours(self, **values: Any) -> OrderIntent:
        made = intent("entry", "buy", self.quantity, **values)
        return dataclasses.replace(made, instrument=self.instrument)

    def theirs(self, **values: Any) -> dict[str, Any]:
        of_futures = {"manual_indicator": False, "ext_operator": "desk"}
        futures = of_futures if self.instrument.asset_class in OF_FUTURES else {}
        return {"conid": self.contract.conid, "quantity": self.quantity, **values, **futures}

    def at(self, part: str) -> Decimal:
        return self.price * D(part)


def traded(gateway: RunningGateway, asset_class: str) -> Traded:
    """What is traded of a class, quoted at its price."""
    if asset_class == ABROAD:
        contract = next(each for each in listed.ABROAD if (each.symbol, each.exchange) == ("SAP", "IBIS"))
        made = Traded(contract=contract, instrument=Instrument(ticker="XETR:SAP"), price=D(240), quantity=5)
    else:
        contract, kind = contract_of(asset_class)
        price, quantity = PRICES[asset_class]
        made = Traded(contract=contract, instrument=instrument_of(contract, kind), price=price, quantity=quantity)
    # A CFD on a share trades at the share's own quote.
    own = (
        {contract.conid, contract.underlying_conid}
        if made.instrument.asset_class is AssetClass.CFD
        else {contract.conid}
    )
    for conid in own:
        gateway.quote(conid, bid=made.price, ask=made.price, last=made.price, ttl_s=600)
    return made


@pytest.fixture(autouse=True)
def no_quotes_afterwards(gateway: RunningGateway) -> Any:
    yield
    gateway.clear_quotes()


@pytest.mark.parametrize("asset_class", CLASSES)
def test_two_orders_that_cancel_each_other_are_the_same_rows(
    team: Team, gateway: RunningGateway, asset_class: str
) -> None:
    of = traded(gateway, asset_class)
    below, above = of.at("0.5"), of.at("1.5")
    second = of.ours(type=OrderType.LIMIT, limit_price=below, release=Release.IN_GROUP, time_in_force=TimeInForce.GTC)
    first = of.ours(type=OrderType.STOP, stop_price=above, time_in_force=TimeInForce.GTC, then=(second,))
    rows = placed(team, gateway, of.contract.conid, first)
    group: dict[str, Any] = {"tif": "GTC", "is_single_group": True}
    expected = by_ibind(
        gateway,
        of.theirs(order_type="STP", price=float(above), **group),
        of.theirs(order_type="LMT", price=float(below), **group),
    )
    assert len(rows) == 2
    assert rows == expected


@pytest.mark.parametrize("asset_class", CLASSES)
def test_a_changed_order_is_the_same_row(team: Team, gateway: RunningGateway, asset_class: str) -> None:
    of = traded(gateway, asset_class)
    before, after, less = of.at("0.48"), of.at("0.4"), of.quantity * 9 // 10
    bench = lab.make(team, gateway)
    place(bench, of.contract.conid, of.ours(type=OrderType.LIMIT, limit_price=before))
    values = {"limit_price": after, "quantity": D(less)}
    asking.change(order=Order.objects.get(), values=values, actor=None, now=timezone.now())
    lab.work()
    client = Ibind(gateway)
    client.place(of.theirs(order_type="LMT", price=float(before)))
    client.change(0, **(of.theirs(order_type="LMT", price=float(after)) | {"quantity": less}))
    rows = rows_of(gateway, bench.user)
    assert [(float(row["price"]), float(row["totalSize"])) for row in rows] == [(float(after), float(less))]
    assert rows == client.rows()


@pytest.mark.parametrize("asset_class", CLASSES)
def test_a_changed_leg_of_a_pair_is_the_same_row_beside_the_other(
    team: Team, gateway: RunningGateway, asset_class: str
) -> None:
    of = traded(gateway, asset_class)
    below, above, higher = of.at("0.48"), of.at("1.6"), of.at("2")
    second = of.ours(type=OrderType.LIMIT, limit_price=below, release=Release.IN_GROUP)
    bench = lab.make(team, gateway)
    place(bench, of.contract.conid, of.ours(type=OrderType.STOP, stop_price=above, then=(second,)))
    stop = Order.objects.get(type="stop")
    asking.change(order=stop, values={"stop_price": higher}, actor=None, now=timezone.now())
    lab.work()
    client = Ibind(gateway)
    client.place(
        of.theirs(order_type="STP", price=float(above), is_single_group=True),
        of.theirs(order_type="LMT", price=float(below), is_single_group=True),
    )
    client.change(0, **of.theirs(order_type="STP", price=float(higher), is_single_group=True))
    rows = rows_of(gateway, bench.user)
    assert {float(row["price"] or row["auxPrice"]) for row in rows} == {float(below), float(higher)}
    assert rows == client.rows()


@pytest.mark.parametrize("asset_class", CLASSES)
def test_a_canceled_order_is_the_same_row(team: Team, gateway: RunningGateway, asset_class: str) -> None:
    of = traded(gateway, asset_class)
    bench = lab.make(team, gateway)
    place(bench, of.contract.conid, of.ours(type=OrderType.LIMIT, limit_price=of.at("0.5")))
    assert cancels.request_cancel(order=Order.objects.get(), actor=None, now=timezone.now())
    lab.work()
    client = Ibind(gateway)
    client.place(of.theirs(order_type="LMT", price=float(of.at("0.5"))))
    client.cancel(0)
    rows = rows_of(gateway, bench.user)
    assert [row["status"] for row in rows] == ["Cancelled"]
    assert rows == client.rows()


def test_the_orders_of_a_share_abroad_are_the_same_rows(team: Team, gateway: RunningGateway) -> None:
    of = traded(gateway, ABROAD)
    low, high, higher = of.at("0.5"), of.at("1.5"), of.at("1.75")
    ours = [
        of.ours(type=OrderType.LIMIT, limit_price=low),
        of.ours(type=OrderType.LIMIT, limit_price=of.at("0.25"), time_in_force=TimeInForce.GTC),
        of.ours(type=OrderType.STOP, stop_price=high),
        of.ours(type=OrderType.STOP_LIMIT, stop_price=high, limit_price=higher),
        of.ours(type=OrderType.TRAILING_STOP, trail_percent=D(25)),
    ]
    theirs = [
        of.theirs(order_type="LMT", price=float(low)),
        of.theirs(order_type="LMT", price=float(of.at("0.25")), tif="GTC"),
        of.theirs(order_type="STP", price=float(high)),
        of.theirs(order_type="STOP_LIMIT", price=float(higher), aux_price=float(high)),
        of.theirs(order_type="TRAIL", trailing_type="%", trailing_amt=25.0),
    ]
    rows = placed(team, gateway, of.contract.conid, *ours)
    assert len(rows) == len(ours)
    assert rows == by_ibind(gateway, *theirs, together=False)
