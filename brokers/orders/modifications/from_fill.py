"""Legs at a distance from their entry: counted again from the price at which it filled, once its filling has ended.

Written down in the transaction that brings the fill home, so that no crash comes between; then a change like any other. The
old price stands at IBKR until the new one is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum

from brokers import live
from brokers.domain.actions.reading import State
from brokers.domain.contracts.changes import in_words as change_in_words
from brokers.domain.contracts.from_fill import Fill, Leg, in_words, is_past, prices, would_fill
from brokers.domain.contracts.stop_moves import Stop, overtaken
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import OVER, Modification, OrderStatus, OrderType, Role, Side
from brokers.domain.sentences import grouped
from brokers.models import CorporateAction, Execution, Order, OrderModification, Position
from brokers.orders.modifications import wishes
from brokers.orders.modifications.asking import lookup_of
from brokers.orders.modifications.wishes import OPEN, Status

# The price follows from the fill alone: a night of IBKR's, a long weekend or an outage makes it no worse. What the market
# has passed meanwhile is looked at before it leaves.
LEAVES_WITHIN = timedelta(days=4)
# So long the executions of an entry are waited for; IBKR tells those of a day again and again.
_TOLD_WITHIN = timedelta(days=1)
# Of an entry whose executions did not come: its legs stay, until they do.
_GIVEN_UP = Decimal(0)
_MOST = 100
_PRICES = ("stop_price", "limit_price")


def count_again(orders: Iterable[Order], now: datetime) -> None:
    """Move the legs of those of these entries that fill no more, in the caller's transaction, which holds the entries."""
    for order in orders:
        if order.legs_from_fill and _is_to_be_counted(order):
            _count(order, now)


def _is_to_be_counted(entry: Order) -> bool:
    """Whether it fills no more, all of its fills are known, and their average is another one than its legs were counted from.

    A report says first how much has filled; until every fill has come, the row's average is that of some of them.
    """
    over = OrderStatus(entry.status) in OVER and entry.filled_quantity > 0
    if not over or entry.average_price is None or entry.average_price == entry.legs_counted_from:
        return False
    known = Execution.objects.filter(order=entry.pk).aggregate(all=Sum("quantity"))["all"]
    return known is not None and known >= entry.filled_quantity


def count_what_waits(now: datetime) -> int:
    """Count the legs of entries that ended by another way than a report of IBKR's, as by a person's word, and of those whose
    size was being changed; say of those whose fills never came that their legs stay."""
    known = Execution.objects.filter(order=OuterRef("pk")).values("order").annotate(all=Sum("quantity")).values("all")
    told = _over().filter(average_price__isnull=False, filled_quantity__lte=Subquery(known))
    # What cannot be counted yet keeps nothing back.
    ready = told.exclude(Exists(_under_way(OuterRef("pk")))).order_by("pk").values_list("pk", flat=True)
    late = _over().filter(changed_at__lt=now - _TOLD_WITHIN).exclude(pk__in=told.values("pk"))
    counted = sum(_count_one(key, now) for key in list(ready[:_MOST]))
    return counted + sum(_give_up(key, now) for key in list(late.order_by("pk").values_list("pk", flat=True)[:_MOST]))


def _over() -> QuerySet[Order]:
    """Entries that fill no more and whose legs were not counted."""
    waiting = Order.objects.filter(legs_from_fill=True, legs_counted_from=None, filled_quantity__gt=0)
    return waiting.filter(status__in=[str(status) for status in OVER])


def _under_way(entry: int | OuterRef) -> QuerySet[OrderModification]:
    """What others have asked of an entry's legs and IBKR has not answered: a size, which no other change comes between, or a
    price, which counts once it is made and is forgotten where it is refused."""
    return OrderModification.objects.filter(
        order__parent=entry, order__distance__isnull=False, from_fill=False, status__in=OPEN
    )


@transaction.atomic
def _count_one(key: int, now: datetime) -> int:
    entry = Order.objects.select_for_update().get(pk=key)
    if not _is_to_be_counted(entry):
        return 0
    _count(entry, now)
    return 1


@transaction.atomic
def _give_up(key: int, now: datetime) -> int:
    """Say on each leg that it stays, since nobody knows at which price all of the entry has filled."""
    entry = Order.objects.select_for_update().get(pk=key)
    if entry.legs_counted_from is not None or _is_to_be_counted(entry):
        return 0
    reason = "Not moved: IBKR has not told all fills of its entry within a day, so from where to count is not known. Move it by hand."
    for leg in Order.objects.select_for_update().filter(parent=key, distance__isnull=False).order_by("pk"):
        if OrderStatus(leg.status) not in OVER:
            wishes.write_down(leg, {}, ("fills-not-told", reason), now, from_fill=True)
    Order.objects.filter(pk=key).update(legs_counted_from=_GIVEN_UP)
    return 1


