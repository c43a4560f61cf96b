"""Faults on request: which call they hit, how often, and what lasts for a while."""

from __future__ import annotations

import fnmatch
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from brokers.simulator.faults.presets import PRESETS

# What happens to one call, or to the order it places.
AT_A_CALL = frozenset(
    {
        "delay_ms",
        "hang",
        "status",
        "drop_connection",
        "truncate_body",
        "html_body",
        "gone_410",
        "no_session_tickle",
        "reject",
        "question",
        "server_prompt",
        "failed_rows",
        "unnamed_rows",
        "silent_drop",
        "inactive",
        "cancelled",
        "partial_fill",
        "held_until_open",
        "exchange_closed",
        "duplicate_reference",
        "resized",
        "held",
        "second_order",
        "cancel_waits",
        "lose_session",
        "steal_session",
        "expire_lst",
        "delay_established_ms",
        "false_empty_orders",
        "penalty_box",
        "ws_close",
        "spoil",
        "nonsense",
        "frames",
        "natural",
    }
)
# What befalls an order some time after it was taken, or happens beside it.
AFTERWARDS = frozenset({"cancel_leg", "lose_leg", "foreign_stop", "foreign_exit"})
# What holds for a while: from the moment it is armed, or from the call it matches.
LASTING = frozenset(
    {
        "suppress_ws",
        "duplicate_event",
        "reorder_events",
        "correct_execution",
        "clock_skew",
        "no_market_data",
        "no_market_data_agreement",
        "unsaid_market_data",
        "delayed",
        "frozen",
        "frozen_delayed",
        "halted",
        "empty_lists",
        "lite_account",
        "permissions",
        "pending_consumer",
        "paper_username_error",
        "stray_callback",
        "daily_reset",
        "weekend",
        "session_stays_closed",
        "session_wants_form",
    }
)
ACTIONS = AT_A_CALL | AFTERWARDS | LASTING
_MATCH = frozenset({"user", "method", "path", "nth", "p", "body_contains"})
# A match that names one of these waits for a call; without, what lasts begins at once.
_NAMES_A_CALL = ("method", "path", "nth", "body_contains", "p")
# How long the two maintenance windows last when nobody says; weekends are long.
_WINDOW_S = {"daily_reset": 60.0, "weekend": 14_400.0}
_REMEMBERED = 200


@dataclass(slots=True, kw_only=True)
class Fault:
    """One armed fault."""

    number: int
    name: str
    match: dict[str, Any]
    phase: str
    action: dict[str, Any]
    times: int | None
    armed_at: float
    until: float
    begins: float = 0.0
    seen: int = 0
    hits: int = 0

    @property
    def user(self) -> str:
        return str(self.match.get("user", "*"))

    @property
    def waits(self) -> bool:
        """Whether it waits for a call, as most do."""
        lasts = set(self.action) & LASTING
        return not lasts or any(name in self.match for name in _NAMES_A_CALL)

    def state(self, now: float) -> str:
        if self.waits and self.times is not None and self.hits >= self.times:
            return "spent"
        return "armed" if now < self.until else "over"

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "id": self.number,
            "name": self.name,
            "match": self.match,
            "phase": self.phase,
            "action": self.action,
            "times": self.times,
            "seen": self.seen,
            "hits": self.hits,
            "state": self.state(now),
            "lasts": not self.waits,
            "begins_in_s": round(max(0.0, self.begins - now), 3),
            "left_s": round(max(0.0, self.until - now), 3),
        }


@dataclass(slots=True, kw_only=True)
class Condition:
    """Something that holds for a user, or for everybody, between two moments."""

    name: str
    value: Any
    user: str
    begins: float
    ends: float
    fault: Fault
    begun: bool = False

    def holds(self, name: str, user: str, now: float) -> bool:
        return self.name == name and self.user in {"*", user} and self.begins <= now < self.ends

    def setting(self, name: str, default: Any = None) -> Any:
        """One setting of an action that takes several."""
        return self.value.get(name, default) if isinstance(self.value, dict) else default


