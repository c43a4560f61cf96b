"""Operations about margin, buying power and sizing."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from brokers.rulebook import capabilities, pricing
from brokers.rulebook.errors import MissingMarginData, TargetOutOfRange
from brokers.rulebook.margin import cash, options, security
from brokers.rulebook.margin.futures import MarginRow, future_margin, future_option_margin, margin_rows
from brokers.rulebook.margin.security import Sufficiency
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ONE, ZERO, Order
from brokers.rulebook.vectors import sizing
from brokers.rulebook.vectors.reading import (
    Given,
    maybe,
    maybe_day,
    maybe_part,
    number,
    part,
    parts,
    read_instrument,
    read_numbers,
    read_open_order,
    read_order,
    text,
    word,
)
from brokers.rulebook.vectors.writing import Answer, plain


def initial_margin(given: Given, rules: Ruleset) -> Answer:
    return {"margin": plain(_security_margin(security.initial_margin, given, rules))}


def maintenance_margin(given: Given, rules: Ruleset) -> Answer:
    return {"margin": plain(_security_margin(_maintenance_margin, given, rules))}


def _maintenance_margin(
    quantity: Decimal, price: Decimal, leverage: Decimal, *, multiplier: Decimal = ONE, fx_rate: Decimal = ONE
) -> Decimal:
    return abs(security.initial_margin(quantity, price, leverage, multiplier=multiplier, fx_rate=fx_rate))


def _security_margin(rule: Callable[..., Decimal], given: Given, rules: Ruleset) -> Decimal:
    times = maybe(given, "leverage")
    if times is None:
        times = capabilities.leverage(text(given, "asset_class"), word(given, "account_type") or "margin", rules)
    return rule(
        number(given, "quantity"),
        number(given, "price"),
        times,
        multiplier=number(given, "multiplier", ONE),
        fx_rate=number(given, "fx_rate_to_account", ONE),
    )


def margin_remaining(given: Given, _rules: Ruleset) -> Answer:
    total, used = number(given, "total_portfolio_value"), number(given, "total_margin_used")
    unsettled = number(given, "unsettled_cash", ZERO)
    if not given.get("direction"):
        left = security.margin_remaining(total_value=total, margin_used=used, unsettled_cash=unsettled)
        return {"margin_remaining": plain(left)}
    left = security.available_margin(
        total_value=total,
        margin_used=used,
        buy=text(given, "direction") == "buy",
        unsettled_cash=unsettled,
        holding_quantity=number(given, "holding_quantity", ZERO),
        holding_initial=number(given, "holding_initial_margin", ZERO),
        holding_maintenance=number(given, "holding_maintenance_margin", ZERO),
        required_free_fraction=number(given, "required_free_buying_power_pct", ZERO),
    )
    return {"margin_remaining": plain(left)}


def has_sufficient_buying_power(given: Given, _rules: Ruleset) -> Answer:
    quantity = number(given, "order_quantity")
    margin = security.with_fee(number(given, "initial_margin_per_unit") * quantity, number(given, "order_fee", ZERO))
    found = security.has_sufficient_margin(
        quantity,
        margin,
        number(given, "free_margin"),
        holding_quantity=number(given, "holding_quantity", ZERO),
        filled_quantity=number(given, "filled_quantity", ZERO),
    )
    return _sufficiency(found, "insufficient_buying_power")


def cash_has_sufficient_buying_power(given: Given, rules: Ruleset) -> Answer:
    if not given.get("base"):
        return {"sufficient": False, "reason": "unsupported_security"}
    price, quote_rate = number(given, "price"), number(given, "quote_rate_to_account", ONE)
    order = read_order(part(given, "order"))
    found = cash.cash_is_sufficient(
        order,
        base=text(given, "base"),
        quote=text(given, "quote"),
        price=price,
        balances=read_numbers(maybe_part(given, "balances")),
        open_orders=[read_open_order(row) for row in parts(given, "open_orders")],
        fee_in_quote=_fee_in_quote(given, order, price),
        fee_of=_fee_of(given, price * quote_rate, number(given, "fee_in_quote", ZERO) * quote_rate),
        base_rate=number(given, "base_rate_to_account", price * quote_rate),
        quote_rate=quote_rate,
        lot_size=number(given, "lot_size", ONE),
        reserve_every_type=rules.policy.reserve_all_open_orders,
    )
    return _sufficiency(found, "insufficient_cash")


def _fee_in_quote(given: Given, order: Order, price: Decimal) -> Decimal:
    """Stated outright, or as a rate on what the order is worth."""
    stated, rate = maybe(given, "fee_in_quote"), maybe(given, "fee_rate")
    if stated is not None or rate is None:
        return stated or ZERO
    own = pricing.own_price(order)
    return abs(order.quantity) * (price if own is None else own) * rate


def _fee_of(given: Given, unit_price: Decimal, flat: Decimal) -> Callable[[Decimal], Decimal]:
    rate = maybe(given, "fee_rate")
    if rate is None:
        return lambda _quantity: flat
    return lambda quantity: quantity * unit_price * rate


def _sufficiency(found: Sufficiency, reason: str) -> Answer:
    answer: Answer = {"sufficient": found.sufficient}
    if found.required is not None:
        answer["required"] = plain(found.required)
    if not found.sufficient:
        answer["reason"] = reason
    return answer


def cash_max_order_quantity(given: Given, _rules: Ruleset) -> Answer:
    target, base = number(given, "target_value"), number(given, "base_value", ZERO)
    unit = number(given, "ask" if target > base else "bid") * number(given, "quote_rate_to_account", ONE)
    quantity = cash.max_quantity_for_value(
        target,
        base,
        unit_price=unit,
        lot_size=number(given, "lot_size", ONE),
        fee_of=_fee_of(given, unit, number(given, "fee_in_account", ZERO)),
    )
    return {"quantity": plain(quantity)}


def option_initial_margin(given: Given, _rules: Ruleset) -> Answer:
    margin = options.option_initial_margin(
        read_instrument(given), number(given, "quantity"), number(given, "underlying_price"), number(given, "premium")
    )
    return {"margin": plain(margin)}


def option_maintenance_margin(given: Given, _rules: Ruleset) -> Answer:
    margin = options.option_maintenance_margin(
        read_instrument(given),
        number(given, "quantity"),
        number(given, "underlying_price"),
        number(given, "premium_basis"),
    )
    return {"margin": plain(margin)}


def future_margins(given: Given, _rules: Ruleset) -> Answer:
    """With rows of the caller's own, or with the product's from our table."""
    own = parts(given, "margin_table")
    rows = [_margin_row(row) for row in own] if "margin_table" in given else list(margin_rows(text(given, "product")))
    if not rows:
        raise MissingMarginData(word(given, "product") or "this contract", table="margin_table")
    day = maybe_day(given, "date")
    intraday = bool(given.get("intraday_enabled") and given.get("exchange_open") and not given.get("closing_soon"))
    found = future_margin(
        rows,
        number(given, "quantity"),
        day if day is not None else rows[-1].since,
        fx_rate=number(given, "fx_rate_to_account", ONE),
        intraday=intraday,
    )
    return {"initial": plain(found.initial), "maintenance": plain(found.maintenance)}


def _margin_row(row: Given) -> MarginRow:
    since = maybe_day(row, "date")
    return MarginRow(since or date.min, number(row, "initial"), number(row, "maintenance"))


def future_initial_margin_for_order(given: Given, _rules: Ruleset) -> Answer:
    margin = number(given, "initial_margin_per_contract") * number(given, "quantity")
    return {"margin": plain(security.with_fee(margin, number(given, "order_fee", ZERO)))}


def future_option_margins(given: Given, _rules: Ruleset) -> Answer:
    margin = future_option_margin(
        side=text(given, "side"),
        right=text(given, "right"),
        strike=number(given, "strike"),
        underlying_price=number(given, "underlying_price"),
        underlying_requirement=number(given, "underlying_requirement"),
    )
    return {"margin": plain(margin)}


def amount_to_order(given: Given, _rules: Ruleset) -> Answer:
    holding = number(given, "holding_quantity", ZERO)
    quantity = sizing.amount_to_order(
        number(given, "target_margin"), number(given, "margin_per_unit"), holding, number(given, "lot_size", ONE)
    )
    return {"quantity": plain(quantity), "final_holding": plain(holding + quantity)}


def order_quantity_for_target(given: Given, _rules: Ruleset) -> Answer:
    total, times = number(given, "total_portfolio_value"), number(given, "leverage", ONE)
    weight = number(given, "target_weight")
    unit = maybe(given, "initial_margin_per_unit")
    if unit is None:
        multiplier, fx_rate = number(given, "multiplier", ONE), number(given, "fx_rate_to_account", ONE)
        unit = security.initial_margin(ONE, number(given, "price"), times, multiplier=multiplier, fx_rate=fx_rate)
    try:
        quantity = sizing.quantity_for_target(
            sizing.buffered_target(weight, times, total, number(given, "free_portfolio_value", ZERO)),
            total_value=total,
            margin_per_unit=unit,
            holding=number(given, "holding_quantity", ZERO),
            lot_size=number(given, "lot_size", ONE),
            fee=number(given, "order_fee", ZERO),
            required_free_fraction=number(given, "required_free_buying_power_pct", ZERO),
            asset_class=word(given, "asset_class") or "",
        )
    except TargetOutOfRange as refused:
        return {"error": refused.code, "sentence": refused.sentence}
    return {"quantity": plain(quantity)}


def order_quantity_for_delta(given: Given, _rules: Ruleset) -> Answer:
    quantity = sizing.quantity_for_delta(
        number(given, "delta"),
        used_margin_signed=number(given, "used_margin_signed"),
        total_value=number(given, "total_portfolio_value"),
        margin_per_unit=number(given, "initial_margin_per_unit"),
        holding=number(given, "holding_quantity", ZERO),
        lot_size=number(given, "lot_size", ONE),
        fee=number(given, "order_fee", ZERO),
    )
    return {"quantity": plain(quantity)}


def option_order_quantity_for_target(given: Given, _rules: Ruleset) -> Answer:
    quantity = sizing.option_quantity_for_target(
        read_instrument({"asset_class": "option", **given}),
        number(given, "target"),
        total_value=number(given, "total_portfolio_value"),
        premium=number(given, "premium"),
        underlying_price=number(given, "underlying_price"),
        holding=number(given, "holding_quantity", ZERO),
        lot_size=number(given, "lot_size", ONE),
        fee=number(given, "order_fee", ZERO),
    )
    return {"quantity": plain(quantity)}


OPERATIONS = {
    "initial_margin": initial_margin,
    "maintenance_margin": maintenance_margin,
    "margin_remaining": margin_remaining,
    "has_sufficient_buying_power": has_sufficient_buying_power,
    "cash_has_sufficient_buying_power": cash_has_sufficient_buying_power,
    "cash_max_order_quantity": cash_max_order_quantity,
    "option_initial_margin": option_initial_margin,
    "option_maintenance_margin": option_maintenance_margin,
    "future_margin": future_margins,
    "future_initial_margin_for_order": future_initial_margin_for_order,
    "future_option_margin": future_option_margins,
    "amount_to_order": amount_to_order,
    "order_quantity_for_target": order_quantity_for_target,
    "order_quantity_for_delta": order_quantity_for_delta,
    "option_order_quantity_for_target": option_order_quantity_for_target,
}
