"""The faults of schedules: what the simulated IBKR does to one call, before it takes it and after. Pure."""

from __future__ import annotations

from typing import Any

_PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
_REPLY = {"method": "POST", "path": "/iserver/reply/*"}
_CHANGE = {"method": "POST", "path": "/iserver/account/*/order/*"}
_CANCEL = {"method": "DELETE", "path": "/iserver/account/*/order/*"}
_ORDERS = {"method": "GET", "path": "/iserver/account/orders"}
_TRADES = {"method": "GET", "path": "/iserver/account/trades"}
_ANY: dict[str, Any] = {}
_WITH_STOP = {**_PLACE, "body_contains": '"STP"'}

WRITES = {"place": _PLACE, "reply": _REPLY, "modify": _CHANGE, "cancel": _CANCEL}
# What may happen to any write, before IBKR has it and after.
_LOST: dict[str, dict[str, Any]] = {
    "dropped": {"drop_connection": True},
    "hangs": {"hang": True},
    "503": {"status": 503, "body": ""},
    "504": {"status": 504, "body": "<html>504 Gateway Time-out</html>"},
    "500": {"status": 500, "body": {"error": "unknown", "statusCode": 500}},
    "page": {"html_body": True},
    "signed_out": {"lose_session": True, "status": 401, "body": {"error": "not authenticated", "statusCode": 401}},
}
_LATE: dict[str, dict[str, Any]] = {"slow": {"delay_ms": 4000}, "cut_short": {"truncate_body": True}}


def _made(match: dict[str, Any], action: dict[str, Any], phase: str = "before", times: int = 1) -> dict[str, Any]:
    return {"match": match, "phase": phase, "action": action, "times": times, "ttl_s": 120}


def _of_writes() -> dict[str, dict[str, Any]]:
    made = {}
    for write, match in WRITES.items():
        for name, action in _LOST.items():
            made[f"{write}_{name}_before"] = _made(match, action)
            made[f"{write}_{name}_after"] = _made(match, action, "after")
        for name, action in _LATE.items():
            made[f"{write}_{name}_after"] = _made(match, action, "after")
        made[f"{write}_slow_before"] = _made(match, _LATE["slow"])
    return made


