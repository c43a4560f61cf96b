"""Operations about the live gateway's fields and about advisors."""

from decimal import Decimal

from brokers.rulebook import allocation
from brokers.rulebook.allocation import Allocation, Member
from brokers.rulebook.answers import Denied
from brokers.rulebook.errors import UnknownWord
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ZERO, Order
from brokers.rulebook.vectors import advisors, wire
from brokers.rulebook.vectors.advisors import AdvisorProperties
from brokers.rulebook.vectors.reading import (
    Fields,
    maybe,
    maybe_part,
    number,
    part,
    parts,
    read_order,
    read_position,
    text,
    word,
)
from brokers.rulebook.vectors.writing import Answer, from_verdict, numbers, plain

# Names under which callers state how much of its share an account can pay for.
AFFORDABLE = (
    "affordable",
    "affordable_quantity",
    "max_affordable",
    "max_affordable_quantity",
    "max_quantity",
    "can_afford",
)


def default_order_properties(_case: Fields, _rules: Ruleset) -> Answer:
    order = Order(type="market", quantity=ZERO)
    advisor = AdvisorProperties()
    return {
        "time_in_force": str(order.time_in_force),
        "outside_regular_trading_hours": order.outside_regular_hours,
        "account": advisor.account,
        "fa_group": advisor.group,
        "fa_profile": advisor.profile,
        "fa_method": advisor.method,
        "fa_percentage": advisor.percentage,
    }


def ib_order_type(case: Fields, _rules: Ruleset) -> Answer:
    return {"ib_order_type": wire.order_type_field(text(case, "order_type"))}


def ib_sec_type(case: Fields, _rules: Ruleset) -> Answer:
    return {"ib_sec_type": wire.security_type_field(text(case, "asset_class"), word(case, "order_type"))}


def ib_time_in_force(case: Fields, _rules: Ruleset) -> Answer:
    return {"ib_tif": wire.time_in_force_field(text(case, "order_type"), text(case, "time_in_force"))}


def ib_outside_rth(case: Fields, _rules: Ruleset) -> Answer:
    requested = case.get("outside_regular_trading_hours")
    return {"outside_rth": wire.outside_hours_field(text(case, "order_type"), requested)}


def ib_price_fields(case: Fields, _rules: Ruleset) -> Answer:
    price_fields = wire.price_fields(read_order(part(case, "order")), number(case, "tick", Decimal("0.01")))
    return {
        "action": price_fields.action,
        "totalQuantity": plain(price_fields.total_quantity),
        "fields": numbers(price_fields.fields),
    }


def ib_order_status(case: Fields, _rules: Ruleset) -> Answer:
    return {"status": wire.status_from(text(case, "ib_status"))}


def _properties(case: Fields) -> AdvisorProperties:
    row = maybe_part(case, "properties")
    percentage = maybe(row, "fa_percentage")
    return AdvisorProperties(
        account=word(row, "account") or "",
        group=word(row, "fa_group") or "",
        profile=word(row, "fa_profile") or "",
        method=word(row, "fa_method") or "",
        percentage="" if percentage is None else plain(percentage),
    )


def fa_validate(case: Fields, rules: Ruleset) -> Answer:
    verdict = advisors.validate_properties(_properties(case), rules)
    return {**from_verdict(verdict), "warning": isinstance(verdict, Denied) or bool(verdict.cautions)}


def fa_ib_fields(case: Fields, rules: Ruleset) -> Answer:
    properties, session = _properties(case), text(case, "session_account")
    wire_fields = advisors.wire_fields(
        session,
        number(case, "quantity"),
        properties,
        group_filter=word(case, "group_filter") or "",
        rules=rules,
    )
    return {
        "is_financial_advisor": advisors.is_advisor(session),
        "warning": advisors.is_advisor(session) and properties.addressed > 1,
        "fields": {
            "account": wire_fields.account,
            "faGroup": wire_fields.group,
            "faMethod": wire_fields.method,
            "faPercentage": wire_fields.percentage,
            "totalQuantity": plain(wire_fields.total_quantity),
        },
    }


def fa_is_master(case: Fields, _rules: Ruleset) -> Answer:
    return {"is_financial_advisor": advisors.is_advisor(text(case, "account"))}


def fa_emit_fill(case: Fields, _rules: Ruleset) -> Answer:
    return {
        "emit": advisors.shows_fill(
            text(case, "session_account"),
            text(case, "execution_account"),
            _properties(case),
            already_filled=case.get("order_status") == "filled",
        )
    }


def fa_method(case: Fields, _rules: Ruleset) -> Answer:
    try:
        method = allocation.method(text(case, "method"))
    except UnknownWord:
        return {"known": False, "ib_api_name": None, "needs_quantity": None}
    return {"known": True, "ib_api_name": method.wire, "needs_quantity": method.needs_quantity}


def fa_allocate(case: Fields, _rules: Ruleset) -> Answer:
    name = text(case, "method")
    members = [_member(row, case) for row in parts(case, "accounts")]
    side = word(case, "side") or "buy"
    if allocation.method(name).weight == "percent_change":
        return _allocated(allocation.allocate_percent(side, number(case, "percentage"), members))
    quantity = number(case, "quantity")
    if case.get("equalise_positions"):
        return _allocated(allocation.allocate_equalizing(side, quantity, members))
    return _allocated(allocation.allocate(name, quantity, members))


def _member(row: Fields, case: Fields) -> Member:
    affordable = next((quantity for name in AFFORDABLE if (quantity := maybe(row, name)) is not None), None)
    price, funds = maybe(case, "price"), maybe(row, "buying_power")
    if affordable is None and price and funds is not None:
        affordable = max(funds, ZERO) // price
    return Member(
        id=text(row, "id"),
        net_liquidation=number(row, "net_liq", ZERO),
        available_equity=number(row, "available_equity", ZERO),
        position=number(row, "position", ZERO),
        affordable=affordable,
    )


def _allocated(result: Allocation) -> Answer:
    return {
        "allocations": numbers(result.shares),
        "filled_quantity": plain(result.filled),
        "cancelled_quantity": plain(result.canceled),
    }


def merge_holdings(case: Fields, _rules: Ruleset) -> Answer:
    merged = advisors.merged_holding([(text(lot, "account"), read_position(lot)) for lot in parts(case, "lots")])
    return {"quantity": plain(merged.quantity), "average_price": plain(merged.average_price)}


OPERATIONS = {
    "default_order_properties": default_order_properties,
    "ib_order_type": ib_order_type,
    "ib_sec_type": ib_sec_type,
    "ib_time_in_force": ib_time_in_force,
    "ib_outside_rth": ib_outside_rth,
    "ib_price_fields": ib_price_fields,
    "ib_order_status": ib_order_status,
    "fa_validate": fa_validate,
    "fa_ib_fields": fa_ib_fields,
    "fa_is_master": fa_is_master,
    "fa_emit_fill": fa_emit_fill,
    "fa_method": fa_method,
    "fa_allocate": fa_allocate,
    "merge_holdings": merge_holdings,
}
