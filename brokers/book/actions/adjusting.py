"""What a split changes of what we keep: waiting orders, closings, the day's opening, the sum of our fills, the contract.

Orders that IBKR has are its own to cancel or to change: our rows follow its word (`orders/splits`). What is over stays as it
was, and is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from django.db.models import F, Q, Sum

from accounts import audit
from accounts.feed.needs import needs_changed
from accounts.models import User
from brokers import live
from brokers.book.actions import renamed
from brokers.domain.actions import names, words
from brokers.domain.actions.reading import Ratio
from brokers.domain.contracts.options import on_any_tick
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    SIZED_BY_THE_BROKER,
    TOUCHED,
    AssetClass,
    OrderStatus,
    OrderType,
    Role,
    Side,
)
from brokers.domain.sentences import cut
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    CorporateAction,
    Execution,
    FillChange,
    Lapse,
    NetFill,
    Notice,
    OpeningPosition,
    Order,
    OrderEvent,
    OrderModification,
    Rescaling,
    UnexplainedChange,
)
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify
from brokers.rulebook import splits
from brokers.rulebook.values import Order as Ruled
from brokers.rulebook.words import OrderType as RuledType

NOTHING_LEFT = "split_quantity_zero"
UNDECIDED = "split-undecided"
PLANNED_BETWEEN = "split-meanwhile"
_CREATED = str(OrderStatus.CREATED)
# What is stored holds no more digits.
_STORED = Decimal("0.00000001")
_CENT = Decimal("0.01")
# Days of the day ledger are those of New York.
ZONE = ZoneInfo("America/New_York")


def follow(action: CorporateAction, ratio: Ratio, actor: User | None) -> None:
    """Change what we keep by a split whose ratio is known; call it in the transaction that writes it down."""
    at = action.decided_at or action.seen_at
    # What was made since it was seen is of the shares of now. Locked in the order in which news of orders locks them.
    here = Order.objects.filter(account=action.account, conid=action.conid_before, created_at__lte=action.seen_at)
    met = here.filter(status__in=[_CREATED, *map(str, SIZED_BY_THE_BROKER)])
    orders = list(met.select_for_update(of=("self",)).select_related("connection", "ticket").order_by("pk"))
    for order in orders:
        if order.status == _CREATED and order.created_at > action.split_at:
            _end_planned_between(order, words.planned_between(order.ticker, ratio, action.ticker), at)
        elif order.status == _CREATED and renamed.opens_what_is_only_closed(order, action):
            _end_planned_between(order, words.opens_changed(action.ticker_before, action.ticker), at)
        elif order.status == _CREATED:
            _rescale(order, action, ratio, at)
        elif not ratio.is_one or action.ticker_before:
            _mark(order, action, ratio, at)
    if action.ticker_before:
        for order in renamed.combos_that_wait(action):
            _end_planned_between(order, words.combo_waited(order.ticker, action.ticker_before, action.ticker), at)
    if not ratio.is_one or action.is_other_contract:
        _end_changes(orders, words.asked_before(action.ticker_before or action.ticker, ratio, action.ticker), at)
        _closings(action, ratio)
        _lapses(action, at)
        _opening(action, ratio)
    _net_fills(action, ratio)
    # Trades are counted in the units of now.
    FillChange.objects.create(account=action.account, conid=action.conid, since=action.before_at)
    if action.ticker_before:
        renamed.ask_for(action, at)
    else:
        _lookups(action, at)
    UnexplainedChange.objects.filter(account=action.account, conid__in=[action.conid_before, action.conid]).delete()
    audit.record(
        team=action.account.team,
        actor=actor,
        action="position.split",
        subject=action.ticker,
        now=at,
        after={
            "account": action.account.account_id,
            "ratio": f"{ratio.new} for {ratio.old}",
            "held": [str(action.quantity_before), str(action.quantity)],
            "contract": [action.conid_before, action.conid],
            **({"name": [action.ticker_before, action.ticker]} if action.ticker_before else {}),
        },
    )
    _tell(action)


def hold(action: CorporateAction) -> None:
    """End what waits to be sent in a contract that may have been split: a person is asked first.

    What a person presses to close stays: it is sent for what is held. Changes that wait of orders that work end too.
    """
    here = Order.objects.filter(account=action.account, conid__in=[action.conid_before, action.conid])
    waiting = Q(status=_CREATED) & ~Q(role=str(Role.EXIT), ticket__decision=None)
    met = here.filter(waiting | Q(status__in=[str(status) for status in CHANGED_IN_PLACE]))
    reason = (
        f"Not sent: {action.ticker_before or action.ticker} may have been split, and nobody has said so yet. Answer the question about it on the "
        "page of the account, then send the signal again."
    )
    orders = list(met.select_for_update(of=("self",)).order_by("pk"))
    orders += renamed.combos_that_wait(action) if action.ticker_before else []
    for order in (each for each in orders if each.status == _CREATED):
        Order.objects.move(
            order, OrderStatus.CANCELED, now=action.seen_at, cause=reason, reason=reason, reason_code=UNDECIDED
        )
        live.order_changed(order)
    _end_changes(orders, words.asked_before_an_answer(action.ticker), action.seen_at)
    _tell(action)


def _tell(action: CorporateAction) -> None:
    needs_changed(action.team_id)
    live.account_changed(action.account)
    notify(DECISIONS_CHANNEL, str(action.account.connection_id))


# Orders --------------------------------------------------------------------------------------------------------------


def _end_planned_between(order: Order, reason: str, at: datetime) -> None:
    """An order planned between the reading before the split and the one that showed it: its size is of the shares of before,
    and nobody can tell of which its prices are. It does not leave."""
    Order.objects.move(order, OrderStatus.CANCELED, now=at, cause=reason, reason=reason, reason_code=PLANNED_BETWEEN)
    live.order_changed(order)


def _end_changes(orders: Sequence[Order], reason: str, at: datetime) -> None:
    """End the changes that wait of these orders, which are locked: their sizes and prices may be of the shares of before."""
    waiting = OrderModification.objects.filter(
        order__in=[order.pk for order in orders], status=OrderModification.Status.WAITING
    )
    changed = set(waiting.values_list("order", flat=True))
    waiting.update(
        status=OrderModification.Status.NOT_MADE, ended_at=at, reason_code=PLANNED_BETWEEN, reason=cut(reason, 400)
    )
    for order in orders:
        if order.pk in changed:
            live.order_changed(order)


def _rescale(order: Order, action: CorporateAction, ratio: Ratio, at: datetime) -> None:
    """Give an order that waits here its size and prices of after the split, by the rulebook."""
    after, nothing_left = _after_split(order, ratio)
    if nothing_left:
        reason = words.nothing_left(order.ticker, ratio)
        Order.objects.move(order, OrderStatus.CANCELED, now=at, cause=reason, reason=reason, reason_code=NOTHING_LEFT)
    else:
        Rescaling.keep(order, action, ratio, at)
        name = {"ticker": action.ticker} if action.ticker_before else {}
        Order.objects.filter(pk=order.pk).update(**after, **name, conid=action.conid)
    live.order_changed(order)


def _after_split(order: Order, ratio: Ratio) -> tuple[dict[str, Decimal | None], bool]:
    """The columns of an order of ours after a split, and whether nothing is left of it."""
    stop = None if order.type in TOUCHED else order.stop_price
    ruled = splits.split_order(
        Ruled(
            type=_ruled_type(order),
            quantity=order.quantity,
            limit_price=order.limit_price,
            stop_price=stop,
            trigger_price=order.stop_price if stop is None else None,
            trailing_amount=order.trail_amount,
        ),
        ratio.factor,
    )
    tick = _ticks(order)
    values = {
        "quantity": ruled.order.quantity,
        "limit_price": tick(ruled.order.limit_price),
        "stop_price": tick(ruled.order.trigger_price if stop is None else ruled.order.stop_price),
        "trail_amount": _stored(ruled.order.trailing_amount),
        "signal_price": _stored(None if order.signal_price is None else order.signal_price * ratio.factor),
    }
    return values, ruled.canceled is not None


_RULED = {OrderType.STOP: RuledType.STOP_MARKET}


def _ruled_type(order: Order) -> str:
    kind = OrderType(order.type)
    return _RULED.get(kind) or RuledType(str(kind))


def _stored(price: Decimal | None) -> Decimal | None:
    return None if price is None else price.quantize(_STORED)


def _ticks(order: Order) -> Callable[[Decimal | None], Decimal | None]:
    """How a price of the order's contract comes to its tick, half to even; a price never comes to nothing."""
    known = ContractLookup.objects.filter(
        connection=order.connection_id, conid=order.conid, status=ContractLookup.Status.FOUND
    ).first()
    contract = None if known is None else known.value()

    def on_tick(price: Decimal | None) -> Decimal | None:
        if price is None:
            return None
        if contract is None and order.asset_class == AssetClass.OPTION:
            return on_any_tick(price)
        tick = _CENT if contract is None else contract.tick_at(price)
        return max((price / tick).to_integral_value(ROUND_HALF_EVEN) * tick, tick)

    return on_tick


