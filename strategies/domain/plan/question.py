"""One order as the rulebook is asked about it: its contract, its price, and the rate into the account's currency. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from brokers.domain.contracts.options import is_on_index
from brokers.domain.orders import OPTIONS, AssetClass, OrderIntent, Role
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.calendars import Calendar, options, us_shares, us_shares_as_listed
from brokers.rulebook.rulesets import Ruleset
from strategies.domain.plan.translation import to_instrument, to_order

RULESET = "seed"
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs now, in the contract's currency; whose word it is; whether it is good enough to refuse by."""

    value: Decimal
    source: str
    dependable: bool = True


@dataclass(slots=True, kw_only=True)
class Question:
    """One order as the rulebook is asked about it. Not frozen only because each order makes one and drops it."""

    intent: OrderIntent
    snapshot: Snapshot
    now: datetime
    price: Price | None
    quote: book.Quote
    instrument: book.Instrument
    order: book.Order
    rules: Ruleset

    @property
    def is_entry(self) -> bool:
        return self.intent.role is Role.ENTRY


def price_of(
    intent: OrderIntent, snapshot: Snapshot, now: datetime, signal_price: Decimal | None = None
) -> Price | None:
    """The best price at hand: a live quote, the holding's market price, the signal's, the limit, any other quote by its name."""
    quote = snapshot.quote
    live = None if quote is None else quote.live(now)
    middle, now_at = quote.mid if quote is not None else None, live.mid if live is not None else None
    name = (quote.name if quote is not None else "") or "old"
    candidates = (
        Price(now_at, "quote") if now_at is not None else None,
        Price(snapshot.mark, "position") if snapshot.mark is not None else None,
        Price(signal_price, "signal") if signal_price is not None else None,
        Price(intent.limit_price, "limit") if intent.limit_price is not None else None,
        Price(middle, f"{name} quote", dependable=False) if middle is not None else None,
    )
    return next((price for price in candidates if price is not None and price.value > 0), None)


def question_of(intent: OrderIntent, snapshot: Snapshot, now: datetime, price: Price | None) -> Question:
    entry = intent.role is Role.ENTRY
    return Question(
        intent=intent,
        snapshot=snapshot,
        now=now,
        price=price,
        quote=_quote(intent, snapshot, now, price),
        instrument=to_instrument(intent, snapshot, whole=entry),
        order=to_order(intent),
        rules=rules_on(now.date(), entry=entry),
    )


def _quote(intent: OrderIntent, snapshot: Snapshot, now: datetime, price: Price | None) -> book.Quote:
    """The price, and of an option both sides: its fee depends on the premium."""
    value = price.value if price else book.ZERO
    if intent.instrument.asset_class not in OPTIONS:
        return book.Quote(price=value)
    live = None if snapshot.quote is None else snapshot.quote.live(now)
    bid, ask = (live.bid, live.ask) if live is not None else (None, None)
    return book.Quote(price=value, bid=bid or value, ask=ask or value)


def rate_of(instrument: book.Instrument, snapshot: Snapshot, price: Price | None) -> Decimal | None:
    """What one unit of the instrument's currency is in the account's: IBKR's rate, else the price of the pair itself."""
    if instrument.currency == snapshot.currency:
        return ONE
    if (known := snapshot.rates.get(instrument.currency)) is not None:
        return known
    if instrument.asset_class == "forex" and instrument.base == snapshot.currency and price is not None:
        return ONE / price.value
    return None


def calendar_of(snapshot: Snapshot) -> Calendar | None:
    """The calendar that tells whether a market order waits for the open; None in the simulated market, which never closes."""
    asset_class = snapshot.contract.instrument.asset_class
    if snapshot.environment is Environment.SIMULATED or snapshot.contract.currency != "USD":
        return None
    if asset_class is AssetClass.OPTION:
        return options(on_index=is_on_index(snapshot.contract.instrument.ticker))
    if asset_class is not AssetClass.STOCK:
        return None
    return us_shares_as_listed(snapshot.hours.regular) if snapshot.hours else us_shares()


@lru_cache(maxsize=8)
def rules_on(day: date, *, entry: bool) -> Ruleset:
    """The tables of a day, as an entry or a way out is held against them."""
    rules = rulesets.load(RULESET, day)
    # The small remainder of a currency has to leave, even at the price of an odd lot.
    return rules if entry else rules.with_policy(forex_below_minimum="warn")
