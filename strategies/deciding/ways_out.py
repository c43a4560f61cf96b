"""Ways out of a batch's accounts that wait for IBKR's answers, and whether an entry lets them pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from brokers.book import contracts, quotes
from brokers.book.live_book import Book
from brokers.book.views import NotYet
from brokers.domain.orders import MAY_FILL, OrderStatus, Role
from brokers.models import BrokerageAccount, Closing, Connection, ContractLookup, Order, Position
from brokers.postgres.written import written_once
from strategies.deciding import lives
from strategies.deciding.turns import Line, read_back
from strategies.domain import exits_first
from strategies.domain.exits_first import Entry, Turn, WayOut
from strategies.domain.message.freshness import closes_what_is_held, leaves
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Plan
from strategies.models import Decision

Pair = tuple[Decision, Message]
# Ways out that wait beside a batch: more of them are looked at with the next one.
_MOST = 200
FIRST = Decision.WayOut.FIRST
_UNDER_WAY = [str(status) for status in {OrderStatus.CREATED, *MAY_FILL}]


def in_turn(batch: Sequence[Pair], book: Book, line: Line) -> tuple[list[Pair], list[Pair]]:
    """Ways out before which nothing else of their account and instrument stands, and the rest; both as they came."""
    held = _held(book)
    places = [(decision.subscription.account_id, message.place) for decision, message in batch]
    behind = {
        place
        for place, (decision, message) in zip(places, batch, strict=True)
        if line.is_cut(decision, message) or any(other.way_out != FIRST for other, _ in line.ahead(decision, message))
    }
    waiting = [(place, is_way_out(*pair, book.lookups, held)) for place, pair in zip(places, batch, strict=True)]
    numbers = exits_first.going_first(waiting, behind)
    going = set(numbers)
    return [batch[number] for number in numbers], [pair for number, pair in enumerate(batch) if number not in going]


def is_way_out(
    decision: Decision,
    message: Message,
    lookups: dict[contracts.Key, ContractLookup],
    held: dict[tuple[int, int], int],
) -> bool:
    """Whether a signal is to make a position smaller, by what was last known to be held where its action does not say."""
    if message.instrument is None or decision.signal.is_test:
        return False
    if leaves(message):
        return True
    account = decision.subscription.account
    lookup = lookups.get(contracts.key_of(account, message.instrument))
    side = 0 if lookup is None or lookup.conid is None else held.get((account.pk, lookup.conid), 0)
    has_target = message.target_quantity is not None
    return closes_what_is_held(message.action, has_target=has_target, long=side > 0, short=side < 0)


def _may_turn_out_one(decision: Decision, message: Message, book: Book) -> bool:
    """Whether nobody can say yet what is held of its instrument, since its contract is not known."""
    if message.instrument is None or decision.signal.is_test or message.action is Action.ADD:
        return False
    lookup = book.lookups.get(contracts.key_of(decision.subscription.account, message.instrument))
    return lookup is None or lookup.conid is None


@dataclass(slots=True)
class WaysOut:
    """What of a batch's accounts waits, looked up once the first entry could leave."""

    batch: Sequence[Pair] = ()
    # Whether earlier decisions of these accounts may wait.
    behind: bool = False
    # What decisions of the batch wait for, by their place in memory: they may have no rows yet.
    waits: dict[int, NotYet] = field(default_factory=dict)
    # Those of the batch that go before the rest of it, by the same.
    first: set[int] = field(default_factory=set)
    _ours: list[Pair] | None = None
    _beside: list[tuple[Pair, WayOut]] | None = None
    _closings: dict[int, list[WayOut]] | None = None

    def stand(self, decision: Decision, message: Message, book: Book, *, for_ibkr: bool) -> None:
        """Note on a decision that waits whether it is a way out, for the looks to come. `for_ibkr`: it waits for IBKR
        alone, or for ways out of its own instrument that do."""
        is_one = is_way_out(decision, message, book.lookups, _held(book))
        first = for_ibkr and (id(decision) in self.first if is_one else _may_turn_out_one(decision, message, book))
        decision.way_out = FIRST if first else Decision.WayOut.LATER if is_one else Decision.WayOut.NO

    def turn(self, decision: Decision, message: Message, plan: Plan, book: Book) -> Turn:
        """Whether the plan of an entry may leave now; what closes something always may."""
        roles = {intent.role for intent in plan.intents}
        if Role.ENTRY not in roles or Role.EXIT in roles:
            return Turn()
        account = decision.subscription.account
        waiting = [each for each in self._waiting(book) if each[1].account == account.pk]
        own = [pair for pair, _ in waiting if pair[1].place == message.place and pair[0] is not decision]
        since, until = _time_of(decision, message)
        entry = Entry(account=account.pk, since=since, until=until, holds_up=bool(own))
        ways_out = [way_out for _, way_out in waiting]
        return exits_first.turn(entry, ways_out + self._closings_of(account), book.now)

    def _waiting(self, book: Book) -> list[tuple[Pair, WayOut]]:
        """Ways out that are not decided, of the batch and beside it."""
        if self._ours is None:
            held = _held(book)
            self._ours = [pair for pair in self.batch if is_way_out(*pair, book.lookups, held)]
        here = []
        for pair in self._ours:
            if pair[0].status == Decision.Status.PENDING:
                wait = self.waits.get(id(pair[0]))
                awaits = wait.waiting_for if wait is not None and wait.on_its_way else ""
                here.append((pair, _way_out(pair, awaits, book.lookups)))
        if self._beside is None:
            self._beside = self._load(book) if self.behind else []
        return here + self._beside

    def _load(self, book: Book) -> list[tuple[Pair, WayOut]]:
        accounts = {decision.subscription.account_id for decision, _ in self.batch}
        known = [decision.pk for decision, _ in self.batch if decision.pk is not None]
        waiting = _beside_a_batch(self.batch[0][0].team_id, sorted(accounts), sorted(known))
        pairs = [(row, message) for row in waiting if (message := read_back(row)) is not None]
        if not pairs:
            return []
        tickers = {message.instrument.ticker for _, message in pairs if message.instrument is not None}
        connections = {decision.subscription.account.connection_id for decision, _ in pairs}
        lookups = contracts.load(connections, tickers)
        conids = {lookup.conid for lookup in lookups.values() if lookup.conid is not None}
        held = {
            (position.account_id, position.conid): _sign(position)
            for position in Position.objects.filter(account__in=accounts, conid__in=conids)
        }
        return [
            (pair, _way_out(pair, _awaits(pair, lookups, book.now), lookups))
            for pair in pairs
            if is_way_out(*pair, lookups, held)
        ]

    def _closings_of(self, account: BrokerageAccount) -> list[WayOut]:
        """Positions of the account that are to be closed and have no order yet; asked for where the entry has waited."""
        if self._closings is None:
            self._closings = defaultdict(list)
            queued = {
                decision.subscription.account_id: decision.subscription.account.connection
                for decision, _ in self.batch
                if decision.pk is not None
            }
            for row in _closings_without_order(queued) if queued else ():
                since = max(row.asked_at, _back(queued[row.account_id]) or row.asked_at)
                self._closings[row.account_id].append(
                    WayOut(
                        account=row.account_id,
                        name=f"the close of {row.ticker}",
                        since=since,
                        awaits="a look at the account's positions",
                    )
                )
        return self._closings.get(account.pk, [])


