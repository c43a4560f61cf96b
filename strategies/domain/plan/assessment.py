"""What the rulebook says of an order we want: whether IBKR takes it, what it costs, what margin it needs.

A fact that is not known is said, never guessed; a way out is never refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.orders import AssetClass, OrderIntent, OrderType, Role, TimeInForce
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.answers import Denied
from brokers.rulebook.calendars import Calendar, exchange_calendar
from brokers.rulebook.errors import MissingMarginData, RulebookError
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.gate.permissions import REASONS
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.power import BuyingPower
from brokers.rulebook.rulesets import Ruleset
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Rejection

RULESET = "seed"
QUOTE_IS_FRESH = timedelta(minutes=1)
ONE = Decimal(1)
_CLASSES = {AssetClass.STOCK: "equity"}
_TYPES = {OrderType.STOP: "stop_market"}
_AUCTIONS = {TimeInForce.OPG: "market_on_open", TimeInForce.CLS: "market_on_close"}
# The rulebook knows how long an order may rest; what fills at once or in an auction does not rest.
_RESTS = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_CONTRACT_MONTH = re.compile(r"([A-Z0-9]+?)(?:[FGHJKMNQUVXZ]\d{1,4}|[12]!)?")


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs now, where we know it from, and whether an order may be refused by it."""

    value: Decimal
    source: str
    dependable: bool = True


def assess(
    intent: OrderIntent, snapshot: Snapshot, now: datetime, *, signal_price: Decimal | None = None
) -> Estimate | Rejection:
    """The estimate of one order, or why it is not sent."""
    try:
        return _assess(intent, snapshot, now, price_of(intent, snapshot, now, signal_price))
    except RulebookError as error:
        # Our question was at fault, not the order; the broker has the last word.
        return _estimate(intent, snapshot, now, None, notes=(error.sentence,))


def price_of(
    intent: OrderIntent, snapshot: Snapshot, now: datetime, signal_price: Decimal | None = None
) -> Price | None:
    """The best price at hand: a fresh quote, the holding's market price, the signal's, the limit, an old quote."""
    quote = snapshot.quote
    fresh = quote is not None and now - quote.as_of <= QUOTE_IS_FRESH
    middle = quote.mid if quote is not None else None
    candidates = (
        Price(middle, "quote") if fresh and middle is not None else None,
        Price(snapshot.mark, "position") if snapshot.mark is not None else None,
        Price(signal_price, "signal") if signal_price is not None else None,
        Price(intent.limit_price, "limit") if intent.limit_price is not None else None,
        Price(middle, "old quote", dependable=False) if middle is not None else None,
    )
    return next((found for found in candidates if found is not None and found.value > 0), None)


def _assess(intent: OrderIntent, snapshot: Snapshot, now: datetime, price: Price | None) -> Estimate | Rejection:
    entry = intent.role is Role.ENTRY
    rules = _rules(now.date(), entry=entry)
    instrument, order = _instrument(intent, snapshot, whole=entry), _order(intent)
    said = _judged(instrument, order, snapshot, now, rules, entry=entry)
    if isinstance(said, Rejection):
        return said
    notes = list(said)
    rate = _rate(instrument, snapshot, price)
    if rate is None:
        notes.append(f"There is no exchange rate from {instrument.currency} to {snapshot.currency}.")
        return _estimate(intent, snapshot, now, price, notes=tuple(notes))
    if price is None and intent.instrument.asset_class is not AssetClass.FUTURE:
        return _estimate(intent, snapshot, now, None, notes=(*notes, "No price is known."))
    quote = book.Quote(price=price.value if price else book.ZERO)
    strict = entry and snapshot.environment is not Environment.SIMULATED
    try:
        fee = estimate_fee(instrument, order, quote, rules=rules, fx_rate=rate, usd_rate=rate)
    except RulebookError as unknown:
        if strict:
            return Rejection(rule="R02", code="no_fee_schedule", reason=unknown.sentence)
        return _estimate(intent, snapshot, now, price, notes=(*notes, unknown.sentence))
    own_fee = fee.amount if fee.currency == snapshot.currency else None
    power: BuyingPower | None = None
    if entry:
        try:
            power = _power(instrument, order, quote, snapshot, now, rules, rate, own_fee or book.ZERO)
        except MissingMarginData as missing:
            if strict:
                return Rejection(rule="R03", code=missing.code, reason=missing.sentence)
            notes.append("The simulated market has no margin table for it.")
    margin = power.required if power else None if entry else book.ZERO
    estimate = _estimate(
        intent,
        snapshot,
        now,
        price,
        fee=fee.amount,
        fee_currency=fee.currency,
        own_fee=own_fee,
        margin=margin,
        notes=tuple(notes),
    )
    return _shortfall(power, estimate, snapshot, price) or estimate


