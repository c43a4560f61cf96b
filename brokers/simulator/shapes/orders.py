"""Orders and fills as the wire shows them, mixed strings and numbers included."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import combos
from brokers.simulator.exchange.records import Execution, Order

_SPOKEN = {
    "MKT": "Market",
    "LMT": "Limit",
    "STP": "Stop",
    "STOP_LIMIT": "Stop Limit",
    "MIDPRICE": "MidPrice",
    "TRAIL": "Trailing Stop",
    "TRAILLMT": "Trailing Stop Limit",
    "MOC": "Market On Close",
    "LOC": "Limit On Close",
    "MIT": "Market If Touched",
    "LIT": "Limit If Touched",
}
_ORIGINAL = {"MKT": "MARKET", "LMT": "LIMIT", "STP": "STOP"}
_TIF_SPOKEN = {"DAY": "Day", "CLOSE": "Day"}
_CCP = {"Filled": "2", "Cancelled": "4", "Submitted": "0", "PreSubmitted": "0", "Inactive": "8"}


def plain(value: Decimal) -> str:
    """A number without needless zeros: 5, 0.5."""
    return format(value.normalize(), "f")


def price(value: Decimal | None, instrument: Instrument) -> str:
    """A price with the contract's digits; empty when there is none."""
    return "" if value is None else f"{value:.{instrument.digits_at(value)}f}"


def described(order: Order, instrument: Instrument, *, with_symbol: bool) -> str:
    done = order.status == "Filled"
    verb = {"BUY": "Bought" if done else "Buy", "SELL": "Sold" if done else "Sell"}[order.side]
    parts = [verb, plain(order.quantity)]
    if with_symbol:
        parts.append("Combo" if order.legs else instrument.symbol)
    parts.append(_SPOKEN.get(order.order_type, order.order_type))
    shown = order.limit_price if order.limit_price is not None else order.stop_price
    if shown is not None:
        parts.append(price(shown, instrument))
    return f"{' '.join(parts)}, {_TIF_SPOKEN.get(order.tif, order.tif)}"


def stamp(at: float) -> str:
    """UTC as YYMMDDHHmmss."""
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%S")


def order_row(order: Order, instrument: Instrument, *, show_reference: bool, show_trail: bool = True) -> dict[str, Any]:
    """One row of /iserver/account/orders and of `sor`."""
    filled = float(order.filled)
    row: dict[str, Any] = {
        "acct": order.account_id,
        "conidex": _conidex(order),
        "conid": order.conid,
        "account": order.account_id,
        "orderId": order.order_id,
        "cashCcy": instrument.currency,
        "sizeAndFills": plain(order.quantity) if order.status == "Filled" else _fills(order),
        "orderDesc": described(order, instrument, with_symbol=True),
        "description1": instrument.described,
        "ticker": instrument.symbol,
        "secType": instrument.sec_type,
        "listingExchange": instrument.listing,
        "remainingQuantity": 0.0 if not order.working else float(order.remaining),
        "filledQuantity": filled,
        "totalSize": float(order.quantity),
        "companyName": instrument.name,
        "status": order.shown_status,
        "order_ccp_status": order.shown_status,
        "origOrderType": _ORIGINAL.get(order.order_type, order.order_type),
        "supportsTaxOpt": "1",
        "lastExecutionTime": stamp(order.updated_at),
        "orderType": _SPOKEN.get(order.order_type, order.order_type),
        "bgColor": "#FFFFFF",
        "fgColor": "#000000",
        "isEventTrading": "0",
        "price": price(order.limit_price, instrument),
        "timeInForce": "CLOSE" if order.tif == "DAY" else order.tif,
        "lastExecutionTime_r": int(order.updated_at) * 1000,
        "side": order.side,
    }
    if order.filled:
        row["avgPrice"] = plain(order.average_price)
    if order.stop_price is not None:
        row["auxPrice"] = price(order.stop_price, instrument)
        row["stop_price"] = price(order.stop_price, instrument)
    if order.order_type == "TRAILLMT" and not show_trail:
        for name in ("price", "auxPrice", "stop_price"):
            row.pop(name, None)
    if order.reference and (order.parent_id is None or show_reference):
        row["order_ref"] = order.reference
    if order.parent_id is not None:
        row["parentId"] = order.parent_id
    if order.oca_group:
        row["ocaGroupId"] = order.oca_group
    if order.fa_group:
        row["allocationGroup"] = order.fa_group
    if order.reason and not order.working:
        row["order_cancellation_by_system_reason"] = order.reason
    if order.held_back and order.working:
        row["text"] = order.held_back
    return row


def _conidex(order: Order) -> str:
    return combos.spelled(order.legs) if order.legs else str(order.conid)


def _fills(order: Order) -> str:
    return f"{plain(order.filled)}/{plain(order.quantity)}" if order.filled else f"0/{plain(order.quantity)}"


