"""The same orders, placed by ibind (an independent client, unmodified) and by Halyard, are the same rows at the gateway."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderIntent, OrderType, Release, TimeInForce
from brokers.orders import tickets
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import intent

os.environ.setdefault("IBIND_LOG_TO_CONSOLE", "false")
os.environ.setdefault("IBIND_LOG_TO_FILE", "false")
ibind = pytest.importorskip("ibind", reason="ibind, a development dependency, is not installed")
pytestmark = pytest.mark.django_db(transaction=True)
# Whose order it is, the gateway's numbers, and when it was placed.
OF_ITS_OWN = {
    *("acct", "account", "orderId", "order_ref", "parentId", "ocaGroupId"),
    *("lastExecutionTime", "lastExecutionTime_r"),
}

AAPL_CONID = 265598
# Far from the market, so that all of them rest: as ibind takes them, and as Halyard's plans hold them.
ORDERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a limit": (
        {"order_type": "LMT", "price": 1.0},
        {"type": OrderType.LIMIT, "limit_price": Decimal(1)},
    ),
    "a limit until canceled": (
        {"order_type": "LMT", "price": 1.25, "tif": "GTC"},
        {"type": OrderType.LIMIT, "limit_price": Decimal("1.25"), "time_in_force": TimeInForce.GTC},
    ),
    "a stop": (
        {"order_type": "STP", "price": 9000.0},
        {"type": OrderType.STOP, "stop_price": Decimal(9000)},
    ),
    "a market order if touched": (
        {"order_type": "MIT", "aux_price": 1.0},
        {"type": OrderType.MARKET_IF_TOUCHED, "stop_price": Decimal(1)},
    ),
    "a midprice order with a cap": (
        {"order_type": "MIDPRICE", "price": 1.0},
        {"type": OrderType.MIDPRICE, "limit_price": Decimal(1)},
    ),
    "a limit order if touched": (
        {"order_type": "LIT", "price": 1.5, "aux_price": 1.0},
        {"type": OrderType.LIMIT_IF_TOUCHED, "limit_price": Decimal("1.5"), "stop_price": Decimal(1)},
    ),
    "a stop limit": (
        {"order_type": "STOP_LIMIT", "price": 9001.0, "aux_price": 9000.0},
        {"type": OrderType.STOP_LIMIT, "limit_price": Decimal(9001), "stop_price": Decimal(9000)},
    ),
}


def rows_of(gateway: RunningGateway, user: str) -> list[dict[str, Any]]:
    """What the gateway lists of a user's orders, by their description, without whose they are."""
    for _ in range(2):
        listed = gateway.call(user, "GET", "/iserver/account/orders")[1]["orders"]
    shown = sorted(listed, key=lambda row: str(row["orderDesc"]))
    return [{name: value for name, value in row.items() if name not in OF_ITS_OWN} for row in shown]


class Ibind:
    """A user of the gateway whose orders ibind places, changes and cancels."""

    YES = dict.fromkeys(ibind.QuestionType, True)

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway, self.user = gateway, f"ibind-{uuid.uuid4().hex[:8]}"
        self.account = gateway.sign_in(self.user)
        url = f"{gateway.base_url(self.user)}/"
        self.client = ibind.IbkrClient(account_id=self.account, url=url, auto_register_shutdown=False)

    def request(self, number: int, **order: Any) -> Any:
        usual = {"conid": AAPL_CONID, "side": "BUY", "quantity": 5, "acct_id": self.account, "tif": "DAY"}
        return ibind.OrderRequest(**(usual | {"coid": f"i-{number}"} | order))

    def place(self, *orders: dict[str, Any], together: bool = True) -> None:
        requests = [self.request(number, **order) for number, order in enumerate(orders)]
        for submission in [requests] if together and len(requests) > 1 else requests:
            self.client.place_order(submission, self.YES, self.account)

    def numbers(self) -> dict[str, str]:
        """The gateway's number of each order, by our reference."""
        for _ in range(2):
            listed = self.gateway.call(self.user, "GET", "/iserver/account/orders")[1]["orders"]
        return {str(row["order_ref"]): str(row["orderId"]) for row in listed}

    def change(self, number: int, **order: Any) -> None:
        """Send an order again as it is to be."""
        key = self.numbers()[f"i-{number}"]
        self.client.modify_order(key, self.request(number, **order), self.YES, self.account)

    def cancel(self, number: int) -> None:
        self.client.cancel_order(self.numbers()[f"i-{number}"], self.account)

    def rows(self) -> list[dict[str, Any]]:
        return rows_of(self.gateway, self.user)


