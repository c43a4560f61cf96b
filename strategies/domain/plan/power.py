"""What an order needs of the account, and whether it is there: the buying power of its class. Pure.

Only what IBKR would refuse is refused. Where IBKR lends more than a rule says, or may, its word counts: its own buying power
for shares, and its preview where a rule is no more than the usual rate of a class.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

from brokers.domain.orders import TimeInForce
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.by_class import ClassPower, Counts, power_of
from brokers.rulebook.margin.power import BuyingPower
from strategies.domain.plan import settled
from strategies.domain.plan.estimate import Estimate, money
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.question import ONE, Question, calendar_of, rules_on

_SHORT = "insufficient_buying_power"


def needed_for(question: Question, rate: Decimal, fee: Fee | None) -> BuyingPower | None:
    """What the order needs and whether it is there; None where a cash account holds a currency we cannot see."""
    instrument, order, snapshot = question.instrument, question.order, question.snapshot
    cash_only = snapshot.account_type == "cash" and instrument.asset_class == "forex"
    pays_in = instrument.currency if order.is_buy else instrument.base
    if cash_only and (pays_in != snapshot.currency or snapshot.cash is None):
        return None
    quote = question.quote
    return buying_power(
        instrument,
        order,
        quote,
        _account(snapshot, snapshot.available_funds or book.ZERO),
        position=book.Position(quantity=snapshot.position),
        fee=_own(fee, snapshot),
        rules=question.rules,
        fx_rate=rate,
        base_rate=ONE if pays_in == snapshot.currency else quote.price * rate,
        today=question.now.date(),
    )


def premium_for(question: Question, rate: Decimal, fee: Fee | None) -> BuyingPower | None:
    """What an option on a future that is bought costs, and whether it is there: its premium is paid in full, whatever margin
    IBKR's preview says. None of any other order, and where no price or no funds are known.

    A limit below the market is all that it may cost; what buys back a written option first is a way out.
    """
    instrument, order, snapshot, price = question.instrument, question.order, question.snapshot, question.price
    if (
        instrument.asset_class != "future_option"
        or not order.is_buy
        or price is None
        or snapshot.available_funds is None
    ):
        return None
    opened = max(order.quantity + min(snapshot.position, book.ZERO), book.ZERO)
    limit = question.intent.limit_price
    each = price.value if limit is None else min(price.value, limit)
    required = opened * each * instrument.multiplier * rate
    required += _own(fee, snapshot) if opened else book.ZERO
    reason = None if required <= snapshot.available_funds else _SHORT
    return BuyingPower(
        required,
        snapshot.available_funds,
        snapshot.currency,
        question.rules.provenance,
        reason,
        snapshot.position,
    )


def is_asked_for(needed: BuyingPower | None, question: Question) -> bool:
    """Whether IBKR's preview decides: of CFDs it asks another rate of each share and index than the usual one."""
    if needed is None or question.snapshot.available_funds is None:
        return False
    return needed.reason == _SHORT and question.instrument.asset_class == "cfd"


def note(needed: BuyingPower | None, question: Question, rate: Decimal, fee: Fee | None) -> tuple[str, ...]:
    """What is said of an order that IBKR lends for today, and that is too large to be kept overnight (R07)."""
    if needed is None or needed.reason != _SHORT or not _is_lent(question, rate, fee):
        return ()
    power = _of_class(question)
    if power is None or power.amount is None or power.today is None:
        return ()
    currency = question.snapshot.currency
    return (
        f"It is worth more than the {money(power.amount)} {currency} of {power.label} that may be held overnight. IBKR's "
        f"buying power of the moment, {money(power.today)} {currency}, is for the day: make the position smaller before the "
        "close, or IBKR may.",
    )


