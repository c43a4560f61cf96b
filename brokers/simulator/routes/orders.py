"""Orders over HTTP: placing, answering, changing, cancelling and reading them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from brokers.simulator.calls import Call, Routes
from brokers.simulator.catalogue import catalogue
from brokers.simulator.effects.answers import prompt
from brokers.simulator.exchange.advisors import METHODS
from brokers.simulator.exchange.combos import instrument_of
from brokers.simulator.exchange.records import Group, Order, Ticket
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import Prompted
from brokers.simulator.orders import previews, submission
from brokers.simulator.orders.reads import order_rows, trade_rows
from brokers.simulator.orders.tickets import Refused, parse
from brokers.simulator.shapes.orders import status_row
from brokers.simulator.wire import Answer, error

ROUTES = Routes()

_UNREADABLE = "Failed to parse body as JSON. Content Type: application/json; charset=utf-8"


def _body(call: Call) -> Any:
    try:
        return json.loads(call.raw)
    except (ValueError, RecursionError):
        raise Refused(_UNREADABLE, 400) from None


def _account(call: Call) -> str:
    """The account a path names; a group's orders belong to the advisor's own account."""
    account_id = call.params["account"]
    if account_id in _groups(call):
        return call.user.account_ids[0]
    if account_id not in call.user.account_ids:
        raise Refused(f"Bad Request: accountId is not valid: {account_id}", 400)
    return account_id


def _groups(call: Call) -> dict[str, Group]:
    advisor = call.gateway.advisors.get(call.user.name)
    return {} if advisor is None else advisor.groups


def _parse(call: Call, raw: Any, account_id: str) -> Ticket:
    """One ticket; the group in the path, or in its place in the ticket, is the one it is for."""
    groups = _groups(call)
    asked = (call.params["account"], raw.get("acctId") if isinstance(raw, dict) else None)
    named = {n for n in asked if isinstance(n, str) and n in groups}
    if not named:
        return parse(raw, account_id, call.user.account_ids)
    if len(named) > 1 or raw.get("acctId") not in {None, "", *named}:
        raise Refused("Order couldn't be submitted: account and group are mutually exclusive.")
    ticket = parse(raw | {"acctId": account_id}, account_id, call.user.account_ids)
    ticket.fa_group, ticket.fa_method = named.pop(), str(raw.get("allocationMethod") or "")
    if ticket.fa_method not in METHODS | {""} or ticket.legs:
        raise Refused("Order couldn't be allocated: the allocation method is not supported for it.")
    return ticket


def _tickets(call: Call) -> list[Any]:
    body = _body(call)
    tickets = body.get("orders") if isinstance(body, dict) else None
    if not isinstance(tickets, list) or not tickets or len(tickets) > 50:
        raise Refused("orders request includes parameter with incorrect type", 400)
    return tickets


@ROUTES.add("POST", "/iserver/account/{account}/orders")
def place(call: Call) -> Answer:
    account_id = _account(call)
    raw = _tickets(call)
    tickets = [_parse(call, r, account_id) for r in raw]
    if call.gateway.behaviour.manual_indicator_required:
        _check_manual_indicator(raw)
    if (text := call.effects.get("reject")) is not None:
        return error(str(text), 200, with_code=False)
    if call.effects.get("server_prompt"):
        return _prompt(call, tickets)
    return submission.submit(call, tickets)


def _prompt(call: Call, tickets: list[Ticket]) -> Answer:
    """Ask with options, in the answer, by the stream or both. An order that is asked about in the answer waits for one of
    them; one that is asked about by the stream alone is there already."""
    changes = call.effects["server_prompt"]
    by = changes.get("by", "answer") if isinstance(changes, dict) else "answer"
    placed = submission.submit(call, tickets) if by == "stream" else None
    made: list[Order] = call.effects.get("placed", [])
    body = prompt(made[0].order_id if made else call.gateway.engine.last_order_id + 1, changes)
    call.user.prompted = Prompted(
        order_id=str(body["orderId"]),
        request_id=body["reqId"],
        options=list(body["options"]),
        tickets=[] if placed is not None else tickets,
    )
    if by != "answer":
        call.user.tell_prompt(body)
    return placed or Answer(body)


@ROUTES.add("POST", "/iserver/notification")
def notification(call: Call) -> Answer:
    """One of a prompt's options, word for word: the order that waited for it is placed."""
    body = _body(call)
    said = body if isinstance(body, dict) else {}
    prompted = call.user.prompted
    if prompted is None or (str(said.get("orderId")), said.get("reqId")) != (prompted.order_id, prompted.request_id):
        return Answer(text="Success")
    if said.get("text") not in prompted.options:
        raise Refused("Bad Request: text is not one of the options", 400)
    call.user.prompted = None
    if prompted.tickets and _places(str(said["text"])):
        submission.place(call.gateway, call.user, prompted.tickets, call.effects)
    return Answer(text="Success")


def _places(option: str) -> bool:
    """Whether the order goes on: "Cancel order" ends it, "Do not use" only leaves out what was offered."""
    return not option.startswith("Cancel")


def _check_manual_indicator(raw: list[dict[str, Any]]) -> None:
    for ticket in raw:
        instrument = catalogue.find(int(ticket.get("conid") or 0))
        if (
            instrument is not None
            and instrument.sec_type in {"FUT", "FOP"}
            and not isinstance(ticket.get("manualIndicator"), bool)
        ):
            raise Refused("Bad Request: manualIndicator is required for this contract", 400)


