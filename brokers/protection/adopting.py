"""The row that a backup has lost made anew, by what IBKR shows of the order."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.refusals import Refusal
from brokers.domain.elsewhere import classes
from brokers.domain.elsewhere.whose import role_of
from brokers.domain.orders import OrderStatus, Side
from brokers.models import ContractLookup, ForeignOrder, Order, OrderEvent, Position, Ticket, UnclaimedOrder


class ChoiceRefused(Refusal):
    """The choice cannot be followed; `str(error)` is a sentence for people, `code` never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the order was sent as. `filled`: how much of it the account's position holds by now."""

    type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    filled: Decimal = Decimal(0)


def why_not(asset_class: str, reference: str) -> tuple[str, str] | None:
    """Why no order of ours can be made of it, with the stable code; None where one can."""
    if asset_class == classes.UNKNOWN:
        return "IBKR has not said what it is in.", classes.CODE
    if not classes.is_traded(asset_class):
        return f"It is {classes.spoken(asset_class)}, which Halyard does not trade.", classes.CODE
    if reference and Order.objects.filter(reference=reference).exists():
        return "Halyard has an order of this reference already, under another connection.", "reference-known"
    return None


def begin(row: ForeignOrder | UnclaimedOrder, shape: Shape, now: datetime) -> Order:
    """The order's new row, sent; what IBKR says of its fills and its end is brought home like any report."""
    account = row.account
    ticket = Ticket.objects.create(
        team_id=row.team_id,
        account=account,
        connection_id=account.connection_id,
        key=uuid.uuid5(row.code, "adopted"),
        queued_at=now,
        worked_at=now,
        adopted_at=now,
    )
    held = Position.objects.filter(account=account, conid=row.conid).values_list("quantity", flat=True).first()
    before = (held or Decimal(0)) - Side(row.side).sign * shape.filled
    lookup = ContractLookup.objects.numbered(account.connection_id, row.conid).first()
    order = Order.objects.create(
        team_id=row.team_id,
        ticket=ticket,
        account=account,
        connection_id=account.connection_id,
        reference=row.reference,
        role=role_of(Side(row.side), shape.type, before),
        ticker=row.ticker,
        asset_class=row.asset_class,
        conid=row.conid,
        currency=row.currency or "USD",
        multiplier=lookup.multiplier if lookup else Decimal(1),
        side=row.side,
        type=shape.type,
        time_in_force=shape.time_in_force,
        quantity=shape.quantity,
        limit_price=shape.limit_price,
        stop_price=shape.stop_price,
        expires_at=now,
        created_at=row.first_seen_at,
        changed_at=now,
    )
    OrderEvent.objects.create(
        order=order, new=str(OrderStatus.CREATED), cause="adopted: IBKR has it under this reference", at=now
    )
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, cause="sent before", submitted_at=row.first_seen_at)
    return order
