"""Who stands before whom: per brokerage account and instrument, decisions are taken in the order of their signals.

Different accounts never wait for each other. What has been ordered already is not this module's business: a decision
right behind it is taken for every way in which it can settle (`domain.unsettled`).
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import RowNumber

from brokers.book.views import NotYet
from brokers.domain.orders import OPTIONS, Instrument
from brokers.postgres.written import written_once
from strategies.domain.message.freshness import is_no_newer, leaves, may_close, wants_none
from strategies.domain.message.message import Action, Message
from strategies.domain.message.options import may_be_one, said_of_option
from strategies.domain.plan.plan import Rejection
from strategies.models import Decision

log = logging.getLogger(__name__)

Place = tuple[int, Instrument]
Pair = tuple[Decision, Message]
# Accounts, the keys of decisions that are known, and the newest of these.
Asked = tuple[list[int], list[int], int | None]
# So many of those that wait in an account for one ticker are read: whoever stands behind them waits, whatever more there are.
FIRST_OF_LINE = 64


class _Queue:
    """What waits in one account and instrument: in the order it came, and by the keys of its rows, so that to ask who
    stands before one of thousands looks at no other."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self._keys: list[int] = []
        self._with_key: list[Pair] = []
        # Those that had no row yet when they came.
        self._new: list[Pair] = []

    def add(self, pair: Pair) -> None:
        self.pairs.append(pair)
        if pair[0]._state.adding:
            self._new.append(pair)
        else:
            self._place(pair)

    def before(self, key: int) -> list[Pair]:
        """What has a row that is older, oldest first."""
        if any(not decision._state.adding for decision, _ in self._new):
            saved = [pair for pair in self._new if not pair[0]._state.adding]
            self._new = [pair for pair in self._new if pair[0]._state.adding]
            for pair in saved:
                self._place(pair)
        return self._with_key[: bisect_left(self._keys, key)]

    def without(self, gone: Sequence[Pair]) -> _Queue:
        """The queue that is left without some of it."""
        out, left = {id(pair) for pair in gone}, _Queue()
        for pair in self.pairs:
            if id(pair) not in out:
                left.add(pair)
        return left

    def _place(self, pair: Pair) -> None:
        # Mostly the newest, so that nothing has to move.
        place = bisect_right(self._keys, pair[0].pk)
        self._keys.insert(place, pair[0].pk)
        self._with_key.insert(place, pair)


def read_back(decision: Decision) -> Message | None:
    """The message of a decision that waits; None where another release wrote words that this one does not know.

    Such a row is left to that release: it breaks no turn of its team here.
    """
    try:
        return Message.from_reading(decision.signal.reading)
    except (ValueError, KeyError, TypeError):
        log.warning("The signal of decision %s is not understood by this release and is left alone", decision.code)
        return None


