"""The pre-trade gate: would the broker take this order? First failure for machines, every failure for people."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from brokers.rulebook import rulesets
from brokers.rulebook.answers import Accepted, Caution, Denied, Verdict
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.capabilities import EXPERIMENTAL
from brokers.rulebook.gate.checks import BROKERAGE_CHECKS, Question, checks_for
from brokers.rulebook.gate.permissions import opening_caution
from brokers.rulebook.gate.sessions import effective_order_type
from brokers.rulebook.gate.sizes import is_odd_lot
from brokers.rulebook.gate.tif import effective_time_in_force
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Instrument, Order, Permissions, Position, Quote
from brokers.rulebook.words import ON_CLOSE, ON_OPEN, AssetClass, OrderType

SENDS_NO_OUTSIDE_HOURS = ON_OPEN | ON_CLOSE | {OrderType.MARKET}


class Facts(TypedDict, total=False):
    """What the checks may look at besides the order; a fact left out is a check left out."""

    quote: Quote | None
    fx_rate: Decimal | None
    usd_rate: Decimal | None
    position: Position | None
    leg_count: int | None
    leg_ratios: Sequence[Decimal] | None
    exchange_open: bool | None
    today: date | None
    underlying_splits_now: bool
    permissions: Permissions


def build_question(
    instrument: Instrument,
    order: Order,
    now: datetime | None = None,
    calendar: Calendar | None = None,
    *,
    rules: Ruleset | None = None,
    **facts: Unpack[Facts],
) -> Question:
    """The order with its facts, and those that a clock and a calendar add: the effective type, today, an open exchange."""
    effective = order.type
    if now is not None:
        if facts.get("today") is None:
            facts["today"] = (calendar.local(now) if calendar else now.astimezone(UTC)).date()
        if calendar is not None and order.type == OrderType.OPTION_EXERCISE and facts.get("exchange_open") is None:
            facts["exchange_open"] = calendar.is_open(now)
        if calendar is not None and order.type == OrderType.MARKET:
            effective = effective_order_type(instrument.asset_class, order.type, now, calendar)
    tif = effective_time_in_force(effective, order.time_in_force)
    return Question(instrument, order, rules or rulesets.load(), effective, tif, now, calendar, **facts)


def validate(
    instrument: Instrument,
    order: Order,
    now: datetime | None = None,
    calendar: Calendar | None = None,
    *,
    rules: Ruleset | None = None,
    **facts: Unpack[Facts],
) -> Verdict:
    """Whether the broker would take the order: accepted with its cautions, or the first reason why not.

    A fact that is left out is a check left out: without `now` and `calendar` no window is tested, without `quote` no price.
    BadInput for leg ratios that are not whole numbers.
    """
    return judge(build_question(instrument, order, now, calendar, rules=rules, **facts))


def judge(question: Question) -> Verdict:
    """The first reason why not, by the checks that concern the order; else accepted with its cautions."""
    for check in checks_for(question.order.type, question.instrument.asset_class):
        denied = check(question)
        if denied is not None:
            return denied
    return Accepted(question.rules.provenance, cautions(question))


def every_denial(question: Question) -> tuple[Denied, ...]:
    """All reasons at once, for a form that shows them beside its fields."""
    return tuple(denied for check in BROKERAGE_CHECKS if (denied := check(question)) is not None)


def cautions(question: Question) -> tuple[Caution, ...]:
    """What a person should know although the order is taken."""
    order, instrument, rules = question.order, question.instrument, question.rules
    warnings = []
    if order.outside_regular_hours and order.type in SENDS_NO_OUTSIDE_HOURS:
        warnings.append(rules.caution("outside_rth_ignored", order_type=order.type))
    if question.effective_type != order.type:
        warnings.append(rules.caution("market_becomes_market_on_open"))
    if (order.type, instrument.asset_class) in EXPERIMENTAL:
        warnings.append(
            rules.caution("experimental_order_type", order_type=order.type, asset_class=instrument.asset_class)
        )
    if instrument.asset_class == AssetClass.FOREX and is_odd_lot(instrument.base, order.quantity, rules):
        minimum = rules.forex_sizes[instrument.base].minimum
        warnings.append(rules.caution("forex_below_minimum", min=minimum, currency=instrument.base))
    opening = opening_caution(question.permissions, rules)
    if opening is not None:
        warnings.append(opening)
    lot = instrument.lot_size
    if lot is not None and order.quantity % lot:
        suggested = order.quantity - order.quantity % lot
        warnings.append(rules.caution("quantity_truncated", quantity=order.quantity, suggested=suggested))
    return tuple(warnings)
