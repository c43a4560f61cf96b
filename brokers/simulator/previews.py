"""What an order would cost and change, as text; by the same rules that take it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.simulator import margin
from brokers.simulator.margin import Asked, Preview
from brokers.simulator.records import ZERO, Account, Order, Ticket
from brokers.simulator.tickets import check_contract
from brokers.simulator.wire import Answer, Call

_NO_DATA = "21/You are trying to submit an order without having market data for this instrument."
_UNITS = {"STK": "Shares", "CASH": "Units"}


def what_if(call: Call, ticket: Ticket) -> Answer:
    """The preview of one ticket; nothing is placed."""
    gateway = call.gateway
    instrument = check_contract(ticket, gateway.clock())
    account = gateway.engine.accounts[ticket.account_id]
    found = _previews(call, account, ticket)
    first = found[0][1]
    price = ticket.limit_price or ticket.stop_price or gateway.mark(ticket.conid)
    if ticket.legs:
        price = sum((leg.ratio * gateway.mark(leg.conid) for leg in ticket.legs), ZERO)
    amount = price * ticket.quantity * instrument.multiplier
    fee = sum((p.commission for _, p in found), ZERO)
    total = amount + fee * gateway.rate(account.base, instrument.currency)
    signed = ticket.quantity if ticket.side == "BUY" else -ticket.quantity
    warn = None if ticket.conid in call.user.session.snapshots else _NO_DATA
    body: dict[str, Any] = {
        "amount": {
            "amount": f"{amount:,.2f} {instrument.currency} "
            f"({ticket.quantity:f} {_UNITS.get(instrument.sec_type, 'Contracts')})",
            "commission": f"{fee.normalize():f} {account.base}",
            "total": f"{total:,.2f} {instrument.currency}",
        },
        "equity": _change(first.value.net_liquidation, -fee),
        "initial": _change(first.value.initial_margin, sum((p.initial for _, p in found), ZERO)),
        "maintenance": _change(first.value.maintenance_margin, sum((p.maintenance for _, p in found), ZERO)),
        "position": {"current": f"{first.held:f}", "change": f"{signed:f}", "after": f"{first.held + signed:f}"},
        "warn": warn,
        "error": next((p.refusal for _, p in found if p.refusal), None),
    }
    return Answer(body)


def _previews(call: Call, account: Account, ticket: Ticket) -> list[tuple[Asked, Preview]]:
    """One preview a leg."""
    engine, now = call.gateway.engine, call.gateway.clock()
    world, working = engine.world(now), engine.working_of(account.account_id)
    asked = engine.asked(_as_order(ticket), ticket.quantity)
    return [(each, margin.preview(account, each, world, working)) for each in asked]


def _as_order(ticket: Ticket) -> Order:
    return Order(
        order_id=0,
        account_id=ticket.account_id,
        username="",
        conid=ticket.conid,
        side=ticket.side,
        order_type=ticket.order_type,
        quantity=ticket.quantity,
        tif=ticket.tif,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        trailing_type="",
        trailing_amount=None,
        reference="",
        parent_id=None,
        oca_group="",
        outside_rth=False,
        status="",
        created_at=0.0,
        updated_at=0.0,
        legs=ticket.legs,
    )


def _change(current: Decimal, by: Decimal) -> dict[str, str]:
    return {"current": f"{round(current):,}", "change": f"{round(by):,}", "after": f"{round(current + by):,}"}
