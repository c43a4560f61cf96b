"""One door to buying power: the account and the asset class choose the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.answers import Caution, Provenance
from brokers.rulebook.capabilities import leverage, model_for
from brokers.rulebook.errors import BadInput
from brokers.rulebook.margin.cash import cash_is_sufficient, reserved
from brokers.rulebook.margin.futures import (
    MarginRow,
    future_margin,
    future_option_margin,
    is_current,
    margin_rows,
    row_on,
)
from brokers.rulebook.margin.options import option_initial_margin
from brokers.rulebook.margin.security import (
    available_margin,
    has_sufficient_margin,
    initial_margin,
    only_reduces,
    with_fee,
)
from brokers.rulebook.reasons import sentence_for
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import FLAT, ONE, ZERO, Account, Instrument, OpenOrder, Order, Position, Quote
from brokers.rulebook.words import AccountType, AssetClass


@dataclass(frozen=True, slots=True)
class BuyingPower:
    """What the order needs and what there is, in `currency`; a reason when it is not enough."""

    required: Decimal
    available: Decimal
    currency: str
    provenance: Provenance
    reason: str | None = None
    holding: Decimal = ZERO

    @property
    def sufficient(self) -> bool:
        return self.reason is None

    @property
    def sentence(self) -> str:
        """Why it is not enough; empty when it is."""
        if self.reason is None:
            return ""
        data = {"required": self.required, "available": self.available, "currency": self.currency}
        return sentence_for(self.reason, {**data, "holding": self.holding})


@dataclass(frozen=True, slots=True)
class _Facts:
    instrument: Instrument
    quote: Quote
    account: Account
    rules: Ruleset
    fx_rate: Decimal
    today: date | None
    underlying_price: Decimal | None
    future_rows: Sequence[MarginRow] | None


def order_margin(
    instrument: Instrument,
    quantity: Decimal,
    quote: Quote,
    account: Account,
    *,
    rules: Ruleset | None = None,
    fx_rate: Decimal = ONE,
    today: date | None = None,
    underlying_price: Decimal | None = None,
    future_rows: Sequence[MarginRow] | None = None,
) -> Decimal:
    """Initial margin without the fee, signed like the quantity, at the market price, ignoring the order's own."""
    facts = _Facts(instrument, quote, account, rules or rulesets.load(), fx_rate, today, underlying_price, future_rows)
    return _initial(facts, quantity)


def buying_power(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    account: Account,
    *,
    position: Position = FLAT,
    fee: Decimal = ZERO,
    rules: Ruleset | None = None,
    fx_rate: Decimal = ONE,
    base_rate: Decimal = ONE,
    today: date | None = None,
    underlying_price: Decimal | None = None,
    future_rows: Sequence[MarginRow] | None = None,
    open_orders: Sequence[OpenOrder] = (),
) -> BuyingPower:
    """Whether the account can carry the order, and the figures behind the answer.

    `fee` is in the account's currency; `fx_rate` turns the quote currency into it, `base_rate` the base currency of a pair.
    A future needs `today`, a written option `underlying_price`; `future_rows` replace our table. A way out needs nothing.
    Raises UnsupportedAssetClass, MissingMarginData, or BadInput for a fact that the model needs.
    """
    rules = rules or rulesets.load()
    model = model_for("buying_power", instrument.asset_class, account.type)
    facts = _Facts(instrument, quote, account, rules, fx_rate, today, underlying_price, future_rows)
    if model == "CashBuyingPowerModel":
        return _cash(facts, order, fee=fee, base_rate=base_rate, open_orders=open_orders)
    held = position.quantity
    if _sells_short_for_cash(facts, order, held):
        return BuyingPower(
            ZERO, ZERO, account.currency, rules.provenance, "short_sale_not_allowed_in_cash_account", held
        )
    if only_reduces(held, order.quantity):
        # A way out is never refused for want of a price or a margin row.
        return BuyingPower(ZERO, _available(facts, order, ZERO), account.currency, rules.provenance)
    free = _available(facts, order, held)
    needed = with_fee(_initial(facts, order.quantity), fee)
    sufficiency = has_sufficient_margin(order.quantity, needed, free, filled_quantity=order.filled_quantity)
    reason = None if sufficiency.sufficient else "insufficient_buying_power"
    return BuyingPower(sufficiency.required or ZERO, free, account.currency, rules.provenance, reason, held)


