"""The kill switch: stop a team, an account, a strategy or a subscription, before the next order leaves; and resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone

from accounts.models import Team, User
from brokers.book import elsewhere
from brokers.domain.contracts.combos import legs_of
from brokers.domain.elsewhere import classes
from brokers.domain.orders import MAY_FILL, Role
from brokers.domain.sentences import cut, ended
from brokers.models import AccountGroup, BrokerageAccount, Closing, Execution, Order, Position
from brokers.orders import cancels, closing
from strategies.control import approval
from strategies.control.limits import GuardRefused, Target, audit_change, checked_reason, lock_guard
from strategies.domain.decide.guards import Halt, Level
from strategies.models import Decision, Guard, Strategy, Subscription

# A lesser stop is not put over a larger one.
WEIGHT = {Halt.NOTHING: 0, Halt.ENTRIES: 1, Halt.EVERYTHING: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What a stop did in the moment it took effect. `not_closed` says of each position why Halyard cannot close it."""

    canceled: int
    declined: int
    closing: int
    not_closed: tuple[str, ...] = ()
    # Orders placed elsewhere in the level's accounts: they go on working.
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """What belongs to a level now, and so what a stop of it would reach."""

    orders: QuerySet[Order]
    entries: QuerySet[Order]
    proposed: QuerySet[Decision]
    positions: QuerySet[Position]

    @property
    def closable(self) -> QuerySet[Position]:
        """The positions that Halyard has orders for."""
        return self.positions.filter(asset_class__in=classes.TRADED)

    @property
    def staying(self) -> QuerySet[Position]:
        """The positions that Halyard cannot close, and that stay whatever is chosen."""
        return self.positions.exclude(asset_class__in=classes.TRADED)


def reach(team: Team, target: Target) -> Reach:
    """The orders that may still fill, the proposals and the positions of a level.

    Orders of a closing are a person's own way out: no stop is about them. The positions of a strategy or a subscription
    are those in whose instruments its orders have filled, whole: a position belongs to its account, not to the strategy that opened it.
    """
    orders = Order.objects.filter(team=team, status__in=[str(status) for status in MAY_FILL])
    closing_it = Closing.objects.filter(
        account_id=OuterRef("account_id"), conid=OuterRef("conid"), status=Closing.Status.OPEN
    )
    orders = orders.exclude(Q(ticket__decision__isnull=True) & Exists(closing_it))
    proposed = Decision.objects.filter(team=team, status=Decision.Status.PROPOSED)
    positions = Position.objects.filter(team=team)
    match target:
        case BrokerageAccount():
            orders, positions = orders.filter(_of_account(target)), positions.filter(account=target)
            proposed = proposed.filter(subscription__account=target)
        case Strategy():
            mine = Q(ticket__decision__subscription__strategy=target) | Q(
                ticket__adoption__subscription__strategy=target
            )
            orders = orders.filter(mine | _legs_of_groups(Subscription.objects.filter(strategy=target)))
            proposed = proposed.filter(subscription__strategy=target)
            positions = _filled_by(positions, Subscription.objects.filter(strategy=target))
        case Subscription():
            mine = Q(ticket__decision__subscription=target) | Q(ticket__adoption__subscription=target)
            orders = orders.filter(mine | _legs_of_groups(Subscription.objects.filter(pk=target.pk)))
            proposed = proposed.filter(subscription=target)
            positions = _filled_by(positions, Subscription.objects.filter(pk=target.pk))
    return Reach(orders, orders.filter(role=str(Role.ENTRY)), proposed, positions)


def _of_account(account: BrokerageAccount) -> Q:
    """Orders of an account, and those of its advisor's groups, of which it would get a share."""
    groups = AccountGroup.objects.filter(
        connection=account.connection_id, members__contains=[{"account": account.account_id}]
    )
    carried = Q(account=account)
    for carrier, name in groups.values_list("account_id", "name"):
        carried |= Q(account=carrier, fa_group=name)
    return carried


def _legs_of_groups(subscriptions: QuerySet[Subscription]) -> Q:
    """Working legs that the accounts of these subscriptions' groups got: they stand in tickets of their own."""
    of_groups = list(subscriptions.filter(group__isnull=False).values_list("account__connection", flat=True))
    if not of_groups:
        return Q(pk__in=[])
    # Asked for by themselves: joined by an "or", each would read every order there ever was.
    legs = Order.objects.filter(
        connection__in=of_groups,
        status__in=[str(status) for status in MAY_FILL],
        group_entry__ticket__decision__subscription__in=subscriptions,
    )
    return Q(pk__in=list(legs.values_list("pk", flat=True)))


