"""Paper trading without a feed: a simulated market that stands where the signal saw it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from brokers.domain.orders import OrderStatus
from brokers.models import Connection, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.stress import control_plane, prices
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, settings: Any) -> Iterator[lab.Lab]:
    """The gateway's market and ours agree that signals make the prices."""
    settings.SIM_PRICES = "signal"
    with gateway.behaving(prices="signal", signal_slippage_bps=10):
        yield lab.make(team, gateway)
    gateway.clear_quotes()


def at_broker(bench: lab.Lab, order: Order) -> dict[str, Any]:
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    return next(row for row in bench.at_broker() if str(row["orderId"]) == order.broker_order_id)


def test_an_order_fills_at_its_signals_price_and_slippage(bench: lab.Lab) -> None:
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(bench, order)["avgPrice"]) == Decimal("512.52")


def test_an_order_without_a_signals_price_meets_the_last_one(bench: lab.Lab) -> None:
    bench.order(signal_price=Decimal(512))
    lab.work()
    later = bench.order(side="sell", role="exit")
    lab.work()
    assert Decimal(at_broker(bench, later)["avgPrice"]) == Decimal("511.48")


def test_a_market_with_prices_of_its_own_is_told_nothing(bench: lab.Lab, settings: Any) -> None:
    settings.SIM_PRICES = "generated"
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(bench, order)["avgPrice"]) < Decimal(400)


def test_an_order_leaves_even_when_its_price_cannot_be_told(bench: lab.Lab, settings: Any) -> None:
    settings.SIM_CONTROL_TOKEN = "not the token"
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    assert len(bench.posts()) == 1


@pytest.fixture
def own(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    """A gateway whose market makes its own prices, as everybody has it who never heard of SIM_PRICES."""
    yield lab.make(team, gateway)
    gateway.clear_quotes()


def choose(bench: lab.Lab, chosen: str, actor: User | None = None) -> None:
    bench.connection.refresh_from_db()
    prices.choose(connection=bench.connection, prices=chosen, actor=actor, now=timezone.now())


def test_a_person_lets_a_simulated_account_trade_at_the_signals_prices(own: lab.Lab, alice: User) -> None:
    before = own.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(own, before)["avgPrice"]) < Decimal(400)
    choose(own, "signal", alice)
    bought = own.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(own, bought)["avgPrice"]) == Decimal(512)
    # A signal without a price meets the last one.
    sold = own.order(side="sell", role="exit")
    lab.work()
    assert Decimal(at_broker(own, sold)["avgPrice"]) == Decimal(512)
    assert AuditEntry.objects.get(action="connection.prices_signal").actor == alice


def test_back_at_its_own_prices_the_market_forgets_those_of_signals(own: lab.Lab) -> None:
    choose(own, "signal")
    own.order(signal_price=Decimal(512))
    lab.work()
    choose(own, "generated")
    after = own.order(side="sell", role="exit", signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(own, after)["avgPrice"]) < Decimal(400)
    assert AuditEntry.objects.filter(action__startswith="connection.prices_").count() == 2


def test_a_contract_that_replays_a_recording_keeps_its_prices(own: lab.Lab, gateway: RunningGateway) -> None:
    choose(own, "signal")
    gateway.control("POST", "/feed", {"conid": 265598, "source": "replay", "csv": "time,last\n0,99"})
    order = own.order(signal_price=Decimal(512))
    lab.work()
    gateway.control("DELETE", "/feed")
    assert Decimal(at_broker(own, order)["avgPrice"]) == Decimal(99)


def test_an_order_leaves_when_the_market_cannot_be_told_its_price(own: lab.Lab, settings: Any) -> None:
    choose(own, "signal")
    settings.SIM_CONTROL_TOKEN = "not the token"
    order = own.order(signal_price=Decimal(512))
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED


@pytest.mark.parametrize(
    ("environment", "token", "chosen", "code"),
    [
        ("paper", "t", "signal", "not-simulated"),
        ("live", "t", "signal", "not-simulated"),
        ("simulated", "", "signal", "no-control-plane"),
        ("simulated", "t", "guessed", "invalid-prices"),
    ],
)
def test_where_prices_cannot_be_chosen_it_says_why(
    team: Team, settings: Any, environment: str, token: str, chosen: str, code: str
) -> None:
    settings.SIM_CONTROL_TOKEN, settings.SIMULATOR = token, True
    made = Connection(team=team, name="One", username="ONE", environment=environment)
    made.save()
    with pytest.raises(prices.PricesRefused) as refused:
        prices.choose(connection=made, prices=chosen, actor=None, now=timezone.now())
    assert refused.value.code == code
    assert str(refused.value).endswith(".")
    assert not control_plane.trades_at_signals(made)
    if environment != "simulated":
        with pytest.raises(IntegrityError, match="signals_price_simulated_markets_only"), transaction.atomic():
            Connection.objects.filter(pk=made.pk).update(prices="signal")


@pytest.mark.parametrize("always_open", [True, False])
def test_the_market_says_whether_it_closes(own: lab.Lab, gateway: RunningGateway, always_open: bool) -> None:
    with gateway.behaving(market_always_open=always_open):
        assert control_plane.never_closes(own.connection.username) is always_open


def test_a_market_that_cannot_be_asked_says_nothing_of_its_hours(own: lab.Lab, settings: Any) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:9"
    assert control_plane.never_closes(own.connection.username) is None
    settings.SIM_CONTROL_TOKEN = ""
    assert control_plane.never_closes(own.connection.username) is None
