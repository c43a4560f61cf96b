"""Ways out of a position that is gone: a leg that stayed behind would open the opposite one, so it is canceled.

Somebody may close a position by hand at IBKR, or two orders may net it to nothing: the stops of it do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.domain.actions.reading import State
from brokers.domain.doubts.limits import NOT_CANCELED
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    IN_FLIGHT,
    MAY_FILL,
    WAITING,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
)
from brokers.models import CorporateAction, Execution, Order, Position
from brokers.models.options import combos
from brokers.postgres.notices import ORDERS_CHANNEL, notify

# IBKR's list of positions may lag behind its fills: what stands still for so long is believed.
BELIEVED_AFTER = timedelta(seconds=30)
# Of what was left behind: so much of it is looked at, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 2_000, 50, 1.0
_MAY_FILL = [str(status) for status in MAY_FILL]
_WENT_ON = [str(state) for state in State if state is not State.NONE]
_WAYS_OUT = [str(role) for role in (Role.EXIT, Role.TAKE_PROFIT, Role.STOP_LOSS)]


def left_behind(now: datetime, asked: Sequence[int] = ()) -> QuerySet[Order]:
    """Working ways out in whose instrument nothing is held on their side, by a fresh book that nothing is about to change.

    `asked`: the keys of those about which this very look asks; that their cancels were asked for changes no position.
    """
    same = {"account": OuterRef("account"), "conid": OuterRef("conid")}
    moved = Order.objects.filter(**same, changed_at__gt=now - BELIEVED_AFTER).exclude(pk__in=asked)
    newer = Execution.objects.filter(**same, seen_at__gt=OuterRef("account__book_as_of") - BELIEVED_AFTER)
    return without_position(oldest_book(now)).filter(~Exists(moved), ~Exists(newer))


def oldest_book(now: datetime) -> datetime:
    """A book that was read before that says nothing."""
    return now - timedelta(seconds=settings.BOOK_FRESH_SECONDS)


def without_position(read_since: datetime) -> QuerySet[Order]:
    """Working ways out in whose instrument IBKR's list, read after their last change, shows nothing on their side.

    The list may lag behind fills: it is believed after a while, or where the fills say the same.
    """
    same = {"account": OuterRef("account"), "conid": OuterRef("conid")}
    long, short = combos.holds(1) | _went_on(1), combos.holds(-1) | _went_on(-1)
    here = Order.objects.filter(**same)
    moving = here.filter(status__in=[str(status) for status in WAITING | IN_FLIGHT])
    # What an entry buys needs its ways out: those sent by themselves may be its own, and the legs of another are not.
    entering = here.filter(role=str(Role.ENTRY), status__in=_MAY_FILL)
    of_what_is_over = Q(release=str(Release.WITH_PARENT)) & ~Q(parent__status__in=_MAY_FILL)
    return (
        Order.objects.filter(
            role__in=_WAYS_OUT,
            # An advisor's order for a group is held by its clients, not by the account it was placed in.
            fa_group="",
            status__in=[str(status) for status in CHANGED_IN_PLACE],
            account__book_as_of__gt=read_since,
            account__book_as_of__gte=F("changed_at"),
        )
        .exclude(broker_order_id="")
        .exclude(type=str(OrderType.MARKET))
        # IBKR was asked and does not cancel it: a person is told.
        .exclude(reason_code=NOT_CANCELED)
        .filter(Q(side=str(Side.SELL)) & ~long | Q(side=str(Side.BUY)) & ~short)
        .filter(~Exists(moving))
        .filter(~Exists(entering) | of_what_is_over)
    )


def _went_on(sign: int) -> Q:
    """Whether what the order is of is held on that side under another number since: a split or a new listing, also one about
    which a person is asked. IBKR ends such an order itself, or changes it; a cancel of ours would read as somebody's wish."""
    side = Q(quantity__gt=0) if sign > 0 else Q(quantity__lt=0)
    positions = Position.objects.filter(side, account=OuterRef("account"), conid=OuterRef("conid"))
    actions = CorporateAction.objects.filter(
        Exists(positions),
        account=OuterRef("account"),
        conid_before=OuterRef("conid"),
        seen_at__gte=OuterRef("created_at"),
        state__in=_WENT_ON,
    )
    return Q(Exists(actions.exclude(conid=F("conid_before"))))


def cancel(now: datetime) -> int:
    """Ask for the cancel of what was left behind, team by team in turn, portion by portion; returns how many."""
    keys = in_turn(left_behind(now), MOST, order="changed_at")

    def portion(some: list[int]) -> int:
        return cancel_these(left_behind(now, keys).filter(pk__in=some), now)

    return in_portions(keys, portion, at_once=AT_ONCE, seconds=LONGEST_SECONDS)


@transaction.atomic
def cancel_these(rows: QuerySet[Order], now: datetime) -> int:
    """Ask for the cancel of these orders, which were left behind; returns how many.

    A leg of a combo is listed nowhere where another combo of ours has as much of it the other way round: what is held of the
    combo tells whether its exit has something to close.
    """
    count = 0
    for order in rows.select_for_update(of=("self",), skip_locked=True).order_by("pk"):
        if order.conid < 0 and combos.held_of(order.account_id, order.conid, now) * Side(order.side).sign < 0:
            continue
        cause = f"canceled: IBKR shows no position in {order.ticker} that it could close"
        if Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=now, cause=cause):
            notify(ORDERS_CHANNEL, str(order.connection_id))
            live.order_changed(order)
            count += 1
    return count
