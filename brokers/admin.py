"""The operator's view of connections, accounts and orders. Secrets are shown nowhere."""

from __future__ import annotations

from django.contrib import admin

from accounts import readonly
from accounts.readonly import ReadOnly
from brokers.models import (
    AccountGroup,
    Advisor,
    Authorization,
    BrokerageAccount,
    BrokerMessage,
    Call,
    Closing,
    Connection,
    ContractChoice,
    ContractLookup,
    CorporateAction,
    Delivery,
    Destination,
    Dispatch,
    Doubt,
    EquityPoint,
    ExchangeRate,
    Execution,
    FillChange,
    FillRate,
    FirstHolding,
    ForeignOrder,
    GroupChange,
    KeySet,
    Lapse,
    LiveSessionToken,
    MarginPreview,
    NetFill,
    Notice,
    OpeningPosition,
    OptionChain,
    Order,
    OrderEvent,
    OrderModification,
    OrderPrompt,
    Position,
    QuestionAnswer,
    Rescaling,
    SessionEvent,
    SilencedNotice,
    SubmissionAttempt,
    Suppression,
    Ticket,
    UnclaimedOrder,
    UnexplainedChange,
    WhatIf,
)


@admin.register(Connection)
class ConnectionAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("name", "team", "username", "environment", "enabled", "session_status", "last_kept_at")
    list_filter = ("environment", "session_status", "enabled")
    search_fields = ("name", "username", "team__name", "code")
    exclude = ("secrets", "signing_keys")


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("at", "connection", "status", "reason")
    list_filter = ("status",)
    list_select_related = ("connection",)


@admin.register(LiveSessionToken)
class LiveSessionTokenAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("connection", "made_at", "expires_at", "claimed_until")
    list_select_related = ("connection",)
    exclude = ("token",)


@admin.register(KeySet)
class KeySetAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("asked_at", "team", "consumer_key", "step", "connection")
    list_filter = ("step",)
    list_select_related = ("team", "connection")
    exclude = ("keys",)


@admin.register(Authorization)
class AuthorizationAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("asked_at", "team", "user", "used_at", "problem_code")
    list_select_related = ("team", "user")
    exclude = ("browser_sha256", "request_token")


@admin.register(Call)
class CallAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("at", "connection", "method", "address", "outcome", "status", "took_ms")
    list_filter = ("outcome",)
    list_select_related = ("connection",)


@admin.register(BrokerageAccount)
class BrokerageAccountAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("account_id", "team", "connection", "is_paper", "equity", "currency", "book_as_of")
    list_filter = ("is_paper", "kind")
    search_fields = ("account_id", "team__name", "code")
    list_select_related = ("team", "connection")


@admin.register(EquityPoint)
class EquityPointAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("at", "account", "equity")
    list_select_related = ("account",)


@admin.register(ContractLookup)
class ContractLookupAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("ticker", "asset_class", "status", "conid", "connection", "asked_at", "answered_at")
    list_filter = ("status", "asset_class")
    search_fields = ("ticker", "conid")
    list_select_related = ("connection",)


@admin.register(OptionChain)
class OptionChainAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("name", "connection", "said_at", "wanted_at", "warmed_at")
    search_fields = ("name",)
    list_select_related = ("connection",)


@admin.register(Position)
class PositionAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("ticker", "account", "quantity", "average_cost", "market_price", "unrealized_pnl", "as_of")
    search_fields = ("ticker", "account__account_id", "team__name")
    list_select_related = ("account",)


@admin.register(Ticket)
class TicketAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("key", "team", "account", "queued_at", "worked_at")
    list_filter = (("worked_at", admin.EmptyFieldListFilter),)
    search_fields = ("key", "team__name")
    list_select_related = ("team", "account")


@admin.register(Order)
class OrderAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("reference", "team", "account", "side", "quantity", "ticker", "status", "created_at")
    list_filter = ("status", "role", "type")
    search_fields = ("reference", "code", "ticker", "broker_order_id", "team__name")
    list_select_related = ("team", "account")


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("at", "order", "old", "new", "cause")
    list_filter = ("new",)
    search_fields = ("order__reference",)
    list_select_related = ("order",)


