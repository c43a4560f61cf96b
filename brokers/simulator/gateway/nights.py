"""The broker's nights and weekends: sessions end, the day's list empties, and nobody answers until it is over."""

from __future__ import annotations

from collections.abc import Iterable

from brokers.simulator.faults.faults import Condition
from brokers.simulator.gateway.users import User

NAMES = frozenset({"daily_reset", "weekend"})


def begin(conditions: Iterable[Condition], users: Iterable[User], now: float, *, person_signs_in: bool = False) -> None:
    """Begin the nights whose time has come."""
    for condition in conditions:
        if condition.name in NAMES and not condition.begun and now >= condition.begins:
            condition.begun = True
            for user in users:
                if condition.user in {"*", user.name}:
                    _close(user, condition, now, person_signs_in=person_signs_in)


def _close(user: User, condition: Condition, now: float, *, person_signs_in: bool) -> None:
    """End the user's session and its websockets; with the session the login, where that takes a person."""
    user.session.lose()
    user.session.release()
    if person_signs_in:
        user.session.sign_out()
    user.pending = None
    user.day_began_at = now
    if condition.setting("forget_references"):
        # Whether a reference can be used twice across the roll of the day is not known; this is the bad case.
        user.references.clear()
    user.tell_status()
    for socket in list(user.sockets):
        socket.close(1001)
