"""What one connection's lane works by: its broker, the clock, and the threads for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ParamSpec, TypeVar

from accounts.turns import Manners
from brokers.domain.brokerage import Brokerage
from brokers.orders.together.answering import Came
from brokers.postgres.threads import Threads
from brokers.postgres.together import Together

P = ParamSpec("P")
T = TypeVar("T")

# Answers that come at the same moment: whether more of their connection waits; None where one is to be written by itself.
Answers = Together[Came, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The open way to one connection's broker. `wake` asks the lane for another look, `stopping` for its end.

    `manners`: whom its team lets go first, among the teams whose lanes work in this process. `answers`: writes down those of
    all of them that come at the same moment.
    """

    connection_pk: int
    broker: Brokerage
    threads: Threads
    clock: Callable[[], datetime]
    wake: asyncio.Event
    stopping: asyncio.Event
    team: int = 0
    manners: Manners = field(default_factory=Manners)
    answers: Answers | None = None
    # Questions about contracts that IBKR could not answer lately, by the key of their row: how often, and until when they
    # rest, so that the others have their turn.
    unanswered: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    # The split of the share that was known when a chain of options was taken up, by the chain's name.
    chains_since: dict[str, datetime | None] = field(default_factory=dict)

    async def db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run database work on a thread."""
        return await self.threads.run(function, *args, **kwargs)
