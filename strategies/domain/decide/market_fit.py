"""Whether the market is fit for an order: how wide its spread is, and how far the order's price is from it."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.sentences import grouped
from strategies.domain.decide.case import Case
from strategies.domain.decide.pricing import HUNDRED
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg


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