@written_once
def _beside_a_batch(team: int, accounts: Collection[int], known: Collection[int]) -> QuerySet[Decision]:
    """What may be a way out and waits in these accounts, those first that were one for IBKR at their last look."""
    rows = Decision.objects.filter(team=team, status=Decision.Status.PENDING, subscription__account__in=accounts)
    others = rows.exclude(way_out=Decision.WayOut.NO).exclude(pk__in=known)
    joined = others.select_related("signal", "subscription__account__connection", "terms").defer("inputs", "plan")
    return joined.order_by("way_out", "pk")[:_MOST]


@written_once
def _closings_without_order(accounts: Collection[int]) -> QuerySet[Closing]:
    sent = Order.objects.filter(
        account=OuterRef("account"), conid=OuterRef("conid"), role=str(Role.EXIT), status__in=_UNDER_WAY
    )
    rows = Closing.objects.filter(status=Closing.Status.OPEN, account__in=accounts)
    return rows.exclude(Exists(sent)).order_by("pk")


def _way_out(pair: Pair, awaits: str, lookups: dict[contracts.Key, ContractLookup]) -> WayOut:
    decision, message = pair
    assert message.instrument is not None, "a way out has an instrument"
    account, since = decision.subscription.account, _since(decision, message)
    lookup = lookups.get(contracts.key_of(account, message.instrument))
    if lookup is not None and lookup.status == ContractLookup.Status.WANTED:
        # Nobody may have looked at the signal for a while after it came.
        since = max(since, lookup.asked_at)
    name = f"the {message.action} of {message.instrument} of {decision.signal.received_at:%H:%M:%S} UTC"
    return WayOut(account=account.pk, name=name, since=since, awaits=awaits)


def _awaits(pair: Pair, lookups: dict[contracts.Key, ContractLookup], now: datetime) -> str:
    """What a decision that is not of the batch awaits of IBKR, or its turn where IBKR has answered since the last look.

    The book of its account is there, since an entry saw it.
    """
    decision, message = pair
    assert message.instrument is not None, "a way out has an instrument"
    lookup = lookups.get(contracts.key_of(decision.subscription.account, message.instrument))
    if lookup is None or lookup.status == ContractLookup.Status.WANTED:
        return f"IBKR's contract for {message.instrument.ticker}"
    if quotes.is_coming(lookup, now):
        return f"a fresh quote of {message.instrument}"
    return "its turn" if decision.way_out == FIRST else ""


def _time_of(decision: Decision, message: Message) -> tuple[datetime, datetime]:
    """The time that an entry has: its signal's, or what its approvers were given."""
    since = _since(decision, message)
    if decision.status == Decision.Status.PROPOSED and decision.decided_at and decision.expires_at:
        return max(since, decision.decided_at), decision.expires_at
    return since, lives.life_until(decision, message)


def _since(decision: Decision, message: Message) -> datetime:
    """From when on IBKR could be asked about a signal."""
    night = lives.night_of(decision, message)
    moments = [decision.signal.due_at, _back(decision.subscription.account.connection)]
    return max(moment for moment in (*moments, night.ends if night is not None else None) if moment is not None)


def _back(connection: Connection) -> datetime | None:
    """When the session last began to trade, while it does."""
    return connection.turned_at if connection.can_trade else None


def _held(book: Book) -> dict[tuple[int, int], int]:
    return {key: _sign(position) for key, position in book.positions.items()}


def _sign(position: Position) -> int:
    return 1 if position.quantity > 0 else -1