# Each by its name; the word before the first "_" says which call it meets.
TABLE: dict[str, dict[str, Any]] = {
    **_of_writes(),
    "place_acknowledged_and_never_seen": _made(_PLACE, {"silent_drop": True}),
    "place_hidden_for_a_minute": _made(_PLACE, {"silent_drop": True}, "after"),
    "place_lost_and_hidden_for_a_minute": _made(_PLACE, {"silent_drop": True, "drop_connection": True}, "after"),
    "place_registered_and_never_seen": _made(_PLACE, {"duplicate_reference": True}),
    "place_registered_after": _made(_PLACE, {"duplicate_reference": True}, "after"),
    "place_refused": _made(_PLACE, {"reject": "No trading permissions."}),
    "place_asks_and_may": _made(_PLACE, {"question": ["o354", "o10153"]}),
    "place_asks_and_may_not": _made(_PLACE, {"question": ["o163"]}),
    "place_asks_what_nobody_knows": _made(_PLACE, {"question": ["o99999"]}),
    "place_leg_refused": _made(_PLACE, {"failed_rows": [1]}),
    "place_first_refused": _made(_PLACE, {"failed_rows": [0]}),
    "stop_refused": _made(_WITH_STOP, {"failed_rows": ["STP"], "failed_text": "The stop was refused."}),
    "stop_refused_thrice": _made(_WITH_STOP, {"failed_rows": ["STP"], "failed_text": "The stop was refused."}, times=3),
    "stop_not_named": _made(_WITH_STOP, {"unnamed_rows": ["STP"]}),
    "stop_canceled_at_once": _made(_WITH_STOP, {"cancel_leg": {"s": 0}}, "after"),
    "stop_canceled_later": _made(_WITH_STOP, {"cancel_leg": {"s": 3}}, "after"),
    "stop_lost": _made(_WITH_STOP, {"lose_leg": {"s": 1}}, "after"),
    "stop_of_somebody_else": _made(_PLACE, {"foreign_stop": {"s": 0, "away": 0.1}}, "after"),
    "stop_too_large": _made(_PLACE, {"foreign_exit": {"s": 2, "share": 0.5}}, "after"),
    "stop_with_nothing_to_close": _made(_PLACE, {"foreign_exit": {"s": 2}}, "after"),
    "place_inactive": _made(_PLACE, {"inactive": "Not enough margin."}),
    "place_canceled_by_system": _made(_PLACE, {"cancelled": "Cancelled by the system."}, "after"),
    "place_taken_smaller": _made(_PLACE, {"resized": 0.5}),
    "place_held": _made(_PLACE, {"held": {"s": 20}}, "after"),
    "place_held_until_open": _made(_PLACE, {"held_until_open": 30}),
    "place_exchange_closed": _made(_PLACE, {"exchange_closed": True}),
    "place_exchange_closed_after": _made(_PLACE, {"exchange_closed": True}, "after"),
    "place_prompts": _made(_PLACE, {"server_prompt": True}),
    "place_asks_thrice": _made(_PLACE, {"question": ["o354", "o10153", "o163"]}),
    "place_wants_accounts_first": _made(
        _PLACE, {"status": 400, "body": {"error": "Bad Request: Please query /accounts first", "statusCode": 400}}
    ),
    "place_and_another_signs_in": _made(_PLACE, {"steal_session": True}, "after"),
    "place_partly_filled": _made(_PLACE, {"partial_fill": 0.5}),
    "place_cuts_the_stream": _made(_PLACE, {"ws_close": True}, "after"),
    "cancel_of_what_it_does_not_know": _made(
        _CANCEL, {"status": 200, "body": {"error": "OrderID {last} doesn't exist"}}
    ),
    "cancel_waits": _made(_CANCEL, {"cancel_waits": 25}),
    "cancel_too_late_it_says": _made(
        _CANCEL, {"status": 200, "body": {"error": "OrderID {last} can not be cancelled, state: Filled."}}
    ),
    "cancel_dropped_thrice": _made(_CANCEL, {"drop_connection": True}, times=3),
    "cancel_hangs_twice": _made(_CANCEL, {"hang": True}, "after", times=2),
    "modify_asks_and_may_not": _made(_CHANGE, {"question": ["o163"]}),
    "modify_leaves_two": _made(_CHANGE, {"second_order": True, "drop_connection": True}, "after"),
    "modify_leaves_two_unnamed": _made(
        _CHANGE, {"second_order": {"reference": "none"}, "drop_connection": True}, "after"
    ),
    "modify_answers_another_number": _made(_CHANGE, {"second_order": True}),
    "modify_taken_at_another_size": _made(_CHANGE, {"resized": 0.5}),
    "orders_empty": _made(_ORDERS, {"false_empty_orders": 1}),
    "orders_empty_thrice": _made(_ORDERS, {"status": 200, "body": {"orders": [], "snapshot": True}}, times=3),
    "orders_incomplete": _made(_ORDERS, {"status": 200, "body": {"orders": [], "snapshot": False}}, times=4),
    "orders_503": _made(_ORDERS, {"status": 503, "body": ""}, times=4),
    "orders_hang": _made(_ORDERS, {"hang": True}, times=2),
    "trades_empty_thrice": _made(_TRADES, {"status": 200, "body": []}, times=3),
    "trades_503": _made(_TRADES, {"status": 503, "body": ""}, times=4),
    "stream_without_heartbeats": _made(_ANY, {"suppress_ws": {"topic": "hb", "s": 40}}),
    "stream_without_orders": _made(_ANY, {"suppress_ws": {"topic": "sor", "s": 20}}),
    "stream_without_fills": _made(_ANY, {"suppress_ws": {"topic": "str", "s": 20}}),
    "stream_twice": _made(_ANY, {"duplicate_event": {"s": 20}}),
    "stream_corrects_fills": _made(_ANY, {"correct_execution": {"s": 20}}),
    "clock_is_ahead": _made(_ANY, {"clock_skew": {"by_s": 90, "s": 40}}),
    "clock_is_behind": _made(_ANY, {"clock_skew": {"by_s": -90, "s": 40}}),
    "stream_out_of_order": _made(_ANY, {"reorder_events": {"window": 3, "s": 20}}),
}


def of(call: str) -> list[str]:
    """The names of the faults that meet one kind of call; an order's may be asked about as well."""
    names = [name for name in TABLE if name.split("_", 1)[0] == call]
    return names + ([name for name in TABLE if name.startswith("reply_")] if call == "place" else [])
