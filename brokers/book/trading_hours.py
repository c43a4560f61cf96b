"""Trading hours per contract, kept per trading day. A contract's row says since when somebody wants today's; its lane asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from brokers.book import quotes
from brokers.domain.orders import AssetClass
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import NEW_YORK, TradingHours, trading_day
from brokers.models import BrokerageAccount, ContractLookup
from brokers.rulebook.products.abroad import split


def zone_of(lookup: ContractLookup) -> str:
    """The zone that the contract's days begin in: the exchange's by IBKR's word, else by the ticker's prefix or New York."""
    if lookup.hours and (zone := lookup.hours.get("zone")):
        return str(zone)
    abroad, _ = split(lookup.ticker)
    return abroad.zone if abroad is not None else NEW_YORK


def shown(lookup: ContractLookup) -> TradingHours | None:
    """The hours IBKR showed last. They hold the days around that one, so that yesterday's are of use until today's are there."""
    return TradingHours.from_json(lookup.hours)


def want(pairs: Iterable[tuple[BrokerageAccount, ContractLookup]], now: datetime) -> None:
    """Ask for the day's hours of contracts that were asked for on another day. No decision waits for them."""
    stale = [
        lookup
        for account, lookup in pairs
        if lookup.status == ContractLookup.Status.FOUND
        and lookup.hours_wanted_at is None
        and lookup.hours_asked_on != trading_day(now, zone_of(lookup))
        # The simulated market never closes.
        and account.connection.environment != Environment.SIMULATED
    ]
    if not stale:
        return
    for lookup in stale:
        lookup.hours_wanted_at = now
    quotes.ask(stale, "hours_wanted_at", hours_wanted_at=now)


def wanted_of(connection_pk: int) -> list[ContractLookup]:
    """The contracts whose hours a lane has to ask for."""
    rows = ContractLookup.objects.filter(connection=connection_pk, status="found", hours_wanted_at__isnull=False)
    rows = rows.filter(asset_class__in=list(AssetClass))
    return list(rows.order_by("hours_wanted_at", "pk")[:50])


def answer(lookup: ContractLookup, hours: TradingHours | None, now: datetime) -> None:
    """Write IBKR's answer down. None: it shows none today; the old ones stay, as far as they reach."""
    ContractLookup.objects.filter(pk=lookup.pk).update(**columns(lookup, hours, now))


def columns(lookup: ContractLookup, hours: TradingHours | None, now: datetime) -> dict[str, object]:
    """What an answer writes into a contract's row."""
    zone = hours.zone if hours is not None and hours.zone else zone_of(lookup)
    values: dict[str, object] = {"hours_wanted_at": None, "hours_asked_on": trading_day(now, zone)}
    return values if hours is None else {**values, "hours": hours.as_json()}
