"""What trades brought, day by day: a profit belongs to the day on which its exit filled, a fee to that of its own fill.

A trading day is New York's, from midnight to midnight, as for the day's result of an account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from brokers.domain.profit.facts import ZERO, Owner, Rate
from brokers.domain.profit.trades import Trade

ZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfTrades:
    """One owner's day in a contract. Amounts `at_home` are in the account's currency, None as soon as a rate is missing.

    `unseen`: exits of which nobody knows what they made, which count in no profit.
    """

    owner: Owner
    day: date
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    realized_at_home: Decimal | None = ZERO
    fees_at_home: Decimal | None = ZERO
    fills: int = 0
    unseen: int = 0


def trading_day(moment: datetime) -> date:
    """The trading day that a moment belongs to, whatever the clocks of that day do."""
    return moment.astimezone(ZONE).date()


def by_day(trades: Iterable[Trade]) -> list[DayOfTrades]:
    """What each owner's days brought, oldest first."""
    days: dict[tuple[Owner, date], DayOfTrades] = {}
    for trade in trades:
        for part in trade.parts:
            day = trading_day(part.at)
            known = days.get((trade.owner, day)) or DayOfTrades(owner=trade.owner, day=day)
            days[trade.owner, day] = replace(
                known,
                realized=known.realized + part.realized,
                fees=known.fees + part.fee,
                realized_at_home=_plus(known.realized_at_home, part.realized, part.rate),
                fees_at_home=_plus(known.fees_at_home, part.fee, part.rate),
                fills=known.fills + 1,
                unseen=known.unseen + (not trade.is_known),
            )
    return sorted(days.values(), key=lambda each: each.day)


def _plus(total: Decimal | None, amount: Decimal, rate: Rate | None) -> Decimal | None:
    if not amount:
        return total
    return None if total is None or rate is None else total + amount * rate.value
