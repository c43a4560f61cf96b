"""A whole order before it leaves: whether it is taken, what it costs, what margin it needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.answers import Accepted, Caution, Denied, Verdict
from brokers.rulebook.calendars import Calendar
from brokers.rulebook.errors import (
    MissingMarginData,
    UnsupportedAssetClass,
    UnsupportedCurrency,
    UnsupportedMarket,
)
from brokers.rulebook.fees.estimate import estimate_fee
from brokers.rulebook.fees.trade import NO_VOLUME, Volume
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.margin.futures import MarginRow
from brokers.rulebook.margin.power import BuyingPower, buying_power, old_figure
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import FLAT, ONE, Account, Instrument, Order, Position, Quote


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict with the figures behind it, as far as the order got."""

    verdict: Verdict
    fee: Fee | None = None
    power: BuyingPower | None = None

    @property
    def allowed(self) -> bool:
        return self.verdict.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one unit of a currency is in the account's: of the quote, of the fee, of a pair's base.

    `usd` is what one unit of the quote currency is in USD, for fees and sizes that go by USD; None without that rate.
    """

    quote: Decimal = ONE
    fee: Decimal = ONE
    base: Decimal = ONE
    usd: Decimal | None = None


ONE_CURRENCY = Rates()


def assess(
    instrument: Instrument,
    order: Order,
    quote: Quote,
    account: Account,
    now: datetime,
    *,
    calendar: Calendar | None = None,
    position: Position = FLAT,
    rules: Ruleset | None = None,
    rates: Rates = ONE_CURRENCY,
    volume: Volume = NO_VOLUME,
    underlying_price: Decimal | None = None,
    future_rows: Sequence[MarginRow] | None = None,
) -> Assessment:
    """The gate, the fee and the buying power in one call, each only where the one before it lets the order pass.

    A fee that no table has is a denial (`no_fee_schedule`). A margin that no table has, or that is too old to be true
    today, denies nothing: the broker decides, and a caution says so. Raises BadInput for a fact that a model needs.
    """
    rules = rules or rulesets.load()
    today = (calendar.local(now) if calendar else now.astimezone(UTC)).date()
    verdict = validate(
        instrument,
        order,
        now,
        calendar,
        rules=rules,
        quote=quote,
        fx_rate=rates.quote,
        usd_rate=rates.usd,
        position=position,
        permissions=account.permissions,
    )
    if isinstance(verdict, Denied):
        return Assessment(verdict)
    try:
        fee = estimate_fee(
            instrument, order, quote, rules=rules, fx_rate=rates.quote, usd_rate=rates.usd, volume=volume
        )
    except (UnsupportedMarket, UnsupportedAssetClass, UnsupportedCurrency) as unknown:
        return Assessment(rules.deny("no_fee_schedule", name=unknown.name))
    try:
        power = buying_power(
            instrument,
            order,
            quote,
            account,
            position=position,
            fee=fee.amount * rates.fee,
            rules=rules,
            fx_rate=rates.quote,
            base_rate=rates.base,
            today=today,
            underlying_price=underlying_price,
            future_rows=future_rows,
        )
    except MissingMarginData as missing:
        return Assessment(_with(verdict, rules.caution("margin_not_on_record", name=missing.name)), fee)
    old = old_figure(instrument, today, rules) if future_rows is None and power.required else None
    if old is not None:
        return Assessment(_with(verdict, old), fee, power)
    if power.reason is not None:
        data = {"required": power.required, "available": power.available, "currency": power.currency}
        return Assessment(rules.deny(power.reason, **data, holding=position.quantity), fee, power)
    return Assessment(verdict, fee, power)


def _with(verdict: Accepted, caution: Caution) -> Accepted:
    return replace(verdict, cautions=(*verdict.cautions, caution))
