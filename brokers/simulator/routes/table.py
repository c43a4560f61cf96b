"""Every path of the Web API: the tables of all modules of this room, joined."""

from __future__ import annotations

from brokers.simulator.calls import Routes
from brokers.simulator.routes import (
    accounts,
    advisors,
    alerts,
    algos,
    contracts,
    derivatives,
    listings,
    market,
    oauth,
    orders,
    reports,
    session,
)

ROUTES = Routes.joined(
    accounts.ROUTES,
    advisors.ROUTES,
    alerts.ROUTES,
    algos.ROUTES,
    contracts.ROUTES,
    derivatives.ROUTES,
    listings.ROUTES,
    market.ROUTES,
    oauth.ROUTES,
    orders.ROUTES,
    reports.ROUTES,
    session.ROUTES,
)
