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
from brokers.rulebook.values import NOTHING_SAID, Instrument, Order, Permissions, Position, Quote
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
    permissions: Permissions = NOTHING_SAID


def asset_class(asked: Question) -> Denied | None:
    return asset_class_denied(asked.instrument.asset_class, asked.rules)


def tradable(asked: Question) -> Denied | None:
    return None if asked.instrument.tradable else asked.rules.deny("not_tradable")


def permitted(asked: Question) -> Denied | None:
    if asked.permissions is NOTHING_SAID:
        return None
    return permission_denied(asked.instrument, asked.permissions, asked.rules)


def order_type(asked: Question) -> Denied | None:
    if asked.order.type in asked.rules.order_types:
        return None
    return asked.rules.deny("order_type_not_supported", order_type=asked.order.type)


def quantity(asked: Question) -> Denied | None:
    return asked.rules.deny("quantity_zero") if asked.order.quantity == 0 else None


def lot(asked: Question) -> Denied | None:
    lot_size, wanted = asked.instrument.lot_size, asked.order.quantity
    if lot_size is None:
        return None
    if abs(wanted) < lot_size:
        return asked.rules.deny("quantity_below_lot_size", quantity=wanted, lot_size=lot_size)
    if asked.rules.policy.deny_fractions and wanted % lot_size:
        suggested = (wanted / lot_size).to_integral_value(ROUND_DOWN) * lot_size
        return asked.rules.deny("fractional_quantity_not_supported", quantity=wanted, suggested=suggested)
    return None


def exercise_settlement(asked: Question) -> Denied | None:
    if asked.order.type != OrderType.OPTION_EXERCISE:
        return None
    instrument = asked.instrument
    if instrument.asset_class == AssetClass.INDEX_OPTION or (
        instrument.asset_class in OPTION_CLASSES and instrument.settlement == "cash"
    ):
        return asked.rules.deny("exercise_not_supported_for_index_or_cash_settled")
    return None


def cell(asked: Question) -> Denied | None:
    return cell_denied(asked.instrument.asset_class, asked.effective_type, asked.rules)


def opening_window(asked: Question) -> Denied | None:
    # A market order that will wait for the open is ours to hold, so only a real market-on-open has a window.
    if asked.order.type != OrderType.MARKET_ON_OPEN or asked.now is None or asked.calendar is None:
        return None
    return opening_window_denied(asked.now, asked.calendar, asked.rules)


def closing_deadline(asked: Question) -> Denied | None:
    if asked.order.type != OrderType.MARKET_ON_CLOSE or asked.now is None or asked.calendar is None:
        return None
    return closing_deadline_denied(asked.now, asked.calendar, asked.rules)


def combo_legs(asked: Question) -> Denied | None:
    if asked.order.type != OrderType.COMBO_LEG_LIMIT:
        return None
    count = len(asked.leg_ratios) if asked.leg_count is None and asked.leg_ratios is not None else asked.leg_count
    if count is None or count <= MAX_PRICED_LEGS:
        return None
    return asked.rules.deny("combo_leg_limit_max_3_legs", legs=count)


def combo_ratios(asked: Question) -> Denied | None:
    if asked.order.type not in COMBO_TYPES or asked.leg_ratios is None:
        return None
    divisor = ratio_divisor(asked.leg_ratios)
    return None if divisor == 1 else asked.rules.deny("combo_ratio_not_reduced", gcd=divisor)


def forex_size(asked: Question) -> Denied | None:
    if asked.instrument.asset_class != AssetClass.FOREX:
        return None
    return size_denied(asked.instrument.base, asked.order.quantity, asked.rules, usd_rate=asked.usd_rate)


def time_in_force(asked: Question) -> Denied | None:
    tif, rules = asked.effective_tif, asked.rules
    if tif not in rules.times_in_force:
        return rules.deny("time_in_force_not_supported", time_in_force=tif)
    if tif != TimeInForce.GTD:
        return None
    until = asked.order.good_til_date
    if until is None:
        # Without a clock nobody asks about dates: only the kind of order is in question.
        return rules.deny("good_til_date_missing") if asked.now is not None else None
    if rules.policy.deny_past_good_til_date and asked.today is not None and until < asked.today:
        return rules.deny("good_til_date_in_past", good_til_date=until)
    return None


def exercise(asked: Question) -> Denied | None:
    if asked.order.type != OrderType.OPTION_EXERCISE:
        return None
    rules, instrument, wanted = asked.rules, asked.instrument, asked.order.quantity
    if instrument.asset_class not in OPTION_CLASSES:
        return rules.deny("not_exercisable", asset_class=instrument.asset_class)
    if asked.position is not None:
        held = asked.position.quantity
        if held < 0 or wanted < 0:
            return rules.deny("only_long_options_exercisable")
        if wanted > held:
            return rules.deny("exercise_exceeds_holding", holding=held, quantity=wanted)
    if asked.exchange_open is False:
        return rules.deny("exchange_not_open")
    early = instrument.expiry is not None and asked.today is not None and asked.today < instrument.expiry
    if instrument.style == "european" and early:
        return rules.deny("european_option_not_expired", expiry=instrument.expiry)
    return None


def price(asked: Question) -> Denied | None:
    if asked.quote is not None:
        missing = missing_price(asked.order)
        if missing is not None:
            return asked.rules.deny("order_price_missing", price=missing, order_type=asked.order.type)
        if asked.quote.price == 0:
            return asked.rules.deny("no_price")
    if asked.fx_rate is not None and asked.fx_rate == 0:
        return asked.rules.deny("no_fx_rate", name=asked.instrument.currency)
    return None


def underlying_split(asked: Question) -> Denied | None:
    if asked.underlying_splits_now and asked.instrument.asset_class in OPTION_CLASSES:
        return asked.rules.deny("option_order_on_underlying_split")
    return None


_NEEDED_PRICES: dict[str, tuple[str, ...]] = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP_MARKET: ("stop_price",),
    OrderType.STOP_LIMIT: ("stop_price", "limit_price"),
    OrderType.LIMIT_IF_TOUCHED: ("trigger_price", "limit_price"),
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
def checks_for(wanted_type: str, wanted_class: str) -> tuple[Check, ...]:
    """The checks that can say anything about such an order, in their order."""
    return tuple(
        check
        for check in BROKERAGE_CHECKS
        if wanted_type in _BY_TYPE.get(check, (wanted_type,)) and wanted_class in _BY_CLASS.get(check, (wanted_class,))
    )
