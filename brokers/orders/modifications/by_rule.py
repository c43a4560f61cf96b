"""Stops that move once a target of their entry has filled: asked for once, as a change like any other.

Written down in the transaction that brings the target's fill home, so that no crash comes between. A part of the entry that
fills later, or a stop whose change cannot be asked for yet, is found by the sweep. A stop or a target that was placed instead
of another counts with the first of them. What an account of an advisor's group got of an entry counts by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery

from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.domain.contracts.from_fill import would_fill
from brokers.domain.contracts.stop_moves import Stop, average, in_words, moved
from brokers.domain.orders import CHANGED_IN_PLACE, MAY_FILL, Modification, OrderStatus, OrderType, Role, Side
from brokers.domain.sentences import grouped
from brokers.models import Execution, Order, OrderEvent, OrderModification, Rescaling
from brokers.orders.modifications import wishes
from brokers.orders.modifications.asking import lookup_of
from brokers.orders.modifications.from_fill import has_been_split, market_of

# A target is filled for good: a night of IBKR's, or a long weekend, makes the move no worse. What the market has passed
# meanwhile is looked at before it leaves.
LEAVES_WITHIN = timedelta(days=4)
# So long the fills of the entry are waited for, from which break-even is counted.
_TOLD_WITHIN = timedelta(days=1)
# So long the price at which a target has filled is that of the market.
_FRESH = timedelta(minutes=1)
_MOST, _LONGEST_SECONDS = 200, 1.0
_MAY_FILL = [str(status) for status in MAY_FILL]
_IN_PLACE = [str(status) for status in CHANGED_IN_PLACE]
# Why a stop stays that needs nobody: it protects better already.
HARMLESS = frozenset({"closer-already", "follows-already"})
_BY_HAND = "Move it by hand."


def follow(orders: Iterable[Order], now: datetime) -> None:
    """Move the stops beside those of these orders that are targets with a rule and have filled, in the caller's transaction."""
    filled = [order for order in orders if order.moves_after is not None and _is_filled_target(order)]
    those = {_Those.of(order) for order in filled if order.group_entry_id or not order.moves_with}
    if first := {order.moves_with for order in filled if order.moves_with and not order.group_entry_id}:
        those |= {_Those.of(order) for order in Order.objects.filter(reference__in=first)}
    for each in sorted(those):
        _follow(each, now)


def follow_what_waits(now: datetime) -> int:
    """Move the stops that could not be moved when a target filled, as they or their part of the entry had not come to IBKR:
    team by team in turn, portion by portion; returns how many."""
    beside = Order.objects.filter(ticket=OuterRef("ticket"))
    alone = _that_wait().filter(group_entry=None)
    due = alone.filter(moves_with="", moves_after__lte=_filled_of(beside), parent__filled_quantity__gt=0)
    # Few: what was placed instead of a leg, whose targets are in the ticket of the first.
    root = Order.objects.filter(reference=OuterRef("moves_with"))
    legs = Order.objects.filter(ticket=OuterRef(OuterRef("root"))).values("reference")
    family = Order.objects.filter(Q(ticket=OuterRef("root")) | Q(moves_with__in=legs) & ~Q(moves_with=""))
    instead = alone.exclude(moves_with="").alias(root=Subquery(root.values("ticket")[:1]))
    instead = instead.alias(entered=Subquery(root.values("parent__filled_quantity")[:1]))
    instead = instead.filter(moves_after__lte=_filled_of(family), entered__gt=0)
    of_account = _that_wait().filter(group_entry__isnull=False).filter(moves_after__lte=_filled_of_account())
    return sum(
        in_portions(
            in_turn(some, _MOST, order="pk"),
            lambda one: _follow_alone(one[0], now),
            at_once=1,
            seconds=_LONGEST_SECONDS,
        )
        for some in (due, instead, of_account)
    )


def _filled_of(orders: QuerySet[Order]) -> Subquery:
    """How many targets of these have filled."""
    filled = orders.filter(role=str(Role.TAKE_PROFIT), status=str(OrderStatus.FILLED)).order_by()
    many = filled.values("role").annotate(many=Count("pk")).values("many")
    return Subquery(many, output_field=IntegerField())


def _filled_of_account() -> Subquery:
    """How many targets of a group's entry have filled in the account: an account that fills by and by has several orders of one."""
    here = {"group_entry": OuterRef("group_entry"), "account": OuterRef("account")}
    targets = Order.objects.filter(**here, role=str(Role.TAKE_PROFIT))
    working = Order.objects.filter(**here, rung=OuterRef("rung"), status__in=_MAY_FILL)
    filled = targets.filter(~Exists(working), status=str(OrderStatus.FILLED)).order_by()
    many = filled.values("role").annotate(many=Count("rung", distinct=True)).values("many")
    return Subquery(many, output_field=IntegerField())