class Line:
    """The decisions that were not taken yet, by account and instrument, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[Place, _Queue] = defaultdict(_Queue)
        # Places of which more waits in the database than was read, and what waits there.
        self._cut: set[Place] = set()
        # Of which accounts it was read, and before which decisions.
        self._asked: Asked | None = None

    @classmethod
    def before(cls, decisions: Sequence[Decision]) -> Line:
        """What waits in the database before these: for new decisions of all of it, for pending ones of what is older.

        It may stand between these: ways out are looked at before the entries around them. Of a long line its beginning is
        read: with thousands that wait, each turn would read them all to learn that its decisions stand behind them.
        """
        line = cls()
        known = sorted(decision.pk for decision in decisions if decision.pk is not None)
        line._asked = (
            sorted({decision.subscription.account_id for decision in decisions}),
            known,
            max(known, default=None),
        )
        rows = _first(*line._asked, FIRST_OF_LINE + 1)
        counted = Counter(map(_part, rows))
        for decision in rows:
            if (message := read_back(decision)) is not None:
                line.wait(decision, message)
                if counted[_part(decision)] > FIRST_OF_LINE and message.place is not None:
                    line._cut.add((decision.subscription.account_id, message.place))
        return line

    def wait(self, decision: Decision, message: Message) -> None:
        """Whoever comes later for the same account and instrument stands behind this one."""
        if message.place is not None and not decision.signal.is_test:
            self._waiting[(decision.subscription.account_id, message.place)].add((decision, message))

    def turn(self, decision: Decision, message: Message) -> NotYet | list[Decision]:
        """Whether it is this decision's turn: what it waits for, or the entries it makes pointless by being taken.

        A full exit does not stand behind entries of its own subscription that nobody could decide yet: it takes their
        place, so that no stale entry follows it.
        """
        if message.place is None or decision.signal.is_test:
            return []
        ahead = self.ahead(decision, message)
        place = (decision.subscription.account_id, message.place)
        if place in self._cut and (not ahead or _is_passed_by(ahead, decision, message)):
            self._read_on(place)
            ahead = self.ahead(decision, message)
        if not ahead:
            return []
        if _is_passed_by(ahead, decision, message):
            self._waiting[place] = self._waiting[place].without(ahead)
            return [other for other, _ in ahead]
        received_at = ahead[0][0].signal.received_at
        return NotYet(
            waiting_for=f"the signal of {received_at:%H:%M:%S} UTC before it, which waits for {_what(ahead[0][0])}"
        )

    def _read_on(self, place: Place) -> None:
        """Read what was left out of a place: a way out takes the place of all that is before it, or of nothing."""
        assert self._asked is not None, "only what was read from the database is cut"
        read = {decision.pk for decision, _ in self._waiting[place].pairs}
        account, _ = place
        for decision in _read(_earlier(*self._asked).filter(subscription__account=account).exclude(pk__in=read)):
            message = read_back(decision)
            if message is not None and message.place == place[1]:
                self.wait(decision, message)
        self._cut.discard(place)

    def is_cut(self, decision: Decision, message: Message) -> bool:
        """Whether more may stand before the decision than `ahead` says."""
        return message.place is not None and (decision.subscription.account_id, message.place) in self._cut

    def ahead(self, decision: Decision, message: Message) -> list[Pair]:
        """What waits before this decision in its account and instrument, oldest first; a new one stands behind all.

        The first of them, where there are more than FIRST_OF_LINE. Options on one share stand in one line, and what
        certainly is another contract stands before nobody.
        """
        if message.place is None or decision.signal.is_test:
            return []
        queue = self._waiting.get((decision.subscription.account_id, message.place))
        if queue is None:
            return []
        # A new one has no key yet.
        pairs = list(queue.pairs) if decision._state.adding else queue.before(decision.pk)
        if message.place.asset_class not in OPTIONS:
            return pairs
        mine = said_of_option(decision.signal.reading)
        return [pair for pair in pairs if may_be_one(mine, said_of_option(pair[0].signal.reading))]

    def may_hold_up_a_way_out(self, decision: Decision, message: Message) -> bool:
        """Whether this decision may close a position, and stands behind one that waits."""
        assert message.place is not None, "nothing stands in line without an instrument"
        ahead = self.ahead(decision, message)
        if may_close(message):
            return bool(ahead)
        return any(message.action is not earlier.action for _, earlier in ahead)


@written_once
def _first(accounts: Collection[int], known: Collection[int], newest: int | None, most: int) -> QuerySet[Decision]:
    """The oldest so many of each part of each line."""
    earlier = _earlier(accounts, known, newest)
    return _read(earlier.filter(pk__in=first_of_each(earlier, most)))


def _earlier(accounts: Collection[int], known: Collection[int], newest: int | None) -> QuerySet[Decision]:
    """What waits in these accounts; where some decisions are known, what is older than the newest of them, without them."""
    earlier = Decision.objects.filter(
        status=Decision.Status.PENDING, subscription__account__in=accounts, signal__is_test=False
    )
    return earlier if newest is None else earlier.filter(pk__lt=newest).exclude(pk__in=known)


def first_of_each(waiting: QuerySet[Decision], most: int) -> QuerySet[Any, Any]:
    """The keys of the oldest so many of those that wait, of each part of each line: an account, a ticker and a class."""
    kind = KeyTextTransform("class", KeyTransform("instrument", F("signal__reading")))
    part: list[Any] = [F("subscription__account"), F("signal__ticker"), kind]
    number = Window(RowNumber(), partition_by=[*part, F("signal__is_test")], order_by="pk")
    return waiting.order_by().annotate(number_in_line=number).filter(number_in_line__lte=most).values("pk")


def _part(decision: Decision) -> tuple[int, str, str]:
    """The part of a line that a decision stands in, never more than one line: a share, a CFD on it and the options on it that a
    signal names by parts have one ticker."""
    facts = decision.signal.reading.get("instrument")
    kind = facts.get("class") if isinstance(facts, dict) else None
    return decision.subscription.account_id, decision.signal.ticker, str(kind)


def _read(waiting: QuerySet[Decision]) -> QuerySet[Decision]:
    joined = waiting.select_related("signal", "subscription")
    return joined.defer("inputs", "plan", "signal__body", "signal__headers").order_by("pk")


def _is_passed_by(ahead: Sequence[Pair], decision: Decision, message: Message) -> bool:
    """Whether all that stands before a full exit is entries of its own subscription, from before it."""
    return ends_it(message) and all(
        other.subscription_id == decision.subscription_id
        and only_enters(earlier)
        and not is_no_newer(message, earlier.signal_time)
        for other, earlier in ahead
    )


def overtaken(at: datetime) -> Rejection:
    """Why an entry that waited is not made any more. `at`: when the exit came."""
    reason = f"Not entered: an exit came at {at:%H:%M:%S} UTC while this entry still waited."
    return Rejection(rule="T04", code="superseded-signal", reason=reason)


def _what(decision: Decision) -> str:
    return decision.waiting_for.split(", which waits for ")[-1] or "its turn"


def ends_it(message: Message) -> bool:
    """Whether nothing is to be held afterwards."""
    whole = message.quantity is None
    return wants_none(message) or (message.action is Action.EXIT and whole)


def only_enters(message: Message) -> bool:
    return message.action in {Action.BUY, Action.SELL, Action.ADD} and not leaves(message)
