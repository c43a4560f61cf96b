"""Operations about models and money: which model serves, what an order costs and is worth."""

from decimal import Decimal

from brokers.rulebook import capabilities, pricing
from brokers.rulebook.errors import BadInput, FixedLeverage
from brokers.rulebook.fees import Volume, estimate_fee
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.settlement import settlement_rule
from brokers.rulebook.values import ONE, ZERO, Instrument, Order, Quote
from brokers.rulebook.vectors import hooks
from brokers.rulebook.vectors.reading import Given, maybe, number, part, read_instrument, read_order, text, word
from brokers.rulebook.vectors.writing import Answer, plain


def select_model(given: Given, rules: Ruleset) -> Answer:
    kind, asset_class = text(given, "kind"), text(given, "asset_class")
    account_type = word(given, "account_type") or "margin"
    answer: Answer = {"model": capabilities.model_for(kind, asset_class, account_type)}
    if kind == "settlement":
        rule = settlement_rule(asset_class, account_type, rules)
        if rule.time_of_day is not None:
            answer |= {"days": rule.days, "time_of_day": f"{rule.time_of_day:%H:%M}"}
    return answer


def default_market(given: Given, _rules: Ruleset) -> Answer:
    return {"market": capabilities.default_market(text(given, "asset_class"))}


def leverage(given: Given, rules: Ruleset) -> Answer:
    account_type = word(given, "account_type") or "margin"
    return {"leverage": plain(capabilities.leverage(text(given, "asset_class"), account_type, rules))}


def set_leverage(given: Given, _rules: Ruleset) -> Answer:
    account_type = word(given, "account_type") or "margin"
    try:
        wanted = hooks.set_leverage(text(given, "asset_class"), account_type, number(given, "leverage"))
    except FixedLeverage as fixed:
        return {"allowed": False, "leverage": "1", "reason": fixed.code, "sentence": fixed.sentence}
    return {"allowed": True, "leverage": plain(wanted)}


def pdt_leverage(given: Given, _rules: Ruleset) -> Answer:
    found = hooks.day_trading_leverage(
        exchange_open=bool(given.get("exchange_open")), closing_soon=bool(given.get("closing_soon"))
    )
    return {"leverage": plain(found)}


def margin_interest(given: Given, _rules: Ruleset) -> Answer:
    days = int(number(given, "days", ZERO))
    return {"interest": plain(hooks.margin_interest(text(given, "asset_class"), number(given, "balance"), days))}


def slippage(given: Given, _rules: Ruleset) -> Answer:
    return {"slippage": plain(hooks.slippage(text(given, "asset_class")))}


def fee(given: Given, rules: Ruleset) -> Answer:
    if given.get("order"):
        order, price = read_order(part(given, "order")), number(given, "price", ZERO)
    else:
        order, price = Order(type="market", quantity=ONE), number(given, "trade_value")
    quote = Quote(price=price, bid=number(given, "bid", ZERO), ask=number(given, "ask", ZERO))
    found = estimate_fee(
        read_instrument(given),
        order,
        quote,
        rules=rules,
        fx_rate=number(given, "fx_rate_to_account", ONE),
        usd_rate=maybe(given, "fx_rate_to_usd"),
        volume=Volume(
            shares=number(given, "monthly_shares", ZERO),
            option_contracts=number(given, "monthly_option_contracts", ZERO),
            forex_usd=number(given, "monthly_forex_usd", ZERO),
        ),
        plan=word(given, "plan"),
        cfd_rate=maybe(given, "rate"),
    )
    return {"amount": plain(found.amount), "currency": found.currency}


def order_value(given: Given, _rules: Ruleset) -> Answer:
    order, instrument = read_order(part(given, "order")), read_instrument(given)
    fx_rate = number(given, "fx_rate_to_account", ONE)
    if order.type == "option_exercise":
        return {"value": plain(exercise_value(order, instrument, fx_rate=fx_rate))}
    value = pricing.order_value(order, number(given, "price"), multiplier=instrument.multiplier, fx_rate=fx_rate)
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
