"""Operations about margin, buying power and sizing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from brokers.rulebook import capabilities, pricing
from brokers.rulebook.errors import MissingMarginData, TargetOutOfRange
from brokers.rulebook.margin import cash, options, security
from brokers.rulebook.margin.futures import MarginRow, future_margin, future_option_margin, margin_rows
from brokers.rulebook.margin.security import Sufficiency
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ONE, ZERO, Account, Order
from brokers.rulebook.vectors import sizing
from brokers.rulebook.vectors.reading import (
    Fields,
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
from brokers.rulebook.vectors.sizing import Budget
from brokers.rulebook.vectors.writing import Answer, plain


def initial_margin(case: Fields, rules: Ruleset) -> Answer:
    return {"margin": plain(_security_margin(security.initial_margin, case, rules))}


def maintenance_margin(case: Fields, rules: Ruleset) -> Answer:
    return {"margin": plain(_security_margin(_maintenance_margin, case, rules))}


def _maintenance_margin(
    quantity: Decimal, price: Decimal, leverage: Decimal, *, multiplier: Decimal = ONE, fx_rate: Decimal = ONE
) -> Decimal:
    return abs(security.initial_margin(quantity, price, leverage, multiplier=multiplier, fx_rate=fx_rate))


def _security_margin(rule: Callable[..., Decimal], case: Fields, rules: Ruleset) -> Decimal:
    times = maybe(case, "leverage")
    if times is None:
        times = capabilities.leverage(text(case, "asset_class"), word(case, "account_type") or "margin", rules)
    return rule(
        number(case, "quantity"),
        number(case, "price"),
        times,
        multiplier=number(case, "multiplier", ONE),
        fx_rate=number(case, "fx_rate_to_account", ONE),
    )


def margin_remaining(case: Fields, _rules: Ruleset) -> Answer:
    account = Account(
        total_value=number(case, "total_portfolio_value"),
        margin_used=number(case, "total_margin_used"),
        unsettled_cash=number(case, "unsettled_cash", ZERO),
        required_free_fraction=number(case, "required_free_buying_power_pct", ZERO),
    )
    if not case.get("direction"):
        return {"margin_remaining": plain(security.margin_remaining(account))}
    left = security.available_margin(
        account,
        buy=text(case, "direction") == "buy",
        holding_quantity=number(case, "holding_quantity", ZERO),
        holding_initial=number(case, "holding_initial_margin", ZERO),
        holding_maintenance=number(case, "holding_maintenance_margin", ZERO),
    )
    return {"margin_remaining": plain(left)}


def has_sufficient_buying_power(case: Fields, _rules: Ruleset) -> Answer:
    quantity = number(case, "order_quantity")
    margin = security.with_fee(number(case, "initial_margin_per_unit") * quantity, number(case, "order_fee", ZERO))
    sufficiency = security.has_sufficient_margin(
        quantity,
        margin,
        number(case, "free_margin"),
        holding_quantity=number(case, "holding_quantity", ZERO),
        filled_quantity=number(case, "filled_quantity", ZERO),
    )
    return _sufficiency(sufficiency, "insufficient_buying_power")


def cash_has_sufficient_buying_power(case: Fields, rules: Ruleset) -> Answer:
    if not case.get("base"):
        return {"sufficient": False, "reason": "unsupported_security"}
    price, quote_rate = number(case, "price"), number(case, "quote_rate_to_account", ONE)
    order = read_order(part(case, "order"))
    sufficiency = cash.cash_is_sufficient(
        order,
        base=text(case, "base"),
        quote=text(case, "quote"),
        price=price,
        balances=read_numbers(maybe_part(case, "balances")),
        open_orders=[read_open_order(row) for row in parts(case, "open_orders")],
        fee_in_quote=_fee_in_quote(case, order, price),
        fee_of=_fee_of(case, price * quote_rate, number(case, "fee_in_quote", ZERO) * quote_rate),
        base_rate=number(case, "base_rate_to_account", price * quote_rate),
        quote_rate=quote_rate,
        lot_size=number(case, "lot_size", ONE),
        reserve_every_type=rules.policy.reserve_all_open_orders,
    )
    return _sufficiency(sufficiency, "insufficient_cash")


def _fee_in_quote(case: Fields, order: Order, price: Decimal) -> Decimal:
    """Stated outright, or as a rate on what the order is worth."""
    stated, rate = maybe(case, "fee_in_quote"), maybe(case, "fee_rate")
    if stated is not None or rate is None:
        return stated or ZERO
    own = pricing.own_price(order)
    return abs(order.quantity) * (price if own is None else own) * rate


def _fee_of(case: Fields, unit_price: Decimal, flat: Decimal) -> Callable[[Decimal], Decimal]:
    rate = maybe(case, "fee_rate")
    if rate is None:
        return lambda _quantity: flat
    return lambda quantity: quantity * unit_price * rate


def _sufficiency(sufficiency: Sufficiency, reason: str) -> Answer:
    answer: Answer = {"sufficient": sufficiency.sufficient}
    if sufficiency.required is not None:
        answer["required"] = plain(sufficiency.required)
    if not sufficiency.sufficient:
        answer["reason"] = reason
    return answer


def cash_max_order_quantity(case: Fields, _rules: Ruleset) -> Answer:
    target, base = number(case, "target_value"), number(case, "base_value", ZERO)
    unit = number(case, "ask" if target > base else "bid") * number(case, "quote_rate_to_account", ONE)
    quantity = cash.max_quantity_for_value(
        target,
        base,
        unit_price=unit,
        lot_size=number(case, "lot_size", ONE),
        fee_of=_fee_of(case, unit, number(case, "fee_in_account", ZERO)),
    )
    return {"quantity": plain(quantity)}


def option_initial_margin(case: Fields, _rules: Ruleset) -> Answer:
    margin = options.option_initial_margin(
        read_instrument(case), number(case, "quantity"), number(case, "underlying_price"), number(case, "premium")
    )
    return {"margin": plain(margin)}


def option_maintenance_margin(case: Fields, _rules: Ruleset) -> Answer:
    margin = options.option_maintenance_margin(
        read_instrument(case),
        number(case, "quantity"),
        number(case, "underlying_price"),
        number(case, "premium_basis"),
    )
    return {"margin": plain(margin)}


def future_margins(case: Fields, _rules: Ruleset) -> Answer:
    """With rows of the caller's own, or with the product's from our table."""
    own = parts(case, "margin_table")
    rows = [_margin_row(row) for row in own] if "margin_table" in case else list(margin_rows(text(case, "product")))
    if not rows:
        raise MissingMarginData(word(case, "product") or "this contract", table="margin_table")
    day = maybe_day(case, "date")
    intraday = bool(case.get("intraday_enabled") and case.get("exchange_open") and not case.get("closing_soon"))
    margin = future_margin(
        rows,
        number(case, "quantity"),
        day if day is not None else rows[-1].since,
        fx_rate=number(case, "fx_rate_to_account", ONE),
        intraday=intraday,
    )
    return {"initial": plain(margin.initial), "maintenance": plain(margin.maintenance)}


def _margin_row(row: Fields) -> MarginRow:
    since = maybe_day(row, "date")
    return MarginRow(since or date.min, number(row, "initial"), number(row, "maintenance"))


def future_initial_margin_for_order(case: Fields, _rules: Ruleset) -> Answer:
    margin = number(case, "initial_margin_per_contract") * number(case, "quantity")
    return {"margin": plain(security.with_fee(margin, number(case, "order_fee", ZERO)))}


def future_option_margins(case: Fields, _rules: Ruleset) -> Answer:
    margin = future_option_margin(
        side=text(case, "side"),
        right=text(case, "right"),
        strike=number(case, "strike"),
        underlying_price=number(case, "underlying_price"),
        underlying_requirement=number(case, "underlying_requirement"),
    )
    return {"margin": plain(margin)}


def amount_to_order(case: Fields, _rules: Ruleset) -> Answer:
    holding = number(case, "holding_quantity", ZERO)
    quantity = sizing.amount_to_order(
        number(case, "target_margin"), number(case, "margin_per_unit"), holding, number(case, "lot_size", ONE)
    )
    return {"quantity": plain(quantity), "final_holding": plain(holding + quantity)}


def order_quantity_for_target(case: Fields, _rules: Ruleset) -> Answer:
    times, weight = number(case, "leverage", ONE), number(case, "target_weight")
    unit = maybe(case, "initial_margin_per_unit")
    if unit is None:
        multiplier, fx_rate = number(case, "multiplier", ONE), number(case, "fx_rate_to_account", ONE)
        unit = security.initial_margin(ONE, number(case, "price"), times, multiplier=multiplier, fx_rate=fx_rate)
    budget = replace(_budget(case, unit), required_free_fraction=number(case, "required_free_buying_power_pct", ZERO))
    target = sizing.buffered_target(weight, times, budget.total_value, number(case, "free_portfolio_value", ZERO))
    try:
        quantity = sizing.quantity_for_target(target, budget, asset_class=word(case, "asset_class") or "")
    except TargetOutOfRange as refused:
        return {"error": refused.code, "sentence": refused.sentence}
    return {"quantity": plain(quantity)}


def order_quantity_for_delta(case: Fields, _rules: Ruleset) -> Answer:
    budget = _budget(case, number(case, "initial_margin_per_unit"))
    quantity = sizing.quantity_for_delta(number(case, "delta"), number(case, "used_margin_signed"), budget)
    return {"quantity": plain(quantity)}


def option_order_quantity_for_target(case: Fields, _rules: Ruleset) -> Answer:
    instrument = read_instrument({"asset_class": "option", **case})
    target, premium = number(case, "target"), number(case, "premium")
    unit = sizing.option_margin_per_unit(instrument, target, premium, number(case, "underlying_price"))
    return {"quantity": plain(sizing.quantity_for_target(target, _budget(case, unit)))}


def _budget(case: Fields, margin_per_unit: Decimal) -> Budget:
    return Budget(
        total_value=number(case, "total_portfolio_value"),
        margin_per_unit=margin_per_unit,
        holding=number(case, "holding_quantity", ZERO),
        lot_size=number(case, "lot_size", ONE),
        fee=number(case, "order_fee", ZERO),
    )


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