def shortfall(
    needed: BuyingPower | None, estimate: Estimate, question: Question, rate: Decimal, fee: Fee | None
) -> Rejection | None:
    """The refusal of an order that the account cannot carry; None where its funds or the price are not known for sure."""
    if needed is None or needed.reason is None or question.snapshot.available_funds is None:
        return None
    if needed.reason == "short_sale_not_allowed_in_cash_account":
        return Rejection(rule="R04", code=needed.reason, reason=needed.sentence, estimates=(estimate,))
    if question.price is not None and not question.price.dependable:
        return None
    if needed.reason == _SHORT and _is_lent(question, rate, fee):
        return None
    what = f"{estimate.shortfall}{_why(question)}{settled.explained(question.snapshot)}"
    return Rejection(rule="R04", code=needed.reason, reason=f"{what} Order less, or add funds.", estimates=(estimate,))


def sentence(question: Question) -> str:
    """What of the order's class the account may open: "Buying power for shares: 50,000.00 USD." "" where nobody knows."""
    snapshot = question.snapshot
    if snapshot.available_funds is None:
        return ""
    place = (question.instrument.asset_class, snapshot.account_type, snapshot.currency)
    return _sentence(*place, snapshot.available_funds, snapshot.buying_power, question.now.date())


@lru_cache(maxsize=512)
def _sentence(asset_class: str, kind: str, currency: str, available: Decimal, told: Decimal | None, day: date) -> str:
    """Kept, since many orders are decided by the same figures."""
    account = book.Account(type=kind, currency=currency, available=available)
    return power_of(asset_class, account, told, rules=rules_on(day, entry=True)).sentence(currency)


def _why(question: Question) -> str:
    """Beside the figures of a refusal: how the money at hand counts for this class, where that is no matter of course."""
    power, currency = _of_class(question), question.snapshot.currency
    if power is None or power.amount is None:
        return ""
    if power.counts is Counts.PREMIUM or (power.asset_class == "future_option" and question.order.is_buy):
        return " Options are paid in full."
    if power.counts is not Counts.VALUE:
        return ""
    if power.times == 1:
        return f" This account pays for {power.label} in full."
    if power.today is not None and not _is_of_today(question):
        return (
            f" That is a buying power of {money(power.amount)} {currency} for {power.label}: what IBKR lends for the day is not "
            "for an order that may fill at the close, outside regular hours or on another day."
        )
    most = power.amount if power.most is None else power.most
    return f" That is a buying power of {money(most)} {currency} for {power.label}."


def _of_class(question: Question) -> ClassPower | None:
    snapshot = question.snapshot
    if snapshot.available_funds is None:
        return None
    account = _account(snapshot, snapshot.available_funds)
    return power_of(question.instrument.asset_class, account, snapshot.buying_power, rules=question.rules)


def _is_lent(question: Question, rate: Decimal, fee: Fee | None) -> bool:
    """Whether IBKR's own buying power carries an order that the rule would not."""
    power = _of_class(question)
    if power is None or power.today is None or not _is_of_today(question):
        return False
    instrument, quantity = question.instrument, abs(question.order.quantity)
    worth = quantity * question.quote.price * instrument.multiplier * rate
    return worth + _own(fee, question.snapshot) <= power.today


def _is_of_today(question: Question) -> bool:
    """Whether the order fills in regular hours of today or not at all, so that hours are left to make the position smaller."""
    intent = question.intent
    if intent.outside_rth or intent.time_in_force not in (TimeInForce.DAY, TimeInForce.IOC):
        return False
    calendar = calendar_of(question.snapshot)
    return calendar is None or calendar.is_open(question.now)


def _account(snapshot: Snapshot, available: Decimal) -> book.Account:
    return book.Account(
        type=snapshot.account_type,
        currency=snapshot.currency,
        available=available,
        balances={snapshot.currency: snapshot.cash} if snapshot.cash is not None else {},
    )


def _own(fee: Fee | None, snapshot: Snapshot) -> Decimal:
    """The fee where it is in the account's currency; nothing else can be added to what an order needs."""
    return fee.amount if fee and fee.currency == snapshot.currency else book.ZERO


def name_of(instrument: book.Instrument) -> str:
    """What a margin of its own is called by: the product of a future, else what is traded."""
    return instrument.product or instrument.symbol
