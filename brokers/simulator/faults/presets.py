"""Faults by name: what the real gateway was seen to do, ready to arm with `{"preset": name}`.

A preset with the action `natural` is what the gateway does by itself: arming it changes nothing, so that the list of
known failures is complete.
"""

from __future__ import annotations

from typing import Any

from brokers.simulator.faults import previewed

_PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
_PREVIEW = {"method": "POST", "path": "/iserver/account/*/orders/whatif"}
_WITH_STOP = {**_PLACE, "body_contains": '"STP"'}
_REPLY = {"method": "POST", "path": "/iserver/reply/*"}
_CANCEL = {"method": "DELETE", "path": "/iserver/account/*/order/*"}
_MODIFY = {"method": "POST", "path": "/iserver/account/*/order/*"}
_LIVE = {"method": "GET", "path": "/iserver/account/orders"}
_TRADES = {"method": "GET", "path": "/iserver/account/trades"}
_STATUS = {"method": "GET", "path": "/iserver/account/order/status/*"}
_SWITCH = {"method": "POST", "path": "/iserver/account"}
_INIT = {"method": "POST", "path": "/iserver/auth/ssodh/init"}
_TICKLE = {"path": "/tickle"}
_SNAPSHOT = {"path": "/iserver/marketdata/snapshot"}
_STOCKS = {"path": "/trsrv/stocks"}
_RULES = {"path": "/iserver/contract/*/info-and-rules"}
_SOCKET = {"method": "GET", "path": "/ws"}
_TOKEN = {"method": "POST", "path": "/oauth/live_session_token"}
_ACCESS = {"method": "POST", "path": "/oauth/access_token"}
_OAUTH = {"path": "/oauth/*"}
_ANY: dict[str, Any] = {}
_ISERVER = {"path": "/iserver/*"}


def _made(match: dict[str, Any], action: dict[str, Any], phase: str = "before") -> dict[str, Any]:
    return {"match": match, "phase": phase, "action": action}


def _answers(match: dict[str, Any], status: int, body: Any = "", phase: str = "before") -> dict[str, Any]:
    return _made(match, {"status": status, "body": body}, phase)


def _says(match: dict[str, Any], status: int, text: str, *, with_code: bool = False) -> dict[str, Any]:
    return _answers(match, status, {"error": text} | ({"statusCode": status} if with_code else {}))


def _refuses(text: str) -> dict[str, Any]:
    return _made(_PLACE, {"reject": text})


def _asks(*ids: str) -> dict[str, Any]:
    return _made(_PLACE, {"question": list(ids)})


