"""Order tickets as clients send them: understood, or refused in the broker's words."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.simulator import catalogue
from brokers.simulator.catalogue import Instrument
from brokers.simulator.records import Ticket

TYPES = {
    "MKT": "MKT",
    "LMT": "LMT",
    "STP": "STP",
    "STOP_LIMIT": "STOP_LIMIT",
    "STP LMT": "STOP_LIMIT",
    "MIDPRICE": "MIDPRICE",
    "TRAIL": "TRAIL",
    "TRAILLMT": "TRAILLMT",
    "MOC": "MOC",
    "LOC": "LOC",
}
_TIFS = frozenset({"GTC", "OPG", "DAY", "IOC", "PAX", "OVT", "OND"})
_TEXTS = ("acctId", "side", "orderType", "tif", "cOID", "parentId", "conidex", "trailingType", "secType")
_NUMBERS = ("price", "auxPrice", "quantity", "trailingAmt", "cashQty", "fxQty")


class Refused(Exception):
    """The broker says no: 400 when it cannot read the ticket, 200 when it can but will not."""

    def __init__(self, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def parse(raw: Any, account_id: str, accounts: Collection[str]) -> Ticket:
    """One ticket of an order POST."""
    if not isinstance(raw, dict):
        raise Refused("orders request includes parameter with incorrect type", 400)
    _check_types(raw)
    account = raw.get("acctId") or account_id
    if account not in accounts:
        raise Refused(f"Bad Request: accountId is not valid: {account}", 400)
    conid = _conid(raw)
    side = str(raw.get("side") or "").upper()
    if side not in {"BUY", "SELL"}:
        raise Refused("Invalid Side (must be 'BUY' or 'SELL')", 400)
    order_type = TYPES.get(str(raw.get("orderType") or "").upper())
    if order_type is None:
        raise Refused("Unknown order type", 400)
    tif = str(raw.get("tif") or "").upper()
    if tif not in _TIFS:
        raise Refused(f"{tif or 'null'} time in force is not supported for this order")
    reference = raw.get("cOID") or ""
    if len(reference) > 64:
        raise Refused("Order couldn't be submitted: Local order ID is too long.")
    return Ticket(
        account_id=account,
        conid=conid,
        side=side,
        order_type=order_type,
        tif=tif,
        quantity=_quantity(raw),
        trailing_type=str(raw.get("trailingType") or "") if order_type.startswith("TRAIL") else "",
        trailing_amount=_number(raw, "trailingAmt") if order_type.startswith("TRAIL") else None,
        reference=reference,
        parent_reference=raw.get("parentId") or "",
        outside_rth=raw.get("outsideRTH") is True,
        single_group=raw.get("isSingleGroup") is True,
        **_prices(raw, order_type),
    )


def _check_types(raw: dict[str, Any]) -> None:
    for name in _TEXTS:
        if raw.get(name) is not None and not isinstance(raw[name], str):
            raise Refused("orders request includes parameter with incorrect type", 400)
    for name in _NUMBERS:
        value = raw.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float, str, type(None))):
            raise Refused("orders request includes parameter with incorrect type", 400)


def _conid(raw: dict[str, Any]) -> int:
    value = raw.get("conid")
    if value is None and raw.get("conidex"):
        value = str(raw["conidex"]).split("@")[0]
    if value is None:
        raise Refused("conid or conidex is required", 400)
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Refused("orders request includes parameter with incorrect type", 400) from None


def _number(raw: dict[str, Any], name: str) -> Decimal | None:
    value = raw.get(name)
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Refused("orders request includes parameter with incorrect type", 400) from None
    if not number.is_finite() or abs(number) >= Decimal("1e12"):
        raise Refused("orders request includes parameter with incorrect type", 400)
    return number


def _quantity(raw: dict[str, Any]) -> Decimal:
    quantity = _number(raw, "quantity")
    if quantity is None:
        raise Refused("Order quantity is required: send one of quantity, cashQty, fxQty.")
    if quantity <= 0:
        raise Refused("Invalid order quantity: it must be more than zero.")
    return quantity


def _prices(raw: dict[str, Any], order_type: str) -> dict[str, Decimal | None]:
    """Limit and stop price; which field carries which depends on the type."""
    price, aux = _number(raw, "price"), _number(raw, "auxPrice")
    limit = stop = None
    match order_type:
        case "LMT" | "LOC":
            limit = price
            missing = limit is None
        case "STP":
            stop = price if price is not None else aux
            missing = stop is None
        case "STOP_LIMIT" | "TRAILLMT":
            limit, stop = price, aux
            missing = limit is None or stop is None
        case "TRAIL":
            stop = price
            missing = False
        case "MIDPRICE":
            limit, missing = price, False
        case _:
            missing = False
    trails = order_type.startswith("TRAIL")
    if trails and (_number(raw, "trailingAmt") is None or raw.get("trailingType") not in {"amt", "%"}):
        missing = True
    if missing or any(p is not None and p <= 0 for p in (limit, stop)):
        raise Refused("Invalid order price fields")
    return {"limit_price": limit, "stop_price": stop}


def check_contract(ticket: Ticket) -> Instrument:
    """The contract of a ticket, if this order may be placed in it."""
    instrument = catalogue.find(ticket.conid)
    if instrument is None:
        raise Refused(f"no sec defs returned forSecDef reqId=resolveSecReqByConid{ticket.conid}")
    if not instrument.tradable:
        raise Refused("No trading permissions.")
    if ticket.quantity % 1:
        raise Refused("Fractional quantities are not supported for this order.")
    if ticket.outside_rth and ticket.order_type in {"MKT", "MOC", "LOC"} and instrument.sec_type == "STK":
        raise Refused("invalid order attribute : Outside Regular Trading Hours")
    for price in (ticket.limit_price, ticket.stop_price):
        if price is not None and price % instrument.increment:
            raise Refused("The price does not conform to the minimum price variation for this contract.")
    return instrument
