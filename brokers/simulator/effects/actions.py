"""What a fault does to a call, before the books see it and after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from brokers.simulator.calls import Call
from brokers.simulator.effects import answers, later
from brokers.simulator.exchange import lifetimes
from brokers.simulator.faults.faults import LASTING, Fault
from brokers.simulator.wire import Answer, error

# These change how an order is taken, and are looked at where it is.
_ORDER_EFFECTS = (
    "reject",
    "question",
    "server_prompt",
    "failed_rows",
    "failed_text",
    "unnamed_rows",
    "silent_drop",
    "inactive",
    "cancelled",
    "partial_fill",
    "held_until_open",
    "exchange_closed",
    "duplicate_reference",
    "resized",
    "held",
    "second_order",
    "cancel_waits",
)
# With these in the phase after, the order waits for its fate instead of meeting the market at once.
_WAITS_FOR_FATE = frozenset({"inactive", "cancelled", "partial_fill", "exchange_closed", "held_until_open", "held"})
_TAKEN_AS = ("second_order",)
_HIDDEN_S = 60.0


class Dropped(Exception):
    """The connection is cut without an answer."""


async def before(call: Call, faults: Iterable[Fault]) -> Answer | None:
    """What happens before a call reaches the books; an answer ends the call."""
    call.gateway.begin_nights()
    for fault in faults:
        if fault.phase == "after":
            # The change was taken as another order, whatever becomes of the answer.
            call.effects |= {name: fault.action[name] for name in _TAKEN_AS if name in fault.action}
            call.effects["awaits"] = bool(_WAITS_FOR_FATE & set(fault.action)) or call.effects.get("awaits", False)
            continue
        if (cut := await _hit(fault, call)) is not None:
            return cut
        call.effects |= {name: fault.action[name] for name in _ORDER_EFFECTS if name in fault.action}
        if (answer := _never_arrived(fault.action, call)) is not None:
            return answer
        if "delay_established_ms" in fault.action:
            call.effects["delay_established_ms"] = fault.action["delay_established_ms"]
    return answers.instead(call)


def _never_arrived(action: dict[str, Any], call: Call) -> Answer | None:
    """An answer to orders the books never see."""
    if action.get("silent_drop"):
        return _acknowledged(call)
    if action.get("exchange_closed"):
        return answers.exchange_closed(call, None)
    if action.get("duplicate_reference"):
        return answers.registered(_references(call)[0])
    if action.get("truncate_body"):
        return error("Service Unavailable", 503)
    return None


def amended(call: Call, answer: Answer) -> Answer:
    """The real answer, as what lasts at the moment lets it look."""
    if (delay := call.effects.get("delay_established_ms")) is not None:
        _delay_established(call, float(delay))
        answer = Answer(call.user.session.status(call.now))
    return answers.amended(call, answer)


async def after(call: Call, faults: Iterable[Fault], answer: Answer) -> Answer:
    """What happens to a call whose order stands and is durable."""
    for fault in faults:
        later.befall(fault.action, call)
        if fault.phase == "before":
            if "spoil" in fault.action:
                answer = answers.spoiled(answer, fault.action["spoil"])
            continue
        cut = await _hit(fault, call)
        _befall(fault.action, call)
        answer = cut or answers.denied(call, fault.action, answer)
        if "spoil" in fault.action:
            answer = answers.spoiled(answer, fault.action["spoil"])
        if "delay_established_ms" in fault.action:
            _delay_established(call, float(fault.action["delay_established_ms"]))
    return answer


async def _hit(fault: Fault, call: Call) -> Answer | None:
    """The part that is the same in both phases."""
    action = fault.action
    if (delay := action.get("delay_ms")) is not None:
        await asyncio.sleep(float(delay) / 1000)
    if action.get("hang"):
        # The broker gives up after ten seconds, with an empty 503.
        await asyncio.sleep(float(action.get("hang_s", 10)))
        return Answer(text="", status=503)
    if action.get("drop_connection"):
        raise Dropped
    if (box := action.get("penalty_box")) is not None:
        call.gateway.faults.boxed[call.address] = call.now + float(box)
    if set(action) & LASTING:
        call.gateway.faults.begin(fault, call.now, call.user.name)
    _disturb_session(action, call)
    call.effects["truncate"] = call.effects.get("truncate", False) or bool(action.get("truncate_body"))
    return answers.replacement(call, action)


def _disturb_session(action: dict[str, Any], call: Call) -> None:
    user, gateway = call.user, call.gateway
    if action.get("lose_session") or action.get("steal_session"):
        user.session.lose()
        user.session.competing = bool(action.get("steal_session"))
        user.tell_status()
    if action.get("expire_lst"):
        gateway.expire_lst(user)
    if (count := action.get("false_empty_orders")) is not None:
        user.tripped["false_empty_orders"] = int(count)
    if (code := action.get("ws_close")) is not None:
        for socket in list(user.sockets):
            socket.close(int(code)) if not isinstance(code, bool) else socket.drop()


def _acknowledged(call: Call) -> Answer:
    """An acknowledgement of orders that never are."""
    engine, rows = call.gateway.engine, []
    for reference in _references(call):
        engine.last_order_id += 1
        row = {"order_id": str(engine.last_order_id), "order_status": "PreSubmitted", "encrypt_message": "1"}
        rows.append(row | ({"local_order_id": reference} if reference else {}))
    return Answer(rows)


def _references(call: Call) -> list[str]:
    try:
        return [str(ticket.get("cOID") or "") for ticket in json.loads(call.raw)["orders"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return [""]


def _befall(action: dict[str, Any], call: Call) -> None:
    """What becomes of orders that were accepted a moment ago."""
    gateway, now = call.gateway, call.gateway.clock()
    for order in call.effects.get("placed", ()):
        if action.get("silent_drop"):
            seconds = action["silent_drop"]
            call.user.hidden[order.order_id] = now + (_HIDDEN_S if isinstance(seconds, bool) else float(seconds))
        if "inactive" in action and order.working:
            gateway.engine.set_status(order, "Inactive", now, str(action["inactive"] or "Order held by the system."))
        if "cancelled" in action:
            gateway.engine.cancel(order, now, str(action["cancelled"] or ""))
        if action.get("exchange_closed"):
            gateway.engine.cancel(order, now, "Order rejected - reason:Exchange is closed.")
        if (seconds := action.get("held_until_open")) is not None:
            order.not_before, order.fill_cap = now + float(seconds), None
            gateway.engine.set_status(order, "PreSubmitted", now)
        if held := action.get("held"):
            order.fill_cap = None
            lifetimes.hold(order, held, now)
            gateway.engine.set_status(order, order.status, now)
        if (fraction := action.get("partial_fill")) is not None:
            order.fill_cap = (order.quantity * Decimal(str(fraction))).to_integral_value()
            gateway.try_fill(order)
    gateway.commit()


def _delay_established(call: Call, milliseconds: float) -> None:
    session = call.user.session
    if session.initiated_at is not None:
        session.established_at = call.gateway.clock() + milliseconds / 1000
