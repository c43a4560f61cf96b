"""When the markets of a connection open: the exchange's calendar, with its holidays."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from brokers.domain.notices import Hours, first_of
from brokers.domain.orders import OF_FUTURES, AssetClass
from brokers.models import Order, Position
from brokers.rulebook.calendars import Calendar, cme_futures, currencies, us_cfds, us_options, us_shares
from brokers.rulebook.clocks import session_at

# What it traded lately, beside what it holds.
_LATELY = timedelta(days=30)

_ROUND_THE_CLOCK = OF_FUTURES | {AssetClass.FOREX}


class Markets:
    """What every connection trades: what it holds and ordered lately; shares where nothing is known yet."""

    def __init__(self, now: datetime) -> None:
        held = Position.objects.values_list("account__connection_id", "asset_class").distinct()
        recent = Order.objects.filter(created_at__gte=now - _LATELY)
        self._classes: dict[int, set[AssetClass]] = defaultdict(set)
        for connection_pk, name in held.union(recent.values_list("connection_id", "asset_class").distinct()):
            if name in set(AssetClass):
                self._classes[connection_pk].add(AssetClass(name))
        self._sessions: dict[tuple[AssetClass, datetime], Hours | None] = {}

    def hours_of(self, connection_pk: int, now: datetime) -> Hours | None:
        """The session of any of its markets that is open at a moment, or the next one."""
        return first_of(self._session(each, now) for each in self._classes.get(connection_pk) or {AssetClass.STOCK})

    def _session(self, asset_class: AssetClass, now: datetime) -> Hours | None:
        if (asset_class, now) not in self._sessions:
            session = session_at(_calendar(asset_class), now, every=asset_class in _ROUND_THE_CLOCK)
            self._sessions[(asset_class, now)] = session
        return self._sessions[(asset_class, now)]


def _calendar(asset_class: AssetClass) -> Calendar:
    match asset_class:
        case AssetClass.FUTURE | AssetClass.FUTURE_OPTION:
            return cme_futures() or us_shares()
        case AssetClass.FOREX:
            return currencies()
        case AssetClass.OPTION:
            return us_options()
        case AssetClass.CFD:
            return us_cfds()
        case _:
            return us_shares()