def status_row(order: Order, instrument: Instrument) -> dict[str, Any]:
    """The body of /iserver/account/order/status: it never names the client's reference."""
    return _identity(order, instrument) | _amounts(order, instrument) | _handling(order, instrument)


def _identity(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Which order it is, and what became of it."""
    return {
        "sub_type": None,
        "request_id": "209",
        "server_id": "0",
        "order_id": order.order_id,
        "conidex": _conidex(order),
        "conid": order.conid,
        "symbol": instrument.symbol,
        "side": order.side,
        "contract_description_1": instrument.local_symbol,
        "listing_exchange": instrument.listing,
        "is_event_trading": "0",
        "order_desc": described(order, instrument, with_symbol=True),
        "option_acct": "c",
        "company_name": instrument.name,
        "order_status": order.shown_status,
        "order_ccp_status": _CCP.get(order.shown_status, "0"),
        "order_status_description": f"Order {order.shown_status}",
        "order_type": _ORIGINAL.get(order.order_type, order.order_type),
    }


def _amounts(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Quantities and prices, as text."""
    average = _average(order)
    size = "0.0" if not order.working else str(float(order.remaining))
    return {
        "size": size,
        "remaining_quantity": size,
        "total_size": str(float(order.quantity)),
        "total_cash_size": "0.0",
        "cum_fill": str(float(order.filled)),
        "filled_quantity": str(float(order.filled)),
        "fill_price": average,
        "avg_fill_price": average,
        "last_fill_price": average,
        "average_price": average,
        "price": price(order.limit_price, instrument) or "0.0",
        "stop_price": price(order.stop_price, instrument) or "0.0",
        "currency": instrument.currency,
    }


def _handling(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Whose order it is, and what a client may do with it."""
    return {
        "account": order.account_id,
        "tif": order.tif,
        "bg_color": "#FFFFFF",
        "fg_color": "#000000",
        "order_not_editable": not order.working,
        "editable_fields": "" if not order.working else "\x1e",
        "cannot_cancel_order": not order.working,
        "outside_rth": order.outside_rth,
        "all_or_none": False,
        "deactivate_order": False,
        "use_price_mgmt_algo": False,
        "sec_type": instrument.sec_type,
        "available_chart_periods": "#R|1",
        "order_description": described(order, instrument, with_symbol=False),
        "order_description_with_contract": described(order, instrument, with_symbol=True),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "alert_active": 0,
        "child_order_type": "0",
        "order_clearing_account": order.account_id,
        "size_and_fills": plain(order.quantity) if order.status == "Filled" else _fills(order),
        "exit_strategy_display_price": _average(order),
        "exit_strategy_chart_description": "",
        "exit_strategy_tool_availability": "0",
        "allowed_duplicate_opposite": True,
        "order_time": stamp(order.created_at),
    }


def _average(order: Order) -> str:
    return str(order.average_price.normalize()) if order.filled else "0.0"


def trade_row(execution: Execution, instrument: Instrument, *, submitter: str) -> dict[str, Any]:
    """One row of /iserver/account/trades and of `str`."""
    when = datetime.fromtimestamp(execution.executed_at, UTC)
    verb = "Bought" if execution.side == "BUY" else "Sold"
    row: dict[str, Any] = {
        "execution_id": execution.execution_id,
        "symbol": instrument.symbol,
        "supports_tax_opt": "1",
        "side": "B" if execution.side == "BUY" else "S",
        "order_description": f"{verb} {plain(execution.quantity)} @ {plain(execution.price)} on {execution.exchange}",
        "trade_time": when.strftime("%Y%m%d-%H:%M:%S"),
        "trade_time_r": int(execution.executed_at * 1000),
        "size": float(execution.quantity),
        # Recorded as a number, documented as a string: a client has to read both.
        "price": float(execution.price),
        "submitter": submitter,
        "exchange": execution.exchange,
        "commission": plain(execution.commission),
        "net_amount": float(execution.net_amount),
        "account": execution.account_id,
        "accountCode": execution.account_id,
        "account_allocation_name": execution.account_id,
        "company_name": instrument.name,
        "contract_description_1": instrument.local_symbol,
        "sec_type": instrument.sec_type,
        "listing_exchange": instrument.listing,
        "conid": execution.conid,
        "conidEx": str(execution.conid),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "0",
        "is_event_trading": "0",
        "order_id": execution.order_id,
    }
    if execution.reference:
        row["order_ref"] = execution.reference
    return row


def ack(order: Order) -> dict[str, Any]:
    """The accepted row of an order POST."""
    row = {"order_id": str(order.order_id), "order_status": order.shown_status, "encrypt_message": "1"}
    if order.reference:
        row["local_order_id"] = order.reference
    return row


def failed(text: str, reference: str) -> dict[str, Any]:
    """The refused row among several tickets."""
    row: dict[str, Any] = {
        "order_id": "-1",
        "order_status": "Failed",
        "error": None,
        "warning_message": "-1",
        "text": text,
    }
    if reference:
        row["local_order_id"] = reference
    return row
