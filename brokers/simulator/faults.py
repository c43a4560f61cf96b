"""Faults on request: which call they hit, and what happens to it."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brokers.simulator.fault_presets import PRESETS

ACTIONS = frozenset(
    {
        "delay_ms",
        "hang",
        "status",
        "drop_connection",
        "truncate_body",
        "reject",
        "question",
        "server_prompt",
        "failed_rows",
        "silent_drop",
        "inactive",
        "partial_fill",
        "lose_session",
        "steal_session",
        "false_empty_orders",
        "penalty_box",
        "ws_close",
    }
)
_MATCH = frozenset({"user", "method", "path", "nth", "p", "body_contains"})


@dataclass(slots=True, kw_only=True)
class Fault:
    """One armed fault."""

    number: int
    match: dict[str, Any]
    phase: str
    action: dict[str, Any]
    times: int | None
    until: float
    seen: int = 0
    hits: int = 0

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "match": self.match,
            "phase": self.phase,
            "action": self.action,
            "times": self.times,
            "seen": self.seen,
            "hits": self.hits,
        }


@dataclass(slots=True)
class Faults:
    """The armed faults of one gateway."""

    armed: list[Fault] = field(default_factory=list)
    made: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def arm(self, request: Mapping[str, Any], now: float) -> Fault:
        """Arm the fault a control request describes; ValueError says what is wrong with it."""
        if (name := request.get("preset")) is not None:
            if name not in PRESETS:
                raise ValueError(f"Unknown preset {name}. GET /sim/v1/presets names them all.")
            known = PRESETS[name]
            request = {**known, **request, "match": {**known["match"], **(request.get("match") or {})}}
        match, action = dict(request.get("match") or {}), dict(request.get("action") or {})
        if unknown := sorted(set(match) - _MATCH):
            raise ValueError(f"Unknown match {', '.join(unknown)}. Known: {', '.join(sorted(_MATCH))}.")
        if not set(action) & ACTIONS:
            raise ValueError(f"An action is one of {', '.join(sorted(ACTIONS))}.")
        phase = request.get("phase", "before")
        if phase not in {"before", "after"}:
            raise ValueError("The phase is before or after.")
        times = request.get("times", 1)
        self.made += 1
        fault = Fault(
            number=self.made,
            match=match,
            phase=phase,
            action=action,
            times=None if times is None or int(times) <= 0 else int(times),
            until=now + float(request.get("ttl_s", 60)),
        )
        self.armed.append(fault)
        return fault

    def clear(self) -> int:
        count = len(self.armed)
        self.armed.clear()
        return count

    def pick(self, *, user: str, method: str, path: str, body: bytes, now: float) -> list[Fault]:
        """The faults that hit this call; each hit is counted."""
        if not self.armed:
            return []
        self.armed = [f for f in self.armed if now < f.until and (f.times is None or f.hits < f.times)]
        hit = []
        for fault in self.armed:
            if self._hits(fault, user, method, path, body):
                fault.hits += 1
                hit.append(fault)
        return hit

    def _hits(self, fault: Fault, user: str, method: str, path: str, body: bytes) -> bool:
        match = fault.match
        if match.get("user", "*") not in {"*", user} or match.get("method", method).upper() not in {"*", method}:
            return False
        if not fnmatch.fnmatchcase(path.rstrip("/"), match.get("path", "*").rstrip("/")):
            return False
        if (text := match.get("body_contains")) and text.encode() not in body:
            return False
        fault.seen += 1
        if (nth := match.get("nth")) and fault.seen != nth:
            return False
        return self.dice.random() < float(match.get("p", 1.0))
