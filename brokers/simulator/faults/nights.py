"""The broker's nights and weekends: sessions end, the day's list empties, and nobody answers until it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brokers.simulator.faults.faults import Condition

if TYPE_CHECKING:
    from brokers.simulator.gateway import Gateway, User

NAMES = frozenset({"daily_reset", "weekend"})


def advance(gateway: Gateway) -> None:
    """Begin the windows whose time has come."""
    if not gateway.faults.conditions:
        return
    now = gateway.clock()
    for condition in gateway.faults.conditions:
        if condition.name in NAMES and not condition.begun and now >= condition.begins:
            condition.begun = True
            for user in list(gateway.users.values()):
                if condition.user in {"*", user.name}:
                    _fall(gateway, user, condition, now)


def _fall(gateway: Gateway, user: User, condition: Condition, now: float) -> None:
    user.session.lose()
    user.session.competing = False
    user.pending = None
    user.day_began_at = now
    if condition.setting("forget_references"):
        # Whether a reference can be used twice across the roll of the day is not known; this is the bad case.
        user.references.clear()
    gateway.tell_status(user)
    for socket in list(user.sockets):
        socket.close(1001)


def in_one(gateway: Gateway, user: User, now: float) -> bool:
    """Whether the gateway is away for this user."""
    faults = gateway.faults
    return any(faults.held(name, user.name, now) is not None for name in sorted(NAMES))
