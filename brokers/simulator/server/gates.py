"""What a session must have done before it may call a path, and how often a path may be called."""

from __future__ import annotations

import re
from collections import deque

from brokers.simulator.behaviour import Behaviour
from brokers.simulator.calls import Call
from brokers.simulator.gateway.session import Session
from brokers.simulator.wire import Answer, error

_BEFORE_INIT = ("/iserver/auth/status", "/iserver/auth/ssodh/init", "/iserver/reauthenticate")
_NEEDS_ACCOUNTS = re.compile(
    r"/iserver/account/orders|/iserver/account/trades|/iserver/account/[^/]+/order|/iserver/account/order/status"
    r"|/iserver/marketdata/snapshot|/iserver/reply/"
)
_OPENS_PORTFOLIO = frozenset({"/portfolio/accounts", "/portfolio/subaccounts", "/portfolio/subaccounts2"})
# Calls that are limited more tightly than the rest: path -> how many within so many seconds.
_SLOW = {
    "/iserver/account/orders": (1, 5.0),
    "/iserver/account/trades": (1, 5.0),
    "/iserver/account/pnl/partitioned": (1, 5.0),
    "/portfolio/accounts": (1, 5.0),
    "/portfolio/subaccounts": (1, 5.0),
    "/iserver/marketdata/snapshot": (10, 1.0),
    "/iserver/scanner/params": (1, 900.0),
    "/iserver/scanner/run": (1, 1.0),
    "/tickle": (1, 1.0),
    "/sso/validate": (1, 60.0),
}
# Everything below these paths together.
_SLOW_FAMILIES = {"/pa/": (1, 900.0), "/fyi/": (1, 1.0)}


def _limit_of(path: str) -> tuple[str, int, float] | None:
    """What is counted together with a path, and its limit."""
    if (own := _SLOW.get(path)) is not None:
        return path, *own
    return next((((family, *limit)) for family, limit in _SLOW_FAMILIES.items() if path.startswith(family)), None)


def gate(session: Session, behaviour: Behaviour, path: str, now: float) -> Answer | None:
    """The refusal of a path that is asked for too early."""
    if path.startswith("/iserver/"):
        if path in _BEFORE_INIT:
            return None
        stage = session.stage(now)
        if stage in {"sso", "connecting"}:
            return error("Bad Request: no bridge")
        if stage != "established":
            return error("not authenticated", 401)
        if behaviour.accounts_first and not session.accounts_queried and _NEEDS_ACCOUNTS.match(path):
            if behaviour.accounts_first_status == 500:
                return error("Please query /accounts first", 500, with_code=False)
            return error("Bad Request: Please query /accounts first")
    elif path.startswith(("/portfolio/", "/portfolio2/")):
        opens = path in _OPENS_PORTFOLIO
        if behaviour.portfolio_accounts_first and not opens and not session.portfolio_queried:
            return error("Please query /portfolio/accounts first", 401, with_code=False)
    return None


class Pace:
    """Who called what, and when; too many requests put the address into the penalty box."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}
        self._slow: dict[tuple[str, str], deque[float]] = {}

    def check(self, call: Call) -> Answer | None:
        """The refusal of a call that comes too soon."""
        behaviour, boxed, now = call.gateway.behaviour, call.gateway.faults.boxed, call.now
        if now < boxed.get(call.address, 0.0):
            return error("Too Many Requests", 429)
        if not behaviour.pacing:
            return None
        seen = self._recent.setdefault(call.user.name, deque())
        while seen and now - seen[0] > 1.0:
            seen.popleft()
        seen.append(now)
        too_soon = self._too_soon(call, now)
        if len(seen) > behaviour.requests_per_second:
            boxed[call.address] = now + behaviour.penalty_box_s
            return error("Too Many Requests", 429)
        return error("Too Many Requests", 429) if too_soon else None

    def _too_soon(self, call: Call, now: float) -> bool:
        """Count the call; whether its path was called too often."""
        limit = _limit_of(call.path)
        if limit is None:
            return False
        counted, most, seconds = limit
        times = self._slow.setdefault((call.user.name, counted), deque(maxlen=most))
        too_soon = len(times) == most and now - times[0] < seconds
        times.append(now)
        return too_soon
