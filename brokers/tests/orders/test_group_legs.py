"""An advisor's order for a group: its legs when its entry fills in part, and what each client has of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.domain.orders import Allocation, OrderType, Release, TimeInForce
from brokers.models import Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_partly_filled_entries import canceled, lived, match, shown
from brokers.tests.orders.test_plans import intent, opened, status

pytestmark = pytest.mark.django_db(transaction=True)
EVERYBODY = Allocation(group="everybody", method="EqualQuantity")


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    """An advisor with four clients in one group."""
    made = lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 4)
    listed = gateway.call(made.user, "GET", "/iserver/accounts")[1]["accounts"]
    clients = [{"name": each} for each in listed if each not in {"All", made.account.account_id}]
    group = {"name": EVERYBODY.group, "accounts": clients, "default_method": "E"}
    assert gateway.call(made.user, "POST", "/iserver/account/allocation/group", group)[1] == {"success": True}
    return made


def bracketed(bench: lab.Lab, fraction: float) -> tuple[Order, Order, Order]:
    """The group buys a hundred with a stop and a target; so much of it fills."""
    bench.gateway.fault(action={"partial_fill": fraction}, match=match(bench, "POST", "/iserver/account/*/orders"))
    leg = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC, "allocation": EVERYBODY}
    stop = intent("stop_loss", "sell", 100, type=OrderType.STOP, stop_price=Decimal("0.50"), **leg)
    profit = intent("take_profit", "sell", 100, type=OrderType.LIMIT, limit_price=Decimal(900), **leg)
    ticket = opened(bench, intent("entry", "buy", 100, allocation=EVERYBODY, then=(profit, stop)))
    filled = Decimal(str(fraction)) * 100
    lived(lambda: ticket.orders.get(role="entry").filled_quantity == filled)
    bench.gateway.clear_faults()
    entry, target, leg_of_stop = (ticket.orders.get(role=role) for role in ("entry", "take_profit", "stop_loss"))
    return entry, target, leg_of_stop


def clients_hold(bench: lab.Lab) -> Decimal:
    held = Position.objects.filter(account__connection=bench.connection)
    return sum(held.values_list("quantity", flat=True), Decimal(0))


def test_an_order_for_a_group_names_the_group(bench: lab.Lab) -> None:
    ticket = opened(bench, intent("entry", "buy", 8, allocation=EVERYBODY))
    lived(lambda: status(ticket.orders.get()) == "filled")
    [post] = bench.posts()
    assert post["path"].endswith("/iserver/account/everybody/orders")


@pytest.mark.parametrize("early", [False, True], ids=["legs sleep", "legs wake early"])
def test_the_legs_of_a_group_follow_what_its_entry_filled(bench: lab.Lab, early: bool) -> None:
    with bench.gateway.behaving(legs_wake_early=early):
        entry, target, stop = bracketed(bench, 0.4)
        canceled(entry)
        assert shown(entry) == ("canceled", Decimal(40), Decimal(100))
        lived(lambda: clients_hold(bench) == 40)
        lived(lambda: (shown(target)[2], shown(stop)[2]) == (Decimal(40), Decimal(40)))
        bench.gateway.quote("AAPL", bid=901, ask=902, last=901)
        lived(lambda: status(target) == "filled", lambda: status(stop) == "canceled")
        assert shown(target) == ("filled", Decimal(40), Decimal(40))
        lived(lambda: clients_hold(bench) == 0)
