"""What an order is expected to be charged; of a combo, both its legs. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.rulebook import values as book
from brokers.rulebook.accounting import Fee
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.words import OrderType

_COMBOS = frozenset({OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT})
# Kinds of CFDs whose rates by IBKR we have no figure of.
_CFDS_WITHOUT_A_RATE = {"share": "a share", "metal": "a metal"}
# Each leg is charged by its own premium, which is not known here and is more than what both cost together: the dearest tier.
_DEAR = book.Quote(price=book.ONE, bid=book.ONE, ask=book.ONE)


def estimated(
    instrument: book.Instrument,
    order: book.Order,
    quote: book.Quote,
    *,
    rules: Ruleset,
    fx_rate: Decimal,
    usd_rate: Decimal | None,
) -> Fee:
    """The fee of an order; raises as `estimate_fee`."""
    if order.type not in _COMBOS:
        return estimate_fee(instrument, order, quote, rules=rules, fx_rate=fx_rate, usd_rate=usd_rate)
    # As one order of twice as many: what an order costs at least is asked of it once, and not of each leg.
    both = replace(order, type=OrderType.MARKET, limit_price=None, quantity=order.quantity * 2)
    return estimate_fee(instrument, both, _DEAR, rules=rules, fx_rate=fx_rate, usd_rate=usd_rate)


def assumed(instrument: book.Instrument) -> tuple[str, ...]:
    """What is said of a fee that no table of ours has; nothing of the others."""
    what = _CFDS_WITHOUT_A_RATE.get(instrument.cfd_kind or "")
    if what is None:
        return ()
    return (f"What IBKR charges for a CFD on {what} is in no table here: the rate of CFDs in general is assumed.",)
