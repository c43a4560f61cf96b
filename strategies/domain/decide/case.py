"""Everything one decision may look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.domain.market.quotes import Quote
from brokers.domain.orders import OF_FUTURES, AssetClass, Contract, Side
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.domain.trading_hours import TradingHours
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.products.exchanges import calendar_of
from brokers.rulebook.products.futures import read_code
from strategies.domain.decide.guards import NO_GUARDS, Guards, Level, LevelGuard
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Action, Message
from strategies.domain.plan import combos
from strategies.domain.terms.effective import Leg, Settings, effective
from strategies.domain.terms.terms import Terms


@dataclass(slots=True)
class Case:
    """One signal before one subscription: message, terms, snapshot and guards. Made for one decision and thrown away."""

    message: Message
    terms: Terms
    snapshot: Snapshot
    now: datetime
    received_at: datetime | None = field(default=None, kw_only=True)
    freshness: Freshness | None = field(default=None, kw_only=True)
    guards: Guards = field(default=NO_GUARDS, kw_only=True)
    side: Side | None = field(init=False)
    # Made on first use: most signals are about one leg.
    _entry: Settings | None = field(init=False, default=None)
    _exit: Settings | None = field(init=False, default=None)
    _levels: tuple[LevelGuard, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.side = _side(self.message, self.terms)

    def settings(self, leg: Leg) -> Settings:
        return self.entry if leg is Leg.ENTRY else self.exit

    @property
    def entry(self) -> Settings:
        if self._entry is None:
            self._entry = effective(self.message, self.terms, Leg.ENTRY)
        return self._entry

    @property
    def exit(self) -> Settings:
        if self._exit is None:
            self._exit = combos.taken(effective(self.message, self.terms, Leg.EXIT), self.snapshot)
        return self._exit

    @property
    def levels(self) -> tuple[LevelGuard, ...]:
        """Every level's limits: the terms' own, held against what the snapshot counted, then those from above."""
        if not self._levels:
            self._levels = (_own_limits(self.terms, self.snapshot), *self.guards.levels)
        return self._levels

    @property
    def position(self) -> Decimal:
        return self.snapshot.position

    @property
    def held(self) -> Decimal:
        return abs(self.snapshot.position)

    @property
    def exit_side(self) -> Side:
        """The side that reduces the position."""
        return Side.SELL if self.snapshot.position > 0 else Side.BUY

    @property
    def holding(self) -> str:
        return "long" if self.snapshot.position > 0 else "short"

    @property
    def ticker(self) -> str:
        return self.snapshot.contract.instrument.ticker

    @property
    def is_left_behind(self) -> bool:
        """Whether the signal's continuous name has gone on to another month than this one, which is still held."""
        return "continuous" in self.message.symbol.facts and read_code(self.ticker) is not None

    def units(self, count: Decimal) -> str:
        """ "share", "contracts" ... for sentences."""
        return unit(self.snapshot.contract.instrument.asset_class, count)

    @property
    def quote(self) -> Quote | None:
        """The prices that may be traded by: of a live quote, at most a minute away from now."""
        quote = self.snapshot.quote
        return None if quote is None else quote.live(self.now)

    @property
    def about_quote(self) -> str:
        """Why the quote at hand is not traded by, as the end of a refusal: "" where there is none, or it is live."""
        quote = self.snapshot.quote
        caution = "" if quote is None else quote.caution(self.ticker)
        return f" {caution}" if caution else ""

    def market_is_open(self, *, extended: bool = False) -> bool | None:
        """Whether the contract's session is open, by IBKR's word and else by the calendar of its exchange; None where
        neither is known."""
        listed = self.listed_hours
        known = None if listed is None else listed.is_open(self.now, extended=extended)
        if known is not None:
            return known
        hours = _calendar(self.snapshot)
        return None if hours is None else hours.is_open(self.now, extended=extended)

    @property
    def calendar(self) -> Calendar | None:
        """The calendar of the contract's exchange, of a simulated market too; None where it is not known."""
        return _of_exchange(self.snapshot.contract)

    @property
    def market_is_closed(self) -> bool:
        """Whether a market order would have to wait; a future trades in every session of its exchange."""
        return self.market_is_open(extended=self._is_future) is False

    @property
    def listed_hours(self) -> TradingHours | None:
        """When IBKR says that the contract trades. The simulated market is always open."""
        return None if self.snapshot.environment is Environment.SIMULATED else self.snapshot.hours

    @property
    def opens_at(self) -> datetime | None:
        """When its market opens next, where IBKR says so."""
        listed = self.listed_hours
        return None if listed is None else listed.opens_after(self.now, extended=self._is_future)

    @property
    def _is_future(self) -> bool:
        return self.snapshot.contract.instrument.asset_class in OF_FUTURES


def _side(message: Message, terms: Terms) -> Side | None:
    """Which way the signal points; a put that is inverted is sold on a buy."""
    if message.action not in {Action.BUY, Action.SELL}:
        return None
    side = Side.BUY if message.action is Action.BUY else Side.SELL
    right = message.symbol.facts.get("right") or message.option.type
    put = message.symbol.kind.is_option and right in {"P", "put"}
    return side.opposite if put and terms.invert_puts else side


def _own_limits(terms: Terms, snapshot: Snapshot) -> LevelGuard:
    return LevelGuard(
        level=Level.SUBSCRIPTION,
        max_quantity=terms.max_quantity,
        max_amount=terms.max_amount,
        max_position=terms.max_position,
        max_position_amount=terms.max_position_amount,
        max_trades_per_day=terms.max_trades_per_day,
        cooldown_seconds=terms.cooldown_seconds,
        max_daily_loss=terms.max_daily_loss,
        max_daily_profit=terms.max_daily_profit,
        trades_today=snapshot.trades_today,
        last_trade_at=snapshot.last_trade_at,
        day_profit=snapshot.day_profit,
        day_unknown=snapshot.day_unknown,
    )


def _calendar(snapshot: Snapshot) -> Calendar | None:
    """The hours of the exchange. The simulated market is always open."""
    return None if snapshot.environment is Environment.SIMULATED else _of_exchange(snapshot.contract)


def _of_exchange(contract: Contract) -> Calendar | None:
    """The calendar of the exchange that a contract trades at; None where it is not known."""
    instrument = contract.instrument
    return calendar_of(str(instrument.asset_class), instrument.ticker, contract.currency, contract.exchange)


def unit(asset_class: AssetClass, count: Decimal) -> str:
    """ "share", "contracts" ... for sentences."""
    name = {AssetClass.STOCK: "share", AssetClass.FOREX: "unit", AssetClass.CFD: "CFD"}.get(asset_class, "contract")
    return name if count == 1 else f"{name}s"