def _that_wait() -> QuerySet[Order]:
    """Stops at work whose rule has not been followed."""
    waiting = Order.objects.filter(
        role=str(Role.STOP_LOSS), moves_after__isnull=False, moved_by_rule_at=None, status__in=_IN_PLACE
    )
    return waiting.exclude(broker_order_id="")


@transaction.atomic
def _follow_alone(stop_pk: int, now: datetime) -> int:
    stop = Order.objects.get(pk=stop_pk)
    if stop.moves_with and not stop.group_entry_id:
        stop = Order.objects.get(reference=stop.moves_with)
    return _follow(_Those.of(stop), now)


def _is_filled_target(order: Order) -> bool:
    return order.role == Role.TAKE_PROFIT and order.status == OrderStatus.FILLED


@dataclass(frozen=True, slots=True, order=True)
class _Those:
    """Whose targets count together: the orders of a ticket, or those that an account got of a group's entry; by their keys."""

    ticket: int
    entry: int = 0
    account: int = 0

    @classmethod
    def of(cls, leg: Order) -> _Those:
        """Those that a leg counts with; of one that was placed instead of another, of the first of them."""
        if leg.group_entry_id is None:
            return cls(leg.ticket_id)
        return cls(0, leg.group_entry_id, leg.account_id)

    def orders(self) -> QuerySet[Order]:
        if self.entry:
            return Order.objects.filter(group_entry=self.entry, account=self.account)
        return Order.objects.filter(ticket=self.ticket)


@dataclass(frozen=True, slots=True)
class _Family:
    """The orders that count together, and what was placed instead of their legs. `group_entry`: of an account of a group."""

    orders: Mapping[int, Order]
    by_reference: Mapping[str, Order]
    group_entry: Order | None

    @classmethod
    def of(cls, those: _Those) -> _Family:
        own = list(those.orders().order_by("pk"))
        legs = [order.reference for order in own if order.moves_after is not None]
        later = Order.objects.filter(moves_with__in=legs).exclude(moves_with="").order_by("pk")
        orders = {order.pk: order for order in (*own, *later)}
        entry = Order.objects.get(pk=those.entry) if those.entry else None
        return cls(orders, {order.reference: order for order in orders.values()}, entry)

    def entry_of(self, leg: Order) -> Order | None:
        """The entry, or the part of one, that a leg belongs to."""
        if self.group_entry is not None:
            return self.group_entry
        first = self.by_reference.get(leg.moves_with) if leg.moves_with else leg
        entry = None if first is None or first.parent_id is None else self.orders.get(first.parent_id)
        return entry if entry is not None and entry.role == Role.ENTRY else None

    def targets(self, now: datetime) -> list[Order]:
        """Those that have filled, the first of them first; of several orders for one target the last, once none works."""
        filled = [order for order in self.orders.values() if _is_filled_target(order)]
        filled.sort(key=lambda each: (each.filled_at or now, each.pk))
        if self.group_entry is None:
            return filled
        works = {order.rung for order in self.orders.values() if order.role == Role.TAKE_PROFIT and _may_fill(order)}
        last = {order.rung: order for order in filled if order.rung not in works}
        return [order for order in filled if last.get(order.rung) is order]

    def ends(self, stop: Order) -> bool:
        """Whether the target beside a stop has filled: it ends with that, whether or not this is known here."""
        filled = [order for order in self.orders.values() if _is_filled_target(order)]
        if self.group_entry is not None:
            # In one group the stop is the head, and the target hangs on it.
            return any(order.parent_id == stop.pk for order in filled)
        entry = self.entry_of(stop)
        return any(self.entry_of(order) == entry for order in filled)

    def entries(self) -> list[Order]:
        if self.group_entry is not None:
            return [self.group_entry]
        return [order for order in self.orders.values() if order.role == Role.ENTRY]

    def entered_at(self, account_pk: int) -> Decimal | None:
        """The average price of what has been entered; None while fills are not told."""
        entry = self.group_entry
        if entry is None:
            return average((each.filled_quantity, each.average_price) for each in self.entries())
        fills = Execution.objects.filter(order=entry.pk, account=account_pk)
        return average(fills.values_list("quantity", "price"))


def _may_fill(order: Order) -> bool:
    return OrderStatus(order.status) in MAY_FILL


def _follow(those: _Those, now: datetime) -> int:
    """Move the stops of which enough targets have filled; returns how many were looked at for good."""
    known = _Family.of(those)
    # One that somebody else holds at this moment is left to the sweep: news of several parts wait for each other nowhere.
    waiting = _that_wait().select_for_update(skip_locked=True).filter(pk__in=known.orders.keys())
    stops = list(waiting.order_by("pk"))
    if not stops:
        return 0
    # Behind the lock: what another transaction has brought home meanwhile counts.
    family = _Family.of(those)
    filled = family.targets(now)
    due = [
        stop
        for stop in stops
        if (entry := family.entry_of(stop)) is not None
        and not family.ends(stop)
        and entry.filled_quantity > 0
        and stop.moves_after is not None
        and len(filled) >= stop.moves_after
    ]
    if not due:
        return 0
    entered_at = family.entered_at(stops[0].account_id)
    return sum(_looked_at(stop, filled, entered_at, family, now) for stop in due)


