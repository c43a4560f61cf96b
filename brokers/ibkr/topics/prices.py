"""Quotes by the stream: the first message of a contract is whole, the others carry what has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from brokers.domain.market.quotes import Quote
from brokers.ibkr.numbers import whole
from brokers.ibkr.topics.wanted import MOST_QUOTES, QUOTE_FIELDS
from brokers.ibkr.translate import quote

_KEPT = (*QUOTE_FIELDS, "_updated")


class Prices:
    """The fields that are known of each contract."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, Any]] = {}

    def forget(self) -> None:
        """What comes next is whole again."""
        self._known.clear()

    def take(self, message: Mapping[str, Any], now: datetime) -> dict[int, Quote]:
        """The quote as it is with this message; nothing where it is older than what is known, or says nothing."""
        conid = whole(message.get("conid"))
        if conid is None or f"smd+{conid}" != message.get("topic"):
            return {}
        known = self._known.get(conid, {})
        before, at = whole(known.get("_updated")), whole(message.get("_updated"))
        if before is not None and at is not None and at < before <= now.timestamp() * 1000:
            return {}
        if conid not in self._known and len(self._known) >= 2 * MOST_QUOTES:
            # Contracts that were wanted before.
            self._known.clear()
        changed = {field: message[field] for field in _KEPT if _is_short(message.get(field))}
        self._known[conid] = known = {**known, **changed}
        seen = quote(known, now=now)
        return {} if seen is None else {conid: seen}


def _is_short(value: Any) -> bool:
    """Whether it may be a price, letters or a moment, which is kept until the next message."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) <= 32
