"""IBKR's last word on our rows, from what the rows keep: as of when, by which way, and whether the stream still lives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from brokers.domain.orders import OrderStatus
from brokers.domain.session import ages
from brokers.domain.session.ages import OrderTold, Word
from brokers.models import BrokerageAccount, Order, Position


def of_order(order: Order, now: datetime) -> Word:
    """IBKR's last word on the order's status. Load it with `account__connection`."""
    told = OrderTold(
        status=OrderStatus(order.status),
        submitted_at=order.submitted_at,
        acknowledged_at=order.acknowledged_at,
        changed_at=order.changed_at,
        checked_at=order.checked_at,
        absences=order.absences,
    )
    return ages.of_order(told, order.account.sight, now, proof=_proof())


def of_book(account: BrokerageAccount, now: datetime) -> Word:
    """IBKR's last word on the account's positions. Load it with `connection`."""
    return ages.of_book(account.sight, now, proof=_proof())


def of_position(position: Position, now: datetime) -> Word:
    """IBKR's last word on one position. Load it with `account__connection`."""
    return ages.of_book(replace(position.account.sight, read_at=position.as_of), now, proof=_proof())


def _proof() -> timedelta:
    return timedelta(seconds=settings.STREAM_PROOF_SECONDS)
