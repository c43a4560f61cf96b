"""What is subscribed to on one socket: orders and fills always, money and quotes as long as somebody needs them. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection

# Orders and fills of the whole session, also those of accounts that nobody uses.
ALWAYS = ("sor+{}", 'str+{"realtimeUpdatesOnly":false,"days":1}')
# IBKR ends a stream of quotes after ten minutes.
RENEWED_AFTER = 480.0
# IBKR shows a hundred contracts at once to a user, who may have a workstation open as well.
MOST_QUOTES = 20

MONEY_KEYS = ("NetLiquidation", "TotalCashValue", "BuyingPower", "AvailableFunds", "SettledCash", "DayTradesRemaining")
LEDGER_FIELDS = ("cashbalance", "unrealizedpnl", "realizedpnl", "key", "acctCode", "timestamp")
QUOTE_FIELDS = ("31", "84", "86", "6509")

# A topic's name, with which its subscription begins, and what ends it.
_PROFIT = "spl", "spl+{}", "upl+{}"


class Wanted:
    """The topics that are wanted, and which of them this socket's session was asked for."""

    def __init__(self) -> None:
        # By name: what subscribes, and what unsubscribes.
        self._wanted: dict[str, tuple[str, str]] = {}
        # When each was asked for last, with what ends it.
        self._asked: dict[str, tuple[float, str]] = {}
        self.accounts: frozenset[str] = frozenset()
        self.conids: frozenset[int] = frozenset()

    def want(self, accounts: Collection[str], conids: Collection[int]) -> None:
        """Want money of these accounts and quotes of these contracts from now on, and no others."""
        self.accounts, self.conids = frozenset(accounts), frozenset(sorted(conids)[:MOST_QUOTES])
        topics = [topic for account in sorted(self.accounts) for topic in (_summary(account), _ledger(account))]
        topics += [_quotes(conid) for conid in sorted(self.conids)]
        if self.accounts:
            topics.append(_PROFIT)
        self._wanted = {name: (begin, end) for name, begin, end in topics}

    def forget(self) -> None:
        """The session was opened anew: IBKR knows nothing any more of what was asked for."""
        self._asked.clear()

    def due(self, now: float) -> list[str]:
        """What is to be sent now; it counts as sent."""
        over = [name for name in self._asked if name not in self._wanted]
        messages = [self._asked.pop(name)[1] for name in over]
        for name, (begin, end) in self._wanted.items():
            asked_at, _ = self._asked.get(name, (None, ""))
            if asked_at is None or (name.startswith("smd") and now - asked_at >= RENEWED_AFTER):
                messages.append(begin)
                self._asked[name] = now, end
        return messages


def _summary(account: str) -> tuple[str, str, str]:
    options = json.dumps({"keys": MONEY_KEYS, "fields": ["currency", "monetaryValue", "value", "timestamp"]})
    return f"ssd+{account}", f"ssd+{account}+{options}", f"usd+{account}+{{}}"


def _ledger(account: str) -> tuple[str, str, str]:
    options = json.dumps({"keys": ["LedgerListBASE"], "fields": LEDGER_FIELDS})
    return f"sld+{account}", f"sld+{account}+{options}", f"uld+{account}+{{}}"


def _quotes(conid: int) -> tuple[str, str, str]:
    return f"smd+{conid}", f"smd+{conid}+{json.dumps({'fields': QUOTE_FIELDS})}", f"umd+{conid}+{{}}"
