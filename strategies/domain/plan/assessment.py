"""Puts one order intent before the rulebook: whether IBKR takes it, what it costs, what margin it needs.

A fact that is missing becomes a note, never a guess; a way out is never refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from brokers.domain.contracts import auctions
from brokers.domain.contracts import rules as contract_rules
from brokers.domain.contracts.options import is_on_index
from brokers.domain.orders import AssetClass, OrderIntent, Role, TimeInForce
from brokers.domain.sentences import all_of
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import rulesets
from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.answers import Denied
from brokers.rulebook.calendars import Calendar, options, us_shares, us_shares_as_listed
from brokers.rulebook.errors import RulebookError
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.gate.permissions import REASONS
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.power import BuyingPower
from brokers.rulebook.rulesets import Ruleset
from strategies.domain.plan import margins, settled
from strategies.domain.plan.estimate import Estimate, MarginSource
from strategies.domain.plan.margins import Margin
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.translation import to_instrument, to_order, to_permissions

RULESET = "seed"
ONE = Decimal(1)
_FOR_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs now, in the contract's currency; whose word it is; whether it is good enough to refuse by."""

    value: Decimal
    source: str
    dependable: bool = True


@dataclass(slots=True, kw_only=True)
class _Question:
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


def assess(
    intent: OrderIntent, snapshot: Snapshot, now: datetime, *, signal_price: Decimal | None = None
) -> Estimate | Rejection:
    """The estimate of one order, or why it is not sent. A RulebookError is not raised: its sentence becomes a note."""
    question = _question(intent, snapshot, now, price_of(intent, snapshot, now, signal_price))
    try:
        return _assess(question)
    except RulebookError as error:
        # Our question was at fault, not the order; the broker has the last word.
        return _estimate(replace(question, price=None), notes=(error.sentence,))


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


def _question(intent: OrderIntent, snapshot: Snapshot, now: datetime, price: Price | None) -> _Question:
    entry = intent.role is Role.ENTRY
    return _Question(
        intent=intent,
        snapshot=snapshot,
        now=now,
        price=price,
        quote=_quote(intent, snapshot, now, price),
        instrument=to_instrument(intent, snapshot, whole=entry),
        order=to_order(intent),
        rules=_rules(now.date(), entry=entry),
    )


def _quote(intent: OrderIntent, snapshot: Snapshot, now: datetime, price: Price | None) -> book.Quote:
    """The price, and of an option both sides: its fee depends on the premium."""
    value = price.value if price else book.ZERO
    if intent.instrument.asset_class is not AssetClass.OPTION:
        return book.Quote(price=value)
    live = None if snapshot.quote is None else snapshot.quote.live(now)
    bid, ask = (live.bid, live.ask) if live is not None else (None, None)
    return book.Quote(price=value, bid=bid or value, ask=ask or value)


def _assess(question: _Question) -> Estimate | Rejection:
    remarks = _gate(question)
    if isinstance(remarks, Rejection):
        return remarks
    instrument, snapshot = question.instrument, question.snapshot
    rate = _rate(instrument, snapshot, question.price)
    if rate is None and question.is_entry and _needs_the_rate(instrument):
        return _without_rate(instrument, snapshot)
    if rate is None:
        note = f"There is no exchange rate from {instrument.currency} to {snapshot.currency}."
        return _estimate(question, notes=(*remarks, note))
    if _has_margin_of_its_own(question):
        return _assess_by_preview(question, rate, remarks)
    if question.price is None:
        return _estimate(question, notes=(*remarks, "No price is known."))
    fee: Fee | None = None
    try:
        fee = estimate_fee(
            instrument,
            question.order,
            question.quote,
            rules=question.rules,
            fx_rate=rate,
            usd_rate=_in_usd(snapshot, rate),
        )
    except RulebookError:
        # Of shares abroad: our tables of fees are no reason to keep one from its market, and its margin is known.
        remarks = (*remarks, _without_fee(instrument))
    intent, now = question.intent, question.now
    if not question.is_entry:
        remarks = (*remarks, *settled.note(intent, snapshot, None, now))
        return _estimate(question, fee=fee, margin=book.ZERO if fee else None, notes=remarks)
    power = _power(question, rate, fee)
    remarks = (*remarks, *settled.note(intent, snapshot, power.required if power else None, now))
    estimate = _estimate(question, fee=fee, margin=power.required if power else None, notes=remarks)
    return _shortfall(power, estimate, question) or replace(estimate, margin_from=MarginSource.RULE)


def _in_usd(snapshot: Snapshot, rate: Decimal) -> Decimal | None:
    """The rate into the account's currency as one into USD, which it is for accounts in USD alone."""
    return rate if snapshot.currency == "USD" else None


def _has_margin_of_its_own(question: _Question) -> bool:
    """Whether the margin does not follow from the price: of a future, and of an option that is written."""
    asset_class = question.intent.instrument.asset_class
    written = asset_class is AssetClass.OPTION and question.is_entry and not question.order.is_buy
    return written or asset_class is AssetClass.FUTURE


