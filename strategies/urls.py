"""Addresses of the dashboard and of pages about signals, strategies and subscriptions."""

from __future__ import annotations

from django.urls import path

from strategies.pages import (
    approval_views,
    builder_views,
    dashboard_views,
    decision_views,
    guard_views,
    replay_views,
    signal_views,
    strategy_views,
    subscription_views,
    terms_views,
    webhook_views,
)

TEAM = "teams/<uuid:team>/"

urlpatterns = [
    path(TEAM, dashboard_views.dashboard, name="dashboard"),
    path(TEAM + "signals/", signal_views.signals, name="signals"),
    path(TEAM + "signals/export.csv", signal_views.signals_export, {"form": "csv"}, name="signals_csv"),
    path(TEAM + "signals/export.json", signal_views.signals_export, {"form": "json"}, name="signals_json"),
    path(TEAM + "signals/try/", signal_views.signal_try, name="signal_try"),
    path(TEAM + "signals/<uuid:signal>/", signal_views.signal, name="signal"),
    path(TEAM + "signals/refused/<uuid:log>/", signal_views.refusal, name="refusal"),
    path(TEAM + "signals/<uuid:signal>/replay/", replay_views.signal_replay, name="signal_replay"),
    path(TEAM + "signals/refused/<uuid:log>/replay/", replay_views.refusal_replay, name="refusal_replay"),
    path(TEAM + "decisions/<uuid:decision>/", decision_views.decision, name="decision"),
    path(TEAM + "approvals/", approval_views.approvals, name="approvals"),
    path(TEAM + "approvals/<uuid:decision>/approve/", approval_views.approval_approve, name="approval_approve"),
    path(TEAM + "approvals/<uuid:decision>/decline/", approval_views.approval_decline, name="approval_decline"),
    path(TEAM + "guards/", guard_views.guards, name="guards"),
    path(TEAM + "guards/<str:level>/<uuid:code>/", guard_views.guard, name="guard"),
    path(TEAM + "guards/<str:level>/<uuid:code>/stop/", guard_views.guard_stop, name="guard_stop"),
    path(TEAM + "guards/<str:level>/<uuid:code>/resume/", guard_views.guard_resume, name="guard_resume"),
    path(TEAM + "guards/<str:level>/<uuid:code>/unlock/", guard_views.guard_unlock, name="guard_unlock"),
    path(TEAM + "strategies/", strategy_views.strategies, name="strategies"),
    path(TEAM + "strategies/new/", strategy_views.strategy_new, name="strategy_new"),
    path(TEAM + "strategies/<uuid:strategy>/", strategy_views.strategy, name="strategy"),
    path(TEAM + "strategies/<uuid:strategy>/build/", builder_views.strategy_builder, name="strategy_builder"),
    path(
        TEAM + "strategies/<uuid:strategy>/build/text/",
        builder_views.strategy_builder_copy,
        name="strategy_builder_copy",
    ),
    path(TEAM + "strategies/<uuid:strategy>/check/", builder_views.strategy_check, name="strategy_check"),
    path(TEAM + "strategies/<uuid:strategy>/switch/", strategy_views.strategy_switch, name="strategy_switch"),
    path(TEAM + "strategies/<uuid:strategy>/settings/", strategy_views.strategy_settings, name="strategy_settings"),
    path(TEAM + "strategies/<uuid:strategy>/defaults/", terms_views.strategy_defaults, name="strategy_defaults"),
    path(TEAM + "strategies/<uuid:strategy>/meters/", webhook_views.webhook_meters, name="webhook_meters"),
    path(TEAM + "strategies/<uuid:strategy>/rotate/", webhook_views.webhook_rotate, name="webhook_rotate"),
    path(TEAM + "webhooks/<uuid:endpoint>/secret/", webhook_views.webhook_secret, name="webhook_secret"),
    path(TEAM + "webhooks/<uuid:endpoint>/disable/", webhook_views.webhook_disable, name="webhook_disable"),
    path(TEAM + "subscriptions/", subscription_views.subscriptions, name="subscriptions"),
    path(TEAM + "subscriptions/new/", subscription_views.subscription_new, name="subscription_new"),
    path(TEAM + "subscriptions/switch/", subscription_views.subscriptions_switch, name="subscriptions_switch"),
    path(TEAM + "subscriptions/<uuid:subscription>/", terms_views.subscription, name="subscription"),
    path(
        TEAM + "subscriptions/<uuid:subscription>/copy/",
        subscription_views.subscription_clone,
        name="subscription_clone",
    ),
    path(TEAM + "subscriptions/<uuid:subscription>/link/", terms_views.subscription_link, name="subscription_link"),
    path(
        TEAM + "subscriptions/<uuid:subscription>/terms/<int:number>/",
        terms_views.terms_restore,
        name="terms_restore",
    ),
    path(
        TEAM + "subscriptions/<uuid:subscription>/switch/",
        subscription_views.subscription_switch,
        name="subscription_switch",
    ),
]
