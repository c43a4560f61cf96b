"""Failures of order requests: refused, asked about, lost on the way, changed afterwards."""

from __future__ import annotations

import time
from typing import Any

from brokers.simulator.tests.conftest import ticket, until
from brokers.simulator.tests.faults.failures import Stage, limit, shows

LEGS = [
    limit("parent"),
    ticket("profit", side="SELL", orderType="LMT", price=400.0, parentId="parent"),
    ticket("stop", side="SELL", orderType="STP", price=40.0, parentId="parent"),
]


@shows(
    "no_bridge_400",
    "no_bridge_401",
    "not_authenticated_401",
    "access_token_expired",
    "oauth2_ip_changed",
    "oauth_timestamp_or_nonce_reused",
    "session_idle_drop",
    "session_max_24h",
    "http_429",
    "penalty_box",
    "permanent_block",
    "accounts_first_400",
    "accounts_first_500",
    "account_not_valid",
    "fa_group_unknown",
    "order_bad_json",
    "order_bad_type",
    "order_bad_side",
    "order_unknown_type",
    "order_no_conid",
    "order_price_fields",
    "order_tif_null",
    "order_no_secdef",
    "order_outside_rth_attr",
    "order_no_permission",
    "order_futures_manual_indicator",
    "order_canada_restricted",
    "order_fractional_not_allowed",
    "failed_row_list",
    "exchange_closed_reject",
    "question_id_without_messageids",
)
def refused(stage: Stage) -> None:
    """The answer of the file, and nothing on the books; the next order is taken, or finds the session gone."""
    stage.arm()
    stage.checked(stage.post(ticket("never")))
    assert stage.books() == {}


@shows("http_503_json", "http_500_generic", "http_502_504_proxy", "http_408_request_timeout", "http_200_non_json")
def refused_although_it_stands(stage: Stage) -> None:
    """Afterwards the order stands, before it never was: the answer is the same, so it proves nothing."""
    stage.arm()
    stage.checked(stage.post(ticket("stands")))
    stage.arm(phase="before")
    stage.checked(stage.post(ticket("never")))
    assert set(stage.books()) == {"stands"}


@shows("connect_refused")
def cut_before_anything(stage: Stage) -> None:
    stage.arm()
    stage.breaks(ticket("never"))
    assert stage.books() == {}


@shows("connection_reset_mid_response")
def cut_in_the_middle(stage: Stage) -> None:
    stage.arm()
    stage.breaks(ticket("stands"))
    assert stage.status("stands") == "Filled"


@shows("idle_timeout_order_post", "http_503_empty_10s")
def never_answered(stage: Stage) -> None:
    """The order stands at once; the empty 503 comes when the broker gives up."""
    stage.arm(hang_s=0.3)
    begun = time.monotonic()
    status, body = stage.post(ticket("stands"))
    assert (status, body) == (503, "")
    assert time.monotonic() - begun >= 0.3
    assert stage.status("stands") == "Filled"


@shows("session_stolen_midflight")
def stolen_in_between(stage: Stage) -> None:
    stage.arm()
    assert stage.post(ticket("stands")) == (503, "")
    assert stage.session()["competing"] is True
    assert stage.status("stands") == "Filled"


@shows("lite_account")
def not_for_lite(stage: Stage) -> None:
    stage.arm()
    stage.checked(stage.post(ticket("never")))
    assert stage.call("GET", "/iserver/accounts")[1]["allowFeatures"]["liteUser"] is True
    assert stage.books() == {}


@shows("order_insufficient_margin_ack_then_inactive")
def accepted_and_inactive(stage: Stage) -> None:
    stage.arm()
    [row] = stage.checked(stage.post(ticket("held")))
    assert row["order_status"] == "Inactive"
    assert (stage.status("held"), stage.books()["held"]["filled"]) == ("Inactive", "0")