def _assess_by_preview(question: _Question, rate: Decimal, remarks: tuple[str, ...]) -> Estimate | Rejection:
    """A margin that is a figure of its own needs no price; our tables are no reason to keep an order from the market."""
    snapshot, instrument = question.snapshot, question.instrument
    fee: Fee | None = None
    try:
        fee = estimate_fee(
            instrument,
            question.order,
            question.quote,
            rules=question.rules,
            fx_rate=rate,
            usd_rate=_in_usd(snapshot, rate),
        )
    except RulebookError:
        remarks = (*remarks, _without_fee(instrument))
    if not question.is_entry:
        return _estimate(question, fee=fee, margin=book.ZERO if fee else None, notes=remarks)
    margin = margins.margin_of(
        margins.Order(
            product=instrument.product,
            quantity=question.order.quantity,
            previews=snapshot.previews,
            fee=fee.amount if fee and fee.currency == snapshot.currency else book.ZERO,
            rate=rate,
            now=question.now,
        )
    )
    power = _power(question, rate, fee) if margin.source is MarginSource.TABLE else None
    estimate = replace(
        _estimate(question, fee=fee, margin=power.required if power else margin.required, notes=remarks),
        margin_from=margin.source,
        margin_note=margin.note,
    )
    return _shortfall(power, estimate, question) or _refused_by_preview(margin, estimate) or estimate


def _needs_the_rate(instrument: book.Instrument) -> bool:
    """Whether nobody but Halyard reckons the margin: of CFDs, and of shares abroad. The rest passes with a note, as IBKR tells
    its margin; limits in money refuse what they cannot measure."""
    return instrument.asset_class == "cfd" or (instrument.asset_class == "equity" and instrument.currency != "USD")


def _without_rate(instrument: book.Instrument, snapshot: Snapshot) -> Rejection:
    """An entry whose margin Halyard reckons, in a currency of which nobody knows the worth."""
    reason = (
        f"There is no exchange rate from {instrument.currency} to {snapshot.currency} at hand, so what {instrument.symbol} "
        "would need of the account cannot be told. Send the signal again when IBKR shows one."
    )
    return Rejection(rule="S08", code="no-exchange-rate", reason=reason)


def _without_fee(instrument: book.Instrument) -> str:
    name = instrument.product or instrument.symbol
    return f"No fee of {name} is on record here, so IBKR decides when the order arrives."


def _refused_by_preview(margin: Margin, estimate: Estimate) -> Rejection | None:
    """The refusal of an order that IBKR's preview does not take for want of money, or whose margin is not there."""
    if margin.source is not MarginSource.PREVIEW:
        return None
    needed, available = estimate.margin, estimate.available
    if not margin.refused and (needed is None or available is None or needed <= available):
        return None
    if needed is None or (available is not None and needed <= available):
        # Our book of the account may be a moment older than IBKR's answer.
        reason = "IBKR's preview does not take it: the account has too little money for its margin."
    else:
        reason = estimate.shortfall
    code = "insufficient_buying_power"
    return Rejection(rule="R04", code=code, reason=f"{reason} Order less, or add funds.", estimates=(estimate,))


def _gate(question: _Question) -> tuple[str, ...] | Rejection:
    """Sentences about an order that is sent, or why it is not."""
    snapshot, entry = question.snapshot, question.is_entry
    if entry and snapshot.doubted is not None:
        return Rejection(rule="B01", code=snapshot.doubted.code, reason=snapshot.doubted.sentence)
    verdict = validate(
        question.instrument,
        question.order,
        question.now,
        _calendar(snapshot),
        rules=question.rules,
        position=book.Position(quantity=snapshot.position),
        permissions=to_permissions(snapshot.capabilities, snapshot.permitted),
    )
    if isinstance(verdict, Denied) and entry:
        rule = "R05" if verdict.reason in REASONS else "R01"
        return Rejection(rule=rule, code=verdict.reason, reason=verdict.sentence)
    ruled_out = contract_rules.denial(question.intent, snapshot.rules) or _outside_auction(question)
    if ruled_out is not None and entry:
        return Rejection(rule="R01", code=ruled_out.code, reason=ruled_out.sentence)
    # A way out is tried all the same: IBKR has the last word, not our tables.
    remarks = (verdict,) if isinstance(verdict, Denied) else verdict.cautions
    unknown = ("IBKR has not said what this account may trade.",) if entry and _is_silent(snapshot) else ()
    ruled = () if ruled_out is None else (ruled_out.sentence,)
    uncounted = _not_counted(snapshot) if entry else ()
    return *(remark.sentence for remark in remarks), *ruled, *unknown, *uncounted


