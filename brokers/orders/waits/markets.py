"""When the market opens in which an order works: by IBKR's hours of its contract, else by the calendar of its exchange."""

from __future__ import annotations

from datetime import datetime

from brokers.domain.orders import OF_FUTURES
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import NEW_YORK, TradingHours
from brokers.models import ContractLookup, Order
from brokers.postgres.afterwards import after_commit
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.rulebook.products.abroad import split
from brokers.rulebook.products.exchanges import begins_after, calendar_of, likely_open_after


def opens_next(order: Order, now: datetime) -> datetime:
    """When the next session of an order's market begins, strictly after `now`.

    Where IBKR has not said it of these days it is asked to, and the calendar counts until then; without one, the morning of
    the exchange's next weekday.
    """
    lookup = ContractLookup.objects.numbered(order.connection_id, order.conid).first()
    hours = None if lookup is None else TradingHours.from_json(lookup.hours)
    # The price of a future moves all night.
    all_night = order.outside_rth or order.asset_class in OF_FUTURES
    if hours is not None and hours.covers(now):
        opens = hours.opens_after(now, extended=all_night)
        if opens is not None:
            return opens
    _want_hours(order, lookup, now)
    exchange = "" if lookup is None else lookup.exchange
    calendar = calendar_of(order.asset_class, order.ticker, order.currency, exchange)
    if calendar is not None:
        return begins_after(calendar, now, extended=all_night)
    return likely_open_after(now, _zone_of(order, hours))


def _zone_of(order: Order, hours: TradingHours | None) -> str:
    if hours is not None and hours.zone:
        return hours.zone
    abroad, _ = split(order.ticker)
    return abroad.zone if abroad is not None else NEW_YORK


def _want_hours(order: Order, lookup: ContractLookup | None, now: datetime) -> None:
    """Let a lane ask IBKR for the hours of these days; the simulated market never closes."""
    if lookup is None or order.connection.environment == Environment.SIMULATED:
        return
    key, connection_key = lookup.pk, str(order.connection_id)

    def want() -> None:
        if ContractLookup.objects.filter(pk=key, hours_wanted_at=None).update(hours_wanted_at=now):
            notify(ORDERS_CHANNEL, connection_key)

    # The row is shared by all who trade the contract.
    after_commit(want)
