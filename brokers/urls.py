"""Addresses of pages about orders, positions, accounts and connections."""

from __future__ import annotations

from django.urls import path

from brokers.pages import closing, rulebook, stress, views

TEAM = "teams/<uuid:team>/"

urlpatterns = [
    path(TEAM + "orders/", views.orders, name="orders"),
    path(TEAM + "orders/<uuid:order>/", views.order, name="order"),
    path(TEAM + "orders/<uuid:order>/cancel/", views.order_cancel, name="order_cancel"),
    path(TEAM + "positions/", views.positions, name="positions"),
    path(
        TEAM + "accounts/<uuid:account>/positions/<int:conid>/close/",
        closing.position_close,
        name="position_close",
    ),
    path(TEAM + "accounts/<uuid:account>/", views.account, name="account"),
    path(TEAM + "accounts/<uuid:account>/equity.json", views.account_equity, name="account_equity"),
    path(TEAM + "rulebook/", rulebook.rulebook, name="rulebook"),
    path(TEAM + "connections/", views.connections, name="connections"),
    path(TEAM + "connections/new/", views.connection_new, name="connection_new"),
    path(TEAM + "connections/<uuid:connection>/", views.connection, name="connection"),
    path(TEAM + "connections/<uuid:connection>/switch/", views.connection_switch, name="connection_switch"),
    path(TEAM + "connections/<uuid:connection>/verify/", views.connection_verify, name="connection_verify"),
    path(TEAM + "connections/<uuid:connection>/stress/", stress.panel, name="stress"),
    path(TEAM + "connections/<uuid:connection>/stress/clear/", stress.clear, name="stress_clear"),
    path("help/<slug:page>/", views.help_page, name="help"),
]