def _outside_auction(question: _Question) -> contract_rules.Denial | None:
    """Why an order for an auction may not leave now, by IBKR's hours of its contract, else by the days of US shares."""
    snapshot, now, tif = question.snapshot, question.now, question.intent.time_in_force
    if tif not in _FOR_AUCTIONS or snapshot.environment is Environment.SIMULATED:
        return None
    hours = snapshot.hours
    if hours is not None and hours.regular and hours.covers(now):
        return auctions.denial(tif, hours.regular, hours.zone, now)
    calendar = _calendar(snapshot)
    if calendar is None:
        return None
    since = calendar.local(now).date() - timedelta(days=5)
    days = [since + timedelta(days=number) for number in range(12)]
    spans = [(calendar.regular_open(day), calendar.regular_close(day)) for day in days]
    sessions = [(int(opens.timestamp()), int(ends.timestamp())) for opens, ends in spans if opens and ends]
    return auctions.denial(tif, sessions, calendar.zone.key, now)


def _not_counted(snapshot: Snapshot) -> tuple[str, ...]:
    """What of the available funds orders placed elsewhere may still need, where nobody can tell how much."""
    orders = snapshot.uncounted
    if not orders:
        return ()
    named = all_of([*orders[:3], f"{len(orders) - 3} more"] if len(orders) > 3 else orders)
    return (f"The money that orders placed elsewhere need is not counted: {named}.",)


def _shortfall(power: BuyingPower | None, estimate: Estimate, question: _Question) -> Rejection | None:
    """The refusal of an order that the account cannot carry; None where its funds or the price are not known for sure."""
    if power is None or power.reason is None or question.snapshot.available_funds is None:
        return None
    if power.reason == "short_sale_not_allowed_in_cash_account":
        return Rejection(rule="R04", code=power.reason, reason=power.sentence, estimates=(estimate,))
    if question.price is not None and not question.price.dependable:
        return None
    reason = f"{estimate.shortfall}{settled.explained(question.snapshot)} Order less, or add funds."
    return Rejection(rule="R04", code=power.reason, reason=reason, estimates=(estimate,))


def _power(question: _Question, rate: Decimal, fee: Fee | None) -> BuyingPower | None:
    """What the order needs and whether it is there; None where a cash account holds a currency we cannot see."""
    instrument, order, snapshot = question.instrument, question.order, question.snapshot
    cash_only = snapshot.account_type == "cash" and instrument.asset_class == "forex"
    pays_in = instrument.currency if order.is_buy else instrument.base
    if cash_only and (pays_in != snapshot.currency or snapshot.cash is None):
        return None
    quote = question.quote
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
        fee=fee.amount if fee and fee.currency == snapshot.currency else book.ZERO,
        rules=question.rules,
        fx_rate=rate,
        base_rate=ONE if pays_in == snapshot.currency else quote.price * rate,
        today=question.now.date(),
    )


def _is_silent(snapshot: Snapshot) -> bool:
    """Whether IBKR has told neither of the account nor of the contract what may be traded."""
    known = snapshot.capabilities.asset_types or snapshot.permitted is not None
    return not known and snapshot.environment is not Environment.SIMULATED


@lru_cache(maxsize=8)
def _rules(day: date, *, entry: bool) -> Ruleset:
    rules = rulesets.load(RULESET, day)
    # The small remainder of a currency has to leave, even at the price of an odd lot.
    return rules if entry else rules.with_policy(forex_below_minimum="warn")


def _calendar(snapshot: Snapshot) -> Calendar | None:
    """The calendar that tells whether a market order waits for the open; None in the simulated market, which never closes."""
    asset_class = snapshot.contract.instrument.asset_class
    if snapshot.environment is Environment.SIMULATED or snapshot.contract.currency != "USD":
        return None
    if asset_class is AssetClass.OPTION:
        return options(on_index=is_on_index(snapshot.contract.instrument.ticker))
    if asset_class is not AssetClass.STOCK:
        return None
    return us_shares_as_listed(snapshot.hours.regular) if snapshot.hours else us_shares()


def _rate(instrument: book.Instrument, snapshot: Snapshot, price: Price | None) -> Decimal | None:
    """What one unit of the instrument's currency is in the account's: IBKR's rate, else the price of the pair itself."""
    if instrument.currency == snapshot.currency:
        return ONE
    if (known := snapshot.rates.get(instrument.currency)) is not None:
        return known
    if instrument.asset_class == "forex" and instrument.base == snapshot.currency and price is not None:
        return ONE / price.value
    return None


def _estimate(
    question: _Question, *, fee: Fee | None = None, margin: Decimal | None = None, notes: tuple[str, ...] = ()
) -> Estimate:
    price, snapshot = question.price, question.snapshot
    return Estimate(
        role=question.intent.role,
        price=price.value if price else None,
        price_from=price.source if price else "",
        fee=fee.amount if fee else None,
        fee_currency=fee.currency if fee else "USD",
        own_fee=fee.amount if fee and fee.currency == snapshot.currency else None,
        margin=margin,
        available=snapshot.available_funds,
        currency=snapshot.currency,
        tables=question.rules.version,
        notes=(*notes, *_about_quote(question)),
    )


def _about_quote(question: _Question) -> tuple[str, ...]:
    """What the only prices at hand are, where they are not live: nothing is refused by them."""
    quote, price = question.snapshot.quote, question.price
    if quote is None or not question.is_entry or (price is not None and price.dependable):
        return ()
    caution = quote.caution(question.intent.instrument.ticker)
    return (caution,) if caution else ()
