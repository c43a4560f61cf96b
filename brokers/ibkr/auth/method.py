"""What the client asks of a way of signing in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from brokers.domain.brokerage import BrokerError


class Answered(Protocol):
    """An answer as far as signing in reads it: `at` is the time on the other side's clock, where it says one."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...
    @property
    def at(self) -> datetime | None: ...


# Sends an empty POST to a path with these headers, once; raises BrokerUnavailable when nobody answers.
Post = Callable[[str, Mapping[str, str]], Awaitable[Answered]]


class AuthMethod(Protocol):
    """How one login proves who it is. Everything but `prepare` is without I/O."""

    base_url: str

    async def prepare(self, post: Post) -> None:
        """See that the next request can be signed; BrokerError says why it cannot."""
        ...

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """What one attempt of a request shows; asked anew for every attempt. `url` is without its query."""
        ...

    def stream_headers(self) -> Mapping[str, str]:
        """What the opening of a live stream shows."""
        ...

    def stream_query(self) -> Mapping[str, str]:
        """What the address of a live stream ends with."""
        ...

    def is_over(self, answer: Answered) -> bool:
        """Whether this answer ends what was prepared: prepare again, and the request may be sent once more."""
        ...

    def refusal(self, answer: Answered) -> BrokerError | None:
        """What an answer means for the login, where it means more than to any other."""
        ...

    @property
    def expires_at(self) -> datetime | None:
        """When what was prepared ends; None where it does not end by the clock."""
        ...
