"""What all lanes of a shard share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from accounts.turns import Manners
from brokers.domain.brokerage import OpenBrokerage
from brokers.orders.together.answering import acknowledge_each
from brokers.postgres.locks import Locks
from brokers.postgres.threads import Threads
from brokers.postgres.together import Together
from brokers.processes import agenda
from brokers.processes.agenda import Agenda
from brokers.processes.wire import Answers

MOST_LOOKS = 100  # lanes whose rows are looked at in one statement, or whose answers are written down in one

# Looks of lanes that are woken together, by their connections; None where one is to look by itself.
Looks = Together[int, Agenda | None]


def looks_of(threads: Threads, clock: Callable[[], datetime]) -> Looks:
    """The looks of all lanes that use these threads."""
    return Looks(threads, functools.partial(agenda.look_at_each, clock=clock), most=MOST_LOOKS, alone=None)


def answers_of(threads: Threads) -> Answers:
    """The answers of all lanes that use these threads."""
    return Answers(threads, acknowledge_each, most=MOST_LOOKS, alone=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all lanes of a shard share. `linger`: seconds a lane stays without work, LANE_LINGER_SECONDS at most."""

    open_brokerage: OpenBrokerage
    threads: Threads
    locks: Locks
    clock: Callable[[], datetime]
    linger: float
    looks: Looks
    answers: Answers
    manners: Manners = field(default_factory=Manners)
