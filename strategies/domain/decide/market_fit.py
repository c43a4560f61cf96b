"""Whether the market is fit for an order: how wide its spread is, and how far the order's price is from it."""

from __future__ import annotations

from decimal import Context, Decimal

from brokers.domain.contracts.options import named
from brokers.domain.orders import OPTIONS
from brokers.domain.sentences import grouped
from strategies.domain.decide.case import Case
from strategies.domain.decide.pricing import HUNDRED
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg

# An option that may not be entered without a live bid and ask: a fresh quote may turn it into a plan.
NO_TWO_SIDES = "option-not-quoted"
# Hostile prices make long figures; they are shown, not computed with.
_LONG = Context(prec=80)


def spread_too_wide(case: Case, leg: Leg) -> Rejection | None:
    """Whether the spread exceeds the leg's filter; without a live quote the filter lets everything pass."""
    settings, quote = case.settings(leg), case.quote
    if quote is None or quote.bid is None or quote.ask is None:
        return None
    spread, amount, percent = quote.ask - quote.bid, settings.spread_amount.value, settings.spread_percent.value
    middle = (quote.ask + quote.bid) / 2
    too_far = (amount is not None and spread > amount) or (
        percent is not None and middle > 0 and spread * HUNDRED > percent * middle
    )
    if not too_far:
        return None
    most = grouped(amount) if amount is not None and spread > amount else f"{grouped(percent or amount or spread)} %"
    return Rejection(
        rule="D44",
        code="bid-ask-spread-filter-exceeded",
        reason=f"The spread of {case.ticker} is {grouped(spread)}, wider than the {most} that this {leg} allows.",
    )


def illiquid(case: Case) -> Rejection | None:
    """Why no option is entered that hardly anybody trades: its spread is wider than the terms say for its class, or unknown."""
    instrument = case.snapshot.contract.instrument
    if instrument.asset_class not in OPTIONS:
        return None
    combo = combos.of(case.snapshot)
    option = named(instrument.ticker) if combo is None else combo.long
    # Indices, and futures on them, are quoted closer than shares.
    is_close = option is not None and (option.index or option.future)
    most = case.terms.index_option_spread_percent if is_close else case.terms.option_spread_percent
    if most is None:
        return None
    quote, named_as = case.quote, combo or option
    spoken = instrument.ticker if named_as is None else named_as.spoken
    if quote is None or quote.bid is None or quote.ask is None or not 0 < quote.bid <= quote.ask:
        # Zero is nobody's bid, and a bid above the ask is no market that can be traded on.
        reason = (
            f"IBKR shows no live bid and ask of {spoken}, so whether its spread is within the {grouped(most)} % of this "
            f"subscription is not known, and nothing is opened. Send again when it is quoted.{case.about_quote}"
        )
        return Rejection(rule="D44", code=NO_TWO_SIDES, reason=reason)
    spread, whole, what = quote.ask - quote.bid, (quote.ask + quote.bid) / 2, "the middle"
    if combo is not None and combo.width is not None:
        # The net of two legs is small where both are traded all day: a vertical is measured by what it can be worth.
        whole, what = combo.width, f"its width of {grouped(combo.width)}"
    if spread * HUNDRED <= most * whole:
        return None
    percent = (spread * HUNDRED / whole).quantize(Decimal("0.1"), context=_LONG)
    reason = (
        f"{spoken} is bid at {grouped(quote.bid)} and asked at {grouped(quote.ask)}: a spread of {grouped(percent)} % of {what}, "
        f"wider than the {grouped(most)} % that this subscription allows of options. Choose one that is traded more, or allow a "
        "wider spread."
    )
    return Rejection(rule="D44", code="option-illiquid", reason=reason)


def outside_collar(case: Case, price: Decimal | None) -> Rejection | None:
    """Whether an entry is priced too far from the last price, or from the signal's where no last price is known."""
    percent = case.terms.collar_percent
    if percent is None:
        return None
    quote, signal_price = case.quote, case.message.signal_price
    last = next((p for p in ((quote.last or quote.mid) if quote else None, case.snapshot.mark) if p is not None), None)
    # An order without a price of its own is judged by the signal's price against the market's.
    pairs = [(price, last or signal_price), (signal_price, last)]
    known = [
        (order_price, reference)
        for order_price, reference in pairs
        if order_price is not None and reference is not None and reference > 0
    ]
    if not known:
        reason = f"This subscription keeps entries within {grouped(percent)} % of the last price, and none is known. Send `price`.{case.about_quote}"
        return Rejection(rule="G10", code="collar-price-unknown", reason=reason)
    for order_price, reference in known:
        if abs(order_price - reference) * HUNDRED > percent * reference:
            reason = f"{grouped(order_price)} is more than {grouped(percent)} % away from {grouped(reference)}, so nothing is opened there."
            return Rejection(rule="G10", code="outside-collar", reason=reason)
    return None
