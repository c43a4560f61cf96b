"""Puts one order intent before the rulebook: whether IBKR takes it, what it costs, what margin it needs.

A fact that is missing becomes a note, never a guess; a way out is never refused.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import OF_FUTURES, AssetClass, OrderIntent
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import RulebookError
from strategies.domain.plan import borrowed, day_trades, fees, margins, power, settled
from strategies.domain.plan.estimate import Estimate, MarginSource
from strategies.domain.plan.gate import remarks_on
from strategies.domain.plan.margins import Margin
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.question import Question, price_of, question_of, rate_of


def assess(
    intent: OrderIntent, snapshot: Snapshot, now: datetime, *, signal_price: Decimal | None = None
) -> Estimate | Rejection:
    """The estimate of one order, or why it is not sent. A RulebookError is not raised: its sentence becomes a note."""
    question = question_of(intent, snapshot, now, price_of(intent, snapshot, now, signal_price))
    try:
        return _assess(question)
    except RulebookError as error:
        # Our question was at fault, not the order; the broker has the last word.
        return _estimate(replace(question, price=None), notes=(error.sentence,))


def _assess(question: Question) -> Estimate | Rejection:
    remarks = remarks_on(question)
    if isinstance(remarks, Rejection):
        return remarks
    instrument, snapshot = question.instrument, question.snapshot
    remarks = (*remarks, *day_trades.note(question.intent, snapshot))
    remarks = (*remarks, *borrowed.note(question.intent, snapshot, question.now))
    rate = rate_of(instrument, snapshot, question.price)
    if rate is None and question.is_entry and _needs_the_rate(instrument):
        return _without_rate(instrument, snapshot)
    if rate is None:
        note = f"There is no exchange rate from {instrument.currency} to {snapshot.currency}."
        return _estimate(question, notes=(*remarks, note))
    if _has_margin_of_its_own(question):
        return _assess_by_preview(question, rate, remarks)
    if question.price is None:
        return _estimate(question, notes=(*remarks, "No price is known."))
    fee, unknown = _fee_of(question, rate)
    remarks = (*remarks, *unknown)
    intent, now = question.intent, question.now
    if not question.is_entry:
        remarks = (*remarks, *settled.note(intent, snapshot, None, now))
        return _estimate(question, fee=fee, margin=book.ZERO if fee else None, notes=remarks)
    needed = power.needed_for(question, rate, fee)
    if power.is_asked_for(needed, question):
        return _assess_by_preview(question, rate, remarks, usual=needed.required if needed else None)
    remarks = (*remarks, *settled.note(intent, snapshot, needed.required if needed else None, now))
    remarks = (*remarks, *power.note(needed, question, rate, fee))
    estimate = _estimate(question, fee=fee, margin=needed.required if needed else None, notes=remarks)
    refused = power.shortfall(needed, estimate, question, rate, fee)
    return refused or replace(estimate, margin_from=MarginSource.RULE)


def _fee_of(question: Question, rate: Decimal) -> tuple[Fee | None, tuple[str, ...]]:
    """The expected fee; else a sentence: a table of ours that has none is no reason to keep an order from its market."""
    instrument = question.instrument
    try:
        fee = fees.estimated(
            instrument,
            question.order,
            question.quote,
            rules=question.rules,
            fx_rate=rate,
            usd_rate=_in_usd(question.snapshot, rate),
        )
    except RulebookError:
        return None, (_without_fee(instrument),)
    return fee, fees.assumed(instrument)


def _in_usd(snapshot: Snapshot, rate: Decimal) -> Decimal | None:
    """The rate into the account's currency as one into USD, which it is for accounts in USD alone."""
    return rate if snapshot.currency == "USD" else None


def _has_margin_of_its_own(question: Question) -> bool:
    """Whether the margin does not follow from the price: of a future, and of an option that is written."""
    asset_class = question.intent.instrument.asset_class
    written = asset_class is AssetClass.OPTION and question.is_entry and not question.order.is_buy
    return written or asset_class in OF_FUTURES


def _assess_by_preview(
    question: Question, rate: Decimal, remarks: tuple[str, ...], *, usual: Decimal | None = None
) -> Estimate | Rejection:
    """A margin that is a figure of its own needs no price; our tables are no reason to keep an order from the market.

    `usual` is what the order needs at the usual rate of its class.
    """
    snapshot, instrument = question.snapshot, question.instrument
    fee, unknown = _fee_of(question, rate)
    remarks = (*remarks, *unknown)
    if not question.is_entry:
        return _estimate(question, fee=fee, margin=book.ZERO if fee else None, notes=remarks)
    premium = power.premium_for(question, rate, fee)
    margin = margins.margin_of(
        margins.Order(
            product=power.name_of(instrument),
            quantity=question.order.quantity,
            previews=snapshot.previews,
            fee=fee.amount if fee and fee.currency == snapshot.currency else book.ZERO,
            rate=rate,
            now=question.now,
            usual=usual,
            premium=None if premium is None else premium.required,
        )
    )
    needed = premium if margin.source is MarginSource.RULE else None
    if margin.source is MarginSource.TABLE:
        needed = power.needed_for(question, rate, fee)
    estimate = replace(
        _estimate(question, fee=fee, margin=needed.required if needed else margin.required, notes=remarks),
        margin_from=margin.source,
        margin_note=margin.note,
    )
    refused = power.shortfall(needed, estimate, question, rate, fee)
    return refused or _refused_by_preview(margin, estimate) or estimate


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


def _estimate(
    question: Question, *, fee: Fee | None = None, margin: Decimal | None = None, notes: tuple[str, ...] = ()
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
        power=power.sentence(question) if question.is_entry else "",
        notes=(*notes, *_about_quote(question)),
    )


def _about_quote(question: Question) -> tuple[str, ...]:
    """What the only prices at hand are, where they are not live: nothing is refused by them."""
    quote, price = question.snapshot.quote, question.price
    if quote is None or not question.is_entry or (price is not None and price.dependable):
        return ()
    caution = quote.caution(question.intent.instrument.ticker)
    return (caution,) if caution else ()
