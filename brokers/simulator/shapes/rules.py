"""What may be ordered of a contract, as the wire shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.rulebook.words import OrderType
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.exchange.rules import has_auction
from brokers.simulator.shapes.contracts import increments

_BASIC = ("limit", "market", "stop", "stop_limit", "mit", "lit", "trailing_stop", "trailing_stop_limit")
_SHARES = ("limit", "midprice", *_BASIC[1:])
_AT_THE_CLOSE = ("marketonclose", "limitonclose")
_ORDER_TYPES = {"STK": _SHARES, "IND": (), "OPT": _BASIC, "CASH": _BASIC}
_OUTSIDE = ("limit", "stop_limit", "lit", "trailing_stop_limit")
_CASH = ("limit", "market")


def contract_rules(instrument: Instrument, last: Decimal, account_ids: list[str]) -> dict[str, Any]:
    """Order types, times in force, sizes and increments."""
    price, tick = float(last), instrument.tick(last)
    order_types = list(_ORDER_TYPES.get(instrument.sec_type, _BASIC)) if instrument.tradable else []
    if order_types and has_auction(instrument, OrderType.MARKET_ON_CLOSE):
        order_types += _AT_THE_CLOSE
    opening = ["OPG/LIMIT,MARKET,a"] if has_auction(instrument, OrderType.MARKET_ON_OPEN) else []
    share = instrument.sec_type == "STK"
    return {
        "algoEligible": share,
        "allOrNoneEligible": True,
        "costReport": False,
        "canTradeAcctIds": account_ids if instrument.tradable else [],
        "error": None,
        "orderTypes": order_types,
        "ibAlgoTypes": ["limit", "stop_limit", "marketonclose", "limitonclose"] if share else [],
        "fraqTypes": [],
        "forceOrderPreview": False,
        "cqtTypes": list(_CASH) if instrument.sec_type == "CASH" else [],
        "orderDefaults": {"LMT": {"LP": f"{price:.{instrument.digits_at(last)}f}"}},
        "orderTypesOutside": list(_OUTSIDE) if share else [],
        "defaultSize": {"STK": 100, "CASH": 20_000}.get(instrument.sec_type, 1),
        "cashSize": 0.0,
        "sizeIncrement": instrument.lot,
        "tifTypes": ["IOC/MARKET,LIMIT,o", "GTC/o,a", *opening, "DAY/o,a"],
        "tifDefaults": {"TIF": "DAY", "SIZE": f"{100 if share else 1:.2f}"},
        "limitPrice": price,
        "stopprice": price,
        "orderOrigination": None,
        "preview": True,
        "displaySize": None,
        "fraqInt": 0,
        "cashCcy": instrument.currency,
        "cashQtyIncr": 500,
        "priceMagnifier": instrument.magnifier,
        "negativeCapable": False,
        "incrementType": 1,
        "incrementRules": increments(instrument),
        "hasSecondary": share,
        "modTypes": order_types,
        "increment": float(tick),
        "incrementDigits": max(0, -int(tick.normalize().as_tuple().exponent)),
    }
