"""Tickets: the orders of a plan, saved whole, with the resizes they wait for, and plans that no longer fit."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q

from brokers.domain.advisors.legs import to_json
from brokers.domain.elsewhere import classes
from brokers.domain.elsewhere.whose import REFERENCE_PREFIX
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    OVER,
    Modification,
    OrderIntent,
    OrderStatus,
    Release,
    Resize,
    Role,
)
from brokers.domain.protection.choices import USUAL, MissingStop
from brokers.domain.sentences import grouped
from brokers.models import BrokerageAccount, Order, Position, Ticket
from brokers.orders.modifications import wishes as modifications
from brokers.orders.unsent import end_unsent, finish_ticket_if_done, in_words
from brokers.orders.waits.wished_cancels import ask_cancels
from brokers.postgres.beside import Beside
from brokers.postgres.inserts import inserted
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, WORK, keys, notify

# The entry of an advisor's group that a leg belongs to, by its key, and which of the entry's targets it is.
_OfGroup = tuple[int | None, int | None]
_CHANGEABLE = [str(status) for status in CHANGED_IN_PLACE]


def new_reference() -> str:
    """A reference for one order, unique for good; it says nothing about whose order it is."""
    return f"{REFERENCE_PREFIX}-{uuid.uuid4().hex}"


def named(intent: OrderIntent) -> OrderIntent:
    """The same order and those behind it, each with a reference: what is planned next may have to cancel it."""
    return replace(intent, reference=new_reference(), then=tuple(named(child) for child in intent.then))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What becomes a ticket: the account, the plan's parts and until when its orders may leave."""

    account: BrokerageAccount
    key: uuid.UUID
    conid: int
    currency: str
    multiplier: Decimal
    intents: tuple[OrderIntent, ...]
    cancels: tuple[str, ...]
    expires_at: datetime
    resizes: tuple[Resize, ...] = ()
    # Orders that it changes in place; none of its own orders waits for them.
    modifications: tuple[Modification, ...] = ()
    # What the plan knew to be filled of the orders it cancels and shrinks.
    known: Mapping[str, Decimal] = field(default_factory=dict)
    signal_price: Decimal | None = None
    cause: str = "planned"
    missing_stop: MissingStop = USUAL
    # Its entries leave only after IBKR's preview of each.
    asks_first: bool = False
    # As what IBKR holds the contract in the account, empty where it does not; None: whoever plans has not looked.
    held_as: str | None = None
    # The clients of an advisor's group by their numbers, for orders that name one.
    accounts: Mapping[str, BrokerageAccount] = field(default_factory=dict)
    # The entry of such a group of which these are an account's legs, by its key.
    group_entry: int | None = None


def open_tickets(
    drafts: Sequence[Draft], now: datetime, *, told: bool = True, beside: Beside | None = None
) -> list[Ticket]:
    """Save tickets with their orders (`created`), in the caller's transaction; lanes are woken when it commits.

    `told`: False where the caller tells them. `beside`: what the caller saves later; a ticket that touches no order that is
    there already is saved with it, and has no key before.
    """
    if not drafts:
        return []
    if beside is not None and len(drafts) == 1 and _touches_nothing(drafts[0]):
        return [_opened_beside(drafts[0], now, told, beside)]
    touched = _locked(
        {reference for draft in drafts for reference in draft.cancels}
        | {resize.reference for draft in drafts for resize in draft.resizes}
        | {each.reference for draft in drafts for each in draft.modifications},
        _entries_of(drafts),
    )
    filled = {order.reference: order.filled_quantity for order in touched}
    tickets = inserted(_ticket(draft, filled, now) for draft in drafts)
    _save_orders(list(zip(drafts, tickets, strict=True)), now, told)
    _deny_what_is_not_traded(tickets, drafts, now)
    for ticket in tickets:
        ask_cancels(ticket, now)
    for draft, ticket in zip(drafts, tickets, strict=True):
        if draft.modifications:
            modifications.ask(draft.modifications, modifications.Asker(ticket=ticket, expires_at=draft.expires_at), now)
            finish_ticket_if_done(ticket.pk, now)
    for resize in (resize for draft in drafts for resize in draft.resizes):
        Order.objects.filter(reference=resize.reference, status__in=_CHANGEABLE, quantity__gt=resize.quantity).update(
            resize_to=resize.quantity, resize_asked_at=now
        )
    end_unfit(touched, now)
    return tickets


