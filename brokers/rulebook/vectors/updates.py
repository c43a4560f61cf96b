"""Whether a working order may be changed: brokerage rules of currency sizes, and the engine's own."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.answers import Accepted, Denied, Verdict
from brokers.rulebook.gate.sizes import size_denied
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Instrument
from brokers.rulebook.words import AssetClass

CLOSED_STATUSES = frozenset({"filled", "canceled", "invalid", "rejected", "expired", "denied"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """What a change asks for; the quantity is the new total, absent fields stay as they are."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trigger_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    tag: str | None = None

    @property
    def only_tag(self) -> bool:
        prices = (self.quantity, self.limit_price, self.stop_price, self.trigger_price, self.trailing_amount)
        return self.tag is not None and all(value is None for value in prices)


def validate_update(
    instrument: Instrument,
    status: str,
    update: OrderUpdate,
    *,
    rules: Ruleset | None = None,
    usd_rate: Decimal | None = None,
) -> Verdict:
    """Whether a working order may be changed like this."""
    rules = rules or rulesets.load()
    return _update_denied(instrument, status, update, rules, usd_rate) or Accepted(rules.provenance)


def _update_denied(
    instrument: Instrument, status: str, update: OrderUpdate, rules: Ruleset, usd_rate: Decimal | None
) -> Denied | None:
    if status in CLOSED_STATUSES:
        return None if update.only_tag else rules.deny("order_closed", status=status)
    if status in ("new", "created"):
        return rules.deny("order_not_yet_submitted")
    if update.quantity is None:
        return None
    if update.quantity == 0:
        return rules.deny("quantity_zero")
    if instrument.asset_class == AssetClass.FOREX:
        return size_denied(instrument.base, update.quantity, rules, usd_rate=usd_rate)
    return None
