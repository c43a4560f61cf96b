"""Operations about models and money: which model serves, what an order costs and is worth."""

from decimal import Decimal

from brokers.rulebook import capabilities, pricing
from brokers.rulebook.errors import BadInput, FixedLeverage
from brokers.rulebook.fees import Volume, estimate_fee
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.settlement import settlement_rule
from brokers.rulebook.values import ONE, ZERO, Instrument, Order, Quote
from brokers.rulebook.vectors import hooks
from brokers.rulebook.vectors.reading import Fields, maybe, number, part, read_instrument, read_order, text, word
from brokers.rulebook.vectors.writing import Answer, plain


def select_model(case: Fields, rules: Ruleset) -> Answer:
    kind, asset_class = text(case, "kind"), text(case, "asset_class")
    account_type = word(case, "account_type") or "margin"
    answer: Answer = {"model": capabilities.model_for(kind, asset_class, account_type)}
    if kind == "settlement":
        rule = settlement_rule(asset_class, account_type, rules)
        if rule.time_of_day is not None:
            answer |= {"days": rule.days, "time_of_day": f"{rule.time_of_day:%H:%M}"}
    return answer


def default_market(case: Fields, _rules: Ruleset) -> Answer:
    return {"market": capabilities.default_market(text(case, "asset_class"))}


def leverage(case: Fields, rules: Ruleset) -> Answer:
    account_type = word(case, "account_type") or "margin"
    return {"leverage": plain(capabilities.leverage(text(case, "asset_class"), account_type, rules))}


def set_leverage(case: Fields, _rules: Ruleset) -> Answer:
    account_type = word(case, "account_type") or "margin"
    try:
        leverage_set = hooks.set_leverage(text(case, "asset_class"), account_type, number(case, "leverage"))
    except FixedLeverage as fixed:
        return {"allowed": False, "leverage": "1", "reason": fixed.code, "sentence": fixed.sentence}
    return {"allowed": True, "leverage": plain(leverage_set)}


def pdt_leverage(case: Fields, _rules: Ruleset) -> Answer:
    times = hooks.day_trading_leverage(
        exchange_open=bool(case.get("exchange_open")), closing_soon=bool(case.get("closing_soon"))
    )
    return {"leverage": plain(times)}


def margin_interest(case: Fields, _rules: Ruleset) -> Answer:
    days = int(number(case, "days", ZERO))
    return {"interest": plain(hooks.margin_interest(text(case, "asset_class"), number(case, "balance"), days))}


def slippage(case: Fields, _rules: Ruleset) -> Answer:
    return {"slippage": plain(hooks.slippage(text(case, "asset_class")))}


def fee(case: Fields, rules: Ruleset) -> Answer:
    if case.get("order"):
        order, price = read_order(part(case, "order")), number(case, "price", ZERO)
    else:
        order, price = Order(type="market", quantity=ONE), number(case, "trade_value")
    quote = Quote(price=price, bid=number(case, "bid", ZERO), ask=number(case, "ask", ZERO))
    commission = estimate_fee(
        read_instrument(case),
        order,
        quote,
        rules=rules,
        fx_rate=number(case, "fx_rate_to_account", ONE),
        usd_rate=maybe(case, "fx_rate_to_usd"),
        volume=Volume(
            shares=number(case, "monthly_shares", ZERO),
            option_contracts=number(case, "monthly_option_contracts", ZERO),
            forex_usd=number(case, "monthly_forex_usd", ZERO),
        ),
        plan=word(case, "plan"),
        cfd_rate=maybe(case, "rate"),
    )
    return {"amount": plain(commission.amount), "currency": commission.currency}


def order_value(case: Fields, _rules: Ruleset) -> Answer:
    order, instrument = read_order(part(case, "order")), read_instrument(case)
    fx_rate = number(case, "fx_rate_to_account", ONE)
    if order.type == "option_exercise":
        return {"value": plain(exercise_value(order, instrument, fx_rate=fx_rate))}
    value = pricing.order_value(order, number(case, "price"), multiplier=instrument.multiplier, fx_rate=fx_rate)
    return {"value": plain(value)}


def exercise_value(order: Order, instrument: Instrument, *, fx_rate: Decimal = ONE) -> Decimal:
    """What the underlying costs at the strike."""
    if instrument.strike is None:
        raise BadInput("strike", problem="an option needs one")
    unit = instrument.multiplier if instrument.contract_unit is None else instrument.contract_unit
    return order.quantity * unit * instrument.strike * fx_rate


OPERATIONS = {
    "select_model": select_model,
    "default_market": default_market,
    "leverage": leverage,
    "set_leverage": set_leverage,
    "pdt_leverage": pdt_leverage,
    "margin_interest": margin_interest,
    "slippage": slippage,
    "fee": fee,
    "order_value": order_value,
}
