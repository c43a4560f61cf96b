"""From tickets to answers: duplicates, questions, margin, brackets and groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from brokers.rulebook.allocation import Member
from brokers.rulebook.errors import RulebookError
from brokers.simulator.calls import Call
from brokers.simulator.catalogue import catalogue
from brokers.simulator.exchange import advisors, auctions, lifetimes, margin
from brokers.simulator.exchange.records import Order, Ticket
from brokers.simulator.faults.faults import fails
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import Pending, User
from brokers.simulator.orders.questions import ask, needed
from brokers.simulator.orders.tickets import Refused, check_contract
from brokers.simulator.shapes.orders import ack, failed
from brokers.simulator.wire import Answer, error


@dataclass(slots=True)
class _Batch:
    """The tickets of one request, the name their group takes, and the orders placed so far by their reference."""

    tickets: list[Ticket]
    oca_group: str
    by_reference: dict[str, Order] = field(default_factory=dict)


def submit(call: Call, tickets: list[Ticket]) -> Answer:
    """Take an order POST: refuse it, ask about it, or place it."""
    gateway, user = call.gateway, call.user
    for ticket in tickets:
        _check_reference(gateway, user, ticket)
    if len(tickets) == 1:
        instrument = check_contract(tickets[0], gateway.clock())
        windows = gateway.behaviour.auction_windows and not gateway.behaviour.market_always_open
        if windows and not auctions.is_taken(tickets[0], instrument, gateway.clock()):
            return _exchange_closed(gateway)
    questions = call.effects.get("question") or _questions(gateway, user, tickets)
    if not questions:
        return place(gateway, user, tickets, call.effects)
    if gateway.behaviour.register_reference_on_question:
        _register(user, tickets, call.now)
    pending = Pending(id="", kind="place", asked=list(questions), tickets=tickets, asked_at=call.now)
    pending.effects = call.effects
    return put(gateway, user, pending)


def _exchange_closed(gateway: Gateway) -> Answer:
    """A number, and the order is over already."""
    gateway.engine.last_order_id += 1
    number = str(gateway.engine.last_order_id)
    return Answer([{"order_id": number, "order_status": "Cancelled", "text": auctions.EXCHANGE_CLOSED}])


def put(gateway: Gateway, user: User, pending: Pending) -> Answer:
    """Ask the next question."""
    ticket = pending.tickets[0]
    instrument, quote = catalogue.find(ticket.conid), gateway.quote(ticket.conid)
    if instrument is None or quote is None:
        raise Refused(f"no sec defs returned forSecDef reqId=resolveSecReqByConid{ticket.conid}")
    user.pending = pending
    return Answer(ask(pending, instrument, quote))


def _check_reference(gateway: Gateway, user: User, ticket: Ticket) -> None:
    if not ticket.reference or not gateway.behaviour.unique_references:
        return
    registered = user.references.get(ticket.reference)
    if registered is not None and gateway.clock() - registered < gateway.behaviour.reference_ttl_s:
        raise Refused(f"Order couldn't be submitted: Local order ID={ticket.reference} is already registered.")


def _register(user: User, tickets: list[Ticket], now: float) -> None:
    for ticket in tickets:
        if ticket.reference:
            user.references.register(ticket.reference, now)


def _questions(gateway: Gateway, user: User, tickets: list[Ticket]) -> list[str]:
    if not gateway.behaviour.questions:
        return []
    questions: list[str] = []
    for ticket in tickets:
        instrument, quote = catalogue.find(ticket.conid), gateway.quote(ticket.conid)
        if instrument is None or quote is None:
            continue
        working = gateway.engine.working.get(ticket.conid, {}).values()
        asked = needed(
            ticket,
            instrument,
            quote,
            has_quotes=ticket.conid in user.session.snapshots,
            opposite=any(
                o.account_id == ticket.account_id and o.side != ticket.side and o.parent_id is None for o in working
            )
            and not ticket.parent_reference,
            suppressed=user.session.suppressed,
        )
        questions += [i for i in asked if i not in questions]
    return questions


def place(gateway: Gateway, user: User, tickets: list[Ticket], effects: dict[str, Any]) -> Answer:
    """Put tickets on the books; a bracket is not atomic, each leg stands for itself."""
    now = gateway.clock()
    made: list[Order] = []
    rows: list[dict[str, Any]] = []
    # Its group is named after the first order of the request, so that no two groups have the same name.
    batch = _Batch(tickets, f"oca-{gateway.engine.last_order_id + 1}")
    unnamed = list(effects.get("unnamed_rows", ()))
    failing = [*effects.get("failed_rows", ()), *unnamed]
    effects["placed"] = made
    if not gateway.behaviour.partial_brackets:
        _check_whole(tickets, failing, now)
    for index, ticket in enumerate(tickets):
        chosen = False
        try:
            if chosen := fails(failing, index, ticket.order_type):
                raise Refused(str(effects.get("failed_text") or "Order couldn't be submitted: the leg was refused."))
            order = _place_one(gateway, user, ticket, batch)
        except Refused as refused:
            if len(tickets) == 1 and not ticket.parent_reference and not chosen:
                raise
            if not fails(unnamed, index, ticket.order_type):
                rows.append(failed(refused.text, ticket.reference))
            continue
        _register(user, [ticket], now)
        if ticket.reference:
            batch.by_reference[ticket.reference] = order
        made.append(order)
        _apply_effects(gateway, user, order, effects, now)
        rows.append(ack(order))
    # Listeners hear that an order works before they hear that it was filled.
    gateway.commit()
    gateway.settle_new([o for o in made if o.working])
    return Answer(rows)


def _check_whole(tickets: list[Ticket], failing: list[Any], now: float) -> None:
    """Refuse a bracket as a whole where one of its legs would be refused."""
    known = {ticket.reference for ticket in tickets}
    for index, ticket in enumerate(tickets):
        if fails(failing, index, ticket.order_type):
            raise Refused("Order couldn't be submitted: a leg was refused.")
        check_contract(ticket, now)
        if len(tickets) > 1 and ticket.parent_reference and ticket.parent_reference not in known:
            raise Refused(f"Order couldn't be submitted: Parent order ID={ticket.parent_reference} isn't recognized.")


def _place_one(gateway: Gateway, user: User, ticket: Ticket, batch: _Batch) -> Order:
    check_contract(ticket, gateway.clock())
    parent = None
    if ticket.parent_reference:
        parent = batch.by_reference.get(ticket.parent_reference) or _working(gateway, user, ticket.parent_reference)
        if parent is None:
            raise Refused(f"Order couldn't be submitted: Parent order ID={ticket.parent_reference} isn't recognized.")
    now = gateway.clock()
    shares = shares_for(gateway, ticket, now) if ticket.fa_group else {}
    if shares:
        ticket = replace(ticket, quantity=sum(shares.values(), Decimal(0)))
    order = gateway.engine.place(user.name, ticket, now, parent=parent, oca_group=_group(ticket, parent, batch))
    order.shares = shares
    if not gateway.is_open(order):
        order.status = "PreSubmitted"
    if parent is None and gateway.behaviour.margin_check:
        refused = margin.TOO_LITTLE if ticket.fa_group and not shares else ""
        if refused := refused or ("" if shares else gateway.engine.refusal(order, now)):
            gateway.engine.set_status(order, "Inactive", now, refused)
    return order


def shares_for(gateway: Gateway, ticket: Ticket, now: float) -> dict[str, Decimal]:
    """Who gets how much of a group order; what an account cannot carry of its share is canceled."""
    engine = gateway.engine
    group = gateway.advisors[engine.accounts[ticket.account_id].username].groups[ticket.fa_group]
    world, checks = engine.world(now), gateway.behaviour.margin_check
    instrument = check_contract(ticket, now)
    price = ticket.limit_price or engine.mark(ticket.conid)

    def member(account_id: str) -> Member:
        value = gateway.worth(engine.accounts[account_id])
        return Member(id=account_id, net_liquidation=value.net_liquidation, available_equity=value.available_funds)

    def affordable(account_id: str, units: Decimal) -> Decimal:
        sign = 1 if ticket.side == "BUY" else -1
        trade = margin.Trade(instrument=instrument, quantity=sign * units, price=price, limit_price=ticket.limit_price)
        account = engine.accounts[account_id]
        return margin.affordable(account, trade, world, engine.working_of(account_id)) if checks else units

    try:
        shares, _ = advisors.shares_of(group, ticket.fa_method or group.method, ticket.quantity, member, affordable)
    except (advisors.CannotAllocate, RulebookError) as reason:
        raise Refused(f"Order couldn't be allocated: {reason}.") from None
    return shares


def _working(gateway: Gateway, user: User, reference: str) -> Order | None:
    for account_id in user.account_ids:
        for order in gateway.engine.by_account[account_id].values():
            if order.reference == reference and order.status not in {"Cancelled", "Inactive"}:
                return order
    return None


def _group(ticket: Ticket, parent: Order | None, batch: _Batch) -> str:
    """The group in which one order cancels the other: asked for, or the legs below one parent."""
    if ticket.single_group:
        return batch.oca_group
    siblings = [t for t in batch.tickets if t.parent_reference == ticket.parent_reference]
    return str(parent.order_id) if parent is not None and len(siblings) > 1 else ""


def _apply_effects(gateway: Gateway, user: User, order: Order, effects: dict[str, Any], now: float) -> None:
    """What an armed fault makes of an accepted order."""
    if "inactive" in effects:
        gateway.engine.set_status(order, "Inactive", now, str(effects["inactive"] or "Order held by the system."))
    if held := effects.get("held"):
        lifetimes.hold(order, held, now)
    if (fraction := effects.get("resized")) is not None:
        order.quantity = resized(order.quantity, fraction)
    if (fraction := effects.get("partial_fill")) is not None:
        order.fill_cap = (order.quantity * Decimal(str(fraction))).to_integral_value()
    if "cancelled" in effects:
        gateway.engine.cancel(order, now, str(effects["cancelled"] or ""))
    if (seconds := effects.get("held_until_open")) is not None:
        order.not_before = now + float(seconds)
        order.status = "PreSubmitted"
    if effects.get("awaits"):
        order.fill_cap = Decimal(0)


def resized(quantity: Decimal, fraction: Any) -> Decimal:
    """The broker takes an order or a change at another size than the one that was asked for."""
    return max((quantity * Decimal(str(fraction))).to_integral_value(), Decimal(1))


def reply(call: Call, *, confirmed: bool) -> Answer:
    """Answer the open question: place the order, ask the next one, or drop it."""
    gateway, user = call.gateway, call.user
    pending, user.pending = user.pending, None
    behaviour = gateway.behaviour
    late = pending is not None and call.now - pending.asked_at > behaviour.question_ttl_s
    if pending is None or pending.id != call.params["reply"] or late:
        if behaviour.reply_gone_status == 503:
            return Answer(text="", status=503)
        return error(f"reply id not found: '{call.params['reply']}'", 400, with_code=False)
    if not confirmed:
        return error("Order not confirmed ", 200, with_code=False)
    pending.asked.pop(0)
    pending.asked_at = call.now
    if pending.asked:
        return put(gateway, user, pending)
    if pending.kind == "modify" and pending.order is not None:
        return change(gateway, pending.order, pending.tickets[0])
    if not behaviour.register_reference_on_question:
        for ticket in pending.tickets:
            _check_reference(gateway, user, ticket)
    call.effects |= {**pending.effects, **call.effects}
    return place(gateway, user, pending.tickets, call.effects)


def modify(call: Call, order: Order, ticket: Ticket) -> Answer:
    """Change a working order, after the same questions as for a new one."""
    check_contract(ticket, call.gateway.clock())
    if ticket.conid != order.conid or ticket.side != order.side:
        raise Refused("Order couldn't be modified: contract and side cannot change.")
    if not order.working:
        raise Refused(f"Order couldn't be modified: it is {order.status}.")
    if order.fa_group and ticket.quantity != order.quantity:
        raise Refused("Order couldn't be modified: the quantity of a group order is allocated already.")
    if ticket.quantity < order.filled:
        raise Refused("Order couldn't be modified: more than that is already filled.")
    if (fraction := call.effects.get("resized")) is not None:
        ticket = replace(ticket, quantity=resized(ticket.quantity, fraction))
    questions = call.effects.get("question")
    if questions:
        pending = Pending(id="", kind="modify", asked=list(questions), tickets=[ticket], asked_at=call.now, order=order)
        return put(call.gateway, call.user, pending)
    if (second := call.effects.get("second_order")) is not None:
        return _beside(call, order, ticket, second)
    return change(call.gateway, order, ticket)


def _beside(call: Call, order: Order, ticket: Ticket, second: Any) -> Answer:
    """The order stays as it is, and what it was to be works beside it: under its reference, or under none."""
    named = not (isinstance(second, dict) and second.get("reference") == "none")
    gateway = call.gateway
    placed = gateway.engine.place(
        call.user.name, replace(ticket, reference=order.reference if named else ""), gateway.clock()
    )
    gateway.commit()
    rows = [ack(placed)]
    gateway.settle_new([placed])
    return Answer(rows)


def change(gateway: Gateway, order: Order, ticket: Ticket) -> Answer:
    if not order.working:
        raise Refused(f"Order couldn't be modified: it is {order.status}.")
    gateway.engine.change(order, ticket, gateway.clock())
    rows = [ack(order)]
    gateway.settle_new([order])
    return Answer(rows)
