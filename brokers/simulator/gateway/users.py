"""A username at the gateway: its session, its accounts, its open question, and the sockets that listen."""

from __future__ import annotations

import contextlib
import hashlib
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import msgspec

from brokers.simulator.exchange.records import Execution, Order, Ticket
from brokers.simulator.gateway.references import References
from brokers.simulator.gateway.session import Session

_KEPT = 5_000  # of what the control plane shows of a user


class Entry:
    """One of it: a dictionary while it may change, and then its JSON, which takes a fifth of the memory."""

    __slots__ = ("_open", "_raw")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._open: dict[str, Any] | None = fields
        self._raw = b""

    def seal(self, **last: Any) -> None:
        """Put in what was not known before; nothing changes any more."""
        if self._open is None:
            return
        self._open |= last
        # What no JSON holds, such as half of a character in an address, stays as it came.
        with contextlib.suppress(UnicodeEncodeError):
            self._raw, self._open = msgspec.json.encode(self._open), None

    @property
    def fields(self) -> dict[str, Any]:
        if self._open is not None:
            return self._open
        fields: dict[str, Any] = msgspec.json.decode(self._raw)
        return fields


def _log() -> deque[Entry]:
    return deque(maxlen=_KEPT)


class Listener(Protocol):
    """What the gateway needs of an open websocket."""

    @abstractmethod
    def order_changed(self, order: Order) -> None:
        """An order of the user has another status or filled quantity."""

    @abstractmethod
    def executed(self, execution: Execution) -> None:
        """An order of the user was filled, in part or whole."""

    @abstractmethod
    def status_changed(self) -> None:
        """The user's session entered another stage."""

    @abstractmethod
    def prompted(self, prompt: dict[str, Any]) -> None:
        """The broker asks with a list of options about an order of the user."""

    @abstractmethod
    def says(self, topic: str, args: dict[str, Any]) -> None:
        """The broker tells something that it wants no answer to: a notice or a bulletin."""

    @abstractmethod
    def tick(self) -> None:
        """Send what is due because time passed."""

    @abstractmethod
    def close(self, code: int) -> None:
        """Close with a code of the websocket protocol."""

    @abstractmethod
    def drop(self) -> None:
        """Cut the connection without a goodbye."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """An order POST that waits for answers."""

    id: str
    kind: str
    asked: list[str]
    tickets: list[Ticket]
    asked_at: float
    order: Order | None = None
    effects: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Prompted:
    """An order POST that waits for one of the options of a prompt."""

    order_id: str
    request_id: str
    options: list[str]
    tickets: list[Ticket]


@dataclass(slots=True, kw_only=True)
class User:
    """One username and everything that is remembered of it while the process runs."""

    name: str
    session: Session
    account_ids: list[str] = field(default_factory=list)
    references: References = field(default_factory=References)
    pending: Pending | None = None
    prompted: Prompted | None = None
    sockets: set[Listener] = field(default_factory=set)
    journal: deque[Entry] = field(default_factory=_log)
    events: deque[Entry] = field(default_factory=_log)
    tripped: dict[str, int] = field(default_factory=dict)
    # What faults did: orders nobody may see yet, fills that were corrected, and when the night emptied the list.
    hidden: dict[int, float] = field(default_factory=dict)
    corrected: set[str] = field(default_factory=set)
    # Orders that no list of orders ever shows; their fills are seen all the same.
    unlisted: set[int] = field(default_factory=set)
    day_began_at: float = 0.0

    @classmethod
    def named(cls, name: str) -> Self:
        """A username keeps its token over restarts: clients compare it before and after they connect."""
        token = hashlib.sha256(f"session {name}".encode()).hexdigest()[:32]
        return cls(name=name, session=Session(username=name, token=token))

    def tell_prompt(self, prompt: dict[str, Any]) -> None:
        """Let every socket ask with a prompt."""
        for socket in list(self.sockets):
            socket.prompted(prompt)

    def tell_status(self) -> None:
        """Let every socket say which stage the session is in."""
        for socket in self.sockets:
            socket.status_changed()

    def start_over(self) -> None:
        """Forget what the user did, its session included."""
        self.references.clear()
        self.pending = None
        self.prompted = None
        self.session.lose()
        self.session.ever_initiated = False
        self.session.release()
        self.session.sign_in()
        self.journal.clear()
        self.events.clear()
        self.hidden.clear()
        self.corrected.clear()
        self.unlisted.clear()
