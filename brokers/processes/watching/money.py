"""Money and quotes that a stream tells: gathered, and written down every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import fields

from brokers.domain.market.quotes import Quote
from brokers.domain.session.feed import FeedEvent, MoneyHeard

WRITE_SECONDS = 5.0
# IBKR tells the summary and the ledger every ten seconds; who missed two of them has it read.
SILENT_SECONDS = 25.0
_FIGURES = [field.name for field in fields(MoneyHeard)]
# What a read of the account would say and the stream has to say as well: the summary's figures, and the ledger's.
_WHOLE = ("available_funds", "realized_pnl")


class Tellers:
    """What the stream of one connection told of its accounts and contracts since it was written down last."""

    def __init__(self) -> None:
        self.money: dict[str, MoneyHeard] = {}
        self.quotes: dict[int, Quote] = {}
        self._written_at = 0.0
        # By account and figure, when it was told last.
        self._told_at: dict[tuple[str, str], float] = {}

    def hear(self, events: Iterable[FeedEvent]) -> None:
        """Keep what these events say, each figure by its latest word."""
        now = time.monotonic()
        for event in events:
            self.quotes |= event.quotes
            for account_id, part in event.money.items():
                before = self.money.get(account_id, MoneyHeard())
                said = {name: value for name in _FIGURES if (value := getattr(part, name)) not in {None, ""}}
                self.money[account_id] = MoneyHeard(**{**_values(before), **said})
                self._told_at |= {(account_id, name): now for name in _WHOLE if name in said}

    def due(self) -> bool:
        """Whether it is time to write."""
        return bool(self.money or self.quotes) and time.monotonic() - self._written_at >= WRITE_SECONDS

    def taken(self) -> tuple[dict[str, MoneyHeard], dict[int, Quote]]:
        """All that is not written yet, taken out."""
        told, self.money, self.quotes = (self.money, self.quotes), {}, {}
        self._written_at = time.monotonic()
        return told

    def tell(self, account_id: str) -> bool:
        """Whether the stream tells this account's money, so that nobody has to ask for it."""
        since = time.monotonic() - SILENT_SECONDS
        return all(self._told_at.get((account_id, name), since - 1) > since for name in _WHOLE)

    def forget(self) -> None:
        """The stream has ended: what it told last is not the present any more."""
        self._told_at.clear()


def _values(part: MoneyHeard) -> dict[str, object]:
    return {name: getattr(part, name) for name in _FIGURES}