def _judged(
    instrument: book.Instrument, order: book.Order, snapshot: Snapshot, now: datetime, rules: Ruleset, *, entry: bool
) -> tuple[str, ...] | Rejection:
    """What is to be said of an order that is sent, or why it is not."""
    verdict = validate(
        instrument,
        order,
        now,
        _calendar(snapshot),
        rules=rules,
        position=book.Position(quantity=snapshot.position),
        permissions=_permissions(snapshot.capabilities, snapshot.permitted),
    )
    if isinstance(verdict, Denied) and entry:
        rule = "R05" if verdict.reason in REASONS else "R01"
        return Rejection(rule=rule, code=verdict.reason, reason=verdict.sentence)
    # A way out is tried all the same: IBKR has the last word, not our tables.
    said = (verdict,) if isinstance(verdict, Denied) else verdict.cautions
    silent = ("IBKR has not said what this account may trade.",) if entry and _is_silent(snapshot) else ()
    return *(each.sentence for each in said), *silent


def _shortfall(
    power: BuyingPower | None, estimate: Estimate, snapshot: Snapshot, price: Price | None
) -> Rejection | None:
    """The refusal of an order that the account cannot carry, as far as that is known for sure."""
    if power is None or power.reason is None or snapshot.available_funds is None:
        return None
    if power.reason == "short_sale_not_allowed_in_cash_account":
        return Rejection(rule="R04", code=power.reason, reason=power.sentence, estimates=(estimate,))
    if price is not None and not price.dependable:
        return None
    reason = f"{estimate.shortfall} Order less, or add funds."
    return Rejection(rule="R04", code=power.reason, reason=reason, estimates=(estimate,))


def _power(
    instrument: book.Instrument,
    order: book.Order,
    quote: book.Quote,
    snapshot: Snapshot,
    now: datetime,
    rules: Ruleset,
    rate: Decimal,
    fee: Decimal,
) -> BuyingPower | None:
    """What the order needs and whether it is there; None where a cash account holds a currency we cannot see."""
    cash_only = snapshot.account_type == "cash" and instrument.asset_class == "forex"
    pays_in = instrument.currency if order.is_buy else instrument.base
    if cash_only and (pays_in != snapshot.currency or snapshot.cash is None):
        return None
    account = book.Account(
        type=snapshot.account_type,
        currency=snapshot.currency,
        available=snapshot.available_funds or book.ZERO,
        balances={snapshot.currency: snapshot.cash} if snapshot.cash is not None else {},
    )
    return buying_power(
        instrument,
        order,
        quote,
        account,
        position=book.Position(quantity=snapshot.position),
        fee=fee,
        rules=rules,
        fx_rate=rate,
        base_rate=ONE if pays_in == snapshot.currency else quote.price * rate,
        today=now.date(),
    )


@lru_cache(maxsize=256)
def _permissions(found: Capabilities, permitted: bool | None) -> book.Permissions:
    """What the account may do, in the rulebook's words; not a word where IBKR said nothing."""
    if found == NOT_SAID and permitted is None:
        return book.NOTHING_SAID
    return book.Permissions(
        lite=found.lite,
        clearing=found.clearing,
        client_trades=found.client_trades,
        security_types=frozenset(word for each in found.asset_types.split(",") if (word := each.strip())),
        instrument=permitted,
    )


