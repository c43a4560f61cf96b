"""Reads the books when the gateway starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import models

from brokers.simulator.books import rows, rows_orders
from brokers.simulator.catalogue.relisted import Split
from brokers.simulator.exchange.alerts import Alert
from brokers.simulator.exchange.records import TERMINAL, Account, Advisor, Execution, Order
from brokers.simulator.market.market import Quote
from brokers.simulator.models import (
    SimAccessToken,
    SimAccount,
    SimAdvisor,
    SimAlert,
    SimCash,
    SimConsumer,
    SimCounter,
    SimExecution,
    SimOrder,
    SimPosition,
    SimProceeds,
    SimQuote,
    SimSplit,
    SimUser,
)
from brokers.simulator.oauth.oauth import AccessToken, Consumer

_DAY_S = 86_400.0


@dataclass(slots=True, kw_only=True)
class Books:
    """Everything a gateway needs to go on where it stopped."""

    users: list[str] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    advisors: list[Advisor] = field(default_factory=list)
    quotes: list[tuple[Quote, float]] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    tokens: list[AccessToken] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    order_id: int = 0
    execution_number: int = 0


def load(now: float) -> Books:
    """Read the books: all accounts, orders that work or ended since yesterday, fills of the last eight days."""
    books = Books(users=list(SimUser.objects.values_list("username", flat=True)))
    accounts = {row.account_id: rows.account(row) for row in SimAccount.objects.order_by("account_id")}
    for cash in SimCash.objects.all():
        accounts[cash.account_id].cash[cash.currency] = cash.balance
    for held in SimPosition.objects.all():
        accounts[held.account_id].positions[held.conid] = rows.position(held)
    for waiting in SimProceeds.objects.filter(settled=False):
        accounts[waiting.account_id].proceeds[waiting.number] = rows.proceeds(waiting)
    books.accounts = list(accounts.values())
    books.advisors = [rows.advisor(a) for a in SimAdvisor.objects.all()]
    recent = models.Q(updated_at__gte=_moment(now - 2 * _DAY_S)) | ~models.Q(status__in=TERMINAL)
    books.orders = [
        rows_orders.order(o) for o in SimOrder.objects.filter(recent).select_related("account").order_by("pk")
    ]
    fills = SimExecution.objects.filter(executed_at__gte=_moment(now - 8 * _DAY_S)).select_related("account")
    books.executions = [rows_orders.execution(e) for e in fills.order_by("pk")]
    posted = SimQuote.objects.filter(until__gt=_moment(now))
    books.quotes = [rows.quote(q) for q in posted]
    books.consumers = [rows.consumer(c) for c in SimConsumer.objects.all()]
    books.tokens = [rows.access_token(t) for t in SimAccessToken.objects.all()]
    books.alerts = [rows.alert(a) for a in SimAlert.objects.filter(deleted=False).order_by("pk")]
    books.splits = [rows.split(each) for each in SimSplit.objects.order_by("pk")]
    counters = dict(SimCounter.objects.values_list("name", "value"))
    highest = SimOrder.objects.aggregate(top=models.Max("pk"))["top"] or 0
    books.order_id = max(highest, counters.get("order", 0))
    number = SimExecution.objects.aggregate(top=models.Max("pk"))["top"] or 0
    books.execution_number = max(number, counters.get("execution", 0))
    return books


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