def _mark(order: Order, action: CorporateAction, ratio: Ratio, at: datetime) -> None:
    """Say on an order that IBKR has that the split meets it; one that IBKR has changed for it already belongs to it."""
    early = Rescaling.objects.filter(order=order, action=None, new=ratio.new, old=ratio.old).order_by("-pk").first()
    if early is not None:
        Rescaling.objects.filter(pk=early.pk).update(action=action)
        return
    cause = cut(words.order_waits(order.ticker, ratio, action.ticker), 300)
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cause, at=at)
    live.order_changed(order)


# The rest ------------------------------------------------------------------------------------------------------------


def _closings(action: CorporateAction, ratio: Ratio) -> None:
    """A closing of a part is of as large a part as before."""
    rows = Closing.objects.filter(account=action.account, conid=action.conid_before, status=Closing.Status.OPEN)
    for closing in rows.filter(asked_at__lte=action.seen_at):
        quantity = None if closing.quantity is None else max(ratio.whole(closing.quantity), Decimal(1))
        cost = None if closing.average_cost is None else closing.average_cost * ratio.factor
        name = {"ticker": action.ticker} if action.ticker_before else {}
        Closing.objects.filter(pk=closing.pk).update(
            conid=action.conid, quantity=quantity, average_cost=_stored(cost), **name
        )


