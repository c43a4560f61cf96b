"""A group as a decision sees it: position, money and orders of its accounts together, and what people set above each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Case, F, Sum, When

from brokers.advisors import reading
from brokers.book.live_book import Book
from brokers.book.views import NotYet, Unknown, View
from brokers.domain.advisors.groups import Client, Method, SeenGroup
from brokers.domain.orders import Instrument, Role, Side
from brokers.domain.sentences import all_of
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.models import AccountGroup, BrokerageAccount, Execution
from brokers.orders.fills.account_legs import legs_for_group
from strategies.domain.decide.guards import NO_GUARDS, Guards, Level, LevelGuard
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.plan.prerequisites import is_entry
from strategies.models import Subscription

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cast:
    """A group and those of its accounts that the team has; `fresh`: IBKR has shown it within the last minutes."""

    group: AccountGroup
    accounts: dict[str, BrokerageAccount]
    fresh: bool

    def members(self) -> Iterator[BrokerageAccount]:
        """Its accounts in the group's order, as far as they are here."""
        numbers = (part.account_id for part in self.group.parts)
        return (self.accounts[number] for number in numbers if number in self.accounts)

    def formers(self) -> Iterator[BrokerageAccount]:
        """Accounts that have been in it, as far as they are here."""
        return (self.accounts[number] for number in self.group.former if number in self.accounts)


Casts = dict[int, Cast]


@dataclass(frozen=True, slots=True)
class Former:
    """An account that has left a group, with what it paid for a unit on average and the legs that the group's orders left it."""

    client: Client
    average: Decimal | None = None
    legs: tuple[WorkingOrder, ...] = ()


def load(subscriptions: Iterable[Subscription], now: datetime, *, ask: bool = True) -> Casts:
    """The groups of these subscriptions by their keys; nothing is read where none has one. `ask`: for a look at groups that
    were read long ago."""
    keys = {subscription.group_id for subscription in subscriptions if subscription.group_id is not None}
    if not keys:
        return {}
    groups = list(AccountGroup.objects.filter(pk__in=keys).select_related("connection"))
    connections = {group.connection_id: group.connection for group in groups}
    rows = BrokerageAccount.objects.filter(connection__in=connections).exclude(kind=BrokerageAccount.Kind.ADVISOR)
    accounts: dict[int, dict[str, BrokerageAccount]] = {pk: {} for pk in connections}
    for account in rows.select_related("connection"):
        accounts[account.connection_id][account.account_id] = account
    fresh = {pk: reading.is_fresh(each, now, ask=ask) for pk, each in connections.items()}
    return {group.pk: Cast(group, accounts[group.connection_id], fresh[group.connection_id]) for group in groups}


def cast_of(group: AccountGroup, now: datetime) -> Cast:
    """One group with its accounts, without a look at IBKR."""
    rows = BrokerageAccount.objects.filter(connection=group.connection_id).exclude(kind=BrokerageAccount.Kind.ADVISOR)
    accounts = {account.account_id: account for account in rows.select_related("connection")}
    return Cast(group, accounts, reading.is_fresh(group.connection, now, ask=False))


def with_clients(
    guards: Guards,
    cast: Cast,
    subscription: Subscription,
    guards_of: Callable[[Sequence[tuple[Level, int]], Subscription], Guards],
    entries_of: Callable[[int], tuple[int, datetime | None]],
) -> Guards:
    """The guards of a group's subscription with those of each of its accounts, where people have set any.

    An entry for the group is an entry of each account: the subscription's own, by `entries_of`, count for it too.
    """
    clients = []
    for account in cast.members():
        # As the subscription would be that trades for this account alone.
        alone = copy.copy(subscription)
        alone.account, alone.group = account, None
        own = guards_of(((Level.ACCOUNT, account.pk),), alone)
        if own is not NO_GUARDS:
            levels = tuple(_with_entries(level, subscription.pk, entries_of) for level in own.levels)
            clients.append((account.account_id, replace(own, levels=levels)))
    return replace(guards, clients=tuple(clients)) if clients else guards


def _with_entries(
    level: LevelGuard, subscription_pk: int, entries_of: Callable[[int], tuple[int, datetime | None]]
) -> LevelGuard:
    if level.trades_today is None:
        return level
    made, last = entries_of(subscription_pk)
    moments = [moment for moment in (last, level.last_trade_at) if moment is not None]
    return replace(level, trades_today=level.trades_today + made, last_trade_at=max(moments, default=None))


def members_of(subscription: Subscription, casts: Casts) -> list[BrokerageAccount]:
    """The accounts of the subscription's group, those that have left it included; none where it follows for an account."""
    cast = casts.get(subscription.group_id or 0)
    return [*cast.members(), *cast.formers()] if cast is not None else []


