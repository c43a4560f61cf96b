"""One request to the broker, with its answer or its failure, as the log of calls keeps it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from brokers.domain.brokerage import Gate

# What IBKR takes from one user, by its pages about pacing.
PER_SECOND = 10.0


# What stands for a method of messages of the live stream, which are no requests.
SENT, RECEIVED = "SENT", "RECEIVED"
MESSAGES = (SENT, RECEIVED)


def together(at: float, apart: float) -> float:
    """The next of the moments, so many seconds apart, at which everything leaves that is due until then.

    A hundred small things at once cost a quarter of what they cost one by one: what they need is at hand.
    """
    return math.ceil(at / apart) * apart


class Rank(IntEnum):
    """Who leaves first where the pace lets few leave: ways out and what keeps the session, then orders, then questions."""

    FIRST = 0
    ORDER = 1
    READ = 2


class CallOutcome(StrEnum):
    """How a request ended; all but ANSWERED are errors of a kind."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SIGNED_OUT = "signed_out"
    TOO_FAST = "too_fast"
    BROKER_FAILED = "broker_failed"
    NOT_DELIVERED = "not_delivered"
    NO_ANSWER = "no_answer"
    NONSENSE = "nonsense"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request and its answer. `request` and `answer` are raw until a Redactor has read them, so they never show in a repr.

    `endpoint` is the path with its {names}, `parts` fill them in. `took` is the whole call in seconds, our waiting for the
    pace included; `own` is our share of it. `secrets` are texts that no log may hold. `pace_left` are the requests that
    the pace of its user still had just after it. `names` are the orders that a message of the live stream names: by our
    reference, or by IBKR's number.
    """

    connection: int
    method: str
    endpoint: str
    outcome: CallOutcome
    took: float
    own: float
    status: int | None = None
    size: int = 0
    order: int | None = None
    names: tuple[str, ...] = ()
    pace_left: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    request: Any = field(default=None, repr=False)
    answer: Any = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class CallLog(Protocol):
    """Takes calls at once: it waits for nothing and raises nothing."""

    def add(self, call: Call) -> None: ...


class NoCallLog:
    """Keeps nothing."""

    def add(self, call: Call) -> None:
        """Drop the call."""


def outcome_of(status: int, body: Any) -> CallOutcome:
    """How a request ended that has an answer. IBKR refuses many an order with 200 and an `error`."""
    match status:
        case 401:
            return CallOutcome.SIGNED_OUT
        case 429:
            return CallOutcome.TOO_FAST
        case _ if status >= 500:
            return CallOutcome.BROKER_FAILED
        case _ if status >= 300 or (isinstance(body, Mapping) and body.get("error")):
            return CallOutcome.REFUSED
        case _:
            return CallOutcome.ANSWERED


_order: ContextVar[int | None] = ContextVar("order that calls are about", default=None)
_way_out: ContextVar[bool] = ContextVar("whether that order is a way out of a position", default=False)


_gate: ContextVar[Gate | None] = ContextVar("what a write has to pass", default=None)


@contextmanager
def about_order(pk: int, *, way_out: bool = False, gate: Gate | None = None) -> Iterator[None]:
    """Calls made inside belong to this order; those about a way out leave first, and writes leave only by the gate."""
    tokens = _order.set(pk), _way_out.set(way_out), _gate.set(gate)
    try:
        yield
    finally:
        _order.reset(tokens[0])
        _way_out.reset(tokens[1])
        _gate.reset(tokens[2])


def gate_of_writes() -> Gate | None:
    """What a write that is made now has to pass before it leaves."""
    return _gate.get()


def about_a_way_out() -> bool:
    """Whether calls made now are about a way out of a position."""
    return _way_out.get()


def order_of_calls() -> int | None:
    """The order that calls made now belong to."""
    return _order.get()
