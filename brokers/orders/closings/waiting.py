"""What a closing waits for, in words for people, and whether the book shows what is held now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from brokers.domain.contracts.combos import legs_of
from brokers.domain.orders import OF_FUTURES, WORKING, AssetClass, OrderStatus
from brokers.domain.session import clocks
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from brokers.models import Closing, ContractLookup, Execution, ForeignOrder, Order
from brokers.orders.closings import own_orders
from brokers.rulebook.calendars import us_shares, us_shares_as_listed

# How long it waits for the cancel of orders placed elsewhere that somebody wished with it.
THEIRS_AT_MOST = timedelta(minutes=1)
# IBKR's positions may lag behind its fills: what an order has just closed is not closed again because of an old list.
BELIEVED_AFTER = timedelta(seconds=30)
# When the last order that left in an instrument changed, and when its last fill was seen; None where there is none.
Moments = tuple[datetime | None, datetime | None]


def theirs_being_canceled(closing: Closing, now: datetime) -> str:
    """What it waits for where orders placed elsewhere are to be canceled with it: a while, and then it goes on."""
    numbers = [closing.conid, *(legs_of(closing.conid) or ())]
    asked = ForeignOrder.objects.filter(account=closing.account_id, conid__in=numbers)
    count = asked.filter(cancel_asked_at__gt=now - THEIRS_AT_MOST).count()
    orders = "the order" if count == 1 else f"{count} orders"
    return f"Waiting until IBKR has canceled {orders} placed elsewhere." if count else ""


def about_foreign(orders: QuerySet[Order]) -> str:
    if orders.filter(status=str(OrderStatus.NEEDS_ATTENTION)).exists():
        return "It is not known what became of an order in it. Look that order up at IBKR."
    count = orders.count()
    return f"Waiting until IBKR has canceled {'the order' if count == 1 else f'{count} orders'} working in it."


def about_sent(order: Order, now: datetime) -> str:
    status, account = OrderStatus(order.status), order.account
    if status is OrderStatus.CREATED:
        if account.connection.can_trade:
            return "The market order is about to leave."
        return f"The market order waits for the session at IBKR: {account.connection.session_reason}"
    if status not in WORKING:
        return "The market order has left; IBKR has not confirmed it yet."
    if order.held_reason:
        return f"IBKR holds the market order back: {order.held_reason}"
    opens = _opens_at(order, now)
    if opens:
        return f"The market order rests at IBKR until the market opens, {opens}."
    return "The market order works at IBKR; where its market is closed, it rests there until the open."


def _opens_at(order: Order, now: datetime) -> str:
    """When its market opens next: by IBKR's word for this contract, of a US share in its own time; nothing while it is
    open or where we do not know."""
    if order.account.connection.environment == Environment.SIMULATED:
        return ""
    row = (
        ContractLookup.objects.of_contracts()
        .filter(connection=order.connection_id, conid=order.conid, hours__isnull=False)
        .first()
    )
    listed = TradingHours.from_json(row.hours) if row is not None else None
    if order.asset_class != AssetClass.STOCK or order.currency != "USD":
        return _listed_open(listed, now, extended=order.asset_class in OF_FUTURES)
    calendar = us_shares_as_listed(listed.regular) if listed is not None else us_shares()
    if calendar.is_open(now):
        return ""
    return f"{calendar.local(calendar.open_after(now)):%A %H:%M} in New York"


def _listed_open(listed: TradingHours | None, now: datetime, *, extended: bool) -> str:
    if listed is None or listed.is_open(now, extended=extended) is not False:
        return ""
    opens = listed.opens_after(now, extended=extended)
    return "" if opens is None else f"{opens:%A %H:%M} UTC"


def for_a_book(closings: QuerySet[Closing]) -> list[tuple[Closing, Moments]]:
    """Those in whose instrument no order of ours may fill, each with the last that happened in it: in one statement."""
    here: dict[str, Any] = {"account": OuterRef("account"), "conid": OuterRef("conid")}
    orders, fills = Order.objects.filter(**here).order_by(), Execution.objects.filter(**here).order_by()
    changed = orders.filter(submitted_at__isnull=False).values("conid").annotate(at=Max("changed_at")).values("at")
    seen = fills.values("conid").annotate(at=Max("seen_at")).values("at")
    rows = closings.filter(~Exists(orders.filter(status__in=own_orders.MAY_STILL_FILL)))
    rows = rows.annotate(order_changed_at=Subquery(changed), fill_seen_at=Subquery(seen))
    return [
        # What combos do to their legs stands under other numbers.
        (row, _moments(row) if row.asset_class == AssetClass.OPTION else (row.order_changed_at, row.fill_seen_at))
        for row in rows.select_related("account__connection")
    ]


def _moments(closing: Closing) -> Moments:
    here = {"account": closing.account_id, "conid__in": own_orders.numbers(closing)}
    orders = Order.objects.filter(**here, submitted_at__isnull=False)
    fills = Execution.objects.filter(**here)
    return orders.aggregate(at=Max("changed_at"))["at"], fills.aggregate(at=Max("seen_at"))["at"]


def book_missing(closing: Closing, now: datetime, moments: Moments | None = None) -> str | None:
    """What the book lacks to be acted on; None when it shows what is held now. `moments`: where they are known already."""
    account = closing.account
    if not account.is_present(now):
        if account.capabilities_as_of is None:
            return "IBKR has not shown this account since another user name was set for its connection."
        return "Waiting for a fresh look at the account's positions."
    if moments is None:
        moments = _moments(closing)
    return (
        None
        if _is_settled(closing, moments, now)
        else "Waiting for the account's positions after the last fill or cancel."
    )


def _is_settled(closing: Closing, moments: Moments, now: datetime) -> bool:
    """Whether the book was read after everything that is known to have happened in the instrument."""
    as_of = closing.account.book_as_of
    known = (moment for moment in moments if moment is not None and not clocks.is_ahead(moment, now))
    return as_of is not None and all(as_of > moment for moment in known)


def may_be_an_old_list(closing: Closing, own: QuerySet[Order]) -> bool:
    last = own.order_by("-pk").first()
    as_of = closing.account.book_as_of
    return last is not None and last.filled_quantity > 0 and (as_of is None or as_of < last.changed_at + BELIEVED_AFTER)