def _touches_nothing(draft: Draft) -> bool:
    """Whether the ticket cancels and changes nothing, and its orders may leave as far as what is held goes."""
    few = sum(1 + len(intent.then) for intent in draft.intents) <= _FEW
    return few and _may_leave(draft) and not (draft.cancels or draft.resizes or draft.modifications)


def _may_leave(draft: Draft) -> bool:
    """Whether what is known to be held under the contract's number is of the class that is ordered, or nothing."""
    return draft.held_as is not None and all(
        draft.held_as in {"", str(intent.instrument.asset_class)} for intent in draft.intents
    )


def _opened_beside(draft: Draft, now: datetime, told: bool, beside: Beside) -> Ticket:
    """The ticket with its orders and their first events, to be saved with the rest of `beside`."""
    ticket = _ticket(draft, {}, now)
    beside.add(ticket)
    level = [(_order(draft, ticket, intent, None, now), intent) for intent in draft.intents]
    while level:
        for order, _ in level:
            beside.add(order)
            beside.also(_BEGUN_BESIDE.format(order=beside.key_of(order)), [draft.cause[:300], now])
        level = [
            (_order(draft, ticket, child, order, now), child) for order, intent in level for child in _sent(intent)
        ]
    if told:
        beside.tell(ORDERS_CHANNEL, str(draft.account.connection_id))
    return ticket


def _deny_what_is_not_traded(tickets: Sequence[Ticket], drafts: Sequence[Draft], now: datetime) -> None:
    """End orders in a contract that IBKR holds as another class, or as something Halyard has no orders for: under its number
    they would be orders for another thing. `statements.TAKE_NEXT` lets none of them leave either."""
    classes_of = {
        (draft.account.pk, draft.conid): draft.held_as for draft in drafts if draft.held_as and not _may_leave(draft)
    }
    if unknown := [draft for draft in drafts if draft.held_as is None]:
        held = Position.objects.filter(
            account__in={draft.account.pk for draft in unknown}, conid__in={draft.conid for draft in unknown}
        )
        for account, conid, held_as in held.values_list("account_id", "conid", "asset_class"):
            classes_of[account, conid] = held_as
    for ticket, draft in zip(tickets, drafts, strict=True) if classes_of else ():
        held_as = classes_of.get((draft.account.pk, draft.conid), "")
        for order in ticket.orders.filter(status=str(OrderStatus.CREATED), parent=None) if held_as else ():
            refusal = classes.mismatch(order.ticker, held_as, order.asset_class)
            if refusal is not None and end_unsent(order, OrderStatus.DENIED, refusal.reason, now):
                Order.objects.filter(pk=order.pk).update(reason_code=refusal.code)


def _ticket(draft: Draft, filled: Mapping[str, Decimal], now: datetime) -> Ticket:
    """The ticket's row; `filled` is what the orders it cancels and shrinks have filled."""

    def known(reference: str) -> str:
        return f"{draft.known.get(reference, filled.get(reference, Decimal(0))):f}"

    return Ticket(
        team_id=draft.account.team_id,
        account=draft.account,
        connection_id=draft.account.connection_id,
        key=draft.key,
        queued_at=now,
        missing_stop=draft.missing_stop,
        cancels=[{"reference": reference, "filled": known(reference)} for reference in draft.cancels],
        resizes=[
            {"reference": resize.reference, "quantity": str(resize.quantity), "filled": known(resize.reference)}
            for resize in draft.resizes
        ],
    )


# Two things to say, one statement: every order waits for it.
_BEGUN = """
WITH begun AS (
  INSERT INTO brokers_orderevent (order_id, old, new, cause, at)
  SELECT o, '', 'created', cause, %s FROM unnest(%s::bigint[], %s::text[]) AS rows (o, cause)
)
SELECT pg_notify(%s, %s) WHERE %s
"""


_BEGUN_BESIDE = "INSERT INTO brokers_orderevent (order_id, old, new, cause, at) VALUES ({order}, '', 'created', %s, %s)"
# Orders of a ticket that are saved in one statement: each number of them is a statement of its own.
_FEW = 4


