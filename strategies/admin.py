"""The operator's view of strategies, signals and decisions. Webhook passwords are derived, so there is none to show."""

from __future__ import annotations

from django.contrib import admin

from accounts import readonly
from accounts.readonly import ReadOnly
from strategies.models import (
    Adoption,
    Approval,
    Decision,
    FlattenRule,
    FlattenRun,
    Guard,
    ProfitDay,
    Refusal,
    Repeat,
    SeenKey,
    Signal,
    Strategy,
    Subscription,
    TermsVersion,
    Trade,
    TradePart,
    WebhookEndpoint,
    WebhookMinute,
)


@admin.register(Adoption)
class AdoptionAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("chosen_at", "team", "ticket", "subscription", "chosen_by")
    search_fields = ("team__name",)
    list_select_related = ("team", "ticket", "subscription", "chosen_by")


@admin.register(Strategy)
class StrategyAdmin(ReadOnly):
    task = readonly.SETUP
    list_display = ("name", "team", "asset_class", "enabled", "created_at")
    list_filter = ("asset_class", "enabled")
    search_fields = ("name", "team__name", "code")
    list_select_related = ("team",)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly):
    task = readonly.SETUP
    list_display = ("code", "strategy", "team", "enabled", "created_at", "disabled_at")
    list_filter = ("enabled",)
    search_fields = ("code", "strategy__name", "team__name")
    list_select_related = ("strategy", "team")


@admin.register(WebhookMinute)
class WebhookMinuteAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("minute", "endpoint", "taken", "exits", "refused", "over", "strangers", "old_key")
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__code",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    task = readonly.SETUP
    list_display = ("code", "team", "strategy", "account", "enabled")
    list_filter = ("enabled",)
    search_fields = ("code", "strategy__name", "team__name")
    list_select_related = ("team", "strategy", "account")


@admin.register(TermsVersion)
class TermsVersionAdmin(ReadOnly):
    task = readonly.SETUP
    list_display = ("subscription", "number", "set_by", "set_at")
    list_select_related = ("subscription", "set_by")


@admin.register(Signal)
class SignalAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("received_at", "team", "strategy", "code", "duplicates", "dispatched_at")
    list_filter = (("dispatched_at", admin.EmptyFieldListFilter),)
    search_fields = ("code", "log_code", "team__name", "strategy__name")
    list_select_related = ("team", "strategy")


@admin.register(SeenKey)
class SeenKeyAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("key", "strategy", "signal_code", "expires_at")
    list_select_related = ("strategy",)


@admin.register(Repeat)
class RepeatAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("received_at", "team", "signal", "address")
    list_select_related = ("team", "signal")
    search_fields = ("log_code", "team__name")


@admin.register(Refusal)
class RefusalAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("received_at", "team", "status", "message_code", "sentence", "address")
    list_filter = ("status", "message_code")
    search_fields = ("log_code", "team__name", "address")
    list_select_related = ("team",)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("created_at", "team", "signal", "subscription", "status", "rule", "reason")
    list_filter = ("status", "rule")
    search_fields = ("code", "reason_code", "team__name")
    list_select_related = ("team", "signal", "subscription")


@admin.register(Approval)
class ApprovalAdmin(ReadOnly):
    task = readonly.SIGNALS
    list_display = ("approved_at", "team", "decision", "name", "quantity", "address", "voided_at")
    search_fields = ("name", "decision__code", "team__name")
    list_select_related = ("team", "decision")


@admin.register(Guard)
class GuardAdmin(ReadOnly):
    """Stops and limits. They are set and lifted on the team's own pages, which ask for a reason and keep it on record."""

    task = readonly.STOPPED
    list_display = (
        "team",
        "level",
        "account",
        "strategy",
        "halt",
        "halted_at",
        "halted_by",
        "halt_reason",
        "lockout_until",
    )
    list_filter = ("level", "halt", ("lockout_until", admin.EmptyFieldListFilter))
    search_fields = ("team__name", "account__account_id", "strategy__name", "halt_reason", "lockout_reason")
    list_select_related = ("team", "account", "strategy", "halted_by")


@admin.register(FlattenRule)
class FlattenRuleAdmin(ReadOnly):
    task = readonly.STOPPED
    list_display = ("guard", "minutes_before_close", "at", "zone", "days", "set_by", "set_at")
    search_fields = ("guard__team__name",)
    list_select_related = ("guard__team", "set_by")


@admin.register(FlattenRun)
class FlattenRunAdmin(ReadOnly):
    task = readonly.STOPPED
    list_display = ("guard", "due_at", "at", "status", "closing", "canceled")
    list_filter = ("status",)
    search_fields = ("guard__team__name",)
    list_select_related = ("guard__team",)


@admin.register(Trade)
class TradeAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("opened_at", "team", "account", "ticker", "side", "status", "owner", "profit_home", "home_currency")
    list_filter = ("status", "owner")
    search_fields = ("ticker", "team__name", "account__account_id", "code")
    list_select_related = ("team", "account")


@admin.register(TradePart)
class TradePartAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = ("trade", "execution", "is_entry", "units", "fee", "realized")
    search_fields = ("execution__broker_execution_id",)
    list_select_related = ("trade", "execution")


@admin.register(ProfitDay)
class ProfitDayAdmin(ReadOnly):
    task = readonly.ORDERS
    list_display = (
        "day",
        "team",
        "account",
        "ticker",
        "owner",
        "realized_home",
        "fees_home",
        "home_currency",
        "unseen",
    )
    list_filter = ("owner",)
    search_fields = ("ticker", "team__name", "account__account_id")
    list_select_related = ("team", "account")