def old_figure(instrument: Instrument, today: date, rules: Ruleset) -> Caution | None:
    """What is said of a margin by a row that was last true long ago; None where the row may refuse an order."""
    if instrument.asset_class not in {AssetClass.FUTURE, AssetClass.FUTURE_OPTION}:
        return None
    row = row_on(margin_rows(instrument.product), today)
    if is_current(row, today):
        return None
    return rules.caution("margin_figure_is_old", name=instrument.product, since=row.since)


def _available(facts: _Facts, order: Order, held: Decimal) -> Decimal:
    """The broker's own figure where we have it, plus room to turn a position around."""
    account = facts.account
    opposes = held * order.quantity < 0
    holding = abs(_initial(facts, held)) if opposes else ZERO
    if account.available is not None:
        return max(account.available + 2 * holding, ZERO)
    return available_margin(
        account, buy=order.is_buy, holding_quantity=held, holding_initial=holding, holding_maintenance=holding
    )


def _sells_short_for_cash(facts: _Facts, order: Order, held: Decimal) -> bool:
    return (
        facts.rules.policy.deny_cash_short_sales
        and facts.account.type == AccountType.CASH
        and facts.instrument.asset_class == AssetClass.EQUITY
        and order.quantity < 0
        and held + order.quantity < 0
    )


def _cash(
    facts: _Facts, order: Order, *, fee: Decimal, base_rate: Decimal, open_orders: Sequence[OpenOrder]
) -> BuyingPower:
    instrument, quote, account = facts.instrument, facts.quote, facts.account
    rules, fx_rate = facts.rules, facts.fx_rate
    pays_in = instrument.currency if order.is_buy else instrument.base
    sufficiency = cash_is_sufficient(
        order,
        base=instrument.base,
        quote=instrument.currency,
        price=quote.ask or quote.price,
        balances=account.balances,
        open_orders=open_orders,
        fee_in_quote=fee / fx_rate,
        fee_of=lambda _quantity: fee,
        base_rate=base_rate,
        quote_rate=fx_rate,
        lot_size=instrument.lot_size or ONE,
        reserve_every_type=rules.policy.reserve_all_open_orders,
    )
    reason = None if sufficiency.sufficient else "insufficient_cash"
    set_aside = reserved(pays_in, open_orders, every_type=rules.policy.reserve_all_open_orders)
    available = account.balances.get(pays_in, ZERO) - set_aside
    return BuyingPower(sufficiency.required or ZERO, available, pays_in, rules.provenance, reason)


def _initial(facts: _Facts, quantity: Decimal) -> Decimal:
    return _MODELS[model_for("buying_power", facts.instrument.asset_class, facts.account.type)](facts, quantity)


def _security(facts: _Facts, quantity: Decimal) -> Decimal:
    instrument, account = facts.instrument, facts.account
    times = account.leverage or leverage(instrument.asset_class, account.type, facts.rules)
    return initial_margin(quantity, facts.quote.price, times, multiplier=instrument.multiplier, fx_rate=facts.fx_rate)


def _option(facts: _Facts, quantity: Decimal) -> Decimal:
    underlying = ZERO if quantity >= 0 else _underlying(facts)
    return option_initial_margin(facts.instrument, quantity, underlying, facts.quote.price, fx_rate=facts.fx_rate)


def _future(facts: _Facts, quantity: Decimal) -> Decimal:
    return future_margin(_rows(facts), quantity, _today(facts), fx_rate=facts.fx_rate).initial


def _future_option(facts: _Facts, quantity: Decimal) -> Decimal:
    instrument = facts.instrument
    requirement = future_margin(_rows(facts), ONE, _today(facts)).initial
    each = future_option_margin(
        side="long" if quantity >= 0 else "short",
        right=instrument.right or "",
        strike=instrument.strike or ZERO,
        underlying_price=_underlying(facts),
        underlying_requirement=requirement,
    )
    return quantity * each * facts.fx_rate


_MODELS: dict[str, Callable[[_Facts, Decimal], Decimal]] = {
    "SecurityMarginModel": _security,
    "OptionMarginModel": _option,
    "FutureMarginModel": _future,
    "FuturesOptionsMarginModel": _future_option,
    "CashBuyingPowerModel": _security,
}


def _rows(facts: _Facts) -> Sequence[MarginRow]:
    """Rows the caller brought (fresher than ours), or our table's."""
    return margin_rows(facts.instrument.product) if facts.future_rows is None else facts.future_rows


def _today(facts: _Facts) -> date:
    if facts.today is None:
        raise BadInput("today", problem="futures margins change by date")
    return facts.today


def _underlying(facts: _Facts) -> Decimal:
    if facts.underlying_price is None:
        raise BadInput("underlying_price", problem="the margin of a written option follows it")
    return facts.underlying_price
