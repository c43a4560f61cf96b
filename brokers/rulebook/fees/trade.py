"""One order as its fee is reckoned."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.accounting import Fee
from brokers.rulebook.pricing import order_value
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.tables.fee_schedules import FeeSchedules
from brokers.rulebook.values import ZERO, Instrument, Order, Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What an account traded this month, in shares, in option contracts and in USD of currencies; tiers go by it."""

    shares: Decimal = ZERO
    option_contracts: Decimal = ZERO
    forex_usd: Decimal = ZERO


NO_VOLUME = Volume()


@dataclass(slots=True, kw_only=True)
class Trade:
    """The order with all that its fee may go by. Not frozen only because each order makes one and drops it.

    `fx_rate` turns the quote currency into the account's, `usd_rate` into USD. `plan` and `cfd_rate` override the
    commission plan and the CFD rate of the tables.
    """

    instrument: Instrument
    order: Order
    quote: Quote
    rules: Ruleset
    market: str
    fx_rate: Decimal
    usd_rate: Decimal | None
    volume: Volume
    plan: str | None
    cfd_rate: Decimal | None

    @property
    def schedules(self) -> FeeSchedules:
        return self.rules.fees

    @property
    def size(self) -> Decimal:
        """Shares or contracts, without a sign."""
        return abs(self.order.quantity)

    def fee(self, amount: Decimal, currency: str) -> Fee:
        return Fee(amount, currency, self.rules.provenance)

    def value(self, rate: Decimal) -> Decimal:
        """What the order is worth, without a sign; `rate` turns the quote currency into the one of the value."""
        return abs(order_value(self.order, self.quote.price, multiplier=self.instrument.multiplier, fx_rate=rate))