def _lapses(action: CorporateAction, at: datetime) -> None:
    """A stop that was missing is looked for in the contract of now: nothing in that of before is to have one any more."""
    if action.conid == action.conid_before:
        return
    here = Lapse.objects.filter(account=action.account, conid=action.conid_before, ended_at=None)
    keys = list(here.values_list("pk", flat=True))
    here.filter(pk__in=keys).update(outcome=words.LAPSED_BEFORE, ended_at=at, changed_at=at, alarm=False)
    Notice.objects.filter(lapse__in=keys, settled_at=None).update(settled_at=at)


def _opening(action: CorporateAction, ratio: Ratio) -> None:
    """The day began with as much, counted in the shares of now; one that began after the split is in them."""
    opened_at = BrokerageAccount.objects.values_list("opened_at", flat=True).get(pk=action.account_id)
    if opened_at is None or opened_at >= action.seen_at:
        return
    day = action.seen_at.astimezone(ZONE).date()
    rows = OpeningPosition.objects.filter(account=action.account, day=day, conid=action.conid_before)
    for row in rows:
        price = None if row.price is None else _stored(row.price * ratio.factor)
        quantity = ratio.exact(row.quantity).quantize(_STORED)
        name = {"ticker": action.ticker} if action.ticker_before else {}
        OpeningPosition.objects.filter(pk=row.pk).update(conid=action.conid, quantity=quantity, price=price, **name)


def _net_fills(action: CorporateAction, ratio: Ratio) -> None:
    """What our orders have bought less what they have sold, in the shares of now: what is held elsewhere follows from it."""
    here = NetFill.objects.filter(account=action.account, conid=action.conid_before)
    net = here.aggregate(sum=Sum("quantity"))["sum"] or Decimal(0)
    since = Execution.objects.filter(
        account=action.account, conid=action.conid_before, order__isnull=False, executed_at__gt=action.split_at
    )
    later = sum((quantity * Side(side).sign for side, quantity in since.values_list("side", "quantity")), Decimal(0))
    whole = ratio.whole(net - later) + later
    if action.conid == action.conid_before:
        changes = {action.conid: whole - net}
    else:
        changes = {action.conid_before: -net, action.conid: whole}
    NetFill.objects.bulk_create(
        NetFill(account=action.account, conid=conid, quantity=quantity)
        for conid, quantity in changes.items()
        if quantity
    )


def _lookups(action: CorporateAction, at: datetime) -> None:
    """Quotes of before count no more, and a contract with another number is asked for anew before anything is decided."""
    rows = ContractLookup.objects.filter(connection=action.account.connection_id, conid=action.conid_before)
    gone = {"bid": None, "ask": None, "last": None, "quote_as_of": None}
    if action.conid == action.conid_before:
        rows.update(**gone)
        return
    found = rows.filter(status=ContractLookup.Status.FOUND).values_list("pk", "ticker")
    # The copy may have had IBKR's name of it, without the exchange.
    renumbered = [pk for pk, ticker in found if names.are_one(ticker, action.ticker)]
    if renumbered and rows.filter(pk__in=renumbered).update(
        **gone,
        conid=action.conid,
        replaced_conid=F("conid"),
        replaced_at=at,
        status=ContractLookup.Status.WANTED,
        asked_at=at,
    ):
        notify(ORDERS_CHANNEL, str(action.account.connection_id))
