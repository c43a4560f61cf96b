"""Positions, ledger and profit as the wire shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.simulator.accounting import Worth, unrealized
from brokers.simulator.catalogue import Instrument
from brokers.simulator.records import Account, Position


def ledger_row(account: Account, currency: str, value: Worth, rate: Decimal, at: float) -> dict[str, Any]:
    """One currency of the ledger, or BASE for all of it."""
    whole = currency == "BASE"
    cash = value.total_cash if whole else account.cash.get(currency, Decimal(0))
    # Everything but cash is held in dollars here, so that other currencies have cash only.
    full = whole or currency == account.base
    nothing = Decimal(0)
    stock, profit = (value.stock_value, value.unrealized) if full else (nothing, nothing)
    row: dict[str, Any] = dict.fromkeys(
        (
            "commoditymarketvalue",
            "futuremarketvalue",
            "corporatebondsmarketvalue",
            "warrantsmarketvalue",
            "interest",
            "moneyfunds",
            "funds",
            "issueroptionsmarketvalue",
            "stockoptionmarketvalue",
            "tbondsmarketvalue",
            "futureoptionmarketvalue",
            "cashbalancefxsegment",
            "tbillsmarketvalue",
            "dividends",
            "cryptocurrencyvalue",
        ),
        0.0,
    )
    row |= {
        "settledcash": float(cash),
        "cashbalance": float(cash),
        "exchangerate": 1 if rate == 1 else float(rate),
        "sessionid": 1,
        "netliquidationvalue": float(value.net_liquidation if full else cash),
        "unrealizedpnl": float(profit),
        "realizedpnl": float(value.realized if full else nothing),
        "stockmarketvalue": float(stock),
        "futuresonlypnl": float(value.futures_pnl if full else nothing),
        "currency": currency,
        "acctcode": account.account_id,
        "key": "LedgerList",
        "timestamp": int(at),
        "severity": 0,
        "secondkey": currency,
        "endofbundle": 1,
    }
    return row


def position_row(held: Position, instrument: Instrument, mark: Decimal, *, complete: bool = True) -> dict[str, Any]:
    """One row of /portfolio/{a}/positions; the first read of a session lacks the names."""
    multiplier = instrument.multiplier
    row: dict[str, Any] = {
        "acctId": held.account_id,
        "conid": held.conid,
        "contractDesc": instrument.local_symbol,
        "position": float(held.quantity),
        "mktPrice": float(mark),
        "mktValue": float(round(held.quantity * mark * multiplier, 2)),
        "currency": instrument.currency,
        "avgCost": float(held.average_price * multiplier),
        "avgPrice": float(held.average_price),
        "realizedPnl": float(round(held.realized, 2)),
        "unrealizedPnl": float(round(unrealized(held, instrument, mark), 2)),
        "exchs": None,
        "expiry": f"{instrument.expiry:%Y%m%d}" if instrument.expiry else None,
        "putOrCall": None,
        "multiplier": float(multiplier) if instrument.sec_type == "FUT" else 0.0,
        "strike": "0" if complete else 0.0,
        "exerciseStyle": None,
        "conExchMap": [],
        "assetClass": instrument.sec_type,
        "undConid": instrument.underlying_conid,
        "model": "",
    }
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
            "hasOptions": instrument.sec_type == "STK",
            "pageSize": 100,
        }
    return row


def position2_row(held: Position, instrument: Instrument, mark: Decimal, at: float) -> dict[str, Any]:
    """One row of /portfolio2/{a}/positions: other names, and conid as text."""
    return {
        "position": float(held.quantity),
        "conid": str(held.conid),
        "avgCost": float(held.average_price * instrument.multiplier),
        "avgPrice": float(held.average_price),
        "currency": instrument.currency,
        "description": instrument.local_symbol,
        "isLastToLoq": False,
        "marketPrice": float(mark),
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


def pnl(account: Account, value: Worth, *, websocket: bool) -> dict[str, Any]:
    """The profit of the day; the websocket says `uel` where REST says `el`."""
    return {
        f"{account.account_id}.Core": {
            "rowType": 1,
            "dpl": float(round(value.realized + value.unrealized, 2)),
            "nl": float(round(value.net_liquidation, 2)),
            "upl": float(round(value.unrealized, 2)),
            "uel" if websocket else "el": float(round(value.excess_liquidity, 2)),
            "mv": float(round(value.stock_value, 2)),
        }
    }
