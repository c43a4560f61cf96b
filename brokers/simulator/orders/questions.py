"""What the broker asks before it takes an order, and the order that waits for the answer."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.records import Ticket
from brokers.simulator.gateway.users import Pending
from brokers.simulator.market.market import Quote
from brokers.simulator.shapes.orders import plain

_SURE = "\nAre you sure you want to submit this order?"
TEXTS = {
    "o163": 'The following order "{order}" price exceeds \nthe Percentage constraint of 3%.' + _SURE,
    "o354": "You are submitting an order without market data. We strongly recommend against this as it may result in "
    "erroneous and unexpected trades." + _SURE,
    "o382": 'The following order "{order}" exceeds the Tick Size Limit of 25.' + _SURE,
    "o383": 'The following order "{order}" size exceeds the Size Limit of 500.' + _SURE,
    "o403": "This order will most likely trigger and fill immediately." + _SURE,
    "o451": 'The following order "{order}" value estimate of {value} {currency} exceeds \n'
    "the Total Value Limit of 100,000 {currency}." + _SURE,
    "o2137": "You have a working order on the opposite side of this contract." + _SURE,
    "o10151": "A Market Order is an instruction to trade your order at any available price. Market orders may be "
    "filled at prices far from the last one." + _SURE,
    "o10152": "Once triggered, a stop order becomes a market order and may fill far from its stop price." + _SURE,
    "o10153": "To avoid trading at a price that is not consistent with a fair and orderly market, IB may set a cap "
    "(for a buy order) or sell floor (for a sell order). THIS MAY CAUSE AN ORDER THAT WOULD OTHERWISE BE MARKETABLE "
    "TO NOT BE TRADED." + _SURE,
    "o10331": "You are about to submit a stop order. Please be aware of the various stop order types available and "
    "the risks associated with each one." + _SURE,
}
# The order in which they are asked.
_RANK = ("o163", "o354", "o383", "o451", "o2137", "o10331", "o10151", "o10153")


def needed(
    ticket: Ticket,
    instrument: Instrument,
    quote: Quote,
    *,
    has_quotes: bool,
    opposite: bool,
    suppressed: Collection[str],
) -> list[str]:
    """The ids of the questions one ticket raises, in the order they are asked."""
    price = ticket.limit_price or ticket.stop_price or quote.mid
    value = price * ticket.quantity * instrument.multiplier
    raised = set()
    if ticket.limit_price is not None and abs(ticket.limit_price - quote.mid) > quote.mid * Decimal("0.03"):
        raised.add("o163")
    if not has_quotes:
        raised.add("o354")
    if ticket.quantity > 500 and instrument.sec_type == "STK":
        raised.add("o383")
    if value > 100_000 and instrument.sec_type == "STK":
        raised.add("o451")
    if opposite:
        raised.add("o2137")
    if ticket.order_type == "MKT":
        raised |= {"o10151", "o10153"}
    if ticket.order_type in {"STP", "STOP_LIMIT"}:
        raised.add("o10331")
    return [i for i in _RANK if i in raised and i not in suppressed]


def ask(pending: Pending, instrument: Instrument, quote: Quote) -> list[dict[str, Any]]:
    """The question row for the next id, under a fresh reply id."""
    pending.id = str(uuid.uuid4())
    ticket = pending.tickets[0]
    price = ticket.limit_price or ticket.stop_price or quote.mid
    at = f" @ {plain(price)}" if ticket.order_type != "MKT" else ""
    order = f"{ticket.side} {plain(ticket.quantity)} {instrument.symbol} {instrument.listing}{at}"
    value = f"{price * ticket.quantity * instrument.multiplier:,.2f}"
    text = TEXTS.get(pending.asked[0], "Please confirm this order ({order})." + _SURE)
    return [
        {
            "id": pending.id,
            "message": [text.format(order=order, value=value, currency=instrument.currency)],
            "isSuppressed": False,
            "messageIds": [pending.asked[0]],
            "messageOptions": ["Yes", "No"],
        }
    ]