def pairs_of(
    subscription: Subscription, instrument: Instrument, casts: Casts
) -> list[tuple[BrokerageAccount, Instrument]]:
    """The accounts whose book a decision of the subscription needs: its own, and those of its group."""
    return [(account, instrument) for account in (subscription.account, *members_of(subscription, casts))]


def view(subscription: Subscription, instrument: Instrument, book: Book, casts: Casts) -> View | NotYet | Unknown:
    """What the book shows for the subscription: of a group, its accounts together."""
    seen = book.view(subscription.account, instrument)
    cast = casts.get(subscription.group_id or 0)
    if cast is None or not isinstance(seen, View):
        return seen
    views = []
    for member in cast.members():
        shown = book.view(member, instrument)
        if not isinstance(shown, View):
            return shown
        views.append((member, shown))
    if any(shown.unsettled for shown in (seen, *(shown for _, shown in views))):
        # Who holds what decides which account an order leaves from: the sum alone would not tell.
        return NotYet(waiting_for=f"the positions of {cast.group.name} after the last fill", on_its_way=True)
    return _together(cast, seen, views, _formers(cast, instrument, book, seen.snapshot.contract.conid))


def held_back(subscription: Subscription, answer: Plan | Rejection, casts: Casts) -> Rejection | NotYet | None:
    """Why an entry is not made, or not yet: ways out never wait for IBKR's word on groups."""
    if not is_entry(answer):
        return None
    account, cast = subscription.account, casts.get(subscription.group_id or 0)
    if cast is not None and not cast.fresh:
        return NotYet(waiting_for=f"IBKR's word on who is in {cast.group.name}", on_its_way=True)
    if subscription.group_id is None and account.kind == BrokerageAccount.Kind.ADVISOR:
        reason = (
            f"{account.account_id} is an advisor's own account, and IBKR divides what is ordered there among groups. "
            "Let the subscription follow for a group, or for a client's account."
        )
        return Rejection(rule="B12", code="advisor-without-group", reason=reason)
    return None


def _together(
    cast: Cast, carrier: View, views: Sequence[tuple[BrokerageAccount, View]], formers: Sequence[Former]
) -> View:
    """The carrying account's view with the position, the money and the working orders of the group's accounts.

    Of accounts that have left it, only what it bought there counts, with the legs of that: their money and their other orders
    are theirs.
    """
    group = _seen(cast, views, [former.client for former in formers])
    snapshots = [shown.snapshot for _, shown in views]
    position = sum((client.position for client in group.clients), ZERO)
    # The average over all that is held, as the rulebook merges holdings.
    holdings = [(each.position, each.average_cost) for each in snapshots]
    holdings += [(former.client.position, former.average) for former in formers]
    own = (each.working for each in snapshots)
    legs = (former.legs for former in formers)
    cost = [units * average for units, average in holdings if average is not None]
    snapshot = replace(
        carrier.snapshot,
        position=position,
        average_cost=sum(cost, ZERO) / position if position and cost else None,
        working=(*carrier.snapshot.working, *(order for orders in (*own, *legs) for order in orders)),
        equity=_sum([each.equity for each in snapshots]),
        buying_power=_sum([each.buying_power for each in snapshots]),
        available_funds=_sum([each.available_funds for each in snapshots]),
        cash=_sum([each.cash for each in snapshots]),
        # The fewest of the accounts: whoever has none left is the first to be refused.
        day_trades_left=min((left for each in snapshots if (left := each.day_trades_left) in {0, 1}), default=None),
        unrealized_pnl=_sum([each.unrealized_pnl for each in snapshots]),
        mark=next((each.mark for each in snapshots if each.mark is not None), None),
        account_type="cash" if any(each.account_type == "cash" for each in snapshots) else "margin",
        currency=snapshots[0].currency if snapshots else carrier.snapshot.currency,
        rates=snapshots[0].rates if snapshots else carrier.snapshot.rates,
        permitted=None,
        group=group,
    )
    return View(
        snapshot=snapshot,
        unsettled=carrier.unsettled + sum((shown.unsettled for _, shown in views), ZERO),
        wants=carrier.wants.union(*(shown.wants for _, shown in views)),
        unread=carrier.unread or any(shown.unread for _, shown in views),
    )


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None while one of them is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if amounts and len(known) == len(amounts) else None


