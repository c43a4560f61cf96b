"""The prices of a simulated account: the market's own, or those of the signals it trades."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers.domain.sessions import Environment, SimulatedPrices
from brokers.models import Connection, Order
from brokers.stress import control_plane

# Prices of signals lapse after as long.
LONGEST = timedelta(days=30)


class PricesRefused(Refusal):
    """The prices cannot be chosen."""


def choose(*, connection: Connection, prices: str, actor: User | None, now: datetime) -> None:
    """Let orders of a simulated connection meet the prices of their signals, or the market's own again."""
    if prices not in list(SimulatedPrices):
        raise PricesRefused("Prices are generated or those of the signals. Choose one of them.", "invalid-prices")
    if connection.environment != Environment.SIMULATED:
        raise PricesRefused(
            "Only a simulated account has prices to choose: this one trades at IBKR, at the prices of its exchanges.",
            "not-simulated",
        )
    if not control_plane.is_there():
        raise PricesRefused(
            "The simulated broker takes no orders from here, so its prices cannot be chosen. Set SIM_CONTROL_TOKEN for it "
            "and for Halyard.",
            "no-control-plane",
        )
    if connection.prices == prices:
        return
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk).update(prices=prices)
        connection.prices = prices
        audit.record(
            team=connection.team,
            actor=actor,
            action=f"connection.prices_{prices}",
            subject=connection.username,
            now=now,
        )
    if prices == SimulatedPrices.GENERATED and settings.SIM_PRICES != SimulatedPrices.SIGNAL:
        control_plane.release_prices(connection.username, _priced_by_signals(connection, now))


def _priced_by_signals(connection: Connection, now: datetime) -> set[int]:
    """The contracts whose prices signals of this connection may have set; those of other connections that do are kept."""
    recent = Order.objects.filter(signal_price__isnull=False, conid__isnull=False, created_at__gte=now - LONGEST)
    signalled = recent.filter(connection__prices=SimulatedPrices.SIGNAL).exclude(connection=connection)
    own = recent.filter(connection=connection).exclude(conid__in=signalled.values("conid"))
    return set(own.values_list("conid", flat=True))
