"""Books of the simulated IBKR that nobody reads again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from brokers.simulator.books.store import Store


class MemoryStore(Store):
    """Books that nobody reads again: durable at once."""

    def __init__(self) -> None:
        self.batches = 0

    def _ask(self) -> int:
        return 0

    def save(self, changes: Iterable[Any]) -> int:
        return 0

    def delete_account(self, account_id: str, order_id: int, execution_number: int) -> int:
        return 0

    def after_commit(self, call: Callable[[], None]) -> None:
        call()

    async def durable(self) -> None:
        return

    async def close(self) -> None:
        return
