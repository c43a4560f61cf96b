"""What a decision may wait a moment for: a fresh quote, an exchange rate, IBKR's preview."""

from __future__ import annotations

from brokers.domain.orders import OrderIntent, Role
from strategies.domain.message.message import Message
from strategies.domain.plan.approval import every_order
from strategies.domain.plan.borrowed import sells_short
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms

# Refusals that a quote may turn into a plan.
_FOR_WANT_OF_A_PRICE = frozenset({"price-required", "amount-unknown", "collar-price-unknown", "option-not-quoted"})


def quote_needed(message: Message, terms: Terms, answer: Plan | Rejection) -> bool:
    """Whether a fresh quote could change the answer: it lacked a price, or filters are set that only quotes can pass."""
    if isinstance(answer, Rejection):
        return answer.code in _FOR_WANT_OF_A_PRICE
    filters = (
        terms.spread_amount,
        terms.spread_percent,
        terms.exit_spread_amount,
        terms.exit_spread_percent,
        terms.collar_percent,
        message.bid_ask_spread_filter,
        message.bid_ask_spread_filter_percent,
    )
    return any(each is not None for each in filters) and bool(answer.intents)


def preview_needed(answer: Plan | Rejection) -> OrderIntent | None:
    """The entry whose margin is not certain, so that IBKR's preview could change the answer.

    None where the plan does more than enter: what cancels, shrinks or closes waits for no preview.
    """
    if isinstance(answer, Rejection) or answer.cancels or answer.resizes or answer.modifications:
        return None
    orders = list(every_order(answer.intents))
    if any(order.role is Role.EXIT for order in orders):
        return None
    return next(
        (
            order
            for order, estimate in zip(orders, answer.estimates, strict=False)
            if order.role is Role.ENTRY
            and order.allocation is None
            and estimate.margin_note
            and not estimate.margin_from.is_certain
        ),
        None,
    )


def is_short_sale(answer: Plan | Rejection) -> bool:
    """Whether the answer sells a share short, so that IBKR's word on borrowing it is good to have; nothing waits for it."""
    return isinstance(answer, Plan) and any(sells_short(order) for order in every_order(answer.intents))


def rate_needed(answer: Plan | Rejection) -> bool:
    """Whether an exchange rate could change the answer: a size or a margin in the account's currency hangs on it."""
    if isinstance(answer, Rejection):
        return answer.code in {"no-exchange-rate", "amount-unknown"}
    return is_entry(answer)


def is_entry(answer: Plan | Rejection) -> bool:
    """Whether the answer opens or adds."""
    return isinstance(answer, Plan) and any(order.role is Role.ENTRY for order in every_order(answer.intents))
