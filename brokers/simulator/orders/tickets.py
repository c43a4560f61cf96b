"""Order tickets as clients send them: understood, or refused in the broker's words."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from brokers.rulebook.values import ONE
from brokers.rulebook.words import OrderType
from brokers.simulator.catalogue import catalogue, relisted
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import local_day
from brokers.simulator.exchange import combos
from brokers.simulator.exchange.records import Leg, Ticket
from brokers.simulator.exchange.rules import has_auction

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
    "MIT": "MIT",
    "LIT": "LIT",
}
_TIFS = frozenset({"GTC", "OPG", "DAY", "IOC", "FOK", "GTD", "PAX", "OVT", "OND"})
_TEXTS = (
    "acctId",
    "side",
    "orderType",
    "tif",
    "cOID",
    "parentId",
    "conidex",
    "trailingType",
    "secType",
    "goodTillDate",
    "allocationMethod",
)
_NUMBERS = ("price", "auxPrice", "quantity", "trailingAmt", "cashQty", "fxQty")

_CLOSES = {"MOC": OrderType.MARKET_ON_CLOSE, "LOC": OrderType.MARKET_ON_CLOSE}
# Contracts that do not make a combo by themselves.
_NEVER_ALL_LEGS = frozenset({"STK", "CASH", "CFD"})
# More than this is a slip of the hand, and more than the books could hold.
_MOST_VALUE = Decimal("1e11")


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
    conid, legs = _contract(raw)
    side = str(raw.get("side") or "").upper()
    if side not in {"BUY", "SELL"}:
        raise Refused("Invalid Side (must be 'BUY' or 'SELL')", 400)
    order_type = TYPES.get(str(raw.get("orderType") or "").upper())
    if order_type is None:
        raise Refused("Unknown order type", 400)
    tif = str(raw.get("tif") or "").upper()
    if tif not in _TIFS:
        raise Refused(f"{tif or 'null'} time in force is not supported for this order")
    _check_combination(order_type, tif, legs)
    reference = raw.get("cOID") or ""
    if len(reference) > 64:
        raise Refused("Order couldn't be submitted: Local order ID is too long.")
    limit, stop = _prices(raw, order_type, any_sign=bool(legs))
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
        good_till=_good_till(raw) if tif == "GTD" else None,
        legs=legs,
        limit_price=limit,
        stop_price=stop,
    )


def _check_types(raw: dict[str, Any]) -> None:
    for name in _TEXTS:
        if raw.get(name) is not None and not isinstance(raw[name], str):
            raise Refused("orders request includes parameter with incorrect type", 400)
    for name in _NUMBERS:
        value = raw.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float, str, type(None))):
            raise Refused("orders request includes parameter with incorrect type", 400)


def _contract(raw: dict[str, Any]) -> tuple[int, tuple[Leg, ...]]:
    """The contract of a ticket, with the legs where it is a combo."""
    value, conidex = raw.get("conid"), raw.get("conidex")
    try:
        if value is None and combos.is_combo(conidex):
            return combos.SPREAD, combos.parse(str(conidex))
        if value is None and conidex:
            value = str(conidex).split("@")[0]
        if value is None:
            raise Refused("conid or conidex is required", 400)
        return int(value), ()
    except (TypeError, ValueError):
        raise Refused("orders request includes parameter with incorrect type", 400) from None


def _check_combination(order_type: str, tif: str, legs: tuple[Leg, ...]) -> None:
    """What no exchange takes together."""
    if legs and (order_type not in {"MKT", "LMT"} or tif == "OPG"):
        raise Refused("This order type is not supported for combination orders.")
    if tif == "OPG" and order_type not in {"MKT", "LMT"}:
        raise Refused("OPG time in force is not supported for this order")
    if order_type in {"MOC", "LOC"} and tif not in {"DAY", "GTC"}:
        raise Refused(f"{tif} time in force is not supported for this order")


def _good_till(raw: dict[str, Any]) -> float:
    """When a GTD order ends: `YYYYMMDD HH:MM:SS` or `YYYYMMDD-HH:MM:SS`, in UTC."""
    text = str(raw.get("goodTillDate") or "").removesuffix("UTC").strip()
    for shape in ("%Y%m%d %H:%M:%S", "%Y%m%d-%H:%M:%S"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, shape).replace(tzinfo=UTC).timestamp()
    raise Refused("Invalid good till date: send goodTillDate as YYYYMMDD HH:MM:SS UTC.")


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


def _prices(raw: dict[str, Any], order_type: str, *, any_sign: bool) -> tuple[Decimal | None, Decimal | None]:
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
        case "MIT":
            stop = aux if aux is not None else price
            missing = stop is None
        case "STOP_LIMIT" | "TRAILLMT" | "LIT":
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
    amount = _number(raw, "trailingAmt") if trails else None
    if missing or any(p is not None and p <= 0 and not any_sign for p in (limit, stop, amount)):
        raise Refused("Invalid order price fields")
    return limit, stop


def check_contract(ticket: Ticket, at: float) -> Instrument:
    """The contract of a ticket, if this order may be placed in it; of a combo its first leg."""
    instruments = [_tradable(conid, at) for conid in [leg.conid for leg in ticket.legs] or [ticket.conid]]
    instrument = instruments[0]
    if ticket.legs and (
        len({i.currency for i in instruments}) > 1 or {i.sec_type for i in instruments} <= _NEVER_ALL_LEGS
    ):
        raise Refused("This combination is not supported: it needs a derivative, and one currency.")
    if ticket.quantity % 1:
        raise Refused("Fractional quantities are not supported for this order.")
    if ticket.quantity % instrument.lot:
        raise Refused(f"Order size is not a multiple of the lot size {instrument.lot}.")
    if ticket.quantity * max(instrument.multiplier, ONE) * Decimal(instrument.base_price) > _MOST_VALUE:
        raise Refused("The order size exceeds the maximum for this contract.")
    if ticket.outside_rth and ticket.order_type in {"MKT", "MOC", "LOC"} and instrument.sec_type == "STK":
        raise Refused("invalid order attribute : Outside Regular Trading Hours")
    _check_auction(ticket, instrument)
    if not ticket.legs:
        for price in (ticket.limit_price, ticket.stop_price):
            if price is not None and price % instrument.tick(price):
                raise Refused("The price does not conform to the minimum price variation for this contract.")
    return instrument


def _tradable(conid: int, at: float) -> Instrument:
    instrument = catalogue.find(conid)
    gone = instrument is None or relisted.is_gone(conid)
    if instrument is None or gone or not catalogue.is_listed(instrument, local_day(instrument, at)):
        raise Refused(f"no sec defs returned forSecDef reqId=resolveSecReqByConid{conid}")
    if not instrument.tradable or instrument.sec_type == "IND":
        raise Refused("No trading permissions.")
    return instrument


def _check_auction(ticket: Ticket, instrument: Instrument) -> None:
    """Opening and closing auctions are held where the rulebook's matrix has them."""
    auction = {"OPG": OrderType.MARKET_ON_OPEN}.get(ticket.tif) or _CLOSES.get(ticket.order_type)
    if auction is not None and not has_auction(instrument, auction):
        what = ticket.tif if ticket.tif == "OPG" else ticket.order_type
        raise Refused(f"{what} is not supported for this contract")
