"""Order-size limits of currency pairs: the base currency governs, in both directions."""

from decimal import Decimal

from brokers.rulebook.answers import Denied
from brokers.rulebook.rulesets import Ruleset, SizeLimit
from brokers.rulebook.values import ZERO

NOTHING = SizeLimit(minimum=ZERO, maximum=ZERO)


def size_denied(currency: str, quantity: Decimal, rules: Ruleset, *, usd_rate: Decimal | None = None) -> Denied | None:
    """Why IBKR takes no order of this much of a base currency, or None. `usd_rate`: USD for one unit of it, which
    `ibkr_current` needs for the currencies that IBKR limits by their worth in USD.
    """
    size = abs(quantity)
    if currency in rules.policy.forex_usd_equivalent:
        if not usd_rate:
            return rules.deny("no_fx_rate", name=currency)
        limit, size = rules.forex_sizes["USD"], size * usd_rate
    else:
        limit = rules.forex_sizes.get(currency, NOTHING)
    if _big_enough(size, limit, rules) and size <= limit.maximum:
        return None
    return rules.deny("forex_order_size", currency=currency, min=limit.minimum, max=limit.maximum, quantity=quantity)


def is_odd_lot(currency: str, quantity: Decimal, rules: Ruleset) -> bool:
    """Below the minimum, yet taken because the account chose a warning."""
    limit = rules.forex_sizes.get(currency, NOTHING)
    return rules.policy.forex_below_minimum == "warn" and 0 < abs(quantity) < limit.minimum


def _big_enough(size: Decimal, limit: SizeLimit, rules: Ruleset) -> bool:
    if limit.maximum > 0 and rules.policy.forex_below_minimum == "warn":
        return size > 0
    return size > 0 if limit.minimum == 0 else size >= limit.minimum
