"""What lasting faults make of a websocket message: lost, doubled, late, out of order, corrected."""

from __future__ import annotations

from typing import Any

from brokers.simulator.effects.answers import corrected, quoted
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User

# The longest that a message waits for company before an incomplete window is let go.
_PATIENCE_S = 1.0


def topic_of(message: dict[str, Any]) -> str:
    """The topic a fault names: `smd` for every contract, `hb` for heartbeats."""
    if "hb" in message:
        return "hb"
    return str(message.get("topic", "")).partition("+")[0]


class Disturbance:
    """The lasting faults of one websocket, with the messages they keep back to let them arrive in the wrong order."""

    def __init__(self, gateway: Gateway, user: User) -> None:
        self.gateway = gateway
        self.user = user
        self._kept_back: list[dict[str, Any]] = []
        self._kept_since = 0.0

    def of(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages that leave instead of this one."""
        faults, user, now = self.gateway.faults, self.user.name, self.gateway.clock()
        if (self.user.hidden or self.user.unlisted) and (message := self._without_hidden(message, now)).get(
            "args"
        ) == []:
            return []
        if not faults.conditions and not self._kept_back:
            return [message]
        topic = topic_of(message)
        for silence in faults.holding("suppress_ws", user, now):
            if silence.setting("topic", silence.value) in {True, "*", topic}:
                silence.fault.hits += 1
                return []
        message = self._altered(topic, message, now)
        leaving = [message]
        if topic == "str" and faults.held("correct_execution", user, now) is not None:
            rows = [corrected(row) for row in message["args"]]
            self.user.corrected |= {row["execution_id"] for row in message["args"]}
            leaving.append({**message, "args": rows})
        if topic in {"sor", "str"} and faults.held("duplicate_event", user, now) is not None:
            leaving *= 2
        return self._reordered(topic, leaving, now)

    def _without_hidden(self, message: dict[str, Any], now: float) -> dict[str, Any]:
        """The message without orders that nobody may see yet."""
        topic = topic_of(message)
        if topic not in {"sor", "str"} or not message["args"]:
            return message
        hidden = {order_id for order_id, until in self.user.hidden.items() if now < until}
        if topic == "sor":
            hidden |= self.user.unlisted
        rows = [row for row in message["args"] if row.get("orderId", row.get("order_id")) not in hidden]
        return {**message, "args": rows}

    def _altered(self, topic: str, message: dict[str, Any], now: float) -> dict[str, Any]:
        """The message with another clock, or without market data."""
        user = self.user.name
        if topic == "smd":
            return quoted(self.gateway, user, now, message)
        skew = self.gateway.faults.held("clock_skew", user, now) if topic in {"hb", "tic"} else None
        if skew is None:
            return message
        shift = int(float(skew.setting("by_s", skew.value if not isinstance(skew.value, dict) else 0)) * 1000)
        return {n: v + shift if n in {"hb", "lastAccessed"} else v for n, v in message.items()}

    def _reordered(self, topic: str, leaving: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        """Keep order news back until the window is full, then let it go the wrong way round."""
        condition = self.gateway.faults.held("reorder_events", self.user.name, now)
        if condition is None or topic not in {"sor", "str"}:
            return leaving
        if not self._kept_back:
            self._kept_since = now
        self._kept_back += leaving
        window = int(condition.setting("window", condition.value if not isinstance(condition.value, dict) else 2))
        return self._released() if len(self._kept_back) >= max(window, 1) else []

    def overdue(self, now: float) -> list[dict[str, Any]]:
        """The messages that waited too long for company, the last first."""
        return self._released() if self._kept_back and now - self._kept_since >= _PATIENCE_S else []

    def _released(self) -> list[dict[str, Any]]:
        messages, self._kept_back = self._kept_back[::-1], []
        return messages
