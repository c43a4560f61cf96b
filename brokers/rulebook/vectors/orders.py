"""Operations about whether an order is taken: types, gate, updates, rounding, splits, time in force."""

from typing import Any

from brokers.rulebook import capabilities
from brokers.rulebook.gate import tif
from brokers.rulebook.gate.checks import ratio_divisor
from brokers.rulebook.gate.sessions import effective_order_type
from brokers.rulebook.gate.sizes import size_denied
from brokers.rulebook.gate.validation import question, verdict
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Order, Position, Quote
from brokers.rulebook.vectors import rounding, splits, wire
from brokers.rulebook.vectors.engine import ENGINE_CHECKS, futures_opening
from brokers.rulebook.vectors.reading import (
    Given,
    instant,
    maybe,
    maybe_calendar,
    maybe_day,
    maybe_instant,
    number,
    part,
    parts,
    read_calendar,
    read_instrument,
    read_order,
    text,
    word,
)
from brokers.rulebook.vectors.updates import OrderUpdate, validate_update
from brokers.rulebook.vectors.writing import Answer, from_denial, from_verdict, plain, stamp


def order_type_supported(given: Given, rules: Ruleset) -> Answer:
    rules = rules.over(word(given, "connection") or "")
    return from_verdict(capabilities.order_type_supported(text(given, "asset_class"), text(given, "order_type"), rules))


def _question(given: Given, rules: Ruleset) -> Any:
    position = None
    if given.get("holding_quantity") is not None:
        position = Position(quantity=number(given, "holding_quantity"))
    return question(
        read_instrument(given),
        read_order(part(given, "order"), given=given),
        maybe_instant(given, "now_utc"),
        maybe_calendar(given),
        rules=rules,
        quote=Quote(price=number(given, "price")) if given.get("price") is not None else None,
        fx_rate=maybe(given, "fx_rate_to_account"),
        usd_rate=maybe(given, "base_rate_to_usd"),
        position=position,
        leg_count=None if (legs := maybe(given, "leg_count")) is None else int(legs),
        leg_ratios=[number({"leg_ratios": ratio}, "leg_ratios") for ratio in parts(given, "leg_ratios")] or None,
        exchange_open=given.get("exchange_open"),
        today=maybe_day(given, "today"),
        underlying_splits_now=bool(given.get("underlying_split_this_step", False)),
    )


def can_submit(given: Given, rules: Ruleset) -> Answer:
    return from_verdict(verdict(_question(given, rules.over(word(given, "connection") or ""))))


def can_submit_engine(given: Given, rules: Ruleset) -> Answer:
    asked = _question(given, rules)
    denied = futures_opening(asked)
    return from_denial(denied) if denied else from_verdict(verdict(asked))


def pre_order_check(given: Given, rules: Ruleset) -> Answer:
    asked = _question(given, rules)
    return from_denial(next((denied for check in ENGINE_CHECKS if (denied := check(asked)) is not None), None))


def can_update(given: Given, rules: Ruleset) -> Answer:
    update = part(given, "update")
    return from_verdict(
        validate_update(
            read_instrument(given),
            text(given, "status"),
            OrderUpdate(
                quantity=maybe(update, "quantity"),
                limit_price=maybe(update, "limit_price"),
                stop_price=maybe(update, "stop_price"),
                trigger_price=maybe(update, "trigger_price"),
                trailing_amount=maybe(update, "trailing_amount"),
                tag=word(update, "tag"),
            ),
            rules=rules,
            usd_rate=maybe(given, "base_rate_to_usd"),
        )
    )


def forex_size_usd_equivalent(given: Given, rules: Ruleset) -> Answer:
    order = read_order(part(given, "order"))
    currency = text(given, "symbol")[:3].upper()
    return from_denial(size_denied(currency, order.quantity, rules, usd_rate=maybe(given, "base_rate_to_usd")))


def market_order_conversion(given: Given, _rules: Ruleset) -> Answer:
    order_type = effective_order_type(
        text(given, "asset_class"),
        word(given, "order_type") or "market",
        instant(given, "now_utc"),
        read_calendar(given),
    )
    return {"order_type": str(order_type)}


def moo_boundary_delay(given: Given, rules: Ruleset) -> Answer:
    there = (word(given, "market") or "usa") == "usa" and text(given, "asset_class") in capabilities.ASSET_CLASSES
    hold = wire.opening_hold(
        text(given, "order_type"), instant(given, "now_utc"), read_calendar(given), rules, tradable_there=there
    )
    return {"delay": bool(hold), "delay_ms": round(hold.total_seconds() * 1000)}