def working_elsewhere(team: Team, target: Target) -> int:
    """How many orders placed elsewhere work in the accounts of a level: no stop of ours reaches them."""
    accounts = BrokerageAccount.objects.filter(team=team, connection__removed_at=None)
    match target:
        case BrokerageAccount():
            accounts = accounts.filter(pk=target.pk)
        case Strategy():
            accounts = accounts.filter(subscriptions__strategy=target)
        case Subscription():
            accounts = accounts.filter(pk=target.account_id)
    return elsewhere.working(accounts.values_list("pk", flat=True)).count()


def _filled_by(positions: QuerySet[Position], subscriptions: QuerySet[Subscription]) -> QuerySet[Position]:
    """Those of these positions in whose instruments orders of the subscriptions have filled, adopted ones among them."""
    here = Order.objects.filter(account_id=OuterRef("account_id"), conid=OuterRef("conid"), filled_quantity__gt=0)
    decided = positions.filter(Exists(here.filter(ticket__decision__subscription__in=subscriptions)))
    orders = Order.objects.filter(ticket__adoption__subscription__in=subscriptions, filled_quantity__gt=0)
    adopted = set(orders.order_by().values_list("account_id", "conid"))
    # An order for a group fills in the accounts of its clients.
    shared = Execution.objects.filter(
        order__ticket__decision__subscription__in=subscriptions.filter(group__isnull=False)
    )
    adopted |= set(shared.order_by().values_list("account_id", "conid").distinct())
    # A combo's order fills in the contracts of its legs.
    combos = Order.objects.filter(ticket__decision__subscription__in=subscriptions, conid__lt=0, filled_quantity__gt=0)
    adopted |= set(combos.order_by().values_list("account_id", "conid").distinct())
    adopted |= {(account, leg) for account, conid in adopted for leg in legs_of(conid) or ()}
    if not adopted:
        return decided
    # Not as one condition: joined by an "or", each would read every order there ever was.
    keys = set(decided.values_list("pk", flat=True))
    held = positions.order_by().values_list("pk", "account_id", "conid")
    return positions.filter(pk__in=keys | {pk for pk, account, conid in held if (account, conid) in adopted})


@transaction.atomic
def halt(
    *,
    team: Team,
    target: Target,
    how: Halt,
    reason: str,
    flatten: bool = False,
    actor: User | None,
    now: datetime,
    clock: Callable[[], datetime] = timezone.now,
) -> Stopped:
    """Stop entries, or everything, of a level; with `flatten` its positions are closed too.

    Once this has committed nothing leaves that it stops: decisions at work ended before it, their orders are canceled
    here, and later decisions see it. `clock` tells the moment of effect, which is after the last order that left.
    """
    reason = checked_reason(reason)
    assert how is not Halt.NOTHING, "to stop nothing is to resume"
    guard = lock_guard(team, target)
    if WEIGHT[how] < WEIGHT[Halt(guard.halt)]:
        raise GuardRefused("Everything is stopped here already. Resume it first if only entries shall be stopped.")
    before = halt_json(guard)
    reached = reach(team, target)
    _hold_still(team, target)
    guard.halt, guard.halt_reason, guard.halted_by = how, reason, actor
    guard.halted_at = max(now, clock())
    guard.save(update_fields=["halt", "halt_reason", "halted_by", "halted_at"])
    stopped = reached.orders if how is Halt.EVERYTHING else reached.entries
    closed, not_closed = (
        _flatten(reached.positions, f"Trading was stopped: {ended(reason)}", actor, now) if flatten else (0, ())
    )
    done = Stopped(
        canceled=cancels.cancel_all(
            stopped, actor=actor, cause=cut(f"Trading was stopped: {ended(reason)}", 180), now=now
        ),
        declined=_decline(reached.proposed, f"trading was stopped: {reason}", actor, now),
        closing=closed,
        not_closed=not_closed,
        elsewhere=working_elsewhere(team, target),
    )
    after: dict[str, object] = {
        **halt_json(guard),
        "canceled": done.canceled,
        "declined": done.declined,
        "closing": done.closing,
    }
    if not_closed:
        after["not_closed"] = list(not_closed)
    audit_change(guard, "guard.halted", before, after, actor=actor, now=now)
    return done


