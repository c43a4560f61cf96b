"""The clocks of the markets that matter to a team: what it holds, has at work, or was sent lately."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from accounts.models import Team
from brokers.book import trading_hours
from brokers.domain.orders import OF_FUTURES, AssetClass
from brokers.models import ContractLookup
from brokers.rulebook.calendars import Calendar, cme_futures, currencies, us_cfds, us_shares
from brokers.rulebook.clocks import Clock, clock_of, clock_of_hours
from brokers.rulebook.products.abroad import split

# Hours of a share abroad that nobody asked for within this say nothing of what a team trades.
_LATELY = timedelta(days=7)
# A team that trades all over the world still has a panel that fits a screen.
_MOST_ABROAD = 6


def clocks_of(team: Team, classes: Collection[str], now: datetime) -> list[Clock]:
    """US shares first, which are always shown; then what else is among the asset classes, and exchanges abroad by IBKR's word."""
    clocks = [clock_of("US shares and options", us_shares(), now)]
    for belong, name, calendar, every in _OTHERS:
        if not belong.isdisjoint(classes):
            clocks.append(clock_of(name, calendar(), now, every=every))
    return clocks + _abroad(team, now)


def _abroad(team: Team, now: datetime) -> list[Clock]:
    rows = ContractLookup.objects.filter(
        connection__team=team,
        connection__removed_at=None,
        ticker__contains=":",
        hours__isnull=False,
        hours_asked_on__gte=(now - _LATELY).date(),
    )
    places: dict[str, Clock] = {}
    for lookup in rows.order_by("-hours_asked_on", "pk")[:100]:
        place, _ = split(lookup.ticker)
        hours = trading_hours.shown(lookup)
        if place is None or hours is None or place.place in places:
            continue
        clock = clock_of_hours(_capital(place.place), hours, now)
        if clock is not None:
            places[place.place] = clock
    return [places[name] for name in sorted(places)][:_MOST_ABROAD]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _futures() -> Calendar:
    return cme_futures() or us_shares()


_OTHERS: tuple[tuple[frozenset[str], str, Callable[[], Calendar], bool], ...] = (
    (frozenset(map(str, OF_FUTURES)), "Futures of CME", _futures, True),
    (frozenset({str(AssetClass.FOREX)}), "Currencies", currencies, True),
    (frozenset({str(AssetClass.CFD)}), "CFDs on US shares", us_cfds, False),
)
