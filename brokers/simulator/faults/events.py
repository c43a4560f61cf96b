"""What lasting faults make of a websocket message: lost, doubled, late, out of order, corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brokers.simulator.faults.answers import corrected, quoted

if TYPE_CHECKING:
    from brokers.simulator.stream.ws import Socket

# The longest that a message waits for company before an incomplete window is let go.
_PATIENCE_S = 1.0


def topic_of(message: dict[str, Any]) -> str:
    """The topic a fault names: `smd` for every contract, `hb` for heartbeats."""
    if "hb" in message:
        return "hb"
    return str(message.get("topic", "")).partition("+")[0]


def disturbed(socket: Socket, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that leave instead of this one."""
    faults, user, now = socket.gateway.faults, socket.user.name, socket.gateway.clock()
    if socket.user.hidden and (message := _shown(socket, message, now)).get("args") == []:
        return []
    if not faults.conditions and not socket.kept_back:
        return [message]
    topic = topic_of(message)
    for silence in faults.holding("suppress_ws", user, now):
        wanted = silence.setting("topic", silence.value)
        if wanted in {True, "*", topic}:
            silence.fault.hits += 1
            return []
    message = _told(socket, topic, message, now)
    leaving = [message]
    if topic == "str" and faults.held("correct_execution", user, now) is not None:
        rows = [corrected(row) for row in message["args"]]
        socket.user.corrected |= {row["execution_id"] for row in message["args"]}
        leaving.append({**message, "args": rows})
    if topic in {"sor", "str"} and faults.held("duplicate_event", user, now) is not None:
        leaving *= 2
    return _reordered(socket, topic, leaving, now)


def _shown(socket: Socket, message: dict[str, Any], now: float) -> dict[str, Any]:
    hidden = {order_id for order_id, until in socket.user.hidden.items() if now < until}
    if topic_of(message) not in {"sor", "str"} or not message["args"]:
        return message
    rows = [row for row in message["args"] if row.get("orderId", row.get("order_id")) not in hidden]
    return {**message, "args": rows}


def _told(socket: Socket, topic: str, message: dict[str, Any], now: float) -> dict[str, Any]:
    """The message with another clock, or without market data."""
    user = socket.user.name
    if topic == "smd":
        return quoted(socket.gateway, user, now, message)
    skew = socket.gateway.faults.held("clock_skew", user, now) if topic in {"hb", "tic"} else None
    if skew is None:
        return message
    shift = int(float(skew.setting("by_s", skew.value if not isinstance(skew.value, dict) else 0)) * 1000)
    return {n: v + shift if n in {"hb", "lastAccessed"} else v for n, v in message.items()}


def _reordered(socket: Socket, topic: str, leaving: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Keep order news back until the window is full, then let it go the wrong way round."""
    condition = socket.gateway.faults.held("reorder_events", socket.user.name, now)
    if condition is None or topic not in {"sor", "str"}:
        return leaving
    if not socket.kept_back:
        socket.kept_since = now
    socket.kept_back += leaving
    window = int(condition.setting("window", condition.value if not isinstance(condition.value, dict) else 2))
    return released(socket) if len(socket.kept_back) >= max(window, 1) else []


def released(socket: Socket) -> list[dict[str, Any]]:
    """What was kept back, the last first."""
    found, socket.kept_back = socket.kept_back[::-1], []
    return found


def overdue(socket: Socket, now: float) -> bool:
    return bool(socket.kept_back) and now - socket.kept_since >= _PATIENCE_S
