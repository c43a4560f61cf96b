"""Addresses of the dashboard and of pages about signals, strategies and subscriptions."""

from __future__ import annotations

from django.urls import path

from strategies import views

TEAM = "teams/<uuid:team>/"

urlpatterns = [
    path(TEAM, views.dashboard, name="dashboard"),
    path(TEAM + "signals/", views.signals, name="signals"),
    path(TEAM + "signals/try/", views.signal_try, name="signal_try"),
    path(TEAM + "signals/<uuid:signal>/", views.signal, name="signal"),
    path(TEAM + "signals/refused/<uuid:log>/", views.refusal, name="refusal"),
    path(TEAM + "strategies/", views.strategies, name="strategies"),
    path(TEAM + "strategies/new/", views.strategy_new, name="strategy_new"),
    path(TEAM + "strategies/<uuid:strategy>/", views.strategy, name="strategy"),
    path(TEAM + "strategies/<uuid:strategy>/switch/", views.strategy_switch, name="strategy_switch"),
    path(TEAM + "strategies/<uuid:strategy>/rotate/", views.webhook_rotate, name="webhook_rotate"),
    path(TEAM + "webhooks/<uuid:endpoint>/secret/", views.webhook_secret, name="webhook_secret"),
    path(TEAM + "webhooks/<uuid:endpoint>/disable/", views.webhook_disable, name="webhook_disable"),
    path(TEAM + "subscriptions/", views.subscriptions, name="subscriptions"),
    path(TEAM + "subscriptions/new/", views.subscription_new, name="subscription_new"),
    path(TEAM + "subscriptions/<uuid:subscription>/", views.subscription, name="subscription"),
    path(TEAM + "subscriptions/<uuid:subscription>/switch/", views.subscription_switch, name="subscription_switch"),
]