@transaction.atomic
def resume(*, team: Team, target: Target, reason: str, actor: User | None, now: datetime) -> None:
    """Let signals open positions again. What the stop canceled stays canceled."""
    reason = checked_reason(reason)
    guard = lock_guard(team, target)
    if guard.halt == Halt.NOTHING:
        raise GuardRefused("Nothing is stopped here. Somebody may have resumed it a moment ago.")
    before = halt_json(guard)
    guard.halt, guard.halt_reason, guard.halted_by, guard.halted_at = Halt.NOTHING, "", None, None
    guard.save(update_fields=["halt", "halt_reason", "halted_by", "halted_at"])
    audit_change(guard, "guard.resumed", before, {"halt": str(Halt.NOTHING), "reason": reason}, actor=actor, now=now)


@transaction.atomic
def flatten(*, team: Team, target: Target, reason: str, now: datetime) -> Stopped:
    """Close the positions of a level, and cancel what would open some; trading goes on with the next signal."""
    reached = reach(team, target)
    _hold_still(team, target)
    closed, not_closed = _flatten(reached.positions, reason, None, now)
    return Stopped(
        canceled=cancels.cancel_all(reached.entries, actor=None, cause=reason, now=now),
        declined=_decline(reached.proposed, reason, None, now),
        closing=closed,
        not_closed=not_closed,
    )


def widest_first(rows: QuerySet[Guard]) -> QuerySet[Guard]:
    """Guards with the names of what they guard, the team's first."""
    order = Case(*(When(level=str(level), then=place) for place, level in enumerate(Level)))
    names = ("halted_by", "team", "account", "strategy", "subscription__strategy", "subscription__account")
    return rows.select_related(*names).order_by(order, "pk")


def halt_json(guard: Guard) -> dict[str, str]:
    """A stop as it goes on record."""
    values = {"halt": str(guard.halt)}
    return {**values, "reason": guard.halt_reason} if guard.halt_reason else values


def _hold_still(team: Team, target: Target) -> None:
    """Lock what may still leave or fill in the level's accounts or for it, in the order everybody locks orders in.

    No lane can send one of them from here on; what was sent before carries an earlier moment than the stop's.
    """
    orders = Order.objects.filter(team=team, status__in=[str(status) for status in MAY_FILL])
    match target:
        case BrokerageAccount():
            orders = orders.filter(_of_account(target))
        case Strategy():
            accounts = Subscription.objects.filter(strategy=target).values("account")
            mine = Q(ticket__decision__subscription__strategy=target)
            legs = _legs_of_groups(Subscription.objects.filter(strategy=target))
            orders = orders.filter(Q(account__in=accounts) | mine | legs)
        case Subscription():
            legs = _legs_of_groups(Subscription.objects.filter(pk=target.pk))
            orders = orders.filter(Q(account=target.account_id) | Q(ticket__decision__subscription=target) | legs)
    list(orders.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def _decline(proposed: QuerySet[Decision], reason: str, actor: User | None, now: datetime) -> int:
    # All of them first: each decline also takes the lock of the team's audit, as a person's own decline does.
    decisions = list(proposed.select_for_update(of=("self",)).order_by("pk"))
    count = 0
    for decision in decisions:
        try:
            approval.decline(decision, actor=actor, reason=reason, now=now)
        except approval.ApprovalRefused:
            continue  # it expired or was answered a moment ago
        count += 1
    return count


def _flatten(
    positions: QuerySet[Position], reason: str, actor: User | None, now: datetime
) -> tuple[int, tuple[str, ...]]:
    """Wish the end of all of them, theirs and ours; how many that are, and of the others why they stay."""
    held_positions = list(positions.select_related("account").order_by("account_id", "conid"))
    stay = []
    for position in held_positions:
        try:
            closing.close(
                account=position.account,
                conid=position.conid,
                ticker=position.ticker,
                asset_class=position.asset_class,
                reason=cut(reason, 200),
                actor=actor,
                now=now,
            )
        except closing.NotClosable as error:
            stay.append(str(error))
    return len(held_positions) - len(stay), tuple(stay)
