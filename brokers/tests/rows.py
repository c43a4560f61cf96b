"""Rows of this floor for tests, made in one line each; keyword arguments override every value."""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone

from accounts.models import Team
from brokers.connections import connections, user_accounts
from brokers.domain.brokerage import AccountFacts
from brokers.domain.orders import OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import (
    BrokerageAccount,
    Call,
    Connection,
    CorporateAction,
    Execution,
    ForeignOrder,
    Lapse,
    Order,
    OrderEvent,
    Position,
    Ticket,
    UnclaimedOrder,
)
from brokers.postgres import incarnation

Row = TypeVar("Row", bound=Model)
_numbers = itertools.count(1)


def connection(team: Team, **values: Any) -> Connection:
    """A simulated connection."""
    made = connections.connect(
        team=team,
        actor=None,
        name=values.pop("name", "Simulated IBKR"),
        username=values.pop("username", ""),
        environment=Environment.SIMULATED,
        now=values.pop("now", timezone.now()),
    )
    return _with(made, values)


def without_gap(of: Connection, since: datetime, until: datetime, **values: Any) -> None:
    """As if its session and its live stream ran from `since`, and the stream last spoke at `until`."""
    columns = {"turned_at": since, "stream_since": since, "stream_heard_at": until, **values}
    Connection.objects.filter(pk=of.pk).update(**columns)
    of.refresh_from_db()


def account(team: Team, of: Connection | None = None, **values: Any) -> BrokerageAccount:
    """A paper account, by default under a connection of its own, whose orders and fills are here."""
    facts = AccountFacts(account_id=values.pop("account_id", f"SIM{next(_numbers):07d}"), is_paper=True)
    made = user_accounts.save_accounts(connection=of or connection(team), facts=[facts], now=timezone.now())[0]
    return _with(made, {"orders_home_in": incarnation.name()} | values)


def call(of: Connection, **values: Any) -> Call:
    """A tickle that was answered within 20 ms."""
    columns = {
        "team": of.team,
        "connection": of,
        "at": timezone.now(),
        "method": "GET",
        "endpoint": "tickle",
        "address": "/tickle",
        "outcome": "answered",
        "status": 200,
        "took_ms": 20.0,
        "own_ms": 0.0,
        **values,
    }
    return Call.objects.create(**columns)


def position(of: BrokerageAccount, **values: Any) -> Position:
    """Ten AAPL at 180."""
    columns = {
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "quantity": Decimal(10),
        "average_cost": Decimal(180),
        "as_of": timezone.now(),
        "team": of.team,
        "account": of,
        **values,
    }
    return Position.objects.create(**columns)


def foreign_order(of: BrokerageAccount, **values: Any) -> ForeignOrder:
    """Five AAPL to be sold at 150, placed by hand."""
    columns = {
        "team": of.team,
        "account": of,
        "broker_order_id": str(next(_numbers) + 900_000),
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "currency": "USD",
        "side": "sell",
        "type": "limit",
        "quantity": Decimal(5),
        "remaining": Decimal(5),
        "limit_price": Decimal(150),
        "time_in_force": "day",
        "described": "Sell 5 AAPL Limit 150.00, Day",
        "first_seen_at": timezone.now(),
        "seen_at": timezone.now(),
        **values,
    }
    return ForeignOrder.objects.create(**columns)


def unclaimed_order(of: BrokerageAccount, **values: Any) -> UnclaimedOrder:
    """Five AAPL that were bought with Halyard's reference, in no row."""
    number = next(_numbers)
    columns = {
        "team": of.team,
        "account": of,
        "broker_order_id": str(number + 900_000),
        "reference": f"hy-{number:032x}",
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "currency": "USD",
        "side": "buy",
        "filled": Decimal(5),
        "filled_at": timezone.now(),
        **values,
    }
    return UnclaimedOrder.objects.create(**columns)


def split(of: BrokerageAccount, **values: Any) -> CorporateAction:
    """A hundred AAPL at 200 that became 373, about which a person is asked."""
    columns = {
        "team": of.team,
        "account": of,
        "ticker": "AAPL",
        "conid": 265598,
        "conid_before": 265598,
        "quantity_before": Decimal(100),
        "average_before": Decimal(200),
        "quantity": Decimal(373),
        "average": Decimal("53.6193"),
        "before_at": timezone.now(),
        "seen_at": timezone.now(),
        "state": "asked",
        **values,
    }
    columns.setdefault("split_at", columns["before_at"])
    return CorporateAction.objects.create(**columns)


def lapse(of: BrokerageAccount, at: datetime, **values: Any) -> Lapse:
    """AAPL without its stop, which IBKR has refused."""
    columns = {
        "team": of.team,
        "account": of,
        "conid": 265598,
        "ticker": "AAPL",
        "fault": "refused",
        "choice": "alarm",
        "verdict": "alarm-chosen",
        "happened": "IBKR refused the stop.",
        "did": "Halyard sent nothing.",
        "can_do": "Close the position.",
        "began_at": at,
        "changed_at": at,
        **values,
    }
    return Lapse.objects.create(**columns)


def ticket(of: BrokerageAccount, **values: Any) -> Ticket:
    """An empty ticket that waits."""
    columns = {"key": uuid.uuid4(), "team": of.team, "account": of, "connection": of.connection, **values}
    return Ticket.objects.create(**columns)


def order(of: BrokerageAccount | Ticket, **values: Any) -> Order:
    """Buy ten AAPL at the market; created, not yet sent."""
    its_ticket = of if isinstance(of, Ticket) else ticket(of)
    columns = {
        "reference": f"hy-{next(_numbers)}",
        "role": "entry",
        "ticker": "AAPL",
        "asset_class": "stock",
        "conid": 265598,
        "side": "buy",
        "type": "market",
        "quantity": Decimal(10),
        "expires_at": timezone.now() + timedelta(minutes=1),
        **values,
    }
    created = Order.objects.create(
        team=its_ticket.team, ticket=its_ticket, account=its_ticket.account, connection=its_ticket.connection, **columns
    )
    OrderEvent.objects.create(order=created, old="", new=OrderStatus.CREATED)
    return created


def execution(of: Order, **values: Any) -> Execution:
    """A fill of the whole order at 187.25."""
    columns = {
        "broker_execution_id": f"0000.{next(_numbers):04x}",
        "conid": of.conid,
        "ticker": of.ticker,
        "side": of.side,
        "quantity": of.quantity,
        "price": Decimal("187.25"),
        "fee": Decimal("1.00"),
        "executed_at": timezone.now(),
        "team": of.team,
        "account": of.account,
        "order": of,
        **values,
    }
    return Execution.objects.create(**columns)


def filled(of: Order, *, at: datetime, price: Decimal = Decimal("187.25")) -> Order:
    """The order all the way to filled, with its execution: sent at `at`, then 30 and 80 milliseconds later."""
    later = [at, at + timedelta(milliseconds=30), at + timedelta(milliseconds=80)]
    assert Order.objects.move(of, OrderStatus.SUBMITTED, now=later[0], submitted_at=later[0])
    assert Order.objects.move(of, OrderStatus.ACCEPTED, now=later[1], acknowledged_at=later[1])
    execution(of, price=price, executed_at=later[2])
    assert Order.objects.move(
        of, OrderStatus.FILLED, now=later[2], filled_at=later[2], filled_quantity=of.quantity, average_price=price
    )
    return of


def _with(row: Row, values: dict[str, Any]) -> Row:
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        row.save(update_fields=list(values))
    return row
