"""Faults by name: what the real gateway was seen to do, ready to arm with `{"preset": name}`."""

from __future__ import annotations

from typing import Any

_PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
_REPLY = {"method": "POST", "path": "/iserver/reply/*"}
_CANCEL = {"method": "DELETE", "path": "/iserver/account/*/order/*"}
_MODIFY = {"method": "POST", "path": "/iserver/account/*/order/*"}
_LIVE = {"method": "GET", "path": "/iserver/account/orders"}
_TRADES = {"method": "GET", "path": "/iserver/account/trades"}
_STATUS = {"method": "GET", "path": "/iserver/account/order/status/*"}
_INIT = {"method": "POST", "path": "/iserver/auth/ssodh/init"}
_TICKLE = {"path": "/tickle"}
_SNAPSHOT = {"path": "/iserver/marketdata/snapshot"}
_ANY: dict[str, Any] = {}
_ISERVER = {"path": "/iserver/*"}


def _made(match: dict[str, Any], action: dict[str, Any], phase: str = "before") -> dict[str, Any]:
    return {"match": match, "phase": phase, "action": action}


def _answers(match: dict[str, Any], status: int, body: Any = "", phase: str = "before") -> dict[str, Any]:
    return _made(match, {"status": status, "body": body}, phase)


def _refuses(text: str) -> dict[str, Any]:
    return _made(_PLACE, {"reject": text})


def _asks(*ids: str) -> dict[str, Any]:
    return _made(_PLACE, {"question": list(ids)})


def _logged_out(**changes: Any) -> dict[str, Any]:
    base = {"authenticated": False, "established": False, "competing": False, "connected": True, "message": ""}
    return base | changes


_EXPIRED = {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "Access token expired"}
_NOT_IN = {"error": "not authenticated", "statusCode": 401}
_BARE = [{"conidEx": "265598", "conid": 265598}]
_UNAVAILABLE = (
    "Details currently unavailable. Please try again later and contact client services if the issue persists."
)

