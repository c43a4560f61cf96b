"""Which currency pair of IBKR a ticker means."""

from __future__ import annotations

import re
from decimal import Decimal

from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import Contract, Instrument
from brokers.ibkr.cleaning import text
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import rows


async def find(instrument: Instrument, get: Get) -> Contract:
    """The pair of a ticker; OrderRefused with a sentence where IBKR lists none."""
    letters = re.sub(r"[^A-Z]", "", instrument.ticker.upper())
    if len(letters) != 6:
        raise _unknown(f"{instrument} is no currency pair. Write both currencies together, like EURUSD.")
    base, currency = letters[:3], letters[3:]
    listed = rows(await get("iserver/currency/pairs", {"currency": currency}), currency)
    by_symbol = {text(row.get("symbol"), 16): whole(row.get("conid")) for row in listed}
    conid = by_symbol.get(f"{base}.{currency}")
    if conid is None:
        if f"{currency}.{base}" in by_symbol:
            turned = f"IBKR lists it as {currency}{base}: send that, with buy and sell exchanged."
        else:
            turned = "Send a pair that it lists, such as EURUSD."
        raise _unknown(f"IBKR lists no currency pair {base}{currency}. {turned}")
    return Contract(
        instrument=instrument,
        conid=conid,
        name=f"{base}.{currency}",
        exchange="IDEALPRO",
        currency=currency,
        tick=Decimal("0.005") if currency == "JPY" else Decimal("0.00005"),
    )


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
