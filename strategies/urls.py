"""Addresses of the dashboard and of pages about signals, strategies and subscriptions."""

from __future__ import annotations

from django.urls import path

from strategies.pages import (
    adoptions,
    approvals,
    builder,
    connection_remove,
    dashboard,
    decisions,
    departures,
    guards,
    replay,
    signal_try,
    signals,
    strategies,
    subscriptions,
    team_end,
    terms,
    webhooks,
)
from strategies.pages.profit import pnl, trades

TEAM = "teams/<uuid:team_code>/"

urlpatterns = [
    path(TEAM, dashboard.dashboard, name="dashboard"),
    path(TEAM + "signals/", signals.signals, name="signals"),
    path(TEAM + "signals/export.csv", signals.signals_export, {"form": "csv"}, name="signals_csv"),
    path(TEAM + "signals/export.json", signals.signals_export, {"form": "json"}, name="signals_json"),
    path(TEAM + "signals/try/", signal_try.signal_try, name="signal_try"),
    path(TEAM + "signals/<uuid:signal_code>/", signals.signal, name="signal"),
    path(TEAM + "signals/refused/<uuid:log_code>/", signals.refusal, name="refusal"),
    path(TEAM + "signals/<uuid:signal_code>/replay/", replay.signal_replay, name="signal_replay"),
    path(TEAM + "signals/refused/<uuid:log_code>/replay/", replay.refusal_replay, name="refusal_replay"),
    path(TEAM + "decisions/<uuid:decision_code>/", decisions.decision, name="decision"),
    path(TEAM + "decisions/<uuid:decision_code>/what-if/", decisions.decision_what_if, name="decision_what_if"),
    path(TEAM + "orders/<uuid:order_code>/owner/", adoptions.order_owner, name="order_owner"),
    path(TEAM + "trades/", trades.trades, name="trades"),
    path(TEAM + "trades/export.csv", trades.trades_export, name="trades_csv"),
    path(TEAM + "trades/<uuid:trade_code>/", trades.trade, name="trade"),
    path(TEAM + "profit/", pnl.pnl, name="pnl"),
    path(TEAM + "approvals/", approvals.approvals, name="approvals"),
    path(TEAM + "approvals/<uuid:decision_code>/approve/", approvals.approval_approve, name="approval_approve"),
    path(TEAM + "approvals/<uuid:decision_code>/decline/", approvals.approval_decline, name="approval_decline"),
    path(
        TEAM + "connections/<uuid:connection_code>/remove/",
        connection_remove.connection_remove,
        name="connection_remove",
    ),
    path(TEAM + "settings/close/", team_end.team_close, name="team_close"),
    path(TEAM + "settings/reopen/", team_end.team_reopen, name="team_reopen"),
    path(TEAM + "departures/<uuid:departure_code>/", departures.departure, name="departure"),
    path(TEAM + "guards/", guards.guards, name="guards"),
    path(TEAM + "guards/<str:level>/<uuid:code>/", guards.guard, name="guard"),
    path(TEAM + "guards/<str:level>/<uuid:code>/stop/", guards.guard_stop, name="guard_stop"),
    path(TEAM + "guards/<str:level>/<uuid:code>/resume/", guards.guard_resume, name="guard_resume"),
    path(TEAM + "guards/<str:level>/<uuid:code>/unlock/", guards.guard_unlock, name="guard_unlock"),
    path(TEAM + "strategies/", strategies.strategies, name="strategies"),
    path(TEAM + "strategies/new/", strategies.strategy_new, name="strategy_new"),
    path(TEAM + "strategies/<uuid:strategy_code>/", strategies.strategy, name="strategy"),
    path(TEAM + "strategies/<uuid:strategy_code>/build/", builder.strategy_builder, name="strategy_builder"),
    path(
        TEAM + "strategies/<uuid:strategy_code>/build/text/",
        builder.strategy_builder_copy,
        name="strategy_builder_copy",
    ),
    path(TEAM + "strategies/<uuid:strategy_code>/check/", builder.strategy_check, name="strategy_check"),
    path(TEAM + "strategies/<uuid:strategy_code>/switch/", strategies.strategy_switch, name="strategy_switch"),
    path(TEAM + "strategies/<uuid:strategy_code>/settings/", strategies.strategy_settings, name="strategy_settings"),
    path(TEAM + "strategies/<uuid:strategy_code>/defaults/", terms.strategy_defaults, name="strategy_defaults"),
    path(TEAM + "strategies/<uuid:strategy_code>/meters/", webhooks.webhook_meters, name="webhook_meters"),
    path(TEAM + "strategies/<uuid:strategy_code>/rotate/", webhooks.webhook_rotate, name="webhook_rotate"),
    path(TEAM + "webhooks/<uuid:endpoint_code>/secret/", webhooks.webhook_secret, name="webhook_secret"),
    path(TEAM + "webhooks/<uuid:endpoint_code>/disable/", webhooks.webhook_disable, name="webhook_disable"),
    path(TEAM + "subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path(TEAM + "subscriptions/new/", subscriptions.subscription_new, name="subscription_new"),
    path(TEAM + "subscriptions/switch/", subscriptions.subscriptions_switch, name="subscriptions_switch"),
    path(TEAM + "subscriptions/<uuid:subscription_code>/", terms.subscription, name="subscription"),
    path(
        TEAM + "subscriptions/<uuid:subscription_code>/copy/",
        subscriptions.subscription_clone,
        name="subscription_clone",
    ),
    path(TEAM + "subscriptions/<uuid:subscription_code>/link/", terms.subscription_link, name="subscription_link"),
    path(
        TEAM + "subscriptions/<uuid:subscription_code>/terms/<int:number>/",
        terms.terms_restore,
        name="terms_restore",
    ),
    path(
        TEAM + "subscriptions/<uuid:subscription_code>/switch/",
        subscriptions.subscription_switch,
        name="subscription_switch",
    ),
]
