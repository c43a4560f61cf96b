"""Everything a person is told before an order leaves: is it taken, what it costs, what margin it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.answers import Denied, Verdict
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
from brokers.rulebook.margin.power import BuyingPower, buying_power
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
    fx_rate: Decimal = ONE,
    usd_rate: Decimal | None = None,
    fee_rate: Decimal = ONE,
    base_rate: Decimal = ONE,
    volume: Volume = NO_VOLUME,
    underlying_price: Decimal | None = None,
    future_rows: Sequence[MarginRow] | None = None,
) -> Assessment:
    """The whole gate in one call. Rates turn into account currency: `fx_rate` the quote's, `fee_rate` the fee's."""
    rules = rules or rulesets.load()
    verdict = validate(
        instrument,
        order,
        now,
        calendar,
        rules=rules,
        quote=quote,
        fx_rate=fx_rate,
        usd_rate=usd_rate,
        position=position,
        permissions=account.permissions,
    )
    if isinstance(verdict, Denied):
        return Assessment(verdict)
    try:
        fee = estimate_fee(instrument, order, quote, rules=rules, fx_rate=fx_rate, usd_rate=usd_rate, volume=volume)
    except (UnsupportedMarket, UnsupportedAssetClass, UnsupportedCurrency) as unknown:
        return Assessment(rules.deny("no_fee_schedule", name=unknown.name))
    try:
        power = buying_power(
            instrument,
            order,
            quote,
            account,
            position=position,
            fee=fee.amount * fee_rate,
            rules=rules,
            fx_rate=fx_rate,
            base_rate=base_rate,
            today=(calendar.local(now) if calendar else now.astimezone(UTC)).date(),
            underlying_price=underlying_price,
            future_rows=future_rows,
        )
    except MissingMarginData as missing:
        return Assessment(rules.deny("no_margin_data", **missing.data), fee)
    if power.reason is not None:
        data = {"required": power.required, "available": power.available, "currency": power.currency}
        return Assessment(rules.deny(power.reason, **data, holding=position.quantity), fee, power)
    return Assessment(verdict, fee, power)
