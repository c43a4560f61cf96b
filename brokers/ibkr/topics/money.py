"""Money by the stream: the account's summary, its ledger and its profit, each a part of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.domain.session.feed import MoneyHeard
from brokers.ibkr.cleaning import mapping, name, text
from brokers.ibkr.numbers import number
from brokers.ibkr.translate import day_trades, rows

# A moment further ahead than this is no moment of IBKR's.
_AHEAD = timedelta(seconds=60)


class Money:
    """Reads messages about money, and passes over those that are older than what was read before."""

    def __init__(self) -> None:
        self._latest: dict[str, datetime] = {}

    def summary(self, message: Mapping[str, Any], now: datetime) -> dict[str, MoneyHeard]:
        """`ssd`: net liquidation, cash, buying power and available funds, in the account's currency."""
        account_id, listed = _account(message), rows(message, "result")[:50]
        if not account_id or self._is_late(f"ssd+{account_id}", listed, now):
            return {}
        found = {text(row.get("key"), 40): row for row in listed}

        def value(key: str) -> Decimal | None:
            return number(mapping(found, key).get("monetaryValue"))

        currencies = {text(row.get("currency"), 8) for row in found.values() if row.get("monetaryValue") is not None}
        return {
            account_id: MoneyHeard(
                net_liquidation=value("NetLiquidation"),
                cash=value("TotalCashValue"),
                buying_power=value("BuyingPower"),
                available_funds=value("AvailableFunds"),
                settled_cash=value("SettledCash"),
                # A number that is no money stands in another field.
                day_trades_left=day_trades(mapping(found, "DayTradesRemaining").get("value")),
                # Of several currencies nobody says which is whose.
                currency=currencies.pop() if len(currencies) == 1 else "?" if currencies else "",
            )
        }

    def ledger(self, message: Mapping[str, Any], now: datetime) -> dict[str, MoneyHeard]:
        """`sld`: the base currency's row with its profit, taken and open."""
        account_id, listed = _account(message), rows(message, "result")[:200]
        base = next((row for row in listed if row.get("key") == "LedgerListBASE"), None)
        if not account_id or base is None or self._is_late(f"sld+{account_id}", [base], now):
            return {}
        if name(base.get("acctCode"), 32) not in {"", account_id}:
            return {}
        return {
            account_id: MoneyHeard(
                unrealized_pnl=number(base.get("unrealizedpnl")), realized_pnl=number(base.get("realizedpnl"))
            )
        }

    def _is_late(self, topic: str, listed: list[Mapping[str, Any]], now: datetime) -> bool:
        """Whether the message is older than one that came before it. One without a moment of its own is of now."""
        moments = [at for row in listed if (at := _moment(row.get("timestamp"), now)) is not None]
        if not moments:
            return False
        newest, before = max(moments), self._latest.get(topic)
        if before is not None and newest < before:
            return True
        self._latest[topic] = newest
        return False


def profit(args: Any) -> dict[str, MoneyHeard]:
    """`spl`: by account ("DU1.Core" is account DU1), net liquidation and open profit."""
    if not isinstance(args, Mapping):
        return {}
    return {
        account_id: MoneyHeard(net_liquidation=number(row.get("nl")), unrealized_pnl=number(row.get("upl")))
        for key, row in list(args.items())[:500]
        if isinstance(row, Mapping) and (account_id := name(key).split(".", 1)[0])
    }


def _account(message: Mapping[str, Any]) -> str:
    return name(text(message.get("topic"), 64).partition("+")[2], 32)


def _moment(value: Any, now: datetime) -> datetime | None:
    """Seconds or milliseconds since 1970; None for what cannot be a moment of the past."""
    exact = number(value)
    if exact is None or exact <= 0:
        return None
    seconds = exact / 1000 if exact > 10**11 else exact
    if seconds > Decimal(int(now.timestamp())) + int(_AHEAD.total_seconds()):
        return None
    return datetime.fromtimestamp(float(seconds), UTC)
