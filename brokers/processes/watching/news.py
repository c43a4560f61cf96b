"""What a live stream has said and nobody has brought home yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from brokers.domain.session.feed import FeedEvent

FACTS_AT_ONCE = 1000  # of a batch of news that becomes one transaction, as far as it can be parted
# An order's news comes in threes (working, filled, the fill itself). Behind a report more is waited for, so that they are
# one transaction; behind half of a fill only so long as its other half takes to come over one line.
REPORT_SECONDS = 0.015
FILL_SECONDS = 0.003
# ... and of a team that floods beside others for so long, whatever came: ten transactions a second in place of fifty.
FLOOD_SECONDS = 0.1
FACTS_WAITING = 5000  # read but not brought home yet; more waits in the gateway's own socket


class News(asyncio.Queue[FeedEvent | None]):
    """What the feed said and nobody has brought home yet: no more of it than fits a transaction or a few."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.room = asyncio.Event()
        self.room.set()
        # Set once the stream has said that the session cannot trade.
        self.lost = asyncio.Event()

    async def put_facts(self, event: FeedEvent) -> None:
        """Put an event, once there is room for more."""
        await self.room.wait()
        if event.auth is not None and not event.auth.ready:
            self.lost.set()
        self.put_nowait(event)

    def taken(self) -> list[FeedEvent | None]:
        """All that waits, taken out."""
        return [self.get_nowait() for _ in range(self.qsize())]

    def _put(self, item: FeedEvent | None) -> None:
        self.waiting += facts_in(item)
        if self.waiting > FACTS_WAITING:
            self.room.clear()
        super()._put(item)

    def _get(self) -> FeedEvent | None:
        item: FeedEvent | None = super()._get()
        self.waiting -= facts_in(item)
        if self.waiting <= FACTS_WAITING:
            self.room.set()
        return item


def are_whole(batch: Sequence[FeedEvent | None]) -> bool:
    """Whether nothing more is to be expected at once: of each order that has filled, report and fill are there."""
    events = [event for event in batch if event is not None]
    reported = {fact.broker_order_id for event in events for fact in event.orders if fact.filled_quantity}
    filled = {fact.broker_order_id for event in events for fact in event.executions}
    return bool(filled) and filled == reported


def is_urgent(event: FeedEvent | None) -> bool:
    """Whether it is the end of the stream, a word about the session, or a question of IBKR's."""
    return event is None or event.auth is not None or bool(event.prompts or event.told)


def patience(batch: Sequence[FeedEvent | None], *, floods: bool = False) -> float:
    """For how many seconds more news is waited for behind this: a fill that somebody watches for hardly waits.

    `floods`: its team brings much home while another one is there. What ends a session or asks something never waits long.
    """
    if floods and not any(is_urgent(event) for event in batch):
        return FLOOD_SECONDS
    if are_whole(batch):
        return 0.0
    events = [event for event in batch if event is not None]
    tells_fill = any(event.executions or any(fact.filled_quantity for fact in event.orders) for event in events)
    return FILL_SECONDS if tells_fill else REPORT_SECONDS


def facts_in(event: FeedEvent | None) -> int:
    """How much a piece of news weighs: itself, and each order, fill, account, quote, prompt and notice in it."""
    if event is None:
        return 1
    parts = (event.orders, event.executions, event.money, event.quotes, event.prompts, event.told)
    return 1 + sum(map(len, parts))