@admin.register(Doubt)
class DoubtAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("opened_at", "team", "order", "origin", "code", "choice", "closed_at", "became")
    list_filter = ("origin", "choice", "became", ("closed_at", admin.EmptyFieldListFilter))
    search_fields = ("order__reference", "number", "team__name")
    list_select_related = ("team", "order")


@admin.register(SubmissionAttempt)
class SubmissionAttemptAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("sent_at", "order", "kind", "outcome", "answered_at")
    list_filter = ("kind", "outcome")
    search_fields = ("order__reference",)
    list_select_related = ("order",)


@admin.register(Execution)
class ExecutionAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("executed_at", "account", "side", "quantity", "ticker", "price", "fee", "broker_execution_id")
    search_fields = ("broker_execution_id", "ticker", "account__account_id")
    list_select_related = ("account",)


@admin.register(Closing)
class ClosingAdmin(ReadOnly):
    task = readonly.STOPPED
    list_display = ("asked_at", "team", "account", "ticker", "quantity", "status", "attempts", "reason", "note")
    list_filter = ("status",)
    search_fields = ("ticker", "account__account_id", "team__name", "code")
    list_select_related = ("team", "account")


@admin.register(Lapse)
class LapseAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("began_at", "team", "account", "ticker", "fault", "choice", "verdict", "alarm", "ended_at")
    list_filter = ("fault", "choice", "alarm", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("ticker", "account__account_id", "team__name", "code")
    list_select_related = ("team", "account")
    raw_id_fields = ("stop", "entry")


@admin.register(ForeignOrder)
class ForeignOrderAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("seen_at", "account", "conid", "side", "type", "remaining", "broker_order_id")
    search_fields = ("broker_order_id", "account__account_id")
    list_select_related = ("account",)


@admin.register(UnclaimedOrder)
class UnclaimedOrderAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("first_seen_at", "account", "conid", "side", "filled", "broker_order_id", "reference", "choice")
    search_fields = ("broker_order_id", "reference", "account__account_id")
    list_select_related = ("account",)


@admin.register(UnexplainedChange)
class UnexplainedChangeAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("since", "account", "conid", "quantity", "before", "before_at", "as_of")
    search_fields = ("conid", "account__account_id")
    list_select_related = ("account",)


@admin.register(CorporateAction)
class CorporateActionAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("seen_at", "account", "ticker", "new", "old", "state", "quantity_before", "quantity")
    list_filter = ("state",)
    search_fields = ("ticker", "account__account_id")
    list_select_related = ("account",)


@admin.register(Rescaling)
class RescalingAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("at", "order", "new", "old", "quantity_before", "limit_before", "stop_before")
    search_fields = ("order__reference",)
    list_select_related = ("order",)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("source", "target", "rate", "as_of", "wanted_at", "connection")
    list_filter = ("source", "target", ("wanted_at", admin.EmptyFieldListFilter))
    search_fields = ("source", "target", "connection__name")
    list_select_related = ("connection",)


@admin.register(OpeningPosition)
class OpeningPositionAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("day", "account", "ticker", "quantity", "price", "currency")
    search_fields = ("ticker", "account__account_id")
    list_select_related = ("account",)


@admin.register(OrderModification)
class OrderModificationAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("asked_at", "order", "status", "reason", "ended_at")
    list_filter = ("status",)
    search_fields = ("order__reference", "order__ticker", "code")
    list_select_related = ("order",)


@admin.register(NetFill)
class NetFillAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("account", "conid", "quantity")
    search_fields = ("account__account_id",)
    list_select_related = ("account",)


@admin.register(FillChange)
class FillChangeAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("account", "conid", "since", "due_at")
    search_fields = ("account__account_id",)
    list_select_related = ("account",)


@admin.register(FillRate)
class FillRateAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("execution", "target", "rate", "as_of")
    search_fields = ("execution__broker_execution_id",)
    list_select_related = ("execution",)


@admin.register(FirstHolding)
class FirstHoldingAdmin(ReadOnly):
    task = readonly.HOLD
    list_display = ("account", "conid", "quantity", "at")
    search_fields = ("account__account_id",)
    list_select_related = ("account",)


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("connection", "kind", "event", "opens_at", "created_at", "settled_at")
    list_filter = ("kind",)
    search_fields = ("event", "connection__username")
    list_select_related = ("connection",)


@admin.register(Dispatch)
class DispatchAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("notice", "user", "channel", "status", "tries", "due_at", "sent_at", "error")
    list_filter = ("status", "channel")
    search_fields = ("user__email",)
    list_select_related = ("notice", "user")


@admin.register(Destination)
class DestinationAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("membership", "service", "host", "paused", "is_broken", "trouble", "last_sent_at")
    list_filter = ("service", "is_broken")
    search_fields = ("membership__user__email", "host")
    list_select_related = ("membership",)
    exclude = ("settings",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("notice", "destination", "status", "tries", "due_at", "sent_at", "error")
    list_filter = ("status",)
    search_fields = ("destination__membership__user__email",)
    list_select_related = ("notice", "destination")


@admin.register(SilencedNotice)
class SilencedNoticeAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("membership", "kind")
    list_filter = ("kind",)
    search_fields = ("membership__user__email",)
    list_select_related = ("membership",)


@admin.register(MarginPreview)
class MarginPreviewAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("conid", "side", "account", "previewed_quantity", "initial", "refusal", "as_of", "wanted_at")
    list_filter = (("wanted_at", admin.EmptyFieldListFilter),)
    search_fields = ("conid", "account__account_id")
    list_select_related = ("account",)


@admin.register(QuestionAnswer)
class QuestionAnswerAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("chosen_at", "team", "message_id", "confirmed", "chosen_by")
    list_filter = ("confirmed",)
    search_fields = ("message_id", "team__name")
    list_select_related = ("team", "chosen_by")


@admin.register(OrderPrompt)
class OrderPromptAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("seen_at", "connection", "message_id", "broker_order_id", "by", "verdict")
    list_filter = ("verdict", "by")
    search_fields = ("broker_order_id", "message_id")
    list_select_related = ("connection",)
    raw_id_fields = ("order", "attempt")


@admin.register(BrokerMessage)
class BrokerMessageAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("seen_at", "connection", "topic", "title", "times")
    list_filter = ("topic",)
    search_fields = ("connection__username",)
    list_select_related = ("connection",)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("asked_at", "connection", "message_ids", "confirmed", "answer")
    list_filter = ("confirmed",)
    search_fields = ("connection__username",)
    list_select_related = ("connection",)


@admin.register(ContractChoice)
class ContractChoiceAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("chosen_at", "team", "ticker", "conid", "exchange", "currency", "simulated", "chosen_by")
    list_filter = ("simulated", "asset_class")
    search_fields = ("ticker", "name", "team__name")
    list_select_related = ("team", "chosen_by")


@admin.register(WhatIf)
class WhatIfAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("asked_at", "team", "account", "status", "answered_at", "reason_code")
    list_filter = ("status",)
    list_select_related = ("team", "account")


@admin.register(Advisor)
class AdvisorAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("connection", "read_at", "wanted_at", "reason_code")
    list_select_related = ("connection",)


@admin.register(AccountGroup)
class AccountGroupAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("name", "team", "connection", "method", "read_at", "gone_at")
    list_filter = ("method",)
    list_select_related = ("team", "connection")


@admin.register(GroupChange)
class GroupChangeAdmin(ReadOnly):
    task = readonly.BROKER
    list_display = ("asked_at", "team", "connection", "kind", "name", "status", "ended_at")
    list_filter = ("kind", "status")
    list_select_related = ("team", "connection")
