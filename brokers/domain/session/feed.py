"""What the live line of a session tells, and how it is listened to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from brokers.domain.brokerage import ExecutionFacts, OrderFacts, Prompt
from brokers.domain.market.quotes import Quote
from brokers.domain.questions import Told
from brokers.domain.sessions import AuthStatus, Login


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyHeard:
    """A part of an account's money that a stream told; None where this message did not say. `currency`: "" likewise."""

    net_liquidation: Decimal | None = None
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    available_funds: Decimal | None = None
    settled_cash: Decimal | None = None
    day_trades_left: int | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One message of the broker's stream, translated. One of the parts is filled; prompts may come with what is only told."""

    auth: AuthStatus | None = None
    orders: tuple[OrderFacts, ...] = ()
    executions: tuple[ExecutionFacts, ...] = ()
    money: dict[str, MoneyHeard] = field(default_factory=dict)
    quotes: dict[int, Quote] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()
    told: tuple[Told, ...] = ()
    heartbeat: bool = False


class Feed(Protocol):
    """The broker's live stream for one login; iterating ends when the socket closes."""

    def events(self) -> AsyncIterator[FeedEvent]: ...

    def on_beat(self, heard: Callable[[], bool]) -> None:
        """Ask `heard` at each beat: where it says True, the beat is no event."""
        ...

    def want(self, accounts: Collection[str], conids: Collection[int]) -> None:
        """Want money of these accounts and quotes of these contracts, and no others."""
        ...

    async def ask_for_life(self) -> None:
        """Ask the other side for a sign of life; its answer is a beat. Nothing happens on a line that is not open."""
        ...

    async def close(self) -> None: ...


# How the edges open one.
OpenFeed = Callable[[Login], Feed]
