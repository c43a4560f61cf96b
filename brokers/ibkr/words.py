"""Our words and IBKR's, side by side, and how its mixed strings and numbers are read."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.domain.orders import AssetClass, OrderStatus, OrderType, Side, TimeInForce

logger = logging.getLogger(__name__)

ORDER_TYPES: Mapping[OrderType, str] = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
    OrderType.TRAILING_STOP: "TRAIL",
}

# Order lists spell them out, with an underscore or a blank between the words.
READ_ORDER_TYPES: Mapping[str, OrderType] = {
    **{code: kind for kind, code in ORDER_TYPES.items()},
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "TRAILING_STOP": OrderType.TRAILING_STOP,
}

# At the close an order has a type of its own, and is an order of the day.
AT_THE_CLOSE: Mapping[OrderType, str] = {OrderType.MARKET: "MOC", OrderType.LIMIT: "LOC"}
TIMES_IN_FORCE: Mapping[TimeInForce, str] = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GTC",
    TimeInForce.OPG: "OPG",
    TimeInForce.CLS: "DAY",
    TimeInForce.IOC: "IOC",
}

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

SECURITY_TYPES: Mapping[AssetClass, str] = {AssetClass.STOCK: "STK", AssetClass.FUTURE: "FUT", AssetClass.FOREX: "CASH"}
READ_SECURITY_TYPES: Mapping[str, str] = {code: str(asset) for asset, code in SECURITY_TYPES.items()}

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

_NUMBER = re.compile(r"^[CH]?(-?[\d,]*\.?\d+(?:[eE][+-]?\d+)?)(?:\s.*|%)?$")


def status(
    word: str | None,
    *,
    filled: Decimal | None = None,
    remaining: Decimal | None = None,
    text: str = "",
) -> OrderStatus | None:
    """Our status for IBKR's word; None when the word is absent or says nothing about the order's life."""
    if not word:
        return None
    if word not in STATUSES:
        logger.warning("IBKR used an order status we do not know: %s", word)
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


def held_because(word: str | None, text: str) -> str:
    """Why IBKR holds an inactive order that may still fill; nothing where it does not."""
    return text if word == "Inactive" and _HELD.search(text) and not _REFUSED.search(text) else ""


def number(value: Any) -> Decimal | None:
    """A number in any of IBKR's spellings: 5, "5.0", "1,977.60 USD", "C189.10" (prior close); None for "" and null."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        exact = Decimal(str(value))
        return exact if exact.is_finite() else None
    match = _NUMBER.match(str(value).strip())
    if match is None:
        return None
    try:
        return Decimal(match.group(1).replace(",", ""))
    except InvalidOperation:
        return None


def quantity(value: Any) -> Decimal | None:
    """A number of shares or contracts, without the zeros IBKR puts behind the point."""
    exact = number(value)
    if exact is None:
        return None
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()


def whole(value: Any) -> int | None:
    """An integer that may be spelled as a string (conid, order id); None for anything else."""
    exact = number(value)
    return int(exact) if exact is not None and exact == exact.to_integral_value() else None


def plain(value: Decimal) -> int | float:
    """A decimal as a JSON number: an integer where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)


def moment(milliseconds: Any, text: Any = None) -> datetime | None:
    """A moment from epoch milliseconds, else from IBKR's spellings in UTC: 20231211-18:00:49 and 231211180049."""
    exact = number(milliseconds)
    if exact is not None and exact > 0:
        return datetime.fromtimestamp(float(exact) / 1000, UTC)
    for pattern in ("%Y%m%d-%H:%M:%S", "%y%m%d%H%M%S"):
        try:
            return datetime.strptime(str(text), pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def one_line(text: Any) -> str:
    """IBKR's text without its line breaks and markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", str(text)).split())
