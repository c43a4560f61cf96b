"""Positions, ledger and profit as the wire shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange.accounting import Worth, unrealized
from brokers.simulator.exchange.records import ZERO, Account, Position

# Figures of the ledger that nothing in this market moves.
_NEVER_HELD = [
    "commoditymarketvalue",
    "futuremarketvalue",
    "corporatebondsmarketvalue",
    "warrantsmarketvalue",
    "interest",
    "moneyfunds",
    "funds",
    "issueroptionsmarketvalue",
    "tbondsmarketvalue",
    "cashbalancefxsegment",
    "tbillsmarketvalue",
    "dividends",
    "cryptocurrencyvalue",
]


def ledger_row(account: Account, currency: str, value: Worth, rate: Decimal, at: float) -> dict[str, Any]:
    """One currency of the ledger in that currency, or BASE for all of it; `rate` turns it into base currency."""
    whole = currency == "BASE"
    waiting = value.unsettled_cash if whole else account.unsettled(currency)
    settled = value.settled_cash if whole else account.cash.get(currency, ZERO)
    stock, options, future_options, futures, contracts = (
        base if whole else value.held.get((currency, sec_type), ZERO)
        for sec_type, base in (
            ("STK", value.stock_value),
            ("OPT", value.option_value),
            ("FOP", value.future_option_value),
            ("FUT", value.futures_pnl),
            ("CFD", value.cfd_pnl),
        )
    )
    parts = stock + options + future_options + futures + contracts
    return dict.fromkeys(_NEVER_HELD, 0.0) | {
        "settledcash": float(settled),
        "cashbalance": float(settled + waiting),
        "exchangerate": 1 if whole or rate == 1 else float(rate),
        "sessionid": 1,
        "netliquidationvalue": float(settled + waiting + parts),
        "unrealizedpnl": float(value.unrealized if whole else value.profits.get(currency, ZERO)),
        "realizedpnl": float(value.realized if whole or currency == account.base else ZERO),
        "stockmarketvalue": float(stock),
        "stockoptionmarketvalue": float(options),
        "futureoptionmarketvalue": float(future_options),
        "futuresonlypnl": float(futures),
        "currency": currency,
        "acctcode": account.account_id,
        "key": "LedgerList",
        "timestamp": int(at),
        "severity": 0,
        "secondkey": currency,
        "endofbundle": 1,
    }


def position_row(
    held: Position, instrument: Instrument, mark: Decimal, *, complete: bool = True, average: bool = True
) -> dict[str, Any]:
    """One row of /portfolio/{a}/positions; the first read of a session lacks the names."""
    multiplier = instrument.multiplier
    row: dict[str, Any] = {
        "acctId": held.account_id,
        "conid": held.conid,
        "contractDesc": instrument.described,
        "position": float(held.quantity),
        "mktPrice": float(mark * instrument.shown_at),
        "mktValue": float(round(held.quantity * mark * multiplier, 2)),
        "currency": instrument.currency,
        "avgCost": float(held.average_price * multiplier),
        "avgPrice": float(held.average_price * instrument.shown_at),
        "realizedPnl": float(round(held.realized, 2)),
        "unrealizedPnl": float(round(unrealized(held, instrument, mark), 2)),
        "exchs": None,
        "expiry": f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None,
        "putOrCall": instrument.right or None,
        "multiplier": float(multiplier) if instrument.expiry is not None else 0.0,
        "strike": f"{instrument.strike:f}" if complete else float(instrument.strike),
        "exerciseStyle": ("E" if instrument.style == "european" else "A") if instrument.is_option else None,
        "conExchMap": [],
        "assetClass": instrument.sec_type,
        "undConid": instrument.underlying_conid,
        "model": "",
    }
    if not average:
        del row["avgPrice"]
    if complete:
        row |= {
            "ticker": instrument.symbol,
            "name": instrument.name,
            "isUS": True,
            "isEventContract": False,
            "fullName": instrument.local_symbol,
            "listingExchange": instrument.listing.removesuffix(".NMS"),
            "countryCode": "US",
            "type": instrument.kind,
            "hasOptions": instrument.sec_type in {"STK", "FUT", "IND"},
            "pageSize": 100,
        }
    return row


def position2_row(
    held: Position, instrument: Instrument, mark: Decimal, at: float, *, average: bool = True
) -> dict[str, Any]:
    """One row of /portfolio2/{a}/positions: other names, and conid as text; without `average` no price per unit."""
    row: dict[str, Any] = {
        "position": float(held.quantity),
        "conid": str(held.conid),
        "avgCost": float(held.average_price * instrument.multiplier),
        "avgPrice": float(held.average_price * instrument.shown_at),
        "currency": instrument.currency,
        "description": instrument.described,
        "isLastToLoq": False,
        "marketPrice": float(mark * instrument.shown_at),
        "marketValue": float(held.quantity * mark * instrument.multiplier),
        "realizedPnl": float(held.realized),
        "secType": instrument.sec_type,
        "timestamp": int(at),
        "unrealizedPnl": float(unrealized(held, instrument, mark)),
        "assetClass": instrument.sec_type,
        "sector": None,
        "group": None,
        "model": "",
    }
    if not average:
        row["avgPrice"] = 0.0
    return row


def pnl(account: Account, value: Worth, *, websocket: bool) -> dict[str, Any]:
    """The profit of the day; the websocket says `uel` where REST says `el`."""
    return {
        f"{account.account_id}.Core": {
            "rowType": 1,
            "dpl": float(round(value.net_liquidation - account.day_equity, 2)),
            "nl": float(round(value.net_liquidation, 2)),
            "upl": float(round(value.unrealized, 2)),
            "uel" if websocket else "el": float(round(value.excess_liquidity, 2)),
            "mv": float(round(value.stock_value + value.option_value + value.future_option_value, 2)),
        }
    }