def _save_orders(opened: Sequence[tuple[Draft, Ticket]], now: datetime, told: bool) -> None:
    """Save the orders of new tickets with their first events, parents first: a child's row names its parent's. Their lanes
    are told of them where `told`."""
    causes = {draft.key: draft.cause[:300] for draft, _ in opened}
    by_key = {draft.key: draft for draft, _ in opened}
    firsts = _firsts([intent for draft, _ in opened for intent in draft.intents])
    level = [
        (_order(draft, ticket, intent, None, now, firsts), intent)
        for draft, ticket in opened
        for intent in draft.intents
    ]
    begun: dict[int, str] = {}
    while level:
        saved = inserted(order for order, _ in level)
        begun.update({order.pk: causes[order.ticket.key] for order in saved})
        level = [
            (_order(by_key[order.ticket.key], order.ticket, child, order, now, firsts), child)
            for order, intent in level
            for child in _sent(intent)
        ]
    with connection.cursor() as cursor:
        connections = keys(draft.account.connection_id for draft, _ in opened)
        cursor.execute(_BEGUN, [now, list(begun), list(begun.values()), ORDERS_CHANNEL, connections, told])


def _firsts(intents: Sequence[OrderIntent]) -> dict[str, _OfGroup]:
    """Of the legs that are placed instead of others: the group's entry and the target of the first of them, by its reference."""
    every = [each for intent in intents for each in (intent, *intent.then)]
    references = {each.moves.instead_of for each in every if each.moves is not None and each.moves.instead_of}
    if not references:
        return {}
    rows = Order.objects.filter(reference__in=references).values_list("reference", "group_entry_id", "rung")
    return {reference: (entry, rung) for reference, entry, rung in rows}


def _entries_of(drafts: Iterable[Draft]) -> set[int]:
    """The entries for groups that new legs will name, by their keys: a row that names one waits for whoever holds it."""
    named = {draft.group_entry for draft in drafts if draft.group_entry is not None}
    instead = _firsts([intent for draft in drafts for intent in draft.intents])
    return named | {entry for entry, _ in instead.values() if entry is not None}


def _locked(references: set[str], entries: set[int]) -> list[Order]:
    """The orders to be canceled or changed, held still until the ticket says what they have filled, with the entries for groups
    that its legs name: all at once by their keys, as everybody holds orders."""
    if not references and not entries:
        return []
    touched = Q(reference__in=references) | Q(pk__in=entries) if entries else Q(reference__in=references)
    return list(Order.objects.select_for_update().filter(touched).order_by("pk"))


def end_unfit(orders: Iterable[Order], now: datetime) -> None:
    """End what was planned behind these orders, once they have filled more than the plan knew.

    The ticket is marked, so that its decision is taken again on the position that came of it. An order to be canceled
    has to be over first: until then it may go on filling.
    """
    filled = {order.reference: order for order in orders if order.filled_quantity}
    if not filled:
        return
    accounts = {order.account_id for order in filled.values()}
    behind = Ticket.objects.filter(account__in=accounts, worked_at__isnull=True).exclude(cancels=[], resizes=[])
    for ticket in behind.select_for_update().order_by("pk"):
        over = [row for row in ticket.cancels if (order := filled.get(row["reference"])) and order.status in OVER]
        late = [row for row in (*over, *ticket.resizes) if _filled_more(filled.get(row["reference"]), row)]
        if late:
            end_plan(ticket, _too_late(filled[late[0]["reference"]]), now)


def end_plan(ticket: Ticket, reason: str, now: datetime) -> None:
    """End the orders of a ticket that have not left, since their plan no longer fits; it is planned again."""
    unsent = ticket.orders.filter(status=str(OrderStatus.CREATED), release=str(Release.AT_ONCE))
    ended = [end_unsent(order, OrderStatus.CANCELED, reason, now) for order in unsent]
    if any(ended):
        Ticket.objects.filter(pk=ticket.pk).update(unfit_at=now)
        notify(DECISIONS_CHANNEL, f"{WORK}{ticket.connection_id}")


