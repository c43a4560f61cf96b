"""The desk: what a batch of decisions is taken with, and what its decisions leave for each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from brokers.book import live_book, previews
from brokers.book.live_book import Book
from brokers.domain.orders import Instrument
from brokers.models import BrokerageAccount
from strategies.deciding import guards, scanned
from strategies.deciding.advisors import groups
from strategies.deciding.advisors.groups import Casts
from strategies.deciding.guards import ActiveGuards
from strategies.deciding.openings import Openings
from strategies.deciding.ownership import Ownership
from strategies.deciding.turns import Line
from strategies.deciding.ways_out import WaysOut
from strategies.domain.message.message import Message
from strategies.domain.plan.option_meant import with_defaults
from strategies.models import Decision, Guard, Subscription


@dataclass(frozen=True, slots=True)
class Desk:
    """Book, guards and waiting decisions of one batch, loaded once; each decision of the batch changes them."""

    book: Book
    ownership: Ownership
    guards: ActiveGuards
    line: Line
    now: datetime
    openings: Openings = field(default_factory=Openings)
    ways_out: WaysOut = field(default_factory=WaysOut)
    # Decisions from before the batch that one of the batch ends, and the batch's own proposals by subscription and place.
    overtaken: list[Decision] = field(default_factory=list)
    proposed: dict[tuple[int, Instrument], list[Decision]] = field(default_factory=dict)
    # Accounts and instruments whose fresh quote a decision waits for.
    unquoted: list[tuple[BrokerageAccount, Instrument]] = field(default_factory=list)
    # Shares that are sold short, of which IBKR is asked beside whether they can be borrowed.
    sold_short: list[tuple[BrokerageAccount, Instrument]] = field(default_factory=list)
    # Orders whose preview a decision waits for, and accounts and instruments in which something stands behind one.
    unpreviewed: list[previews.Question] = field(default_factory=list)
    hurried: list[tuple[BrokerageAccount, Instrument]] = field(default_factory=list)
    # The advisors' groups of the batch's subscriptions, by their keys.
    casts: Casts = field(default_factory=dict)


def open_desk(
    batch: Sequence[tuple[Decision, Message]],
    now: datetime,
    *,
    behind: bool = True,
    guarded: Sequence[Guard] | None = None,
) -> Desk:
    """The desk for a batch. `behind`: earlier decisions may wait for the same accounts and instruments.

    Guards first: who stops trading waits for the batches before, and those behind see the stop. `guarded`: those of the
    team, where the caller's transaction holds its lock and has read them behind that.
    """
    subscriptions = [decision.subscription for decision, _ in batch]
    active = guards.hold(subscriptions, now) if guarded is None else guards.held(subscriptions, guarded, now)
    casts = groups.load(subscriptions, now)
    pairs = [
        pair
        for decision, message in batch
        for instrument in scanned.instruments(with_defaults(message, decision.terms.value()))
        for pair in groups.pairs_of(decision.subscription, instrument, casts)
    ]
    active.casts = casts
    line = Line.before([decision for decision, _ in batch]) if behind else Line()
    book = live_book.load(pairs, now)
    openings = Openings(frozenset(account.pk for account, _ in pairs))
    return Desk(
        book=book,
        ownership=Ownership.of(book),
        guards=active,
        line=line,
        now=now,
        openings=openings,
        ways_out=WaysOut(batch, behind),
        casts=casts,
    )


def rehearsal_desk(subscriptions: Sequence[Subscription], message: Message, now: datetime, *, ask: bool) -> Desk:
    """A desk that locks nothing and knows no line; without `ask` it writes nothing either."""
    casts = groups.load(subscriptions, now, ask=ask)
    pairs = [
        pair
        for subscription in subscriptions
        for instrument in scanned.instruments(
            message if subscription.terms is None else with_defaults(message, subscription.terms.value())
        )
        for pair in groups.pairs_of(subscription, instrument, casts)
    ]
    book = live_book.load(pairs, now, ask=ask)
    active = guards.peek(subscriptions, now, ask=ask)
    active.casts = casts
    return Desk(book=book, ownership=Ownership.of(book), guards=active, line=Line(), now=now, casts=casts)
