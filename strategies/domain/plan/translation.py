"""Our contracts, intents and capabilities in the words of the rulebook."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.contracts.combos import ComboName, combo_named
from brokers.domain.contracts.options import named
from brokers.domain.orders import (
    FOR_AUCTIONS,
    OPTIONS,
    TOUCHED,
    AssetClass,
    Instrument,
    OrderIntent,
    OrderType,
    TimeInForce,
)
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import values as book
from brokers.rulebook.products.cfds import kind_of

ONE = Decimal(1)
_CLASSES = {AssetClass.STOCK: "equity"}
_RIGHTS = {"C": "call", "P": "put"}
_TYPES = {OrderType.STOP: "stop_market"}
_AUCTIONS = {sent_as: name for name, sent_as in FOR_AUCTIONS.items()}
# The rulebook knows how long an order may rest; what fills at once or in an auction does not rest.
_RESTS = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_CONTRACT_MONTH = re.compile(r"([A-Z0-9]+?)(?:[FGHJKMNQUVXZ]\d{1,4}|[12]!)?")


def to_instrument(intent: OrderIntent, snapshot: Snapshot, *, whole: bool) -> book.Instrument:
    """The instrument of an intent; with `whole`, a fraction of a unit is refused."""
    contract, ours = snapshot.contract, intent.instrument
    combo = combo_of(ours)
    option = (combo.long if combo else named(ours.ticker)) if ours.asset_class in OPTIONS else None
    on_index = option is not None and option.index
    asset_class = "index_option" if on_index else _CLASSES.get(ours.asset_class, str(ours.asset_class))
    return book.Instrument(
        asset_class=asset_class,
        symbol=ours.ticker,
        market=_market(asset_class, contract.exchange, contract.currency),
        currency=contract.currency,
        product=product_of(option.underlying if option is not None else ours.ticker),
        multiplier=contract.multiplier,
        # What is held in fractions, after a split or by hand, may leave in fractions.
        lot_size=ONE if whole else None,
        tick=contract.tick,
        right=_RIGHTS[option.right] if option else None,
        strike=option.strike if option else None,
        expiry=option.expiry if option else None,
        cfd_kind=kind_of(ours.ticker) if ours.asset_class is AssetClass.CFD else None,
    )


def combo_of(instrument: Instrument) -> ComboName | None:
    """The combo that an instrument is; None where it is a single contract."""
    return combo_named(instrument.ticker) if instrument.asset_class is AssetClass.OPTION else None


def _market(asset_class: str, exchange: str, currency: str) -> str | None:
    """The market of a fee schedule; IBKR routes US shares, so their listing does not matter."""
    if asset_class in {"future", "future_option"}:
        return exchange.lower() or None
    return exchange.lower() or "unknown" if asset_class == "equity" and currency != "USD" else None


@lru_cache(maxsize=4096)
def product_of(ticker: str) -> str:
    """The product of a future: MNQ of MNQZ2026, ES of ES1!."""
    match = _CONTRACT_MONTH.fullmatch(ticker)
    return match[1] if match else ticker


def to_order(intent: OrderIntent) -> book.Order:
    """The order of an intent: its quantity signed, a trailing percentage as a fraction, its time in force a resting one."""
    kind = _TYPES.get(intent.type, str(intent.type))
    percent, tif, touched = intent.trail_percent, intent.time_in_force, intent.type in TOUCHED
    if tif is TimeInForce.GTD:
        # As IBKR has it: Halyard ends it.
        tif = TimeInForce.GTC
    if combo_of(intent.instrument) is not None:
        kind = f"combo_{kind}"
    return book.Order(
        type=_AUCTIONS.get((intent.type, tif), kind),
        quantity=intent.side.sign * intent.quantity,
        limit_price=intent.limit_price,
        stop_price=None if touched else intent.stop_price,
        trigger_price=intent.stop_price if touched else None,
        trailing_amount=intent.trail_amount if percent is None else percent / 100,
        trailing_as_percentage=percent is not None,
        time_in_force=str(tif if tif in _RESTS else TimeInForce.DAY),
        outside_regular_hours=intent.outside_rth,
    )


@lru_cache(maxsize=256)
def to_permissions(capabilities: Capabilities, permitted: bool | None) -> book.Permissions:
    """What the account may do, in the rulebook's words; `PERMISSIONS_UNKNOWN` where IBKR said nothing."""
    if capabilities == NOT_SAID and permitted is None:
        return book.PERMISSIONS_UNKNOWN
    return book.Permissions(
        lite=capabilities.lite,
        clearing=capabilities.clearing,
        client_trades=capabilities.client_trades,
        security_types=frozenset(word for each in capabilities.asset_types.split(",") if (word := each.strip())),
        instrument=permitted,
    )
