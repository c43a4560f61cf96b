"""Who trades in a bench: tenants with an account each at the simulated IBKR, and what a decision of theirs is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brokers.models import BrokerageAccount, Connection
    from brokers.simulator.testing.gateway import RunningGateway

AAPL = 265598


@dataclass(frozen=True)
class Tenant:
    connection: Connection
    account: BrokerageAccount


def team() -> Any:
    from django.utils import timezone

    from accounts import teams
    from accounts.models import User

    owner = User.objects.create_user("owner@example.com", "a password")
    return teams.found_team(owner=owner, name="Traders", now=timezone.now())


def tenant(team: Any, gateway: RunningGateway, name: str) -> Tenant:
    """A simulated account that is signed in."""
    from brokers.tests import lab, rows

    made = lab.make(team, gateway, rows.connection(team, username=name, name=name))
    return Tenant(made.connection, made.account)


def paper(team: Any, gateway: RunningGateway, name: str) -> Tenant:
    """A paper account, for which the terms of real ones hold; of a region whose day and night are far."""
    from brokers.domain.sessions import Environment
    from brokers.models import Connection
    from brokers.tests import lab, rows

    connection = rows.connection(team, username=name, name=name)
    region = _by_day()
    Connection.objects.filter(pk=connection.pk).update(
        environment=str(Environment.PAPER), base_url=gateway.base_url(name), region=region, region_seen=region
    )
    connection.refresh_from_db()
    made = lab.make(team, gateway, connection)
    return Tenant(made.connection, made.account)


def _by_day() -> str:
    from django.utils import timezone

    from brokers.connections import nights
    from brokers.domain.sessions import Region

    now, hour = timezone.now(), timedelta(hours=1)
    for region in Region:
        near = (nights.resets().closed_at(now + hour * part / 4, region) for part in range(-4, 5))
        if not any(near) and now.hour not in _MIDNIGHTS[str(region)]:
            return str(region)
    raise SystemExit("Every region has its night now.")


# The hours of UTC around the end of IBKR's day, by region.
_MIDNIGHTS = {"NA": {3, 4, 5}, "EU": {21, 22, 23, 0}, "APAC": {15, 16}}


def decide(tenant: Tenant) -> Any:
    """A decision's ticket with one order, committed as a decision commits it."""
    from brokers.models import Order

    (key,), _ = decide_all([tenant])
    return Order.objects.get(pk=key)


def decide_all(tenants: Sequence[Tenant]) -> tuple[list[int], float]:
    """The tickets of one signal, an order for each account, in one transaction; the orders' keys, and when it committed."""
    from django.db import connection, transaction
    from django.utils import timezone

    from brokers.models import Order
    from brokers.orders import tickets

    now = timezone.now()
    try:
        with transaction.atomic():
            made = tickets.open_tickets([_draft(tenant, now) for tenant in tenants], now)
        committed = time.time()
        return list(Order.objects.filter(ticket__in=made).values_list("pk", flat=True)), committed
    finally:
        connection.close()


def _draft(tenant: Tenant, now: datetime) -> Any:
    from brokers.domain.orders import Instrument, OrderIntent, OrderType, Role, Side
    from brokers.orders import tickets

    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=Instrument(ticker="AAPL"),
        side=Side.BUY,
        type=OrderType.LIMIT,
        limit_price=Decimal("1.00"),
        quantity=Decimal(1),
    )
    return tickets.Draft(
        account=tenant.account,
        key=uuid.uuid4(),
        conid=AAPL,
        currency="USD",
        multiplier=Decimal(1),
        intents=(intent,),
        cancels=(),
        expires_at=now + timedelta(minutes=1),
    )
