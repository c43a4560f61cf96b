"""When cash of a trade settles, and ledgers that follow it: delayed, immediate, and futures marked to market."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.calendars import SEARCHED_DAYS, Calendar
from brokers.rulebook.capabilities import model_for
from brokers.rulebook.errors import NoTradingDay
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import FLAT, ONE, ZERO, Position


@dataclass(frozen=True, slots=True)
class SettlementRule:
    """How the cash of a class settles; days and time only where it is delayed."""

    model: str
    days: int = 0
    time_of_day: time | None = None


def settlement_rule(asset_class: str, account_type: str, rules: Ruleset | None = None) -> SettlementRule:
    """How the cash of a class settles in an account of a type; UnsupportedAssetClass or UnknownWord where no table tells."""
    rules = rules or rulesets.load()
    model = model_for("settlement", asset_class, account_type)
    if model != "DelayedSettlementModel":
        return SettlementRule(model)
    return SettlementRule(model, rules.settlement_days, rules.settlement_time)


def settles_at(rule: SettlementRule, traded_at: datetime, calendar: Calendar, rules: Ruleset) -> datetime:
    """The instant from which the proceeds are settled cash; NoTradingDay where the calendar has none.

    Delayed proceeds settle so many trading days later, at a time of day of the exchange (Lean: T+1 at 06:00).
    """
    if rule.time_of_day is None:
        return traded_at
    day, left = calendar.local(traded_at).date(), rule.days
    for _ in range(SEARCHED_DAYS):
        if left == 0:
            return datetime.combine(day, rule.time_of_day, calendar.zone).astimezone(UTC)
        day += timedelta(days=1)
        bank_closed = rules.policy.settlement_skips_bank_holidays and day in calendar.bank_holidays
        if calendar.trades_on(day) and not bank_closed:
            left -= 1
    raise NoTradingDay(calendar.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Proceeds on their way; `settles_at` is absent where only the amount matters."""

    amount: Decimal
    currency: str
    settles_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureLedger:
    """A futures position marked to market, in the contract's currency: no notional, each day's profit to cash."""

    cash: Decimal
    multiplier: Decimal = ONE
    position: Position = FLAT
    price: Decimal = ZERO
    settled_quantity: Decimal = ZERO
    settled_profit: Decimal = ZERO

    @property
    def open_profit(self) -> Decimal:
        return (self.price - self.position.average_price) * self.position.quantity * self.multiplier

    @property
    def unsettled_profit(self) -> Decimal:
        return self.open_profit - self.settled_profit

    def mark(self, price: Decimal) -> "FutureLedger":
        return replace(self, price=price)

    def settle(self, price: Decimal) -> "FutureLedger":
        """The first scan of a new exchange date: credits what the day brought."""
        marked = self.mark(price)
        return replace(
            marked,
            cash=marked.cash + marked.unsettled_profit,
            settled_profit=marked.open_profit,
            settled_quantity=marked.position.quantity,
        )

    def fill(self, quantity: Decimal, price: Decimal) -> "FutureLedger":
        """A fill; its closing part pays the profit less what daily settlement already paid."""
        held = self.position.quantity
        closed = closed_quantity(held, quantity)
        profit = (price - self.position.average_price) * closed * self.multiplier
        paid_before, settled_left = self._share_of_settled(abs(closed))
        return replace(
            self,
            cash=self.cash + profit - paid_before,
            position=after_fill(self.position, quantity, price),
            settled_profit=self.settled_profit - paid_before,
            settled_quantity=settled_left,
        )

    def _share_of_settled(self, closed: Decimal) -> tuple[Decimal, Decimal]:
        settled = abs(self.settled_quantity)
        if settled == 0 or closed == 0:
            return ZERO, self.settled_quantity
        released = min(closed, settled)
        left = self.settled_quantity * (settled - released) / settled
        return self.settled_profit * released / settled, left


def closed_quantity(held: Decimal, filled: Decimal) -> Decimal:
    """How much of a holding a fill closes, with the sign of the holding."""
    if held * filled >= 0:
        return ZERO
    closed = min(abs(held), abs(filled))
    return closed if held > 0 else -closed


def after_fill(position: Position, quantity: Decimal, price: Decimal) -> Position:
    """Adding averages, reducing keeps the average, crossing zero starts at the fill price, flat forgets it."""
    held = position.quantity
    total = held + quantity
    if total == 0:
        return FLAT
    if held * quantity >= 0:
        average = (held * position.average_price + quantity * price) / total
    elif held * total > 0:
        average = position.average_price
    else:
        average = price
    return Position(quantity=total, average_price=average)
