"""The operator's view of strategies, signals and decisions. Webhook passwords are derived, so there is none to show."""

from __future__ import annotations

from django.contrib import admin

from accounts.readonly import ReadOnly
from strategies.models import (
    Decision,
    Refusal,
    Repeat,
    SeenKey,
    Signal,
    Strategy,
    Subscription,
    TermsVersion,
    WebhookEndpoint,
    WebhookMinute,
)


@admin.register(Strategy)
class StrategyAdmin(ReadOnly):
    list_display = ("name", "team", "asset_class", "enabled", "created_at")
    list_filter = ("asset_class", "enabled")
    search_fields = ("name", "team__name", "code")
    list_select_related = ("team",)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly):
    list_display = ("code", "strategy", "team", "enabled", "created_at", "disabled_at")
    list_filter = ("enabled",)
    search_fields = ("code", "strategy__name", "team__name")
    list_select_related = ("strategy", "team")


@admin.register(WebhookMinute)
class WebhookMinuteAdmin(ReadOnly):
    list_display = ("minute", "endpoint", "taken", "exits", "refused", "over", "strangers", "old_key")
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__code",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    list_display = ("code", "team", "strategy", "account", "enabled")
    list_filter = ("enabled",)
    search_fields = ("code", "strategy__name", "team__name")
    list_select_related = ("team", "strategy", "account")


@admin.register(TermsVersion)
class TermsVersionAdmin(ReadOnly):
    list_display = ("subscription", "number", "set_by", "set_at")
    list_select_related = ("subscription", "set_by")


@admin.register(Signal)
class SignalAdmin(ReadOnly):
    list_display = ("received_at", "team", "strategy", "code", "duplicates", "dispatched_at")
    list_filter = (("dispatched_at", admin.EmptyFieldListFilter),)
    search_fields = ("code", "log_code", "team__name", "strategy__name")
    list_select_related = ("team", "strategy")


@admin.register(SeenKey)
class SeenKeyAdmin(ReadOnly):
    list_display = ("key", "strategy", "signal_code", "expires_at")
    list_select_related = ("strategy",)


@admin.register(Repeat)
class RepeatAdmin(ReadOnly):
    list_display = ("received_at", "team", "signal", "address")
    list_select_related = ("team", "signal")
    search_fields = ("log_code", "team__name")


@admin.register(Refusal)
class RefusalAdmin(ReadOnly):
    list_display = ("received_at", "team", "status", "message_code", "sentence", "address")
    list_filter = ("status", "message_code")
    search_fields = ("log_code", "team__name", "address")
    list_select_related = ("team",)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    list_display = ("created_at", "team", "signal", "subscription", "status", "rule", "reason")
    list_filter = ("status", "rule")
    search_fields = ("code", "reason_code", "team__name")
    list_select_related = ("team", "signal", "subscription")
