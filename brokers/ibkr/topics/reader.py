"""Messages of the stream as events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from brokers.domain.questions import Topic
from brokers.domain.session.feed import FeedEvent
from brokers.domain.sessions import AuthStatus
from brokers.ibkr import order_rows, translate
from brokers.ibkr.cleaning import text
from brokers.ibkr.numbers import whole
from brokers.ibkr.topics import money, prompts
from brokers.ibkr.topics.money import Money
from brokers.ibkr.topics.prices import Prices
from brokers.ibkr.topics.wanted import Wanted

_BEAT = FeedEvent(heartbeat=True)


class Reader:
    """Turns messages into events, and fills in what a partial message leaves out. Does no I/O."""

    def __init__(self, wanted: Wanted | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now, self._wanted = now, wanted or Wanted()
        self._money, self._prices = Money(), Prices()
        self._auth: AuthStatus | None = None
        self._subscribed = False
        self.wants_subscriptions = False
        self.turned_away = False

    def take(self, message: Any) -> FeedEvent | None:
        """The event of a message that was decoded; None when it says nothing we need."""
        if not isinstance(message, Mapping):
            return None
        topic = text(message.get("topic"), 64)
        match topic.split("+", 1)[0]:
            case "sts":
                return FeedEvent(auth=self._status(message.get("args")))
            case "sor":
                orders = (order_rows.order_facts(row) for row in translate.rows(message, "args"))
                return _unless_empty(FeedEvent(orders=tuple(order for order in orders if order is not None)))
            case "str":
                fills = (translate.execution_facts(row, now=self._now()) for row in translate.rows(message, "args"))
                return _unless_empty(FeedEvent(executions=tuple(fill for fill in fills if fill is not None)))
            case "spl":
                told = money.profit(message.get("args"))
                # What comes of others than we asked for is nobody's.
                ours = {account_id: told[account_id] for account_id in self._wanted.accounts & told.keys()}
                return _unless_empty(FeedEvent(money=ours))
            case "ssd" | "sld" as kind if topic.partition("+")[2] in self._wanted.accounts:
                read = self._money.summary if kind == "ssd" else self._money.ledger
                return _unless_empty(FeedEvent(money=read(message, self._now())))
            case "smd" if whole(message.get("conid")) in self._wanted.conids:
                return _unless_empty(FeedEvent(quotes=self._prices.take(message, self._now())))
            case Topic.NOTICE | Topic.BULLETIN as kind:
                args = message.get("args")
                asked = prompts.of(args) if kind == Topic.NOTICE else ()
                return _unless_empty(FeedEvent(prompts=asked, told=prompts.told(Topic(kind), args)))
            case "system" if "hb" in message:
                return self.beat()
            case "tic" | "ech":
                return _BEAT
            case _ if message.get("message") == "waiting for session":
                self.turned_away = True
                return FeedEvent(auth=translate.auth_status({"connected": True}, message="waiting for session"))
            case _:
                return None

    def beat(self) -> FeedEvent:
        """The line is alive. A server that never announced a status is listened to all the same."""
        self._subscribe()
        return _BEAT

    def _status(self, args: Any) -> AuthStatus:
        """The session's status; a message may carry only the key that changed."""
        before = self._auth or AuthStatus(authenticated=False, connected=True, competing=False)
        status = translate.auth_status(args, before=before)
        if status.authenticated and not status.connected:
            status = replace(status, connected=True)
        if status.authenticated and not before.authenticated:
            # Also after the session was lost and opened again: IBKR forgot what we wanted.
            self._subscribed = False
            self._subscribe()
        self._auth = status
        return status

    @property
    def subscribed(self) -> bool:
        """Whether what we want was asked for, and has been sent."""
        return self._subscribed and not self.wants_subscriptions

    def _subscribe(self) -> None:
        if not self._subscribed:
            self._subscribed = self.wants_subscriptions = True
            self._prices.forget()


def _unless_empty(event: FeedEvent) -> FeedEvent | None:
    parts = (event.orders, event.executions, event.money, event.quotes, event.prompts, event.told)
    return event if any(parts) else None
