"""Failures of the session, of signing in, and of whole nights."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from brokers.simulator.tests.conftest import ticket, until
from brokers.simulator.tests.faults.failures import Stage, limit, shows

INIT = "/iserver/auth/ssodh/init"
COMPETE = {"publish": True, "compete": True}


@shows(
    "http_410_gone_init",
    "force_compete_flag",
    "publish_false",
    "paper_new_account_init_500",
    "ssodh_wait",
)
def init_fails(stage: Stage) -> None:
    """Signing in fails once; the brokerage session that was lost is not there."""
    stage.client.gateway.lose(stage.client.user)
    stage.arm()
    stage.checked_call("POST", INIT, COMPETE)
    assert stage.session()["authenticated"] is False
    assert stage.call("POST", INIT, COMPETE)[1]["established"] is True


@shows("connected_not_authenticated")
def not_authenticated(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/iserver/auth/status")
    assert stage.session()["authenticated"] is True


@shows("delayed_established")
def established_later(stage: Stage) -> None:
    stage.client.gateway.lose(stage.client.user)
    stage.arm(delay_established_ms=600)
    stage.checked_call("POST", INIT, COMPETE)
    assert stage.call("GET", "/iserver/accounts") == (400, {"error": "Bad Request: no bridge", "statusCode": 400})
    until(lambda: stage.session()["established"])
    assert stage.call("GET", "/iserver/accounts")[0] == 200


@shows("competing_session")
def competing(stage: Stage) -> None:
    """Another login takes the session; orders are refused until a sign-in that competes."""
    stage.arm()
    stage.checked_call("POST", "/iserver/auth/status")
    assert stage.post(ticket("never"))[0] == 401
    assert stage.call("POST", INIT, {"publish": True, "compete": False})[1]["competing"] is True
    assert stage.call("POST", INIT, COMPETE)[1]["competing"] is False
    assert stage.books() == {}


@shows("hmds_no_bridge", "tickle_no_session", "tickle_failed_shape")
def tickled(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/tickle")


@shows("sso_validate_rate")
def validated_too_often(stage: Stage) -> None:
    assert stage.call("GET", "/sso/validate")[0] == 200
    stage.arm()
    stage.checked_call("GET", "/sso/validate")


@shows("daily_reset_regional", "weekend_maintenance")
def nobody_answers(stage: Stage) -> None:
    """Sessions end and nobody answers; afterwards the day's list is empty, and what works goes on."""
    stage.post(ticket("done"))
    stage.post(limit("rests", tif="GTC"))
    window: Any = {"start_s": 0, "duration_s": 1}
    stage.arm(**({"daily_reset": window} if "daily" in stage.row["id"] else {"weekend": window}))
    assert stage.post(ticket("never")) == (503, "")
    assert stage.call("POST", "/tickle") == (503, "")
    until(lambda: stage.call("POST", "/tickle")[0] == 200)
    assert stage.session()["authenticated"] is False
    stage.client.gateway.sign_in(stage.client.user)
    assert [row["order_ref"] for row in stage.client.orders()] == ["rests"]
    assert [row["order_ref"] for row in stage.client.trades()] == ["done"]


@shows("invalid_consumer")
def consumer_not_active(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/oauth/live_session_token")
    stage.checked_call("POST", "/oauth/request_token")


@shows("oauth_portal_501")
def wrong_portal(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/oauth/request_token")


@shows("lst_signature_mismatch")
def token_of_another_secret(stage: Stage) -> None:
    """The client computes its token as it should, and the signature that came with it is of another one."""
    stage.arm()
    answer = stage.checked_call("POST", "/oauth/live_session_token")
    prime = 2**2203 - 1
    shared = pow(int(answer["diffie_hellman_response"], 16), secrets.randbits(256), prime)
    key = shared.to_bytes(shared.bit_length() // 8 + 1, "big")
    token = hmac.new(key, b"the decrypted secret", hashlib.sha1).digest()
    proof = hmac.new(token, b"TESTCONS", hashlib.sha1).hexdigest()
    assert len(answer["live_session_token_signature"]) == len(proof)
    assert not hmac.compare_digest(answer["live_session_token_signature"], proof)


@shows("paper_username_not_associated")
def not_a_paper_username(stage: Stage) -> None:
    stage.arm()
    status, page = stage.call("POST", "/authorize", {"username": stage.client.user})
    assert (status, stage.row["body"] in page) == (200, True)


@shows("switch_account_invalid", "switch_account_already_set")
def switched(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/iserver/account", {"acctId": stage.client.account})


@shows("dynaccount_disabled")
def no_dynamic_accounts(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/iserver/dynaccount", {"acctId": stage.client.account})


@shows("suppress_too_many")
def suppressed_too_many(stage: Stage) -> None:
    stage.arm()
    status, body = stage.call("POST", "/iserver/questions/suppress", {"messageIds": ["o163"]})
    assert (status, "at most 51" in body["error"]) == (400, True)
    assert stage.call("POST", "/iserver/questions/suppress", {"messageIds": ["o1"] * 52}) == (status, body)


@shows("alert_write_403")
def no_alerts(stage: Stage) -> None:
    stage.arm()
    stage.checked_call("POST", "/iserver/account/ACCT/alert", {"alertName": "AAPL"})
