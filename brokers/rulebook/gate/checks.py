"""Each check of the gate: one question, one reason. Their order is the order of the answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from math import gcd

from brokers.rulebook.answers import Denied
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.capabilities import asset_class_denied, cell_denied
from brokers.rulebook.errors import BadInput
from brokers.rulebook.gate.permissions import permission_denied
from brokers.rulebook.gate.sessions import closing_deadline_denied, opening_window_denied
from brokers.rulebook.gate.sizes import size_denied
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import PERMISSIONS_UNKNOWN, Instrument, Order, Permissions, Position, Quote
from brokers.rulebook.words import COMBO_TYPES, OPTION_CLASSES, AssetClass, OrderType, TimeInForce

MAX_PRICED_LEGS = 3


@dataclass(slots=True)
class Question:
    """One order before the gate. Not frozen only because it is made for every order and thrown away."""

    instrument: Instrument
    order: Order
    rules: Ruleset
    effective_type: str
    effective_tif: str
    now: datetime | None = None
    calendar: Calendar | None = None
    quote: Quote | None = None
    fx_rate: Decimal | None = None
    usd_rate: Decimal | None = None
    position: Position | None = None
    leg_count: int | None = None
    leg_ratios: Sequence[Decimal] | None = None
    exchange_open: bool | None = None
    today: date | None = None
    underlying_splits_now: bool = False
    permissions: Permissions = PERMISSIONS_UNKNOWN


def asset_class(question: Question) -> Denied | None:
    return asset_class_denied(question.instrument.asset_class, question.rules)


def tradable(question: Question) -> Denied | None:
    return None if question.instrument.tradable else question.rules.deny("not_tradable")


def permitted(question: Question) -> Denied | None:
    if question.permissions is PERMISSIONS_UNKNOWN:
        return None
    return permission_denied(question.instrument, question.permissions, question.rules)


def order_type(question: Question) -> Denied | None:
    if question.order.type in question.rules.order_types:
        return None
    return question.rules.deny("order_type_not_supported", order_type=question.order.type)


def quantity(question: Question) -> Denied | None:
    return question.rules.deny("quantity_zero") if question.order.quantity == 0 else None


def lot(question: Question) -> Denied | None:
    lot_size, requested = question.instrument.lot_size, question.order.quantity
    if lot_size is None:
        return None
    if abs(requested) < lot_size:
        return question.rules.deny("quantity_below_lot_size", quantity=requested, lot_size=lot_size)
    if question.rules.policy.deny_fractions and requested % lot_size:
        suggested = (requested / lot_size).to_integral_value(ROUND_DOWN) * lot_size
        return question.rules.deny("fractional_quantity_not_supported", quantity=requested, suggested=suggested)
    return None


def exercise_settlement(question: Question) -> Denied | None:
    if question.order.type != OrderType.OPTION_EXERCISE:
        return None
    instrument = question.instrument
    if instrument.asset_class == AssetClass.INDEX_OPTION or (
        instrument.asset_class in OPTION_CLASSES and instrument.settlement == "cash"
    ):
        return question.rules.deny("exercise_not_supported_for_index_or_cash_settled")
    return None


def cell(question: Question) -> Denied | None:
    return cell_denied(question.instrument.asset_class, question.effective_type, question.rules)


def opening_window(question: Question) -> Denied | None:
    # A market order that will wait for the open is ours to hold, so only a real market-on-open has a window.
    if question.order.type != OrderType.MARKET_ON_OPEN or question.now is None or question.calendar is None:
        return None
    return opening_window_denied(question.now, question.calendar, question.rules)


def closing_deadline(question: Question) -> Denied | None:
    if question.order.type != OrderType.MARKET_ON_CLOSE or question.now is None or question.calendar is None:
        return None
    return closing_deadline_denied(question.now, question.calendar, question.rules)


def combo_legs(question: Question) -> Denied | None:
    if question.order.type != OrderType.COMBO_LEG_LIMIT:
        return None
    count = (
        len(question.leg_ratios)
        if question.leg_count is None and question.leg_ratios is not None
        else question.leg_count
    )
    if count is None or count <= MAX_PRICED_LEGS:
        return None
    return question.rules.deny("combo_leg_limit_max_3_legs", legs=count)


def combo_ratios(question: Question) -> Denied | None:
    if question.order.type not in COMBO_TYPES or question.leg_ratios is None:
        return None
    divisor = ratio_divisor(question.leg_ratios)
    return None if divisor == 1 else question.rules.deny("combo_ratio_not_reduced", gcd=divisor)


def forex_size(question: Question) -> Denied | None:
    if question.instrument.asset_class != AssetClass.FOREX:
        return None
    return size_denied(question.instrument.base, question.order.quantity, question.rules, usd_rate=question.usd_rate)


def time_in_force(question: Question) -> Denied | None:
    tif, rules = question.effective_tif, question.rules
    if tif not in rules.times_in_force:
        return rules.deny("time_in_force_not_supported", time_in_force=tif)
    if tif != TimeInForce.GTD:
        return None
    until = question.order.good_til_date
    if until is None:
        # Without a clock nobody asks about dates: only the kind of order is in question.
        return rules.deny("good_til_date_missing") if question.now is not None else None
    if rules.policy.deny_past_good_til_date and question.today is not None and until < question.today:
        return rules.deny("good_til_date_in_past", good_til_date=until)
    return None


def exercise(question: Question) -> Denied | None:
    if question.order.type != OrderType.OPTION_EXERCISE:
        return None
    rules, instrument, requested = question.rules, question.instrument, question.order.quantity
    if instrument.asset_class not in OPTION_CLASSES:
        return rules.deny("not_exercisable", asset_class=instrument.asset_class)
    if question.position is not None:
        held = question.position.quantity
        if held < 0 or requested < 0:
            return rules.deny("only_long_options_exercisable")
        if requested > held:
            return rules.deny("exercise_exceeds_holding", holding=held, quantity=requested)
    if question.exchange_open is False:
        return rules.deny("exchange_not_open")
    early = instrument.expiry is not None and question.today is not None and question.today < instrument.expiry
    if instrument.style == "european" and early:
        return rules.deny("european_option_not_expired", expiry=instrument.expiry)
    return None


def price(question: Question) -> Denied | None:
    if question.quote is not None:
        missing = missing_price(question.order)
        if missing is not None:
            return question.rules.deny("order_price_missing", price=missing, order_type=question.order.type)
        if question.quote.price == 0:
            return question.rules.deny("no_price")
    if question.fx_rate is not None and question.fx_rate == 0:
        return question.rules.deny("no_fx_rate", name=question.instrument.currency)
    return None


def underlying_split(question: Question) -> Denied | None:
    if question.underlying_splits_now and question.instrument.asset_class in OPTION_CLASSES:
        return question.rules.deny("option_order_on_underlying_split")
    return None


_NEEDED_PRICES: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP_MARKET: ("stop_price",),
    OrderType.STOP_LIMIT: ("stop_price", "limit_price"),
    OrderType.LIMIT_IF_TOUCHED: ("trigger_price", "limit_price"),
    OrderType.MARKET_IF_TOUCHED: ("trigger_price",),
    OrderType.TRAILING_STOP_LIMIT: ("trailing_amount", "stop_price", "limit_price"),
    OrderType.LIMIT_ON_OPEN: ("limit_price",),
    OrderType.LIMIT_ON_CLOSE: ("limit_price",),
    OrderType.TRAILING_STOP: ("trailing_amount",),
    OrderType.COMBO_LIMIT: ("group_limit_price",),
}


def missing_price(order: Order) -> str | None:
    """The first price that the order type needs and the order lacks."""
    return next((name for name in _NEEDED_PRICES.get(order.type, ()) if getattr(order, name) is None), None)


def ratio_divisor(ratios: Sequence[Decimal]) -> int:
    """The greatest common divisor of leg ratios; whole numbers only."""
    if any(ratio != ratio.to_integral_value() for ratio in ratios):
        raise BadInput("leg_ratios", problem="each must be a whole number")
    return gcd(*(int(ratio) for ratio in ratios))


Check = Callable[[Question], Denied | None]

BROKERAGE_CHECKS: tuple[Check, ...] = (
    asset_class,
    tradable,
    permitted,
    order_type,
    quantity,
    lot,
    exercise_settlement,
    cell,
    opening_window,
    closing_deadline,
    combo_legs,
    combo_ratios,
    forex_size,
    time_in_force,
    exercise,
    price,
    underlying_split,
)

# Checks that concern some order types or classes only; the rest concern every order.
_BY_TYPE: dict[Check, frozenset[str]] = {
    exercise_settlement: frozenset({OrderType.OPTION_EXERCISE}),
    opening_window: frozenset({OrderType.MARKET_ON_OPEN}),
    closing_deadline: frozenset({OrderType.MARKET_ON_CLOSE}),
    combo_legs: frozenset({OrderType.COMBO_LEG_LIMIT}),
    combo_ratios: COMBO_TYPES,
    exercise: frozenset({OrderType.OPTION_EXERCISE}),
}
_BY_CLASS: dict[Check, frozenset[str]] = {
    forex_size: frozenset({AssetClass.FOREX}),
    underlying_split: OPTION_CLASSES,
}


@lru_cache(maxsize=512)
def checks_for(type_of_order: str, class_of_instrument: str) -> tuple[Check, ...]:
    """The checks that can say anything about such an order, in their order."""
    return tuple(
        check
        for check in BROKERAGE_CHECKS
        if type_of_order in _BY_TYPE.get(check, (type_of_order,))
        and class_of_instrument in _BY_CLASS.get(check, (class_of_instrument,))
    )
