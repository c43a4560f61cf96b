"""Rows of this floor for tests, made in one line each; every value can be given."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Team
from brokers.domain.live_money import Consent
from brokers.models import BrokerageAccount, Order, Ticket
from brokers.tests import rows
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Terms
from strategies.models import Decision, Signal, Strategy, Subscription
from strategies.setup import strategies, subscriptions

READING = {
    "action": "buy",
    "instrument": {"class": "stock", "symbol": "AAPL"},
    "quantity": {"value": "10", "type": "fixed_quantity"},
}


def strategy(team: Team, now: datetime, name: str = "Trend") -> Strategy:
    """A strategy with its webhook, which takes whatever a test sends."""
    strategy_row = strategies.create_strategy(team=team, actor=None, name=name, now=now)
    strategy_row.per_minute = strategy_row.per_hour = 1_000_000
    strategy_row.save()
    return strategy_row


def subscription(of: Strategy, account: BrokerageAccount, now: datetime, **terms: Any) -> Subscription:
    """An enabled subscription."""
    made = subscriptions.subscribe(
        team=of.team, strategy=of, account=account, terms=Terms(**terms), actor=None, now=now
    )
    consent = Consent(email_verified=True, second_factor=True, confirmed=True, typed=(account.account_id,))
    subscriptions.enable(subscription=made, actor=None, consent=consent, now=now)
    return made


def signal(of: Strategy, at: datetime, **values: Any) -> Signal:
    """Buy ten AAPL, received at `at` and stored two milliseconds later."""
    columns = {
        "key": str(uuid.uuid4()),
        "body": json.dumps({"ticker": "AAPL", "action": "buy", "quantity": "10"}),
        "reading": READING,
        "received_at": at,
        "stored_at": at + timedelta(milliseconds=2),
        **values,
    }
    if "instrument" in columns["reading"]:
        message = Message.from_reading(columns["reading"])
        columns = {
            "ticker": message.symbol.name,
            "action": message.action,
            "signal_time": message.signal_time,
            **columns,
        }
    return Signal.objects.create(team=of.team, strategy=of, endpoint=of.endpoints.get(), **columns)


def rejected(of: Signal, by: Subscription, at: datetime, **values: Any) -> Decision:
    """A decision not to act."""
    columns = {
        "status": "rejected",
        "rule": "R9",
        "reason_code": "already-long",
        "reason": "The account is long already.",
        "decided_at": at,
        **values,
    }
    return _decision(of, by, **columns)


def accepted(of: Signal, by: Subscription, at: datetime, **values: Any) -> tuple[Decision, Ticket]:
    """A decision to act, with its ticket, still without orders."""
    key = uuid.uuid4()
    ticket = rows.ticket(by.account, key=key)
    columns = {
        "status": "accepted",
        "rule": "R1",
        "reason": "Flat: a buy opens a long position.",
        "decided_at": at,
        **values,
    }
    return _decision(of, by, code=key, ticket=ticket, **columns), ticket


@dataclass(kw_only=True)
class Walk:
    """One signal that became a filled order."""

    account: BrokerageAccount
    strategy: Strategy
    subscription: Subscription
    signal: Signal
    decision: Decision
    order: Order


def walk(team: Team, at: datetime, name: str = "Trend") -> Walk:
    """Received, stored 2 ms later, decided at 8, submitted at 12, acknowledged at 42, filled at 92."""
    source = strategy(team, at, name)
    follower = subscription(source, rows.account(team), at)
    received = signal(source, at)
    decision, ticket = accepted(received, follower, at + timedelta(milliseconds=8))
    order = rows.order(ticket, created_at=at, expires_at=at + timedelta(minutes=1), estimated_fee=Decimal("1.00"))
    rows.filled(order, at=at + timedelta(milliseconds=12))
    return Walk(
        account=follower.account,
        strategy=source,
        subscription=follower,
        signal=received,
        decision=decision,
        order=order,
    )


def _decision(of: Signal, by: Subscription, **values: Any) -> Decision:
    assert by.terms is not None
    return Decision.objects.create(team=of.team, signal=of, subscription=by, terms=by.terms, **values)
