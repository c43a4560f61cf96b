"""Accounts and balances as the wire shows them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from brokers.simulator.exchange.accounting import Worth
from brokers.simulator.exchange.records import Account
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.session import SERVER
from brokers.simulator.gateway.users import User

_ALL = ["*"]
EVERY_ACCOUNT = "All"
_LIVE = "live"
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


def accounts_of(gateway: Gateway, user: User) -> dict[str, Any]:
    """A user's accounts as /iserver/accounts and the websocket show them."""
    advisor, session = gateway.advisors.get(user.name), user.session
    groups = advisor.groups if advisor is not None else {}
    body = accounts(gateway.accounts_of(user), session.selected_account, session.token, groups)
    return body | {"isPaper": not is_live(gateway, user.name)}


def is_live(gateway: Gateway, username: str) -> bool:
    """Whether the broker takes a username for one of real money, which has no paper account of the same name."""
    return username.lower().startswith(_LIVE) or username in gateway.oauth.live_usernames


def accounts(held: list[Account], selected: str, token: str, groups: Iterable[str] = ()) -> dict[str, Any]:
    """The body of /iserver/accounts, and the `act` message of the websocket.

    An advisor also sees an account called All, which stands for its accounts together.
    """
    advises = any(a.advisor for a in held)
    ids = [EVERY_ACCOUNT] * advises + [a.account_id for a in held]
    masters = {a.account_id for a in held if a.advisor}
    lite = any(a.kind == "lite" for a in held)
    return {
        "accounts": ids,
        "acctProps": {i: _PROPS | {"hasChildAccounts": i in masters} for i in ids},
        "aliases": {i: i for i in ids},
        "allowFeatures": _FEATURES | {"allowFA": advises, "liteUser": lite},
        "chartPeriods": dict.fromkeys(_CHARTS, _ALL),
        "groups": list(groups),
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
        "businessType": "FA" if account.advisor else "FA_CLIENT" if account.master_id else "INDEPENDENT",
        "category": "",
        "ibEntity": "IBLLC-US",
        "faclient": bool(account.master_id),
        "clearingStatus": "O",
        "covestor": False,
        "noClientTrading": False,
        "trackVirtualFXPortfolio": False,
        "acctCustType": "INDIVIDUAL",
        "parent": {
            "mmc": [account.master_id] if account.master_id else [],
            "accountId": account.account_id if account.master_id else "",
            "isMParent": False,
            "isMChild": False,
            "isMultiplex": False,
        },
        "desc": account.account_id,
    }


def summary(account: Account, value: Worth) -> dict[str, Any]:
    """The body of /iserver/account/{a}/summary."""
    return {
        "accountType": "CASH" if account.kind == "cash" else "",
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
            {"currency": c, "balance": float(b + account.unsettled(c)), "settledCash": float(b)}
            for c, b in sorted(account.cash.items())
        ],
    }


def figures(account: Account, value: Worth) -> dict[str, Decimal]:
    """The tags of the account summary and what they amount to."""
    return {
        "AccountType": Decimal(0),
        "NetLiquidation": value.net_liquidation,
        "TotalCashValue": value.total_cash,
        "SettledCash": value.settled_cash,
        "EquityWithLoanValue": value.net_liquidation,
        "PreviousDayEquityWithLoanValue": account.day_equity,
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


def day_trades_left(account: Account, left: int) -> int:
    """What is said to be left of an account's day trades: nothing is counted of an account that borrows nothing."""
    return -1 if account.kind == "cash" else left


def portfolio_summary(account: Account, value: Worth, at: float, *, day_trades: int = -1) -> dict[str, Any]:
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
        "daytradesremaining": entry(0.0, str(day_trades_left(account, day_trades)), None),
    }
    for tag, amount in figures(account, value).items():
        if tag != "AccountType":
            body[tag.lower()] = entry(float(round(amount, 4)), f"{round(amount, 4).normalize():f}", account.base)
    return body


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
            "previous_day_equity_with_loan": money(account.day_equity),
        }
        empty = dict.fromkeys(full, money(zero))
        return {"total": full, "Crypto at Paxos": empty, "commodities": empty, "securities": full}
    if part == "available_funds":
        full = {
            "current_available": money(value.available_funds),
            "current_excess": money(value.excess_liquidity),
            "buying_power": money(value.buying_power),
            "leverage": f"{value.gross_position_value / value.net_liquidation:.2f}"
            if value.net_liquidation
            else "0.00",
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
            "options": value.option_value + value.future_option_value,
            "futures": value.futures_pnl,
            "net_liquidation": value.net_liquidation,
            "unrealized_pnl": value.unrealized,
            "realized_pnl": value.realized,
        }
        return {account.base: {name: f"{round(amount):,}" for name, amount in text.items()}}
    return None