PRESETS: dict[str, dict[str, Any]] = {
    # The connection, and whatever stands in front of the broker.
    "connect_refused": _made(_ANY, {"drop_connection": True}),
    "idle_timeout_order_post": _made(_PLACE, {"hang": True}, "after"),
    "http_503_empty_10s": _made(_PLACE, {"hang": True}, "after"),
    "http_503_json": _answers(_ANY, 503, {"error": "Service Unavailable", "statusCode": 503}),
    "http_500_generic": _answers(_PLACE, 500, {"error": "unknown", "statusCode": 500}, "after"),
    "http_502_504_proxy": _answers(_ANY, 504, "<html>504 Gateway Time-out</html>"),
    "http_408_request_timeout": _answers(_ANY, 408),
    "connection_reset_mid_response": _made(_PLACE, {"truncate_body": True}, "after"),
    "http_200_non_json": _answers(_ANY, 200, "<!DOCTYPE html><html></html>"),
    "http_429": _answers(_ANY, 429, {"error": "Too Many Requests", "statusCode": 429}),
    "penalty_box": _made(_ANY, {"penalty_box": 900}),
    "permanent_block": _answers(_ANY, 403),
    "daily_reset_regional": _made(_ISERVER, {"lose_session": True, "status": 503, "body": ""}),
    "weekend_maintenance": _answers(_ANY, 503),
    # The session.
    "http_410_gone_init": _answers(_INIT, 410, "Gone"),
    "no_bridge_400": _answers(_ISERVER, 400, {"error": "Bad Request: no bridge", "statusCode": 400}),
    "no_bridge_401": _answers(_ISERVER, 401, {"error": "no bridge", "statusCode": 401}),
    "not_authenticated_401": _made(_ISERVER, {"lose_session": True, "status": 401, "body": _NOT_IN}),
    "access_token_expired": _answers(_ANY, 401, _EXPIRED),
    "connected_not_authenticated": _answers(_INIT, 200, _logged_out()),
    "delayed_established": _answers(_INIT, 200, _logged_out(authenticated=True)),
    "competing_session": _made(_ISERVER, {"steal_session": True}),
    "session_stolen_midflight": _made(_PLACE, {"steal_session": True, "status": 503, "body": ""}, "after"),
    "force_compete_flag": _answers(
        _INIT,
        200,
        {
            "authenticated": False,
            "competing": True,
            "connected": True,
            "fail": "Force compete capability must be used together with compete flag",
        },
    ),
    "publish_false": _answers(_INIT, 500, {"error": "Internal Server Error", "statusCode": 500}),
    "paper_new_account_init_500": _answers(_INIT, 500, {"error": "Internal Server Error", "statusCode": 500}),
    "ssodh_wait": _answers(_INIT, 200, {"wait": True}),
    "tickle_no_session": _answers(_TICKLE, 200, {"error": "no session"}),
    "tickle_failed_shape": _answers(_TICKLE, 200, {"error": "failed to tickle"}),
    "session_idle_drop": _made(_ISERVER, {"lose_session": True}),
    "session_max_24h": _made(_ANY, {"lose_session": True, "status": 401, "body": _EXPIRED}),
    "sso_validate_rate": _answers({"path": "/sso/validate"}, 429, {"error": "Too Many Requests", "statusCode": 429}),
    "accounts_first_400": _answers(
        _PLACE, 400, {"error": "Bad Request: Please query /accounts first", "statusCode": 400}
    ),
    "accounts_first_500": _answers(_PLACE, 500, {"error": "Please query /accounts first"}),
    "dynaccount_disabled": _answers({"path": "/iserver/dynaccount"}, 503, {"error": _UNAVAILABLE, "statusCode": 503}),
    "suppress_lost_after_init": _asks("o163"),
    # Orders that are refused.
    "lite_account": _refuses("API orders are not allowed for lite accounts"),
    "order_outside_rth_attr": _refuses("invalid order attribute : Outside Regular Trading Hours"),
    "order_no_permission": _refuses("No trading permissions."),
    "order_insufficient_margin_ack_then_inactive": _made(_PLACE, {"inactive": "Not enough margin."}),
    "bracket_parent_not_recognised": _made(_PLACE, {"failed_rows": [1]}),
    "failed_row_list": _made(_PLACE, {"failed_rows": [0]}),
    "fewer_rows_than_tickets": _answers(
        _PLACE, 200, [{"order_id": "1", "order_status": "PreSubmitted", "encrypt_message": "1"}], "after"
    ),
    "exchange_closed_reject": _answers(
        _PLACE,
        200,
        [{"order_id": "123", "order_status": "Cancelled", "text": "Order rejected - reason:Exchange is closed."}],
    ),
    # Questions.
    "question_price_percent": _asks("o163"),
    "question_no_market_data": _asks("o354"),
    "question_size_limit": _asks("o383"),
    "question_total_value": _asks("o451"),
    "question_mandatory_cap": _asks("o10153"),
    "question_stop_risk": _asks("o10331"),
    "question_unknown_id": _asks("o99999"),
    "question_chain": _asks("o163", "o354", "o10153"),
    "question_id_without_messageids": _answers(
        _PLACE, 200, [{"id": "07a13a5a", "message": ["Some new warning"], "isSuppressed": False}]
    ),
    "question_left_pending": _asks("o163"),
    "advanced_order_reject": _made(_PLACE, {"server_prompt": True}),
    "reply_id_not_found": _answers(_REPLY, 400, {"error": "reply id not found: '07a13a5a'"}, "after"),
    "reply_503": _answers(_REPLY, 503, "", "after"),
    "reply_timeout": _made(_REPLY, {"hang": True}, "after"),
    # What becomes of an order later.
    "cancelled_by_system": _made(_PLACE, {"inactive": "Cancelled by the system."}),
    "cancel_unknown_order": _answers(_CANCEL, 200, {"error": "OrderID 1 doesn't exist"}),
    "cancel_timeout": _made(_CANCEL, {"hang": True}, "after"),
    "modify_timeout": _made(_MODIFY, {"hang": True}, "after"),
    "paper_silent_drop": _made(_PLACE, {"silent_drop": True}),
    # Reads that do not tell the truth.
    "live_orders_preflight": _answers(_LIVE, 200, {"orders": [], "snapshot": False}),
    "live_orders_false_empty": _made(_LIVE, {"false_empty_orders": 1}),
    "live_orders_force_blank": _answers(_LIVE, 200, {"orders": [], "snapshot": False}),
    "live_orders_filters_sticky": _answers(_LIVE, 200, {"orders": [], "snapshot": True}),
    "order_status_503_old": _answers(_STATUS, 503),
    "trades_warmup_empty": _answers(_TRADES, 200, []),
    "snapshot_first_empty": _answers(_SNAPSHOT, 200, _BARE),
    "snapshot_not_subscribed": _answers(_SNAPSHOT, 200, [_BARE[0] | {"6509": "N"}]),
    "snapshot_delayed": _answers(_SNAPSHOT, 200, [_BARE[0] | {"31": "189.10", "6509": "D"}]),
    "snapshot_price_prefix": _answers(_SNAPSHOT, 200, [_BARE[0] | {"31": "C189.10", "6509": "RB"}]),
    "history_too_many": _answers(
        {"path": "/iserver/marketdata/history"},
        429,
        {"error": "Too many history charts requests, please try again later."},
    ),
    "unsubscribe_unknown": _answers({"path": "/iserver/marketdata/unsubscribe"}, 500, {"error": "unknown"}),
    "pnl_empty": _answers({"path": "/iserver/account/pnl/partitioned"}, 200, {"upnl": {}}),
    "positions_stale": _answers({"path": "/portfolio/*/positions/*"}, 200, []),
    "portfolio_accounts_first": _answers(
        {"path": "/portfolio/*"}, 401, {"error": "Please query /portfolio/accounts first"}
    ),
    "symbol_not_found": _answers({"path": "/iserver/secdef/search"}, 200, {"error": "No symbol found"}),
    "ws_md_stream_ended": _made(_ANY, {"ws_close": True}),
    "ws_missing_updates_after_reconnect": _made(_PLACE, {"ws_close": True}),
}
