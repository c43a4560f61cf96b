"""Our words and IBKR's, side by side."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.domain.orders import AssetClass, OrderStatus, OrderType, Side, TimeInForce
from brokers.ibkr.cleaning import text as text_of

logger = logging.getLogger(__name__)

ORDER_TYPES: Mapping[OrderType, str] = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
    OrderType.TRAILING_STOP: "TRAIL",
    OrderType.MARKET_IF_TOUCHED: "MIT",
    OrderType.LIMIT_IF_TOUCHED: "LIT",
    OrderType.MIDPRICE: "MIDPRICE",
    OrderType.TRAILING_STOP_LIMIT: "TRAILLMT",
}

# Order lists spell them out, with an underscore or a blank between the words.
READ_ORDER_TYPES: Mapping[str, OrderType] = {
    **{code: kind for kind, code in ORDER_TYPES.items()},
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "TRAILING_STOP": OrderType.TRAILING_STOP,
    "MARKET_IF_TOUCHED": OrderType.MARKET_IF_TOUCHED,
    "LIMIT_IF_TOUCHED": OrderType.LIMIT_IF_TOUCHED,
    "TRAILING_STOP_LIMIT": OrderType.TRAILING_STOP_LIMIT,
}

# At the close an order has a type of its own, and is an order of the day.
AT_THE_CLOSE: Mapping[OrderType, str] = {OrderType.MARKET: "MOC", OrderType.LIMIT: "LOC"}
TIMES_IN_FORCE: Mapping[TimeInForce, str] = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GTC",
    # The Web API carries no date: whoever sent the order cancels it then.
    TimeInForce.GTD: "GTC",
    TimeInForce.OPG: "OPG",
    TimeInForce.CLS: "DAY",
    TimeInForce.IOC: "IOC",
}

_READ_TIMES: Mapping[str, TimeInForce] = {
    "CLOSE": TimeInForce.DAY,
    **{code: time for time, code in TIMES_IN_FORCE.items() if time not in {TimeInForce.CLS, TimeInForce.GTD}},
}


def time_in_force(code: str) -> str:
    """Our word for how long an order works, else IBKR's own. Lists call the order of a day "CLOSE"."""
    code = code.upper()
    return str(_READ_TIMES[code]) if code in _READ_TIMES else code.lower()


SIDES: Mapping[Side, str] = {Side.BUY: "BUY", Side.SELL: "SELL"}
READ_SIDES: Mapping[str, Side] = {
    "BUY": Side.BUY,
    "B": Side.BUY,
    "BOT": Side.BUY,
    "SELL": Side.SELL,
    "S": Side.SELL,
    "SLD": Side.SELL,
    "SSHORT": Side.SELL,
}

SECURITY_TYPES: Mapping[AssetClass, str] = {
    AssetClass.STOCK: "STK",
    AssetClass.FUTURE: "FUT",
    AssetClass.FOREX: "CASH",
    AssetClass.OPTION: "OPT",
    AssetClass.FUTURE_OPTION: "FOP",
    AssetClass.CFD: "CFD",
}
# What Halyard has no orders for is read by its own name all the same.
READ_SECURITY_TYPES: Mapping[str, str] = {
    **{code: str(asset) for asset, code in SECURITY_TYPES.items()},
    "BOND": "bond",
    "BILL": "bill",
    "FUND": "fund",
    "WAR": "warrant",
    "IOPT": "structured_product",
    "CRYPTO": "crypto",
    "CMDTY": "commodity",
    "IND": "index",
    "BAG": "combination",
}


def asset_class(code: str) -> str:
    """Our name for IBKR's security type, else its own in lower case; "unknown" where it gives none."""
    return READ_SECURITY_TYPES.get(code.upper(), code.lower()) or UNKNOWN


# PendingSubmit and PreSubmitted wait inside IBKR (for the exchange, the open or a trigger): IBKR has the order.
# WarnState waits for an answer to a question, which says nothing about the order's life.
STATUSES: Mapping[str, OrderStatus | None] = {
    "PendingSubmit": OrderStatus.ACCEPTED,
    "ApiPending": OrderStatus.ACCEPTED,
    "PreSubmitted": OrderStatus.ACCEPTED,
    "Submitted": OrderStatus.ACCEPTED,
    "Filled": OrderStatus.FILLED,
    "PendingCancel": OrderStatus.PENDING_CANCEL,
    "PreCancelled": OrderStatus.PENDING_CANCEL,
    "Cancelled": OrderStatus.CANCELED,
    "ApiCancelled": OrderStatus.CANCELED,
    "Inactive": OrderStatus.REJECTED,
    "Rejected": OrderStatus.REJECTED,
    "Expired": OrderStatus.EXPIRED,
    "WarnState": None,
}

ALLOCATION_METHODS: Mapping[str, str] = {
    "AvailableEquity": "A",
    "EqualQuantity": "E",
    "NetLiq": "N",
    "CashQuantity": "C",
    "Percentage": "P",
    "Ratios": "R",
    "Shares": "S",
}

# Reasons for which IBKR keeps an order back that may still go to its exchange: shares are located, the order waits for
# its time, a review or its transmission. Everything else said about an inactive order is a refusal.
_HELD = re.compile(
    r"\blocat(e|ed|ing|ion)\b|\bheld\b|\bhold(s|ing)?\b|not (yet )?(been )?transmitted|until (it is )?transmit"
    r"|(await|wait)(s|ing)?\b|\bqueued\b|\bpending\b|under review|being reviewed|compliance review|manual review"
    r"|will (not )?be (submitted|sent|placed|routed|activated|transmitted|released)|not immediately available|deactivated",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"reject|denied|refused|declin|insufficient|not enough|cannot be (placed|accepted|held)|can.?not accept|no trading permission"
    r"|could not be located|unable to locate|can.?not locate|no shares|not permitted|not allowed|withholding"
    r"|(do|does|did)(n.?t| not) (hold|have)|exceed|violat|invalid|restricted",
    re.IGNORECASE,
)


def status(
    word: Any,
    *,
    filled: Decimal | None = None,
    remaining: Decimal | None = None,
    text: str = "",
) -> OrderStatus | None:
    """Our status for IBKR's word; None when the word is absent or says nothing about the order's life."""
    if not word:
        return None
    if not isinstance(word, str) or word not in STATUSES:
        logger.warning("IBKR used an order status we do not know: %s", text_of(word, 40))
        return None
    ours = OrderStatus.ACCEPTED if held_because(word, text) else STATUSES[word]
    if ours is OrderStatus.ACCEPTED and filled:
        return OrderStatus.FILLED if remaining == 0 else OrderStatus.PARTIALLY_FILLED
    if ours is OrderStatus.REJECTED and filled:
        # Part of it traded: it was not rejected, the rest was taken back.
        return OrderStatus.CANCELED
    if ours is OrderStatus.CANCELED and not filled and text.lower().startswith("order rejected"):
        return OrderStatus.REJECTED
    return ours


def held_because(word: Any, text: str) -> str:
    """Why IBKR holds an inactive order that may still fill; nothing where it does not."""
    return text if word == "Inactive" and _HELD.search(text) and not _REFUSED.search(text) else ""