def _lasts(name: str, match: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return _made(match or _ANY, {name: settings})


def _natural(match: dict[str, Any]) -> dict[str, Any]:
    return _made(match, {"natural": True})


def _logged_out(**changes: Any) -> dict[str, Any]:
    base = {"authenticated": False, "established": False, "competing": False, "connected": True, "message": ""}
    return base | {"MAC": "AA:BB:CC:DD:EE:FF"} | changes


def _listing(name: str, conid: int, exchange: str = "NASDAQ") -> dict[str, Any]:
    contract = {"conid": conid, "exchange": exchange, "isUS": True}
    return {"name": name, "assetClass": "STK", "contracts": [contract]}


_NOT_IN = {"error": "not authenticated", "statusCode": 401}
_BARE = [{"conidEx": "265598", "conid": 265598}]
_UNAVAILABLE = (
    "Details currently unavailable. Please try again later and contact client services if the issue persists."
)
_STOPS = ["STP", "STOP_LIMIT", "TRAIL", "TRAILLMT"]
_NOT_SUBMITTED = "Order couldn't be submitted:"
_TWO_LISTINGS = [_listing("A", 1, "NYSE"), _listing("B", 2)]
# Of another secret than the client's: what it computes does not match the signature.
_WRONG_TOKEN = {
    "diffie_hellman_response": "5a" * 128,
    "live_session_token_signature": "00" * 20,
    "live_session_token_expiration": 1_714_669_452_000,
}

_CONNECTION: dict[str, dict[str, Any]] = {
    # The connection, and the machines in front of the broker.
    "connect_refused": _made(_ANY, {"drop_connection": True}),
    "idle_timeout_order_post": _made(_PLACE, {"hang": True}, "after"),
    "http_503_empty_10s": _made(_PLACE, {"hang": True}, "after"),
    "http_503_json": _answers(_ANY, 503, {"error": "Service Unavailable", "statusCode": 503}, "after"),
    "http_500_generic": _answers(_PLACE, 500, {"error": "unknown", "statusCode": 500}, "after"),
    "http_502_504_proxy": _answers(_ANY, 504, "<html>504 Gateway Time-out</html>", "after"),
    "http_408_request_timeout": _answers(_ANY, 408, "", "after"),
    "connection_reset_mid_response": _made(_PLACE, {"truncate_body": True}, "after"),
    "http_200_non_json": _made(_ANY, {"html_body": True}, "after"),
    "http_429": _says(_ANY, 429, "Too Many Requests", with_code=True),
    "penalty_box": _made(_ANY, {"penalty_box": 900}),
    "permanent_block": _answers(_ANY, 403),
    "daily_reset_regional": _lasts("daily_reset", start_s=0, duration_s=60),
    "weekend_maintenance": _lasts("weekend", start_s=0, duration_s=14_400),
}
_SESSION: dict[str, dict[str, Any]] = {
    "http_410_gone_init": _made(_INIT, {"gone_410": True}),
    "no_bridge_400": _says(_ISERVER, 400, "Bad Request: no bridge", with_code=True),
    "no_bridge_401": _says(_ISERVER, 401, "no bridge", with_code=True),
    "hmds_no_bridge": _natural(_TICKLE),
    "not_authenticated_401": _made(_ISERVER, {"lose_session": True, "status": 401, "body": _NOT_IN}),
    "access_token_expired": _made(_ANY, {"expire_lst": True}),
    "invalid_consumer": _lasts("pending_consumer", s=60),
    "oauth_portal_501": _answers(_OAUTH, 501, "Failed to set Key - failed to put consumer info"),
    "lst_signature_mismatch": _answers(_TOKEN, 200, _WRONG_TOKEN),
    "oauth_timestamp_or_nonce_reused": _says(_ANY, 401, "Invalid signature", with_code=True),
    "oauth2_ip_changed": _says(_ANY, 401, "Unauthorized"),
    "connected_not_authenticated": _answers({"path": "/iserver/auth/*"}, 200, _logged_out()),
    "delayed_established": _made(_INIT, {"delay_established_ms": 3000}),
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
    "publish_false": _says(_INIT, 500, "Internal Server Error", with_code=True),
    "paper_new_account_init_500": _says(_INIT, 500, "Internal Server Error", with_code=True),
    "paper_username_not_associated": _lasts("paper_username_error", {"path": "/authorize"}, s=60),
    "ssodh_wait": _answers(_INIT, 200, {"wait": True}),
    "tickle_no_session": _made(_TICKLE, {"no_session_tickle": True}),
    "tickle_failed_shape": _answers(_TICKLE, 200, {"error": "failed to tickle"}),
    "session_idle_drop": _made(_ISERVER, {"lose_session": True}),
    "session_max_24h": _made(_ANY, {"expire_lst": True}),
    "sso_validate_rate": _says({"path": "/sso/validate"}, 429, "Too Many Requests", with_code=True),
    "accounts_first_400": _says(_PLACE, 400, "Bad Request: Please query /accounts first", with_code=True),
    "accounts_first_500": _says(_PLACE, 500, "Please query /accounts first"),
    "account_not_valid": _says(_PLACE, 400, "Bad Request: accountId is not valid: {account}", with_code=True),
    "switch_account_invalid": _says(_SWITCH, 500, "Invalid account ID"),
    "switch_account_already_set": _answers(_SWITCH, 200, {"success": "Account already set"}),
    "dynaccount_disabled": _says({"path": "/iserver/dynaccount"}, 503, _UNAVAILABLE, with_code=True),
    "suppress_too_many": _says(
        {"path": "/iserver/questions/suppress"},
        400,
        "Bad Request: messageIds must be a list of at most 51 ids",
        with_code=True,
    ),
    "suppress_lost_after_init": _asks("o163"),
}
_REFUSALS: dict[str, dict[str, Any]] = {
    "lite_account": _lasts("lite_account", s=60),
    "fa_group_unknown": _says(_PLACE, 400, "Bad Request: accountId is not valid: {account}", with_code=True),
    "order_bad_json": _says(_PLACE, 400, "Failed to parse body as JSON. Content Type: application/json; charset=utf-8"),
    "order_bad_type": _says(_PLACE, 400, "orders request includes parameter with incorrect type"),
    "order_bad_side": _says(_PLACE, 400, "Invalid Side (must be 'BUY' or 'SELL')"),
    "order_unknown_type": _says(_PLACE, 400, "Unknown order type"),
    "order_no_conid": _says(_PLACE, 400, "conid or conidex is required"),
    "order_price_fields": _refuses("Invalid order price fields"),
    "order_tif_null": _refuses("null time in force is not supported for this order"),
    "order_no_secdef": _refuses("no sec defs returned forSecDef reqId=resolveSecReqByConid13297"),
    "order_outside_rth_attr": _refuses("invalid order attribute : Outside Regular Trading Hours"),
    "order_no_permission": _refuses("No trading permissions."),
    "order_futures_manual_indicator": _says(
        _PLACE, 400, "Bad Request: manualIndicator is required for this contract", with_code=True
    ),
    # The broker's own words are not known.
    "order_canada_restricted": _refuses("Orders for this product cannot be sent by a program from Canada."),
    "order_fractional_not_allowed": _refuses("Fractional quantities are not supported for this order."),
    "order_insufficient_margin_ack_then_inactive": _made(_PLACE, {"inactive": "Not enough margin."}),
    "duplicate_coid": _made(_PLACE, {"duplicate_reference": True}, "after"),
    "bracket_parent_not_recognised": _made(
        _PLACE, {"failed_rows": [1], "failed_text": "Order couldn't be submitted: Parent order ID=x isn't recognized."}
    ),
    "failed_row_list": _made(_PLACE, {"failed_rows": [0]}),
    "fewer_rows_than_tickets": _answers(
        _PLACE, 200, [{"order_id": "1", "order_status": "PreSubmitted", "encrypt_message": "1"}], "after"
    ),
    "exchange_closed_reject": _made(_PLACE, {"exchange_closed": True}),
}
_QUESTIONS: dict[str, dict[str, Any]] = {
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
    "reply_id_not_found": _answers(_REPLY, 400, {"error": "reply id not found: '{last}'"}, "after"),
    "reply_503": _answers(_REPLY, 503, "", "after"),
    "reply_timeout": _made(_REPLY, {"hang": True}, "after"),
    "reply_declined": _natural(_REPLY),
}
_LATER: dict[str, dict[str, Any]] = {
    # What becomes of an order.
    "held_until_open": _made(_PLACE, {"held_until_open": 3600}),
    "cancelled_by_system": _made(_PLACE, {"cancelled": "Cancelled by the system."}, "after"),
    "cancelled_exchange_reject": _made(_PLACE, {"cancelled": ""}, "after"),
    "cancel_unknown_order": _says(_CANCEL, 200, "OrderID {last} doesn't exist"),
    "cancel_timeout": _made(_CANCEL, {"hang": True}, "after"),
    "cancel_ack_is_not_cancelled": _answers(
        _CANCEL, 200, {"msg": "Request was submitted", "order_id": "{last}", "conid": -1, "account": None}
    ),
    "modify_timeout": _made(_MODIFY, {"hang": True}, "after"),
    "paper_silent_drop": _made(_PLACE, {"silent_drop": True}),
    "out_of_order_updates": _lasts("reorder_events", window=3, s=60),
    "execution_correction": _lasts("correct_execution", s=60),
}
_READS: dict[str, dict[str, Any]] = {
    # Reads that do not tell the truth, or not all of it.
    "live_orders_preflight": _answers(_LIVE, 200, {"orders": [], "snapshot": False}),
    "live_orders_false_empty": _made(_LIVE, {"false_empty_orders": 1}),
    "live_orders_force_blank": _answers(_LIVE, 200, {"orders": [], "snapshot": False}),
    "live_orders_filters_sticky": _answers(_LIVE, 200, {"orders": [], "snapshot": True}),
    "order_status_503_old": _answers(_STATUS, 503),
    "trades_warmup_empty": _answers(_TRADES, 200, []),
    "tif_close_alias": _natural(_LIVE),
    "snapshot_first_empty": _answers(_SNAPSHOT, 200, _BARE),
    "snapshot_not_subscribed": _lasts("no_market_data", s=60),
    "snapshot_delayed": _lasts("delayed", s=60),
    "snapshot_price_prefix": _answers(_SNAPSHOT, 200, [_BARE[0] | {"31": "C189.10", "6509": "RB"}]),
    "history_too_many": _says(
        {"path": "/iserver/marketdata/history"}, 429, "Too many history charts requests, please try again later."
    ),
    "regsnapshot_gone": _answers({"path": "/md/regsnapshot"}, 404, {"error": "Not Found", "statusCode": 404}),
    "unsubscribe_unknown": _says({"path": "/iserver/marketdata/unsubscribe"}, 500, "unknown"),
    "pnl_empty": _answers({"path": "/iserver/account/pnl/partitioned"}, 200, {"upnl": {}}),
    "positions_stale": _answers({"path": "/portfolio/*/positions/*"}, 200, []),
    "portfolio_accounts_first": _says({"path": "/portfolio/*"}, 401, "Please query /portfolio/accounts first"),
    "strikes_empty": _answers({"path": "/iserver/secdef/strikes"}, 200, {"call": [], "put": []}),
    "symbol_not_found": _says({"path": "/iserver/secdef/search"}, 200, "No symbol found"),
    "symbol_ambiguous": _answers(_STOCKS, 200, {"{symbols}": _TWO_LISTINGS}),
    "alert_write_403": _says({"path": "/iserver/account/*/alert*"}, 403, "Forbidden"),
}
_NEWS: dict[str, dict[str, Any]] = {
    # The websocket.
    "ws_waiting_for_session": _made(_SOCKET, {"lose_session": True}),
    "ws_sts_unauthenticated": _made(_TICKLE, {"lose_session": True}),
    "ws_sts_competing": _made(_TICKLE, {"steal_session": True}),
    "ws_heartbeat_missing": _lasts("suppress_ws", topic="hb", s=60),
    "ws_missing_updates_after_reconnect": _made(_PLACE, {"ws_close": True}),
    "ws_delta_without_order_ref": _natural(_SOCKET),
    "ws_md_stream_ended": _lasts("suppress_ws", topic="smd", s=3600),
}
# What people met in the field, beside the list of known failures.
FIELD: dict[str, dict[str, Any]] = {
    "login_without_session": _lasts("session_wants_form", s=60),
    "identity_check_wanted": _lasts("session_stays_closed", s=60),
    "oauth_stray_callback": _lasts("stray_callback", {"path": "/authorize"}, s=60),
    "oauth_verifier_used": _answers(
        _ACCESS, 401, {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "Access token expired"}
    ),
    "contract_replaced": _answers(_STOCKS, 200, {"{symbols}": [_listing("NEW", 900000001)]}),
    "contract_takes_limits_only": _answers(_RULES, 200, {"rules": {"orderTypes": ["limit"]}}),
    "stop_refused": _made(
        _WITH_STOP, {"failed_rows": _STOPS, "failed_text": f"{_NOT_SUBMITTED} the stop was refused."}
    ),
    "half_accepted_bracket": _made(_WITH_STOP, {"unnamed_rows": _STOPS}),
    "stop_canceled_later": _made(_WITH_STOP, {"cancel_leg": {"s": 1}}),
    "stop_lost": _made(_WITH_STOP, {"lose_leg": {"s": 1}}),
    "foreign_stop": _made(_PLACE, {"foreign_stop": {"s": 0, "away": 0.1}}),
    "position_shrunk": _made(_PLACE, {"foreign_exit": {"s": 1, "share": 0.5}}),
    "cancel_already_filled": _says(_CANCEL, 200, "OrderID {last} can not be cancelled, state: Filled."),
    "lists_empty_after_hours": _lasts("empty_lists", s=1800),
    "order_held": _made(_PLACE, {"held": {"s": 3600}}),
    "order_taken_smaller": _made(_PLACE, {"resized": 0.5}),
    "modify_taken_at_another_size": _made(_MODIFY, {"resized": 0.5}),
    "cancel_waits_for_open": _made(_CANCEL, {"cancel_waits": 3600}),
    "modify_leaves_two": _made(_MODIFY, {"second_order": True, "drop_connection": True}, "after"),
    "modify_leaves_two_unnamed": _made(
        _MODIFY, {"second_order": {"reference": "none"}, "drop_connection": True}, "after"
    ),
    "modify_answers_another_number": _made(_MODIFY, {"second_order": True}),
    "preview_timeout": _made(_PREVIEW, {"hang": True}),
    "preview_503": _says(_PREVIEW, 503, "Service Unavailable", with_code=True),
    "preview_not_json": _made(_PREVIEW, {"html_body": True}, "after"),
    "preview_without_figures": _answers(_PREVIEW, 200, previewed.WITHOUT_FIGURES),
    "preview_no_permission": _says(_PREVIEW, 200, "No trading permissions."),
    "preview_warns": _answers(_PREVIEW, 200, previewed.WITH_A_WARNING),
    "preview_short": _answers(_PREVIEW, 200, previewed.SHORT),
    "preview_of_another_order": _answers(_PREVIEW, 200, previewed.OF_ANOTHER_ORDER),
}
# What no gateway of IBKR does, and one that means harm might.
HOSTILE: dict[str, dict[str, Any]] = {
    "hostile_slow_down": _made(_ANY, {"status": 429, "body": "", "headers": {"Retry-After": "999999999"}}),
    "hostile_redirect": _made(_ANY, {"status": 307, "body": "", "headers": {"Location": "http://127.0.0.1:9/"}}),
    "hostile_number": _made(_ANY, {"nonsense": "number"}),
    "hostile_digits": _made(_ANY, {"nonsense": "digits"}),
    "hostile_depth": _made(_ANY, {"nonsense": "depth"}),
    "hostile_rows": _made(_ANY, {"nonsense": "rows"}),
    "hostile_text": _made(_ANY, {"nonsense": "text"}),
    "hostile_size": _made(_ANY, {"nonsense": "size"}),
    "hostile_gzip": _made(_ANY, {"nonsense": "gzip"}),
}
FIELD = {**FIELD, **HOSTILE}
PRESETS = {**_CONNECTION, **_SESSION, **_REFUSALS, **_QUESTIONS, **_LATER, **_READS, **_NEWS, **FIELD}