def by_ibind(gateway: RunningGateway, *orders: dict[str, Any], together: bool = True) -> list[dict[str, Any]]:
    """What the gateway lists of orders that ibind has placed, as one submission or one after the other."""
    client = Ibind(gateway)
    client.place(*orders, together=together)
    return client.rows()


def by_halyard(team: Team, gateway: RunningGateway, then: tuple[Any, ...] = (), **order: Any) -> list[dict[str, Any]]:
    return placed(team, gateway, AAPL_CONID, intent("entry", "buy", 5, then=then, **order))


def placed(team: Team, gateway: RunningGateway, conid: int, *entries: OrderIntent) -> list[dict[str, Any]]:
    """What the gateway lists of orders in a contract that Halyard has placed, each by a ticket of its own."""
    bench = lab.make(team, gateway)
    place(bench, conid, *entries)
    return rows_of(gateway, bench.user)


def place(bench: lab.Lab, conid: int, *entries: OrderIntent) -> None:
    """Place orders in a contract by Halyard, each by a ticket of its own."""
    drafts = [
        tickets.Draft(
            account=bench.account,
            key=uuid.uuid4(),
            conid=conid,
            currency="USD",
            multiplier=Decimal(1),
            intents=(entry,),
            cancels=(),
            expires_at=timezone.now() + timedelta(minutes=2),
        )
        for entry in entries
    ]
    tickets.open_tickets(drafts, timezone.now())
    lab.work()


@pytest.mark.parametrize("name", list(ORDERS))
def test_an_order_is_the_same_row(team: Team, gateway: RunningGateway, name: str) -> None:
    theirs, ours = ORDERS[name]
    rows = by_halyard(team, gateway, **ours)
    assert len(rows) == 1
    assert rows == by_ibind(gateway, theirs)


def test_a_bracket_is_the_same_rows(team: Team, gateway: RunningGateway) -> None:
    stop = intent("stop_loss", "sell", 5, type=OrderType.STOP, stop_price=Decimal("0.50"), release=Release.WITH_PARENT)
    target = intent(
        "take_profit", "sell", 5, type=OrderType.LIMIT, limit_price=Decimal(9000), release=Release.WITH_PARENT
    )
    rows = by_halyard(team, gateway, (stop, target), type=OrderType.LIMIT, limit_price=Decimal(1))
    legs = [
        {"order_type": "LMT", "price": 1.0},
        {"order_type": "STP", "price": 0.5, "side": "SELL", "parent_id": "i-0"},
        {"order_type": "LMT", "price": 9000.0, "side": "SELL", "parent_id": "i-0"},
    ]
    assert len(rows) == 3
    assert rows == by_ibind(gateway, *legs)


def test_a_stop_that_trails_with_a_limit_is_the_same_leg(team: Team, gateway: RunningGateway) -> None:
    stop = intent(
        "stop_loss",
        "sell",
        5,
        type=OrderType.TRAILING_STOP_LIMIT,
        stop_price=Decimal("0.75"),
        limit_price=Decimal("0.50"),
        trail_percent=Decimal(25),
        release=Release.WITH_PARENT,
    )
    rows = by_halyard(team, gateway, (stop,), type=OrderType.LIMIT, limit_price=Decimal(1))
    trail = {"trailing_type": "%", "trailing_amt": 25.0}
    legs = [
        {"order_type": "LMT", "price": 1.0},
        {"order_type": "TRAILLMT", "price": 0.5, "aux_price": 0.75, "side": "SELL", "parent_id": "i-0", **trail},
    ]
    assert len(rows) == 2
    assert rows == by_ibind(gateway, *legs)