def _looked_at(
    stop: Order, filled: Sequence[Order], entered_at: Decimal | None, family: _Family, now: datetime
) -> bool:
    """Move one stop, once; whether that is done for good. What hinders it for a moment is left to the sweep."""
    if OrderModification.objects.filter(order=stop.pk, by_rule=False, status__in=wishes.OPEN).exists():
        # Between a size of the entry's and of its legs nothing comes; and a price that somebody asked for, or that is counted
        # from the fill, stands first: whether the rule's is closer is known once that one is made or ended.
        return False
    if entered_at is not None:
        _move(stop, filled, entered_at, family, now)
        return True
    if now - (filled[-1].filled_at or filled[-1].changed_at) < _TOLD_WITHIN:
        return False
    Order.objects.filter(pk=stop.pk).update(moved_by_rule_at=now)
    reason = (
        f"The stop stays: IBKR has not told all fills of its entry within a day, so break-even is not known. {_BY_HAND}"
    )
    _stays(stop, {}, ("fills-not-told", reason), now)
    return True


def _move(stop: Order, filled: Sequence[Order], entered_at: Decimal, family: _Family, now: datetime) -> None:
    """Ask for the stop's new price or its trail, once; or write down why it stays."""
    move, lookup = stop.move, lookup_of(stop)
    assert move is not None, "only stops with a rule are looked at"
    target = filled[move.after - 1]
    because = f"The target at {grouped(target.limit_price or Decimal(0))} has filled"
    Order.objects.filter(pk=stop.pk).update(moved_by_rule_at=now)
    stop.moved_by_rule_at = now
    if _has_been_split(stop, family):
        reason = "a split or a new contract number came since its entry was sent, and the entry's price is of the shares of before"
        _stays(stop, {}, ("split-meanwhile", f"{because}. The stop stays: {reason}. {_BY_HAND}"), now)
        return
    if lookup is None:
        reason = f"{because}. The stop stays: the contract's ticks are not known any more. {_BY_HAND}"
        _stays(stop, {}, ("contract-not-known", reason), now)
        return
    contract = replace(lookup.value(), multiplier=stop.multiplier)
    what = Stop(
        side=Side(stop.side), type=OrderType(stop.type), stop_price=stop.stop_price, limit_price=stop.limit_price
    )
    wanted = moved(move, what, entered_at, contract)
    if isinstance(wanted, tuple):
        _stays(stop, {}, (wanted[0], f"{because}. {wanted[1]}"), now)
        return
    market = _market(stop, target, now)
    if market is not None and would_fill(Role.STOP_LOSS, Side(stop.side), wanted, market):
        at = grouped(wanted["stop_price"])
        reason = f"{because}. The stop stays: the market at {grouped(market)} is past {at}, so it would fill at once. {_BY_HAND}"
        _stays(stop, wanted, ("price-on-wrong-side", reason), now)
        return
    _tell(stop, f"{because}, so the stop {in_words(move)}; the entry's average price is {grouped(entered_at)}", now)
    asker = wishes.Asker(expires_at=now + LEAVES_WITHIN, by_rule=True)
    wishes.ask([Modification.at_ibkr(stop.reference, wanted)], asker, now)


def _has_been_split(stop: Order, family: _Family) -> bool:
    """Whether a split, or another number of the contract, has come since the entry was sent: IBKR may have changed some of
    the orders by it, none, or all, while what has filled keeps the price of the shares of before."""
    entries = family.entries()
    if Rescaling.objects.filter(order__in=[stop.pk, *family.orders.keys()]).exists():
        return True
    if any(entry.conid != stop.conid for entry in entries):
        return True
    return has_been_split(stop, min(entry.created_at for entry in entries))


def _market(stop: Order, target: Order, now: datetime) -> Decimal | None:
    """The market's price, as far as one is known that is newer than the target's fill; just after that, the fill's own."""
    filled_at = target.filled_at or target.changed_at
    newer = market_of(stop, stop, now, since=filled_at)
    if newer is not None or now - filled_at > _FRESH:
        return newer
    return target.average_price or target.limit_price


def _stays(stop: Order, values: Mapping[str, Decimal], why: tuple[str, str], now: datetime) -> None:
    """Why it is not moved, on its history; as a change that was not made, which owners are told of, where somebody has to act."""
    _tell(stop, why[1], now)
    if why[0] not in HARMLESS:
        wishes.write_down(stop, values, why, now, by_rule=True)


def _tell(stop: Order, cause: str, now: datetime) -> None:
    """Write this cause on the stop's history; IBKR may still refuse a change that it tells of."""
    OrderEvent.objects.create(order=stop, old=stop.status, new=stop.status, cause=cause[:300], at=now)
    live.order_changed(stop)
