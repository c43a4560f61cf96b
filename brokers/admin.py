"""The operator's view of connections, accounts and orders. Secrets are shown nowhere."""

from __future__ import annotations

from django.contrib import admin

from accounts.readonly import ReadOnly
from brokers.models import (
    BrokerageAccount,
    Connection,
    ContractLookup,
    EquityPoint,
    Execution,
    Order,
    OrderEvent,
    Position,
    SessionEvent,
    SubmissionAttempt,
    Ticket,
)


@admin.register(Connection)
class ConnectionAdmin(ReadOnly):
    list_display = ("name", "team", "username", "environment", "enabled", "session_status", "last_kept_at")
    list_filter = ("environment", "session_status", "enabled")
    search_fields = ("name", "username", "team__name", "code")
    exclude = ("secrets",)


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnly):
    list_display = ("at", "connection", "status", "reason")
    list_filter = ("status",)
    list_select_related = ("connection",)


@admin.register(BrokerageAccount)
class BrokerageAccountAdmin(ReadOnly):
    list_display = ("account_id", "team", "connection", "is_paper", "equity", "currency", "book_as_of")
    list_filter = ("is_paper", "kind")
    search_fields = ("account_id", "team__name", "code")
    list_select_related = ("team", "connection")


@admin.register(EquityPoint)
class EquityPointAdmin(ReadOnly):
    list_display = ("at", "account", "equity")
    list_select_related = ("account",)


@admin.register(ContractLookup)
class ContractLookupAdmin(ReadOnly):
    list_display = ("ticker", "asset_class", "status", "conid", "connection", "asked_at", "answered_at")
    list_filter = ("status", "asset_class")
    search_fields = ("ticker", "conid")
    list_select_related = ("connection",)


@admin.register(Position)
class PositionAdmin(ReadOnly):
    list_display = ("ticker", "account", "quantity", "average_cost", "market_price", "unrealized_pnl", "as_of")
    search_fields = ("ticker", "account__account_id", "team__name")
    list_select_related = ("account",)


@admin.register(Ticket)
class TicketAdmin(ReadOnly):
    list_display = ("key", "team", "account", "queued_at", "worked_at")
    list_filter = (("worked_at", admin.EmptyFieldListFilter),)
    search_fields = ("key", "team__name")
    list_select_related = ("team", "account")


@admin.register(Order)
class OrderAdmin(ReadOnly):
    list_display = ("reference", "team", "account", "side", "quantity", "ticker", "status", "created_at")
    list_filter = ("status", "role", "type")
    search_fields = ("reference", "code", "ticker", "broker_order_id", "team__name")
    list_select_related = ("team", "account")


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnly):
    list_display = ("at", "order", "old", "new", "cause")
    list_filter = ("new",)
    search_fields = ("order__reference",)
    list_select_related = ("order",)


@admin.register(SubmissionAttempt)
class SubmissionAttemptAdmin(ReadOnly):
    list_display = ("sent_at", "order", "kind", "outcome", "answered_at")
    list_filter = ("kind", "outcome")
    search_fields = ("order__reference",)
    list_select_related = ("order",)


@admin.register(Execution)
class ExecutionAdmin(ReadOnly):
    list_display = ("executed_at", "account", "side", "quantity", "ticker", "price", "fee", "broker_execution_id")
    search_fields = ("broker_execution_id", "ticker", "account__account_id")
    list_select_related = ("account",)
