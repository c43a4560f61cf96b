"""A sample of the live stream's messages, sent and received, for the log of calls: masked there, bounded here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from brokers.domain.calls import RECEIVED, SENT, Call, CallLog, CallOutcome
from brokers.domain.redaction import clip
from brokers.domain.sessions import Login
from brokers.ibkr.cleaning import name, text

# Messages that a stream may keep at once, and seconds until it may keep one more: under a third of a day's log.
_AT_ONCE, _ONE_EACH = 30, 60.0
# What comes all the time and says that somebody is there.
_BEATS = frozenset({"hb", "tic"})
_BEAT_EVERY = 600.0
_BEAT = (RECEIVED, "hb")
_MOST_TOPICS = 40
_OTHERS = "others"
# Topics whose rows are orders, or executions of orders.
_ABOUT_ORDERS = frozenset({"sor", "str"})
_MOST_NAMES = 20


class Frames:
    """What of one stream goes to the log: `left_out` counts those of the same topic since the last that was kept."""

    def __init__(self, login: Login, calls: CallLog, hidden: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._login, self._calls, self._hidden, self._clock = login, calls, hidden, clock
        self._left: float = _AT_ONCE
        self._at = clock()
        # The first one says no more than that the stream is open, which its first messages say as well.
        self._at_first = self._at
        self._beat_at: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def sent(self, message: str) -> None:
        """Note what was sent."""
        self._note(SENT, message.split("+", 1)[0], message, len(message), CallOutcome.ANSWERED)

    def received(self, message: Any, size: int, *, nonsense: bool = False) -> None:
        """Note what came, decoded; `nonsense` is what could not be."""
        self._note(
            RECEIVED, topic_of(message), message, size, CallOutcome.NONSENSE if nonsense else CallOutcome.ANSWERED
        )

    def beat(self, message: bytes) -> None:
        """Note a beat of the other side, of which nearly all are only counted."""
        if self._clock() - self._beat_at.get(_BEAT, self._at_first) < _BEAT_EVERY:
            self._left_out[_BEAT] += 1
        else:
            self.received(json.loads(message), len(message))

    def _note(self, direction: str, topic: str, message: Any, size: int, outcome: CallOutcome) -> None:
        if not self._login.connection:
            return
        kind = (direction, topic)
        if kind not in self._left_out and len(self._left_out) >= _MOST_TOPICS:
            kind = (direction, _OTHERS)
        if not self._may_keep(kind):
            self._left_out[kind] += 1
            return
        left_out, self._left_out[kind] = self._left_out[kind], 0
        body = clip(message)
        self._calls.add(
            Call(
                connection=self._login.connection,
                method=direction,
                endpoint=f"ws/{kind[1]}",
                outcome=outcome,
                took=0.0,
                own=0.0,
                size=size,
                names=names_of(message) if kind[1] in _ABOUT_ORDERS else (),
                params={"left_out": str(left_out)} if left_out else {},
                request=body if direction == SENT else None,
                answer=body if direction == RECEIVED else None,
                secrets=self._hidden,
            )
        )

    def _may_keep(self, kind: tuple[str, str]) -> bool:
        now = self._clock()
        self._left, self._at = min(_AT_ONCE, self._left + (now - self._at) / _ONE_EACH), now
        if kind[1] in _BEATS and now - self._beat_at.get(kind, self._at_first) < _BEAT_EVERY:
            return False
        if self._left < 1:
            return False
        self._left -= 1
        if kind[1] in _BEATS:
            self._beat_at[kind] = now
        return True


def names_of(message: Any) -> tuple[str, ...]:
    """The orders that a message names, by our reference and by IBKR's number, each once."""
    rows = message.get("args") if isinstance(message, Mapping) else None
    rows = rows if isinstance(rows, list) else [rows]
    found: dict[str, None] = {}
    for row in islice(rows, _MOST_NAMES):
        if isinstance(row, Mapping):
            named = (name(row.get("order_ref")), name(row.get("orderId", row.get("order_id")), 32))
            found |= dict.fromkeys(each for each in named if each)
    return tuple(found)[:_MOST_NAMES]


def topic_of(message: Any) -> str:
    """What kind of message it is, in letters alone: a gateway chooses no names in our log."""
    if not isinstance(message, Mapping):
        return _OTHERS
    if "hb" in message:
        return "hb"
    topic = text(message.get("topic"), 64).split("+", 1)[0]
    return topic if topic.isascii() and topic.isalpha() and len(topic) <= 12 else _OTHERS
