"""What an order would cost and change, as text; by the same rules that take it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.simulator.calls import Call
from brokers.simulator.exchange import margin
from brokers.simulator.exchange.margin import Preview
from brokers.simulator.exchange.records import ZERO, Account, Order, Ticket
from brokers.simulator.orders.submission import shares_for
from brokers.simulator.orders.tickets import Refused, check_contract
from brokers.simulator.wire import Answer

_NO_DATA = "21/You are trying to submit an order without having market data for this instrument."
_UNITS = {"STK": "Shares", "CASH": "Units"}


def what_if(call: Call, ticket: Ticket) -> Answer:
    """The preview of one ticket; nothing is placed."""
    gateway = call.gateway
    instrument = check_contract(ticket, gateway.clock())
    accounts = _accounts(call, ticket)
    base = accounts[0][0].base
    previews = [preview for account, units in accounts for preview in _previews(call, account, ticket, units)]
    values = [gateway.worth(account) for account, _ in accounts]
    price = ticket.limit_price or ticket.stop_price or gateway.mark(ticket.conid)
    if ticket.legs:
        price = sum((leg.ratio * gateway.mark(leg.conid) for leg in ticket.legs), ZERO)
    amount = price * ticket.quantity * instrument.multiplier
    fee = sum((p.commission for p in previews), ZERO)
    total = amount + fee * gateway.rate(base, instrument.currency)
    signed = ticket.quantity if ticket.side == "BUY" else -ticket.quantity
    held = sum((p.held for p in previews), ZERO) if not ticket.legs else ZERO
    warn = None if ticket.conid in call.user.session.snapshots else _NO_DATA
    body: dict[str, Any] = {
        "amount": {
            "amount": f"{amount:,.2f} {instrument.currency} "
            f"({ticket.quantity:f} {_UNITS.get(instrument.sec_type, 'Contracts')})",
            "commission": f"{fee.normalize():f} {base}",
            "total": f"{total:,.2f} {instrument.currency}",
        },
        "equity": _change(sum((v.net_liquidation for v in values), ZERO), -fee),
        "initial": _change(sum((v.initial_margin for v in values), ZERO), sum((p.initial for p in previews), ZERO)),
        "maintenance": _change(
            sum((v.maintenance_margin for v in values), ZERO), sum((p.maintenance for p in previews), ZERO)
        ),
        "position": {"current": f"{held:f}", "change": f"{signed:f}", "after": f"{held + signed:f}"},
        "warn": warn,
        "error": next((p.refusal for p in previews if p.refusal), None),
    }
    return Answer(body)


def _accounts(call: Call, ticket: Ticket) -> list[tuple[Account, Decimal]]:
    """Whose order it is and for how much: one account's, or each one's of a group that can carry a share."""
    accounts = call.gateway.engine.accounts
    if not ticket.fa_group:
        return [(accounts[ticket.account_id], ticket.quantity)]
    shares = shares_for(call.gateway, ticket, call.gateway.clock())
    if not shares:
        raise Refused(margin.TOO_LITTLE)
    return [(accounts[account_id], units) for account_id, units in shares.items()]


def _previews(call: Call, account: Account, ticket: Ticket, units: Decimal) -> list[Preview]:
    """One preview a leg."""
    engine, now = call.gateway.engine, call.gateway.clock()
    world, working = engine.world(now), engine.working_of(account.account_id)
    return [margin.preview(account, trade, world, working) for trade in engine.trades_of(_as_order(ticket), units)]


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