@dataclass(slots=True)
class Faults:
    """The armed faults of one gateway, what lasts, and who sits in the penalty box."""

    armed: list[Fault] = field(default_factory=list)
    past: deque[Fault] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    conditions: list[Condition] = field(default_factory=list)
    boxed: dict[str, float] = field(default_factory=dict)
    made: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    # -- arming --------------------------------------------------------------------------------------------------

    def arm(self, request: Mapping[str, Any], now: float) -> Fault:
        """Arm the fault a control request describes; ValueError says what is wrong with it."""
        name = str(request.get("name") or request.get("preset") or "")
        request = _from_preset(request)
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
            name=name or next(iter(sorted(set(action) & ACTIONS))),
            match=match,
            phase=phase,
            action=action,
            times=None if times is None or int(times) <= 0 else int(times),
            armed_at=now,
            until=now + float(request.get("ttl_s", 60)),
        )
        self.armed.append(fault)
        if not fault.waits:
            self.begin(fault, now)
        return fault

    def begin(self, fault: Fault, now: float, user: str | None = None) -> None:
        """Let begin what lasts, for the fault's user or for the one whose call it hit."""
        for name in sorted(set(fault.action) & LASTING):
            value = fault.action[name]
            settings = value if isinstance(value, dict) else {}
            begins = now + float(settings.get("start_s", 0))
            lasts = settings.get("s", settings.get("duration_s", _WINDOW_S.get(name)))
            ends = begins + float(lasts) if lasts is not None else fault.until
            made = Condition(name=name, value=value, user=user or fault.user, begins=begins, ends=ends, fault=fault)
            self.conditions.append(made)
            fault.until = max(fault.until, ends) if fault.waits else ends
            fault.begins = begins

    def clear(self, user: str | None = None) -> int:
        """Disarm everything, or only what was armed for one user."""
        mine = [f for f in self.armed if user in {None, f.user}]
        self.armed = [f for f in self.armed if f not in mine]
        self.conditions = [c for c in self.conditions if user is not None and c.user != user]
        if user is None:
            self.boxed.clear()
            self.past.clear()
        else:
            self.past = deque((f for f in self.past if f.user != user), maxlen=_REMEMBERED)
        return len(mine)

    def tidy(self, now: float) -> None:
        """Put away what is spent or over."""
        over = [f for f in self.armed if f.state(now) != "armed"]
        if over:
            self.past.extend(over)
            self.armed = [f for f in self.armed if f not in over]
        self.conditions = [c for c in self.conditions if now < c.ends]

    def listed(self, now: float, user: str | None = None) -> list[dict[str, Any]]:
        """Armed ones first, then what is past, the newest first."""
        self.tidy(now)
        faults = [*self.armed, *reversed(self.past)]
        return [f.describe(now) for f in faults if user in {None, f.user}]

    # -- at a call -----------------------------------------------------------------------------------------------

    def pick(self, *, user: str, method: str, path: str, body: bytes, now: float) -> list[Fault]:
        """The faults that hit this call; each hit is counted."""
        if not self.armed:
            return []
        self.tidy(now)
        hit = []
        for fault in self.armed:
            if fault.waits and self._hits(fault, user, method, path, body):
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

    # -- meanwhile -----------------------------------------------------------------------------------------------

    def holding(self, name: str, user: str, now: float) -> Iterator[Condition]:
        """What holds under this name for this user now."""
        return (c for c in self.conditions if c.holds(name, user, now))

    def held(self, name: str, user: str, now: float) -> Condition | None:
        """The first that holds; it counts as a hit, as it is about to be felt."""
        condition = next(self.holding(name, user, now), None) if self.conditions else None
        if condition is not None and not condition.fault.waits:
            condition.fault.hits += 1
        return condition


def fails(legs: list[Any], index: int, order_type: str) -> bool:
    """Whether a leg is meant: by its place, or by its type (`STP`)."""
    return index in legs or order_type in legs


def _from_preset(request: Mapping[str, Any]) -> Mapping[str, Any]:
    name = request.get("preset")
    if name is None:
        return request
    if name not in PRESETS:
        raise ValueError(f"Unknown preset {name}. GET /sim/v1/presets names them all.")
    known = PRESETS[name]
    return {
        **known,
        **request,
        "match": {**known["match"], **(request.get("match") or {})},
        "action": {**known["action"], **(request.get("action") or {})},
    }