def _is_silent(snapshot: Snapshot) -> bool:
    """Whether neither the account nor the contract tells what may be traded; a simulated market allows everything."""
    told = snapshot.capabilities.asset_types or snapshot.permitted is not None
    return not told and snapshot.environment is not Environment.SIMULATED


@lru_cache(maxsize=8)
def _rules(day: date, *, entry: bool) -> Ruleset:
    rules = rulesets.load(RULESET, day)
    # A small rest of a currency has to find its way out, at whatever price an odd lot gets.
    return rules if entry else rules.with_policy(forex_below_minimum="warn")


def _calendar(snapshot: Snapshot) -> Calendar | None:
    """The hours by which a market order is said to wait for the open; the simulated market is always open."""
    stock = snapshot.contract.instrument.asset_class is AssetClass.STOCK
    if not stock or snapshot.environment is Environment.SIMULATED or snapshot.contract.currency != "USD":
        return None
    return exchange_calendar("us_equity", "Equity-usa-[*]")


def _instrument(intent: OrderIntent, snapshot: Snapshot, *, whole: bool) -> book.Instrument:
    contract, ours = snapshot.contract, intent.instrument
    asset_class = _CLASSES.get(ours.asset_class, str(ours.asset_class))
    return book.Instrument(
        asset_class=asset_class,
        symbol=ours.ticker,
        market=_market(asset_class, contract.exchange, contract.currency),
        currency=contract.currency,
        product=product_of(ours.ticker),
        multiplier=contract.multiplier,
        # What is held in fractions, after a split or by hand, may leave in fractions.
        lot_size=ONE if whole else None,
        tick=contract.tick,
    )


def _market(asset_class: str, exchange: str, currency: str) -> str | None:
    """The market of a fee schedule; IBKR routes US shares, so their listing does not matter."""
    if asset_class == "future":
        return exchange.lower() or None
    return exchange.lower() or "unknown" if asset_class == "equity" and currency != "USD" else None


@lru_cache(maxsize=4096)
def product_of(ticker: str) -> str:
    """The product of a future: MNQ of MNQZ2026, ES of ES1!."""
    found = _CONTRACT_MONTH.fullmatch(ticker)
    return found[1] if found else ticker


def _order(intent: OrderIntent) -> book.Order:
    kind = _TYPES.get(intent.type, str(intent.type))
    percent, tif = intent.trail_percent, intent.time_in_force
    return book.Order(
        type=_AUCTIONS.get(tif, kind) if intent.type is OrderType.MARKET else kind,
        quantity=intent.side.sign * intent.quantity,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trailing_amount=intent.trail_amount if percent is None else percent / 100,
        trailing_as_percentage=percent is not None,
        time_in_force=str(tif if tif in _RESTS else TimeInForce.DAY),
        outside_regular_hours=intent.outside_rth,
    )


def _rate(instrument: book.Instrument, snapshot: Snapshot, price: Price | None) -> Decimal | None:
    """What one unit of the instrument's currency is in the account's: IBKR's rate, else what the order itself tells."""
    if instrument.currency == snapshot.currency:
        return ONE
    if (known := snapshot.rates.get(instrument.currency)) is not None:
        return known
    if instrument.asset_class == "forex" and instrument.base == snapshot.currency and price is not None:
        return ONE / price.value
    return None


def _estimate(
    intent: OrderIntent,
    snapshot: Snapshot,
    now: datetime,
    price: Price | None,
    *,
    fee: Decimal | None = None,
    fee_currency: str = "USD",
    own_fee: Decimal | None = None,
    margin: Decimal | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    return Estimate(
        role=intent.role,
        price=price.value if price else None,
        price_from=price.source if price else "",
        fee=fee,
        fee_currency=fee_currency,
        own_fee=own_fee,
        margin=margin,
        available=snapshot.available_funds,
        currency=snapshot.currency,
        tables=rulesets.load(RULESET, now.astimezone(UTC).date()).version,
        notes=notes,
    )
