"""A lane's looks at IBKR's lists of orders and fills, beside its work: what is to leave does not wait for their turn."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from brokers.models import Connection
from brokers.processes import looks, recovery
from brokers.processes.agenda import Agenda
from brokers.processes.beside.errand import Errand
from brokers.processes.wire import Wire


class LookingUp:
    """One look at a time. It needs no lock: it only reads, as the stream does beside the lane."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        # Accounts in which IBKR has refused something, to be read.
        self._refused: set[str] = set()

    def begin(self, wire: Wire, todo: Agenda, refused: Collection[str]) -> None:
        """Look up what a lane's own look has found. Where a look is under way already, another one follows it at once."""
        self._refused |= set(refused)
        found = todo.looks or todo.lost_changes or todo.gone or todo.lost_cancels or todo.doubtful
        if not found and not self._refused:
            return
        if self._errand.is_under_way:
            self._errand.look_again()
            return
        refused, self._refused = self._refused, set()
        self._errand.begin(partial(_look_up, wire, todo, refused))


async def _look_up(wire: Wire, todo: Agenda, refused: Collection[str]) -> float:
    """Read what is in doubt; returns the seconds after which to look again, 0 for "when woken"."""
    connection: Connection = todo.connection
    await recovery.read_again(wire, connection, refused)
    waits = []
    if todo.looks:
        waits.append(await looks.bring_orders_home(wire, connection))
    if todo.lost_changes:
        waits.append(await recovery.settle_lost_changes(wire, connection))
    if todo.gone:
        waits.append(await recovery.settle_gone(wire, connection))
    if todo.lost_cancels:
        waits.append(await recovery.settle_lost_cancels(wire, connection))
    if todo.doubtful:
        waits.append(await recovery.resolve_unknown(wire, connection))
    return min(filter(None, waits), default=0)