@shows("duplicate_coid")
def registered_already(stage: Stage) -> None:
    """The order that is refused as a duplicate is on the books; a real duplicate is answered the same."""
    stage.arm()
    first = stage.checked(stage.post(ticket("tp1-01J9ZK")))
    assert stage.status("tp1-01J9ZK") == "Filled"
    assert stage.post(ticket("tp1-01J9ZK")) == (200, first)


@shows("bracket_parent_not_recognised")
def one_leg_fails(stage: Stage) -> None:
    stage.arm()
    rows = stage.post(*LEGS)[1]
    assert [row["order_status"] for row in rows] == ["Submitted", "Failed", "PreSubmitted"]
    assert rows[1]["text"] == "Order couldn't be submitted: Parent order ID=x isn't recognized."
    assert (rows[1]["order_id"], set(stage.books())) == ("-1", {"parent", "stop"})


@shows("fewer_rows_than_tickets")
def too_few_rows(stage: Stage) -> None:
    stage.arm()
    assert len(stage.checked(stage.post(*LEGS))) == 1
    assert set(stage.books()) == {"parent", "profit", "stop"}


@shows(
    "question_price_percent",
    "question_no_market_data",
    "question_size_limit",
    "question_total_value",
    "question_mandatory_cap",
    "question_stop_risk",
    "question_unknown_id",
)
def asked(stage: Stage) -> None:
    stage.arm()
    [row] = stage.checked(stage.post(limit("asked")))
    assert row["messageIds"] == stage.row["body"][0]["messageIds"]
    assert stage.books() == {}
    assert stage.call("POST", f"/iserver/reply/{row['id']}", {"confirmed": True})[1][0]["local_order_id"] == "asked"


@shows("question_chain")
def asked_thrice(stage: Stage) -> None:
    stage.arm()
    answer, ids = stage.post(limit("asked"))[1], []
    while "messageIds" in answer[0]:
        ids += answer[0]["messageIds"]
        assert stage.books() == {}
        answer = stage.call("POST", f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})[1]
    assert ids == ["o163", "o354", "o10153"]
    assert set(stage.books()) == {"asked"}


def _question(stage: Stage) -> str:
    match = {"user": stage.client.user, "path": "/iserver/account/*/orders"}
    stage.client.gateway.fault(match=match, action={"question": ["o163"]})
    return str(stage.post(limit("asked"))[1][0]["id"])


def _reply(stage: Stage, asked: str, *, confirmed: bool = True) -> tuple[int, Any]:
    return stage.call("POST", f"/iserver/reply/{asked}", {"confirmed": confirmed})


@shows("reply_id_not_found", "reply_503")
def reply_lost_its_question(stage: Stage) -> None:
    """The answer says that there is no question; whether the order stands is another matter."""
    asked = _question(stage)
    stage.arm()
    stage.checked(_reply(stage, asked))
    assert set(stage.books()) == {"asked"}
    second = _question_again(stage)
    stage.arm(phase="before")
    stage.checked(_reply(stage, second))
    assert set(stage.books()) == {"asked"}


def _question_again(stage: Stage) -> str:
    match = {"user": stage.client.user, "path": "/iserver/account/*/orders"}
    stage.client.gateway.fault(match=match, action={"question": ["o163"]})
    return str(stage.post(limit("again"))[1][0]["id"])


@shows("reply_timeout")
def reply_never_answered(stage: Stage) -> None:
    asked = _question(stage)
    stage.arm(hang_s=0.2)
    assert _reply(stage, asked) == (503, "")
    assert stage.status("asked") == "Submitted"
    assert _reply(stage, asked)[0] == 400


@shows("reply_declined")
def declined(stage: Stage) -> None:
    asked = _question(stage)
    stage.arm()
    stage.checked(_reply(stage, asked, confirmed=False))
    assert stage.books() == {}


@shows("question_left_pending")
def left_alone(stage: Stage) -> None:
    stage.arm()
    asked = stage.post(limit("asked"))[1][0]["id"]
    stage.client.gateway.advance(21)
    assert _reply(stage, asked) == (400, {"error": f"reply id not found: '{asked}'"})
    assert stage.books() == {}