@ROUTES.add("POST", "/iserver/account/{account}/orders/whatif")
def what_if(call: Call) -> Answer:
    account_id = _account(call)
    return previews.what_if(call, _parse(call, _tickets(call)[0], account_id))


@ROUTES.add("POST", "/iserver/reply/{reply}")
def reply(call: Call) -> Answer:
    body = _body(call)
    return submission.reply(call, confirmed=isinstance(body, dict) and body.get("confirmed") is True)


def _find(call: Call, order_id: str) -> Order | None:
    order = call.gateway.engine.orders.get(int(order_id)) if order_id.isdigit() else None
    return order if order is not None and order.username == call.user.name else None


@ROUTES.add("POST", "/iserver/account/{account}/order/{order}")
def modify(call: Call) -> Answer:
    account_id = _account(call)
    order = _find(call, call.params["order"])
    if order is None:
        raise Refused(f"OrderID {call.params['order']} doesn't exist")
    ticket = _parse(call, {"tif": order.tif} | _body(call), account_id)
    return submission.modify(call, order, ticket)


@ROUTES.add("DELETE", "/iserver/account/{account}/order/{order}")
def cancel(call: Call) -> Answer:
    account_id = _account(call)
    number = call.params["order"]
    if number == "-1":
        for working in call.gateway.engine.working_of(account_id):
            _cancel(call.gateway, working)
        call.gateway.commit()
        return Answer({"msg": "Request was submitted", "order_id": -1, "conid": -1, "account": None})
    order = _find(call, number)
    if order is None or not order.working:
        raise Refused(f"OrderID {number} doesn't exist")
    if (seconds := call.effects.get("cancel_waits")) is not None:
        _cancel_later(call.gateway, order, float(seconds))
    else:
        _cancel(call.gateway, order)
    call.gateway.commit()
    return Answer({"msg": "Request was submitted", "order_id": order.order_id, "conid": -1, "account": None})


def _cancel(gateway: Gateway, order: Order) -> None:
    """Ask for the cancel; until the exchange has it, the order may still fill."""
    delay = gateway.behaviour.fill_delay_ms / 1000
    if not delay:
        gateway.engine.cancel(order, gateway.clock())
        return
    _cancel_later(gateway, order, delay)


def _cancel_later(gateway: Gateway, order: Order, delay: float) -> None:
    """IBKR has the request, and acknowledges it after so many seconds: outside hours, when the market opens."""
    gateway.engine.set_status(order, "PendingCancel", gateway.clock())
    asyncio.get_running_loop().call_later(delay, finish_cancel, gateway, order)


def finish_cancel(gateway: Gateway, order: Order) -> None:
    gateway.engine.cancel(order, gateway.clock())
    gateway.commit()


@ROUTES.add("GET", "/iserver/account/orders")
def orders(call: Call) -> Answer:
    session, behaviour = call.user.session, call.gateway.behaviour
    if call.flag("force") and behaviour.force_blanks_orders:
        session.reads.pop("orders", None)
        session.filters = ()
        return Answer({"orders": [], "snapshot": False})
    if session.read("orders") == 0 and behaviour.cold_orders:
        return Answer({"orders": [], "snapshot": False})
    if call.user.tripped.get("false_empty_orders", 0) > 0:
        call.user.tripped["false_empty_orders"] -= 1
        return Answer({"orders": [], "snapshot": True})
    if _shows_nothing(call):
        return Answer({"orders": [], "snapshot": True})
    asked = call.query.get("accountId") or ""
    account_id = asked or session.selected_account
    several = len(call.user.account_ids) > 1
    if several and asked not in call.user.account_ids and behaviour.unscoped_orders_empty:
        return Answer({"orders": [], "snapshot": True})
    if account_id not in call.user.account_ids:
        return error(f"Bad Request: accountId is not valid: {account_id}")
    if filters := call.query.get("filters"):
        statuses = tuple(f.strip().lower() for f in filters.split(",") if f.strip())
        if not behaviour.filters_stick:
            return Answer({"orders": order_rows(call.gateway, account_id, statuses), "snapshot": True})
        session.filters = statuses
    return Answer({"orders": order_rows(call.gateway, account_id, session.filters), "snapshot": True})


def _shows_nothing(call: Call) -> bool:
    """Whether the lists of orders and of executions are whole and empty for now, as IBKR's were seen after hours."""
    return call.gateway.faults.held("empty_lists", call.user.name, call.now) is not None


@ROUTES.add("GET", "/iserver/account/order/status/{order}")
def order_status(call: Call) -> Answer:
    order = _find(call, call.params["order"])
    instrument = instrument_of(order) if order is not None else None
    if order is None or instrument is None:
        return Answer(text="", status=503)
    return Answer(status_row(order, instrument))


@ROUTES.add("GET", "/iserver/account/trades")
def trades(call: Call) -> Answer:
    session = call.user.session
    if session.read("trades") == 0 and call.gateway.behaviour.cold_trades:
        return Answer([])
    if _shows_nothing(call):
        return Answer([])
    account_id = call.query.get("accountId") or session.selected_account
    if account_id not in call.user.account_ids:
        return error(f"Bad Request: accountId is not valid: {account_id}")
    return Answer(trade_rows(call.gateway, account_id, call.number("days", 1), call.user.name))