def combo_legs_valid(given: Given, _rules: Ruleset) -> Answer:
    divisor = ratio_divisor([number({"leg_ratios": ratio}, "leg_ratios") for ratio in parts(given, "leg_ratios")])
    return {"valid": divisor == 1, "gcd": str(divisor)}


def round_quantity(given: Given, _rules: Ruleset) -> Answer:
    return {"quantity": plain(rounding.round_quantity(number(given, "quantity"), number(given, "lot_size")))}


def round_price(given: Given, _rules: Ruleset) -> Answer:
    return {"price": plain(rounding.round_price(number(given, "price"), number(given, "tick")))}


def min_tick(given: Given, _rules: Ruleset) -> Answer:
    return {"tick": plain(rounding.min_tick(read_instrument(given), number(given, "order_price")))}


def tif_expiry(given: Given, rules: Ruleset) -> Answer:
    expiry = _expiry(given, rules)
    checks = [instant({"checks_utc": at}, "checks_utc") for at in parts(given, "checks_utc")]
    return {
        "expires_at_utc": None if expiry is None else stamp(expiry),
        "expired": [expiry is not None and at >= expiry for at in checks],
    }


def ib_good_till_date(given: Given, rules: Ruleset) -> Answer:
    expiry = _expiry({"time_in_force": "gtd", **given}, rules)
    return {"goodTillDate": "" if expiry is None else wire.good_til_text(expiry)}


def _expiry(given: Given, rules: Ruleset) -> Any:
    return tif.expires_at(
        text(given, "asset_class"),
        text(given, "time_in_force"),
        instant(given, "order_time_utc"),
        read_calendar(given),
        good_til_date=maybe_day(given, "good_til_date"),
        rules=rules,
    )


def effective_time_in_force(given: Given, _rules: Ruleset) -> Answer:
    return {"time_in_force": str(tif.effective_time_in_force(text(given, "order_type"), text(given, "time_in_force")))}


def split_order(given: Given, _rules: Ruleset) -> Answer:
    row = part(given, "order")
    after = splits.split_order(read_order(row), number(given, "split_factor"))
    answer: Answer = {"order": _like(row, after.order)}
    if after.canceled:
        # The update path refuses the empty order; the product cancels it with its own reason.
        answer |= {"rejected": "quantity_zero", "canceled": after.canceled}
    return answer


def _like(row: Given, order: Order) -> Answer:
    """The order with the fields it came with."""
    numeric = ("quantity", "limit_price", "stop_price", "trigger_price", "trailing_amount", "group_limit_price")
    found = {name: plain(value) for name in numeric if name in row and (value := getattr(order, name)) is not None}
    kept = {name: row[name] for name in row if name not in numeric}
    return {**kept, **found}


def split_holding(given: Given, _rules: Ruleset) -> Answer:
    after = splits.split_holding(
        text(given, "asset_class"),
        Position(quantity=number(given, "quantity"), average_price=number(given, "average_price")),
        number(given, "split_factor"),
        number(given, "reference_price"),
    )
    return {
        "quantity": plain(after.position.quantity),
        "average_price": plain(after.position.average_price),
        "cash_in_lieu": plain(after.cash_in_lieu),
    }


def split_applies(given: Given, _rules: Ruleset) -> Answer:
    return {"applies": splits.split_applies(text(given, "asset_class"), text(given, "split_event"))}


OPERATIONS = {
    "order_type_supported": order_type_supported,
    "can_submit": can_submit,
    "can_submit_engine": can_submit_engine,
    "pre_order_check": pre_order_check,
    "can_update": can_update,
    "forex_size_usd_equivalent": forex_size_usd_equivalent,
    "market_order_conversion": market_order_conversion,
    "moo_boundary_delay": moo_boundary_delay,
    "combo_legs_valid": combo_legs_valid,
    "round_quantity": round_quantity,
    "round_price": round_price,
    "min_tick": min_tick,
    "tif_expiry": tif_expiry,
    "ib_good_till_date": ib_good_till_date,
    "effective_time_in_force": effective_time_in_force,
    "split_order": split_order,
    "split_holding": split_holding,
    "split_applies": split_applies,
}