def end_outgrown(order: Order, now: datetime) -> None:
    """End what was planned behind a smaller order, once the broker shows it larger than that and will not be asked again."""
    behind = Ticket.objects.filter(account=order.account_id, worked_at__isnull=True).exclude(resizes=[])
    for ticket in behind.select_for_update().order_by("pk"):
        sizes = [Decimal(each["quantity"]) for each in ticket.resizes if each["reference"] == order.reference]
        if sizes and order.quantity > sizes[0]:
            size, smaller = grouped(order.quantity), grouped(sizes[0])
            reason = f"Not sent: IBKR has {in_words(order)} at {size} instead of {smaller}. It is planned again."
            end_plan(ticket, reason, now)


def _filled_more(order: Order | None, row: Mapping[str, str]) -> bool:
    """Whether the order has filled more than the ticket's row of it says."""
    return order is not None and order.filled_quantity > Decimal(row["filled"])


def _sent(intent: OrderIntent) -> list[OrderIntent]:
    """What follows an order as an order of its own. The legs of an entry for a group are those of its accounts, and made then."""
    return [child for child in intent.then if child.release is not Release.BY_ACCOUNT]


def _kept(intent: OrderIntent) -> dict[str, Any] | None:
    """The legs that an entry for a group has for its accounts; None where it has none."""
    legs = [child for child in intent.then if child.release is Release.BY_ACCOUNT]
    return {"legs": to_json(legs), "placed": {}, "units": "0", "untold": False} if legs else None


def _order(
    draft: Draft,
    ticket: Ticket,
    intent: OrderIntent,
    parent: Order | None,
    now: datetime,
    firsts: Mapping[str, _OfGroup] | None = None,
) -> Order:
    of = (firsts or {}).get(intent.moves.instead_of) if intent.moves else None
    return Order(
        team_id=draft.account.team_id,
        ticket=ticket,
        account=draft.accounts[intent.account_id] if intent.account_id else draft.account,
        connection_id=draft.account.connection_id,
        parent=parent,
        reference=intent.reference or new_reference(),
        role=intent.role,
        release=intent.release,
        ticker=intent.instrument.ticker,
        asset_class=intent.instrument.asset_class,
        conid=draft.conid,
        currency=draft.currency,
        multiplier=draft.multiplier,
        side=intent.side,
        type=intent.type,
        time_in_force=intent.time_in_force,
        quantity=intent.quantity,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail_amount=intent.trail_amount,
        trail_percent=intent.trail_percent,
        distance=intent.from_fill.value if intent.from_fill else None,
        distance_in=intent.from_fill.counts if intent.from_fill else "",
        legs_from_fill=intent.role is Role.ENTRY and any(child.from_fill for child in _sent(intent)),
        legs_by_account=(kept := _kept(intent)),
        legs_look_at=None if kept is None else now,
        moves_after=intent.moves.after if intent.moves else None,
        moves_to=intent.moves.to if intent.moves else "",
        moves_by=intent.moves.by if intent.moves else None,
        moves_with=intent.moves.instead_of if intent.moves else "",
        group_entry_id=draft.group_entry if of is None else of[0],
        rung=intent.rung if of is None else of[1],
        cancel_after=intent.cancel_after,
        convert_after=intent.convert_after,
        good_till=intent.good_till,
        outside_rth=intent.outside_rth,
        fa_group=intent.allocation.group if intent.allocation else "",
        fa_method=intent.allocation.method if intent.allocation else "",
        asks_first=draft.asks_first and intent.role is Role.ENTRY,
        signal_price=draft.signal_price,
        estimated_fee=intent.estimated_fee,
        expires_at=_leaves_by(draft, intent, now),
        created_at=now,
        changed_at=now,
    )


def _leaves_by(draft: Draft, intent: OrderIntent, now: datetime) -> datetime:
    within = None if intent.leave_within is None else now + timedelta(seconds=intent.leave_within)
    return min(moment for moment in (draft.expires_at, within, intent.good_till) if moment is not None)


def _too_late(order: Order) -> str:
    filled = grouped(order.filled_quantity)
    return (
        f"Not sent: {filled} of {in_words(order)} were filled before it could be changed, "
        "so the plan no longer fits the position. It is planned again."
    )
