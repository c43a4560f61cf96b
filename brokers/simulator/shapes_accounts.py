"""Accounts, balances and positions as the wire shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.simulator.accounting import Worth, unrealized
from brokers.simulator.catalogue import Instrument
from brokers.simulator.records import Account, Position
from brokers.simulator.session import SERVER

_ALL = ["*"]
_FEATURES: dict[str, Any] = {
    "showGFIS": True,
    "showEUCostReport": False,
    "allowEventContract": True,
    "allowFXConv": True,
    "allowFinancialLens": False,
    "allowMTA": True,
    "allowTypeAhead": True,
    "allowEventTrading": True,
    "snapshotRefreshTimeout": 30,
    "liteUser": False,
    "showWebNews": True,
    "research": True,
    "debugPnl": True,
    "showTaxOpt": True,
    "showImpactDashboard": True,
    "allowDynAccount": False,
    "allowCrypto": True,
    "allowFA": False,
    "allowLiteUnderPro": False,
    "allowedAssetTypes": "STK,CFD,OPT,FOP,FUT,BAG,CASH,IND,BOND,FUND,CRYPTO",
    "restrictTradeSubscription": False,
    "showUkUserLabels": False,
    "sideBySide": True,
}
_PROPS = {
    "hasChildAccounts": False,
    "supportsCashQty": True,
    "liteUnderPro": False,
    "noFXConv": False,
    "isProp": False,
    "supportsFractions": True,
    "allowCustomerTime": False,
    "autoFx": False,
}
_CHARTS = ("STK", "CFD", "OPT", "FOP", "WAR", "IOPT", "FUT", "CASH", "IND", "BOND", "FUND", "CMDTY", "PHYSS", "CRYPTO")


def accounts(ids: list[str], selected: str, token: str) -> dict[str, Any]:
    """The body of /iserver/accounts, and the `act` message of the websocket."""
    return {
        "accounts": ids,
        "acctProps": {i: dict(_PROPS) for i in ids},
        "aliases": {i: i for i in ids},
        "allowFeatures": dict(_FEATURES),
        "chartPeriods": dict.fromkeys(_CHARTS, _ALL),
        "groups": [],
        "profiles": [],
        "selectedAccount": selected,
        "serverInfo": dict(SERVER),
        "sessionId": token[:20],
        "isFT": False,
        "isPaper": True,
    }


def meta(account: Account) -> dict[str, Any]:
    """One row of /portfolio/accounts."""
    return {
        "id": account.account_id,
        "PrepaidCrypto-Z": False,
        "PrepaidCrypto-P": False,
        "brokerageAccess": False,
        "accountId": account.account_id,
        "accountVan": account.account_id,
        "accountTitle": f"Simulated {account.username}",
        "displayName": f"Simulated {account.username}",
        "accountAlias": None,
        "accountStatus": int(account.opened_at) * 1000,
        "currency": account.base,
        "type": "DEMO",
        "tradingType": "STKNOPT",
        "businessType": "INDEPENDENT",
        "category": "",
        "ibEntity": "IBLLC-US",
        "faclient": False,
        "clearingStatus": "O",
        "covestor": False,
        "noClientTrading": False,
        "trackVirtualFXPortfolio": False,
        "acctCustType": "INDIVIDUAL",
        "parent": {"mmc": [], "accountId": "", "isMParent": False, "isMChild": False, "isMultiplex": False},
        "desc": account.account_id,
    }


def summary(account: Account, value: Worth) -> dict[str, Any]:
    """The body of /iserver/account/{a}/summary."""
    return {
        "accountType": "",
        "status": "",
        "balance": float(value.net_liquidation),
        "SMA": float(value.available_funds),
        "buyingPower": float(value.buying_power),
        "availableFunds": float(value.available_funds),
        "excessLiquidity": float(value.excess_liquidity),
        "netLiquidationValue": float(value.net_liquidation),
        "equityWithLoanValue": float(value.net_liquidation),
        "regTLoan": 0.0,
        "securitiesGVP": float(value.gross_position_value),
        "totalCashValue": float(value.total_cash),
        "accruedInterest": 0.0,
        "regTMargin": 0.0,
        "initialMargin": float(value.initial_margin),
        "maintenanceMargin": float(value.maintenance_margin),
        "cashBalances": [
            {"currency": c, "balance": float(b), "settledCash": float(b)} for c, b in sorted(account.cash.items())
        ],
    }


def figures(account: Account, value: Worth) -> dict[str, Decimal]:
    """The tags of the account summary and what they amount to."""
    return {
        "AccountType": Decimal(0),
        "NetLiquidation": value.net_liquidation,
        "TotalCashValue": value.total_cash,
        "SettledCash": value.total_cash,
        "EquityWithLoanValue": value.net_liquidation,
        "PreviousDayEquityWithLoanValue": value.net_liquidation,
        "GrossPositionValue": value.gross_position_value,
        "InitMarginReq": value.initial_margin,
        "MaintMarginReq": value.maintenance_margin,
        "AvailableFunds": value.available_funds,
        "ExcessLiquidity": value.excess_liquidity,
        "BuyingPower": value.buying_power,
        "Cushion": value.excess_liquidity / value.net_liquidation if value.net_liquidation else Decimal(0),
        "UnrealizedPnL": value.unrealized,
        "RealizedPnL": value.realized,
        "AccruedCash": Decimal(0),
    }


def portfolio_summary(account: Account, value: Worth, at: float) -> dict[str, Any]:
    """The body of /portfolio/{a}/summary: lower-case keys, amount and text side by side."""

    def entry(amount: float, text: str | None, currency: str | None) -> dict[str, Any]:
        return {
            "amount": amount,
            "currency": currency,
            "isNull": False,
            "timestamp": int(at * 1000),
            "value": text,
            "severity": 0,
        }

    body = {
        "accountcode": entry(0.0, account.account_id, None),
        "accountready": entry(0.0, "true", None),
        "accounttype": entry(0.0, "INDIVIDUAL", None),
        "accountorgroup": entry(0.0, account.account_id, account.base),
        "currency": entry(0.0, account.base, account.base),
    }
    for tag, amount in figures(account, value).items():
        if tag != "AccountType":
            body[tag.lower()] = entry(float(round(amount, 4)), str(round(amount, 4)), account.base)
    return body


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


def summary_part(part: str, account: Account, value: Worth) -> dict[str, Any] | None:
    """The sub-pages of the account summary: amounts as text."""

    def money(amount: Decimal) -> str:
        return f"{round(amount):,} {account.base}"

    zero = Decimal(0)
    if part == "balances":
        full = {
            "net_liquidation": money(value.net_liquidation),
            "equity_with_loan": money(value.net_liquidation),
            "cash": money(value.total_cash),
            "MTD Interest": money(zero),
            "previous_day_equity_with_loan": money(value.net_liquidation),
        }
        empty = dict.fromkeys(full, money(zero))
        return {"total": full, "Crypto at Paxos": empty, "commodities": empty, "securities": full}
    if part == "available_funds":
        full = {
            "current_available": money(value.available_funds),
            "current_excess": money(value.excess_liquidity),
            "buying_power": money(value.buying_power),
            "leverage": "0.00",
            "look_ahead_available_funds": money(value.available_funds),
            "look_ahead_excess_liquidity": money(value.excess_liquidity),
        }
        return {"total": full, "securities": full}
    if part == "margins":
        full = {
            "current_initial": money(value.initial_margin),
            "current_maint": money(value.maintenance_margin),
            "projected_liquidity_inital_margin": money(value.initial_margin),
            "projected_overnight_maint": money(value.maintenance_margin),
        }
        return {"total": full, "securities": full}
    if part == "market_value":
        text = {
            "total_cash": value.total_cash,
            "stock": value.stock_value,
            "options": zero,
            "futures": value.futures_pnl,
            "net_liquidation": value.net_liquidation,
            "unrealized_pnl": value.unrealized,
            "realized_pnl": value.realized,
        }
        return {account.base: {name: f"{round(amount):,}" for name, amount in text.items()}}
    return None
