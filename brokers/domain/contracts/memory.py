"""What a broker has said of options' chains: kept between sessions, so that a day's first pick need not ask for all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from brokers.domain.orders import Instrument


class ChainMemory(Protocol):
    """What one signed-in user was told of chains. Each has a name, and is kept as JSON that only the adapter reads."""

    def name_of(self, instrument: Instrument) -> str | None:
        """The name of an option's chain; None for what is no single option."""
        ...

    def knows(self, chain: str) -> bool:
        """Whether anything that was said of a chain today is at hand."""
        ...

    def recall(self, chain: str, said: Mapping[str, Any], *, of_today: bool) -> None:
        """Take up what was written of a chain. What was not said today only tells what to ask."""
        ...

    def forget(self, chain: str) -> None:
        """Believe nothing that was said of a chain: a split has made others of its contracts."""
        ...

    def hint(self, chain: str, conid: int) -> None:
        """The number that a share had when it was last looked up, where nothing else is known of its chain."""
        ...

    def written(self, chain: str) -> dict[str, Any] | None:
        """What is to be kept of a chain; None where nothing more was said of it today since it was last written."""
        ...

    async def warm(self, rules: Sequence[Instrument]) -> None:
        """Ask ahead for what picks by these rules need, all of one chain; raises as reads do."""
        ...