def _count(entry: Order, now: datetime) -> None:
    assert entry.average_price is not None, "only an entry that has filled is counted"
    if _under_way(entry.pk).exists():
        # It is counted by the sweep once they are answered.
        Order.objects.filter(pk=entry.pk).update(legs_counted_from=None)
        entry.legs_counted_from = None
        return
    legs = Order.objects.select_for_update().filter(parent=entry.pk, distance__isnull=False)
    for leg in legs.order_by("pk"):
        _move(leg, entry, now)
    Order.objects.filter(pk=entry.pk).update(legs_counted_from=entry.average_price)
    entry.legs_counted_from = entry.average_price


def _move(leg: Order, entry: Order, now: datetime) -> None:
    """Ask for the leg's new prices, or write down why it stays where it is."""
    lookup = lookup_of(leg)
    assert entry.average_price is not None, "only an entry that has filled is counted"
    fill = Fill(quantity=entry.filled_quantity, average=entry.average_price)
    # In the units of the order, in which its fills are kept.
    contract = None if lookup is None else replace(lookup.value(), multiplier=leg.multiplier)
    wanted = None if contract is None else prices(_value(leg), fill, contract)
    coming = _once_answered(leg)
    if wanted is not None and all(coming[name] == price for name, price in wanted.items()):
        _end_ours(leg, now)
        return
    why = _why_it_stays(leg, entry, wanted, known=lookup is not None, now=now)
    if why is not None:
        wishes.write_down(leg, wanted or {}, why, now, from_fill=True)
    elif wanted:
        asker = wishes.Asker(expires_at=now + LEAVES_WITHIN, from_fill=True)
        wishes.ask([Modification.at_ibkr(leg.reference, wanted)], asker, now)


def _once_answered(leg: Order) -> dict[str, Decimal | None]:
    """Its prices once IBKR has made the change that is on its way; what only waits can still be taken back."""
    values: dict[str, Decimal | None] = {name: getattr(leg, name) for name in _PRICES}
    for row in OrderModification.objects.filter(order=leg.pk, status=Status.LEAVING):
        values |= {name: price for name, price in row.values().items() if name in values}
    return values


def _value(leg: Order) -> Leg:
    distance = leg.from_fill
    assert distance is not None, "only legs at a distance are counted"
    return Leg(
        role=Role(leg.role),
        side=Side(leg.side),
        type=OrderType(leg.type),
        distance=distance,
        stop_price=leg.stop_price,
        limit_price=leg.limit_price,
    )


def _why_it_stays(
    leg: Order, entry: Order, wanted: Mapping[str, Decimal] | None, *, known: bool, now: datetime
) -> tuple[str, str] | None:
    """Why the leg is not moved, as a code and a sentence; None where it is."""
    status = OrderStatus(leg.status)
    what = f"{_distance(leg)} at {grouped(entry.average_price or Decimal(0))}"
    if status in OVER or status is OrderStatus.PENDING_CANCEL:
        code, reason = wishes.over(status)
        return code, f"{reason} It was to stand {what}."
    if _was_moved_by_others(leg):
        return (
            "moved-by-others",
            f"Not moved to {what}: somebody has given it another price since it was sent, and that one counts.",
        )
    if leg.rescalings.exists():
        return (
            "split-meanwhile",
            "Not moved: a split has changed it since it was sent, and the fill is of the shares of before. Move it by hand.",
        )
    if not known:
        return "contract-not-known", "Not moved: the contract's ticks are not known any more. Move it by hand."
    if wanted is None:
        return (
            "no-such-price",
            f"Not moved: {what} there is no price on the contract's ticks that protects. Move it by hand.",
        )
    market = market_of(leg, entry, now)
    return _past(wanted, market) if market is not None and is_past(_value(leg), wanted, market) else None


def _past(wanted: Mapping[str, Decimal], market: Decimal) -> tuple[str, str]:
    return (
        "price-on-wrong-side",
        f"Not moved: the market at {grouped(market)} is past {change_in_words(wanted)}, so it would fill at once. It stands "
        "where it stood: move it by hand, or close the position.",
    )


def _distance(leg: Order) -> str:
    return in_words(_value(leg).distance, Role(leg.role), Side(leg.side))


def _was_moved_by_others(leg: Order) -> bool:
    """Whether a person or a signal has asked for another price of it, and IBKR has taken that."""
    asked = OrderModification.objects.filter(order=leg.pk, from_fill=False, status=Status.MADE)
    return asked.exclude(stop_price=None, limit_price=None, trail_amount=None, trail_percent=None).exists()