@shows("suppress_lost_after_init")
def asked_again_after_init(stage: Stage) -> None:
    stage.call("POST", "/iserver/questions/suppress", {"messageIds": ["o163"]})
    stage.client.gateway.sign_in(stage.client.user)
    stage.arm()
    assert stage.checked(stage.post(limit("asked")))[0]["messageIds"] == ["o163"]


@shows("advanced_order_reject")
def prompted(stage: Stage) -> None:
    stage.arm()
    asked = stage.checked(stage.post(ticket("waits")))
    assert stage.books() == {}
    reply = {"orderId": asked["orderId"], "reqId": asked["reqId"], "text": asked["options"][1]}
    status, body = stage.call("POST", "/iserver/notification", reply)
    assert (status, isinstance(body, str)) == (200, True)
    assert set(stage.books()) == {"waits"}
    stage.arm(phase="after")
    assert stage.post(ticket("stands"))[1]["prompt"] is True
    assert set(stage.books()) == {"waits", "stands"}


@shows("held_until_open")
def held_until_open(stage: Stage) -> None:
    stage.arm()
    stage.checked(stage.post(ticket("tomorrow")))
    time.sleep(0.6)
    assert (stage.status("tomorrow"), stage.books()["tomorrow"]["filled"]) == ("PreSubmitted", "0")


@shows("cancelled_by_system", "cancelled_exchange_reject")
def cancelled_later(stage: Stage) -> None:
    """Acknowledged as working, cancelled right afterwards: by the broker, with its reason, or by the exchange."""
    stage.arm()
    assert stage.post(ticket("gone"))[1][0]["order_status"] == "Submitted"
    row = stage.client.order("gone")
    assert (row["status"], row["filledQuantity"]) == ("Cancelled", 0.0)
    reason = row.get("order_cancellation_by_system_reason")
    assert reason == ("Cancelled by the system." if stage.row["id"] == "cancelled_by_system" else None)


@shows("paper_silent_drop")
def acknowledged_and_gone(stage: Stage) -> None:
    """Before, the order never is; after, it works and nobody is shown."""
    stage.arm()
    stage.checked(stage.post(ticket("never")))
    assert (stage.client.orders(), stage.books()) == ([], {})
    stage.arm(phase="after", silent_drop=30)
    [row] = stage.post(limit("hidden"))[1]
    assert (stage.client.orders(), set(stage.books())) == ([], {"hidden"})
    assert stage.call("GET", f"/iserver/account/order/status/{row['order_id']}") == (503, "")


def _resting(stage: Stage) -> str:
    return str(stage.post(limit("rests"))[1][0]["order_id"])


@shows("cancel_unknown_order")
def cancel_of_nothing(stage: Stage) -> None:
    number = _resting(stage)
    stage.arm()
    stage.checked_call("DELETE", f"/iserver/account/ACCT/order/{number}")
    assert stage.status("rests") == "Submitted"


@shows("cancel_timeout")
def cancel_never_answered(stage: Stage) -> None:
    number = _resting(stage)
    stage.arm(hang_s=0.2)
    assert stage.call("DELETE", f"/iserver/account/ACCT/order/{number}") == (503, "")
    assert stage.status("rests") == "Cancelled"


@shows("cancel_ack_is_not_cancelled")
def cancel_is_a_request(stage: Stage) -> None:
    number = _resting(stage)
    stage.arm()
    answer = stage.checked_call("DELETE", f"/iserver/account/ACCT/order/{number}")
    assert answer["order_id"] == int(number)
    assert stage.status("rests") == "Submitted"


@shows("modify_timeout")
def modify_never_answered(stage: Stage) -> None:
    number = _resting(stage)
    stage.arm(hang_s=0.2)
    assert stage.call("POST", f"/iserver/account/ACCT/order/{number}", limit("rests", quantity=7)) == (503, "")
    until(lambda: stage.books()["rests"]["quantity"] == "7")
