"""Operations about whether an order is taken: types, gate, updates, rounding, splits, time in force."""

from datetime import datetime

from brokers.rulebook import capabilities, splits
from brokers.rulebook.gate import tif
from brokers.rulebook.gate.checks import Question, ratio_divisor
from brokers.rulebook.gate.sessions import effective_order_type
from brokers.rulebook.gate.sizes import size_denied
from brokers.rulebook.gate.validation import build_question, judge
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Order, Position, Quote
from brokers.rulebook.vectors import rounding, wire
from brokers.rulebook.vectors.engine import ENGINE_CHECKS, futures_opening
from brokers.rulebook.vectors.reading import (
    Fields,
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


def order_type_supported(case: Fields, rules: Ruleset) -> Answer:
    rules = rules.over(word(case, "connection") or "")
    return from_verdict(capabilities.order_type_supported(text(case, "asset_class"), text(case, "order_type"), rules))


def _question(case: Fields, rules: Ruleset) -> Question:
    position = None
    if case.get("holding_quantity") is not None:
        position = Position(quantity=number(case, "holding_quantity"))
    return build_question(
        read_instrument(case),
        read_order(part(case, "order"), beside=case),
        maybe_instant(case, "now_utc"),
        maybe_calendar(case),
        rules=rules,
        quote=Quote(price=number(case, "price")) if case.get("price") is not None else None,
        fx_rate=maybe(case, "fx_rate_to_account"),
        usd_rate=maybe(case, "base_rate_to_usd"),
        position=position,
        leg_count=None if (legs := maybe(case, "leg_count")) is None else int(legs),
        leg_ratios=[number({"leg_ratios": ratio}, "leg_ratios") for ratio in parts(case, "leg_ratios")] or None,
        exchange_open=case.get("exchange_open"),
        today=maybe_day(case, "today"),
        underlying_splits_now=bool(case.get("underlying_split_this_step", False)),
    )


def can_submit(case: Fields, rules: Ruleset) -> Answer:
    return from_verdict(judge(_question(case, rules.over(word(case, "connection") or ""))))


def can_submit_engine(case: Fields, rules: Ruleset) -> Answer:
    question = _question(case, rules)
    denied = futures_opening(question)
    return from_denial(denied) if denied else from_verdict(judge(question))


def pre_order_check(case: Fields, rules: Ruleset) -> Answer:
    question = _question(case, rules)
    return from_denial(next((denied for check in ENGINE_CHECKS if (denied := check(question)) is not None), None))


def can_update(case: Fields, rules: Ruleset) -> Answer:
    update = part(case, "update")
    return from_verdict(
        validate_update(
            read_instrument(case),
            text(case, "status"),
            OrderUpdate(
                quantity=maybe(update, "quantity"),
                limit_price=maybe(update, "limit_price"),
                stop_price=maybe(update, "stop_price"),
                trigger_price=maybe(update, "trigger_price"),
                trailing_amount=maybe(update, "trailing_amount"),
                tag=word(update, "tag"),
            ),
            rules=rules,
            usd_rate=maybe(case, "base_rate_to_usd"),
        )
    )


def forex_size_usd_equivalent(case: Fields, rules: Ruleset) -> Answer:
    order = read_order(part(case, "order"))
    currency = text(case, "symbol")[:3].upper()
    return from_denial(size_denied(currency, order.quantity, rules, usd_rate=maybe(case, "base_rate_to_usd")))


def market_order_conversion(case: Fields, _rules: Ruleset) -> Answer:
    order_type = effective_order_type(
        text(case, "asset_class"),
        word(case, "order_type") or "market",
        instant(case, "now_utc"),
        read_calendar(case),
    )
    return {"order_type": str(order_type)}


def moo_boundary_delay(case: Fields, rules: Ruleset) -> Answer:
    there = (word(case, "market") or "usa") == "usa" and text(case, "asset_class") in capabilities.ASSET_CLASSES
    hold = wire.opening_hold(
        text(case, "order_type"), instant(case, "now_utc"), read_calendar(case), rules, tradable_there=there
    )
    return {"delay": bool(hold), "delay_ms": round(hold.total_seconds() * 1000)}


def combo_legs_valid(case: Fields, _rules: Ruleset) -> Answer:
    divisor = ratio_divisor([number({"leg_ratios": ratio}, "leg_ratios") for ratio in parts(case, "leg_ratios")])
    return {"valid": divisor == 1, "gcd": str(divisor)}


def round_quantity(case: Fields, _rules: Ruleset) -> Answer:
    return {"quantity": plain(rounding.round_quantity(number(case, "quantity"), number(case, "lot_size")))}


def round_price(case: Fields, _rules: Ruleset) -> Answer:
    return {"price": plain(rounding.round_price(number(case, "price"), number(case, "tick")))}


def min_tick(case: Fields, _rules: Ruleset) -> Answer:
    return {"tick": plain(rounding.min_tick(read_instrument(case), number(case, "order_price")))}


def tif_expiry(case: Fields, rules: Ruleset) -> Answer:
    expiry = _expiry(case, rules)
    checks = [instant({"checks_utc": at}, "checks_utc") for at in parts(case, "checks_utc")]
    return {
        "expires_at_utc": None if expiry is None else stamp(expiry),
        "expired": [expiry is not None and at >= expiry for at in checks],
    }


def ib_good_till_date(case: Fields, rules: Ruleset) -> Answer:
    expiry = _expiry({"time_in_force": "gtd", **case}, rules)
    return {"goodTillDate": "" if expiry is None else wire.good_til_text(expiry)}


def _expiry(case: Fields, rules: Ruleset) -> datetime | None:
    return tif.expires_at(
        text(case, "asset_class"),
        text(case, "time_in_force"),
        instant(case, "order_time_utc"),
        read_calendar(case),
        good_til_date=maybe_day(case, "good_til_date"),
        rules=rules,
    )


def effective_time_in_force(case: Fields, _rules: Ruleset) -> Answer:
    return {"time_in_force": str(tif.effective_time_in_force(text(case, "order_type"), text(case, "time_in_force")))}


def split_order(case: Fields, _rules: Ruleset) -> Answer:
    row = part(case, "order")
    after = splits.split_order(read_order(row), number(case, "split_factor"))
    answer: Answer = {"order": _like(row, after.order)}
    if after.canceled:
        # The update path refuses the empty order; the product cancels it with its own reason.
        answer |= {"rejected": "quantity_zero", "canceled": after.canceled}
    return answer


def _like(row: Fields, order: Order) -> Answer:
    """The order with the fields it came with."""
    numeric = ("quantity", "limit_price", "stop_price", "trigger_price", "trailing_amount", "group_limit_price")
    adjusted = {name: plain(value) for name in numeric if name in row and (value := getattr(order, name)) is not None}
    kept = {name: row[name] for name in row if name not in numeric}
    return {**kept, **adjusted}


def split_holding(case: Fields, _rules: Ruleset) -> Answer:
    after = splits.split_holding(
        text(case, "asset_class"),
        Position(quantity=number(case, "quantity"), average_price=number(case, "average_price")),
        number(case, "split_factor"),
        number(case, "reference_price"),
    )
    return {
        "quantity": plain(after.position.quantity),
        "average_price": plain(after.position.average_price),
        "cash_in_lieu": plain(after.cash_in_lieu),
    }


def split_applies(case: Fields, _rules: Ruleset) -> Answer:
    return {"applies": splits.split_applies(text(case, "asset_class"), text(case, "split_event"))}


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