def _end_ours(leg: Order, now: datetime) -> None:
    """It is where it is to be: what an earlier state of the fill asked for, and has not left, does not leave."""
    for row in OrderModification.objects.filter(order=leg.pk, from_fill=True, status=Status.WAITING):
        reason = "Not made: the entry's fills were corrected, and it stands where it is to stand."
        wishes.end(row, Status.NOT_MADE, now, code="superseded-change", reason=reason)
        live.order_changed(leg)


def market_of(leg: Order, entry: Order, now: datetime, *, since: datetime | None = None) -> Decimal | None:
    """The price of the market that comes nearest to waking the leg, as far as one is known that is newer than the fill, or
    than `since`; None where nothing newer is known."""
    since = since or entry.filled_at or entry.changed_at
    lookup = lookup_of(leg)
    quote = None if lookup is None else lookup.quote()
    fresh = None if quote is None or quote.as_of <= since else quote.live(now)
    if fresh is not None and (price := _nearest(leg, fresh)) is not None:
        return price
    position = Position.objects.filter(account=leg.account_id, conid=leg.conid, as_of__gt=since).first()
    return None if position is None else position.market_price


def _nearest(leg: Order, quote: Quote) -> Decimal | None:
    """A sell is woken by a falling bid or last price, and its limit met by the bid; a buy by the ask."""
    side = Side(leg.side)
    near = quote.bid if side is Side.SELL else quote.ask
    shown = [near] if leg.role == Role.TAKE_PROFIT else [near, quote.last]
    prices_of_it = [price for price in shown if price is not None and price > 0]
    if not prices_of_it:
        return quote.mid
    return min(prices_of_it) if side is Side.SELL else max(prices_of_it)


# Before it leaves -----------------------------------------------------------------------------------------------------


SPLIT_MEANWHILE = (
    "split-meanwhile",
    "Not changed: a split or a new contract number came after this was asked for, which is of the shares of before. Ask for it anew.",
)


def has_been_split(order: Order, since: datetime) -> bool:
    """Whether its holding has been changed by a split, or has got another number, as far as the positions have shown it."""
    actions = CorporateAction.objects.filter(
        Q(conid=order.conid) | Q(conid_before=order.conid), account=order.account_id, seen_at__gte=since
    )
    return actions.exclude(state=str(State.NONE)).exists()


def has_been_passed(order: Order, now: datetime) -> bool:
    """Whether the market, or a split, has passed what waits to leave of this order, which is ended then: the leg stands where
    it stood."""
    by_itself = Q(from_fill=True) | Q(by_rule=True)
    waiting = OrderModification.objects.filter(by_itself, order=order.pk, status=Status.WAITING)
    rows = list(waiting.select_related("order__parent").order_by("pk"))
    return any(_has_been_passed(row, now) for row in rows)


def _has_been_passed(row: OrderModification, now: datetime) -> bool:
    order: Order = row.order
    if row.from_fill and order.parent is None:
        return False
    if has_been_split(order, row.asked_at):
        return _end(row.pk, SPLIT_MEANWHILE, now)
    if row.by_rule and (why := overtaken(_stop(order), row.values())) is not None:
        # Moved at IBKR's own pages while this waited: a rule never takes a stop further from the market.
        return _end(row.pk, why, now)
    # Of a rule, the market at the target's fill is what it was asked for by.
    market = market_of(order, order.parent or order, now, since=row.asked_at if row.by_rule else None)
    if market is None or not would_fill(Role(order.role), Side(order.side), row.values(), market):
        return False
    return _end(row.pk, _past(row.values(), market), now)


def _stop(order: Order) -> Stop:
    return Stop(
        side=Side(order.side), type=OrderType(order.type), stop_price=order.stop_price, limit_price=order.limit_price
    )


@transaction.atomic
def _end(key: int, why: tuple[str, str], now: datetime) -> bool:
    row = OrderModification.objects.only("order_id").get(pk=key)
    order = Order.objects.select_for_update().get(pk=row.order_id)
    if (still := OrderModification.objects.filter(pk=key, status=Status.WAITING).first()) is not None:
        wishes.end(still, Status.NOT_MADE, now, code=why[0], reason=why[1])
        live.order_changed(order)
    return still is not None


def because(row: OrderModification) -> str:
    """Why IBKR is asked, behind the change: " (2 % below the fill at 99.5)"; "" of what somebody has asked for."""
    order: Order = row.order
    entry = order.parent
    if not row.from_fill or entry is None or entry.average_price is None or order.distance is None:
        return ""
    return f" ({_distance(order)} at {grouped(entry.average_price)})"
