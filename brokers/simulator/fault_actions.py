"""What a fault does to a call."""

from __future__ import annotations

import asyncio
from typing import Any

from brokers.simulator.faults import Fault
from brokers.simulator.wire import Answer, Call

# These change how an order is taken, and are looked at where it is.
_ORDER_EFFECTS = ("reject", "question", "server_prompt", "failed_rows", "inactive", "partial_fill")


class Dropped(Exception):
    """The connection is cut without an answer."""


async def hit(fault: Fault, call: Call, boxed_until: dict[str, float]) -> Answer | None:
    """Do what a fault says; an answer ends the call."""
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
        boxed_until[call.address] = call.now + float(box)
    _disturb_session(action, call)
    call.effects |= {name: action[name] for name in _ORDER_EFFECTS if name in action}
    call.effects["truncate"] = bool(action.get("truncate_body"))
    return _replacement(action, call)


def _disturb_session(action: dict[str, Any], call: Call) -> None:
    user, gateway = call.user, call.gateway
    if action.get("lose_session") or action.get("steal_session"):
        user.session.lose()
        user.session.competing = bool(action.get("steal_session"))
        gateway.tell_status(user)
    if (count := action.get("false_empty_orders")) is not None:
        user.tripped["false_empty_orders"] = int(count)
    if action.get("ws_close"):
        for socket in list(user.sockets):
            socket.drop()


def _replacement(action: dict[str, Any], call: Call) -> Answer | None:
    """The answer that goes out instead of the real one."""
    if action.get("silent_drop"):
        engine = call.gateway.engine
        engine.last_order_id += 1
        return Answer([{"order_id": str(engine.last_order_id), "order_status": "PreSubmitted", "encrypt_message": "1"}])
    if (status := action.get("status")) is not None:
        body = action.get("body", "")
        return Answer(text=body, status=int(status)) if isinstance(body, str) else Answer(body, int(status))
    return None
