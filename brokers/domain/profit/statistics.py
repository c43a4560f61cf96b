"""Figures over many trades that are over: how many won, by how much, how deep the way down was, and how long money was at work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from brokers.domain.profit.facts import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over trades that are over, in one currency, after fees. `lost` is below zero or nothing.

    A trade that made nothing is neither a win nor a loss. `held`: the holding times added up.
    """

    wins: int = 0
    losses: int = 0
    even: int = 0
    won: Decimal = ZERO
    lost: Decimal = ZERO
    held: timedelta = timedelta(0)

    @property
    def count(self) -> int:
        return self.wins + self.losses + self.even

    @property
    def net(self) -> Decimal:
        return self.won + self.lost

    @property
    def win_rate(self) -> Decimal | None:
        """The share of trades that won, from 0 to 1."""
        return Decimal(self.wins) / self.count if self.count else None

    @property
    def profit_factor(self) -> Decimal | None:
        """What was won for each unit lost; None where nothing was lost."""
        return self.won / -self.lost if self.lost else None

    @property
    def average_win(self) -> Decimal | None:
        return self.won / self.wins if self.wins else None

    @property
    def average_loss(self) -> Decimal | None:
        """Below zero."""
        return self.lost / self.losses if self.losses else None

    @property
    def average_held(self) -> timedelta | None:
        return self.held / self.count if self.count else None


def totals(trades: Iterable[tuple[Decimal, timedelta]]) -> Totals:
    """Totals of trades, given as what each made after fees and how long it was held."""
    wins = losses = even = 0
    won = lost = ZERO
    held = timedelta(0)
    for net, took in trades:
        held += took
        if net > 0:
            wins, won = wins + 1, won + net
        elif net < 0:
            losses, lost = losses + 1, lost + net
        else:
            even += 1
    return Totals(wins=wins, losses=losses, even=even, won=won, lost=lost, held=held)


@dataclass(frozen=True, slots=True)
class Point:
    """The sum of all days up to this one, and how far below its highest value so far that is (nothing, or below zero)."""

    day: date
    net: Decimal
    total: Decimal
    drawdown: Decimal


def curve(days: Iterable[tuple[date, Decimal]]) -> list[Point]:
    """The equity curve of what days brought, which begins at nothing; days in their order."""
    points = []
    total = highest = ZERO
    for day, net in days:
        total += net
        highest = max(highest, total)
        points.append(Point(day, net, total, total - highest))
    return points


def largest_drawdown(points: Sequence[Point]) -> Decimal:
    """The deepest fall from a high, nothing or below zero."""
    return min((point.drawdown for point in points), default=ZERO)


def exposure(held: Iterable[tuple[datetime, datetime]], begin: datetime, end: datetime) -> Decimal | None:
    """The share of a stretch of time in which something was held, from 0 to 1; None of a stretch without length.

    `held`: when each trade was opened and closed, in any order; what overlaps counts once.
    """
    if end <= begin:
        return None
    total, until = timedelta(0), begin
    for opened, closed in sorted(held):
        first, last = max(opened, until), min(closed, end)
        if last > first:
            total += last - first
            until = last
    return Decimal(total // timedelta(microseconds=1)) / Decimal((end - begin) // timedelta(microseconds=1))