def _seen(cast: Cast, views: Sequence[tuple[BrokerageAccount, View]], formers: Sequence[Client]) -> SeenGroup:
    amounts = {part.account_id: part.amount for part in cast.group.parts}
    clients = tuple(
        Client(
            account_id=member.account_id,
            position=shown.snapshot.position,
            equity=shown.snapshot.equity,
            available=shown.snapshot.available_funds,
            currency=shown.snapshot.currency,
            amount=amounts[member.account_id],
            permitted=shown.snapshot.permitted,
            orders=tuple(order.reference for order in shown.snapshot.working),
            leaving=_leaving(shown.snapshot),
        )
        for member, shown in views
    )
    code, problem = _problem(cast, clients)
    return SeenGroup(
        name=cast.group.name,
        method=Method(cast.group.method),
        clients=(*clients, *formers),
        problem=problem,
        problem_code=code,
    )


def _leaving(snapshot: Snapshot) -> tuple[tuple[str, Decimal], ...]:
    """The ways out that work in the account."""
    return tuple(
        (order.reference, order.remaining)
        for order in snapshot.working
        if order.role is Role.EXIT and order.side.sign * snapshot.position < 0
    )


def _formers(cast: Cast, instrument: Instrument, book: Book, conid: int) -> list[Former]:
    """Accounts that have left the group, as far as they hold what it bought and no way out takes it yet.

    None of them is waited for. One whose book does not show what it holds stands among them with nothing.
    """
    formers: list[Former] = []
    bought = _bought(cast, conid)
    of_group = legs_for_group(cast.group.account_id, cast.group.name, conid, bought) if bought else set()
    for account in cast.formers():
        if not (units := bought.get(account.pk, ZERO)):
            continue
        shown = book.view(account, instrument)
        if not isinstance(shown, View):
            formers.append(Former(Client(account_id=account.account_id, former=True)))
            continue
        # Fills that may be in its position or not: the smaller holding is there for certain.
        held = min((_of_the_group(each.position, units) for each in shown.alternatives), key=abs)
        rest = abs(held) - sum((leaves for _, leaves in _leaving(shown.snapshot)), ZERO)
        if rest > 0:
            legs = tuple(order for order in shown.snapshot.working if order.reference in of_group)
            client = Client(
                account_id=account.account_id,
                position=rest if held > 0 else -rest,
                currency=shown.snapshot.currency,
                orders=tuple(leg.reference for leg in legs),
                former=True,
            )
            formers.append(Former(client, shown.snapshot.average_cost, legs))
    return formers


def _bought(cast: Cast, conid: int) -> dict[int, Decimal]:
    """What this group's orders have left in accounts that are in it no more: signed units, by the account's key."""
    formers = [account.pk for account in cast.formers()]
    if not formers:
        return {}
    mine = {"order__ticket__decision__subscription__group": cast.group}
    fills = Execution.objects.filter(account__in=formers, conid=conid, **mine)
    signed = Case(When(side=Side.BUY, then=F("quantity")), default=-F("quantity"))
    return dict(fills.order_by().values_list("account_id").annotate(units=Sum(signed)))


def _of_the_group(position: Decimal, bought: Decimal) -> Decimal:
    """As much of a position as the group's orders have made."""
    if position * bought <= 0:
        return ZERO
    return min(position, bought, key=abs)


def at_rest(cast: Cast) -> SeenGroup:
    """The group with its accounts' money as it was last seen, beside no contract: for showing how it would divide."""
    amounts = {part.account_id: part.amount for part in cast.group.parts}
    clients = tuple(
        Client(
            account_id=member.account_id,
            equity=member.equity,
            available=member.available_funds,
            currency=member.currency,
            amount=amounts[member.account_id],
        )
        for member in cast.members()
    )
    code, problem = _problem(cast, clients)
    return SeenGroup(
        name=cast.group.name, method=Method(cast.group.method), clients=clients, problem=problem, problem_code=code
    )


def _problem(cast: Cast, clients: Sequence[Client]) -> tuple[str, str]:
    """Why nothing may be opened for the group, with its code; the ways out of its accounts stay open."""
    name = cast.group.name
    if cast.group.gone_at is not None:
        return (
            "group-gone",
            f"IBKR shows no group {name} any more. Make it again, or choose another for the subscription.",
        )
    if cast.group.incomplete:
        return (
            "group-incomplete",
            f"IBKR shows more of group {name} than Halyard can read, so nobody could tell who gets how many. Make the group "
            "smaller, or look at it in TWS.",
        )
    strangers = [part.account_id for part in cast.group.parts if part.account_id not in cast.accounts]
    if strangers:
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        return (
            "group-account-unknown",
            f"{all_of(strangers[:3])}{more} is in group {name} and not among this team's accounts, so nobody would see what it "
            "gets. Take it out of the group, or test the connection so that IBKR shows it here.",
        )
    if len({client.currency for client in clients}) > 1:
        return (
            "group-currencies",
            f"The accounts of {name} keep their money in several currencies, so it cannot be summed. Make a group for each.",
        )
    return "", ""
