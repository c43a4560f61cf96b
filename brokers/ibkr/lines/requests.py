"""Requests to IBKR and their answers as values; what a request that failed proves, and who leaves first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brokers.domain.brokerage import BrokerError, NotSent
from brokers.domain.calls import Rank, about_a_way_out, order_of_calls
from brokers.ibkr.circuits import Way


class NotDelivered(Exception):
    """The request provably never left."""


class Untrusted(NotDelivered):
    """The handshake failed, so nothing was sent. `error` says why, to the owner of the connection."""

    def __init__(self, error: BrokerError) -> None:
        super().__init__("the TLS handshake failed")
        self.error = error


class NotAllowed(NotDelivered):
    """The request was kept from leaving: its address leads where users may not send us."""


class KeptBack(NotDelivered):
    """We did not send it, since it was not to leave any more when its turn came. `outcome` says why."""

    def __init__(self, outcome: NotSent) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class NoAnswer(Exception):
    """The request may have arrived; its answer did not. `error` is why, where more is known than that."""

    def __init__(self, reason: str, error: BrokerError | None = None) -> None:
        super().__init__(reason)
        self.error = error


class Unreadable(NoAnswer):
    """An answer came, and is none that a gateway of IBKR gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """IBKR's answer: `body` is the parsed JSON, or NOT_JSON; `retry_after` is in seconds, `at` the time on IBKR's clock."""

    status: int
    body: Any
    retry_after: float | None = None
    at: datetime | None = None
    size: int = 0
    # When its last byte was there; reading it is our own share of the time.
    arrived_at: float = 0.0
    # What a page in place of an answer says of the line, as a code.
    page_says: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to IBKR. `path` holds {names} that `parts` fill in, `params` go into the query, `body` is sent as JSON and
    `form` as a browser sends a form.

    `proof` stands for what the login shows otherwise.
    """

    method: str
    path: str
    parts: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    body: Any = None
    proof: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None


def way_of(request: Request) -> Way | None:
    """The way that a request has through an open circuit: a cancel takes risk away, a tickle keeps the session."""
    if request.method == "DELETE":
        return Way.CANCEL
    return Way.TICKLE if request.path == "tickle" else None


def rank_of(request: Request, *, writing: bool) -> Rank:
    """Who leaves first where few may: what takes risk away and what keeps the session, then orders, then questions."""
    if about_a_way_out() or way_of(request) is not None:
        return Rank.FIRST
    # A request about the session comes before what the session is for. A question about an order that is leaving belongs
    # to it: the lane that waits for the answer holds the connection's lock.
    is_about_order = writing or order_of_calls() is not None
    return Rank.ORDER if is_about_order or request.path.startswith("iserver/auth/") else Rank.READ
