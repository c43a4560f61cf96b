"""The end of a connection: what hangs on it, and taking it away with the subscriptions that trade through it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from brokers.connections import changes
from brokers.models import BrokerageAccount, Connection, Position
from strategies.models import Subscription
from strategies.setup import subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """What a connection carries now."""

    orders: int
    positions: int
    accounts: list[BrokerageAccount]
    subscriptions: list[Subscription]


def hanging_on(connection: Connection) -> Hanging:
    """What hangs on a connection: orders that may still fill, what is held, its accounts, and who trades in them."""
    trading = Subscription.objects.filter(account__connection=connection, enabled=True)
    return Hanging(
        orders=changes.working_orders(connection),
        positions=Position.objects.filter(account__connection=connection).exclude(quantity=0).count(),
        accounts=list(connection.accounts.order_by("account_id")),
        subscriptions=list(trading.select_related("strategy", "account").order_by("strategy__name", "pk")),
    )


@transaction.atomic
def remove_connection(*, connection: Connection, actor: User | None, now: datetime) -> None:
    """Remove a connection, and switch off what trades through it. Raises ConnectionRefused while an order may fill."""
    for subscription in hanging_on(connection).subscriptions:
        subscriptions.disable(subscription=subscription, actor=actor, now=now)
    changes.remove(connection=connection, actor=actor, now=now)
