"""The control plane: faults, journal, clock, prices and fresh starts. It exists only when a token is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from brokers.simulator.behaviour import changed
from brokers.simulator.control import corporate, users
from brokers.simulator.control.prices import HANDLERS as PRICES
from brokers.simulator.faults.presets import PRESETS
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.wire import Answer, error


def control(gateway: Gateway, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    """Answer one control request; `parts` is the path below /sim/v1."""
    try:
        if len(parts) == 2:
            if parts[1] in _EVERYBODYS and (handler := _HANDLERS.get((method, parts[1]))) is not None:
                return handler(gateway, body)
            return users.answer(gateway, method, parts[0], parts[1], body)
        handler = _HANDLERS.get((method, "/".join(parts)))
        return error("Not Found", 404) if handler is None else handler(gateway, body)
    except (ValueError, TypeError) as problem:
        return error(str(problem))


def _arm(gateway: Gateway, body: dict[str, Any]) -> Answer:
    now = gateway.clock()
    return Answer(gateway.faults.arm(body, now).describe(now), 201)


def _change_behaviour(gateway: Gateway, body: dict[str, Any]) -> Answer:
    gateway.behaviour = changed(gateway.behaviour, body)
    return Answer(asdict(gateway.behaviour))


def _move_clock(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Move the clock ahead, and let happen what would have happened meanwhile."""
    advance = float(body.get("advance_s", 0))
    if not 0 <= advance < 366 * 86_400:
        raise ValueError("advance_s is a number of seconds, from 0 to a year.")
    gateway.ahead_s += advance
    gateway.next_clearing = 0.0
    gateway.housekeep()
    gateway.tick()
    return Answer(_time(gateway))


def _time(gateway: Gateway) -> dict[str, Any]:
    return {"now": gateway.moment(gateway.clock()), "ahead_s": gateway.ahead_s}


# There is one clock and one market for all users.
_EVERYBODYS = frozenset({"clock", "market", "signal"})
_HANDLERS: dict[tuple[str, str], Callable[[Gateway, dict[str, Any]], Answer]] = {
    **PRICES,
    ("POST", "split"): corporate.split,
    ("POST", "faults"): _arm,
    ("GET", "faults"): lambda gateway, body: Answer(gateway.faults.listed(gateway.clock())),
    ("DELETE", "faults"): lambda gateway, body: Answer({"cleared": gateway.faults.clear()}),
    ("GET", "presets"): lambda gateway, body: Answer(PRESETS),
    ("GET", "behaviour"): lambda gateway, body: Answer(asdict(gateway.behaviour)),
    ("POST", "behaviour"): _change_behaviour,
    ("GET", "clock"): lambda gateway, body: Answer(_time(gateway)),
    ("POST", "clock"): _move_clock,
    ("GET", "counters"): lambda gateway, body: Answer(
        {"unknown_paths": dict(gateway.unknown), "commits": gateway.store.batches}
    ),
}
