"""The three-legged flow: a program asks, its user answers on the sign-in page, the program gets an access token."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.tests.oauth.oauth_program import (
    EXPIRED,
    INVALID_SIGNATURE,
    Program,
    authorize,
    fetch,
    vendor,
    verifier_of,
)

__all__ = ["vendor"]


def test_a_vendor_is_allowed_on_the_sign_in_page_and_trades(vendor: Program, user: str) -> None:
    status, body = vendor.ask()
    assert status == 200
    assert re.fullmatch(r"[0-9a-f]{20}", body["oauth_token"])
    status, (page, headers) = fetch(vendor.gateway, "GET", f"/authorize?oauth_token={body['oauth_token']}")
    assert status == 200
    assert "Allow Halyard &amp; Söhne to trade for you?" in page
    assert "<script" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]

    answer = authorize(vendor.gateway, body["oauth_token"], user)
    back = urlsplit(answer[1][1]["Location"])
    assert (back.netloc, back.path) == ("halyard.test", "/back")
    assert parse_qs(back.query)["team"] == ["7"]
    assert parse_qs(back.query)["oauth_token"] == [body["oauth_token"]]

    status, grant = vendor.exchange(body["oauth_token"], verifier_of(answer))
    assert (status, grant["is_paper"]) == (200, True)
    vendor.token, vendor.sealed = grant["oauth_token"], grant["oauth_token_secret"]
    assert vendor.sign_in()[0] == 200
    assert vendor.call("GET", "/portfolio/accounts")[1][0]["accountTitle"] == f"Simulated {user}"


def test_the_same_user_allows_twice_and_keeps_the_token(vendor: Program, user: str) -> None:
    grants = []
    for _ in range(2):
        token = vendor.ask()[1]["oauth_token"]
        grants.append(vendor.exchange(token, verifier_of(authorize(vendor.gateway, token, user)))[1])
    assert grants[0]["oauth_token"] == grants[1]["oauth_token"]
    assert grants[0]["oauth_token_secret"] != grants[1]["oauth_token_secret"]


def test_a_verifier_works_once_and_only_for_its_token(vendor: Program, user: str) -> None:
    token = vendor.ask()[1]["oauth_token"]
    assert vendor.exchange(token, "") == (401, EXPIRED)
    verifier = verifier_of(authorize(vendor.gateway, token, user))
    assert vendor.exchange(token, "0" * 20) == (401, EXPIRED)
    assert vendor.exchange(token, verifier)[0] == 200
    assert vendor.exchange(token, verifier) == (401, EXPIRED)


def test_a_user_may_refuse(vendor: Program, user: str) -> None:
    token = vendor.ask()[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, user, "refuse")
    assert (status, "Nothing was allowed" in page) == (200, True)
    assert vendor.exchange(token, "") == (401, EXPIRED)


def test_a_code_is_shown_when_there_is_no_way_back(vendor: Program, user: str) -> None:
    token = vendor.ask("oob")[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, user)
    assert status == 200
    verifier = re.search(r"this code: ([0-9a-f]{20})", page)
    assert verifier is not None
    assert vendor.exchange(token, verifier[1])[0] == 200


@pytest.mark.parametrize(
    "callback", ["", "javascript:alert(1)", "//evil.test", "ftp://a", "https://", "http://[", "a\nb"]
)
def test_a_way_back_is_a_web_address(vendor: Program, callback: str) -> None:
    path = "/oauth/request_token"
    parameters = vendor.signed("POST", path, oauth_callback=callback)
    parameters["oauth_callback"] = quote(callback, safe="")
    assert vendor.send("POST", path, parameters) == (401, INVALID_SIGNATURE)


def test_a_live_username_has_no_paper_account(vendor: Program, user: str) -> None:
    refusal = "This username is not associated with a paper trading account"
    token = vendor.ask()[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, "liveAlice")
    assert (status, refusal in page) == (200, True)
    vendor.gateway.control("POST", "/oauth/live_usernames", {"usernames": ["alice-real"]})
    assert refusal in authorize(vendor.gateway, token, "alice-real")[1][0]
    vendor.gateway.control("POST", "/oauth/live_usernames", {"usernames": []})
    assert verifier_of(authorize(vendor.gateway, token, user))


def test_a_fault_says_so_of_any_username(vendor: Program, user: str) -> None:
    token = vendor.ask()[1]["oauth_token"]
    vendor.gateway.fault(
        preset="paper_username_not_associated", match={"user": user}, action={"paper_username_error": {"s": 0.5}}
    )
    assert "is not associated with a paper" in authorize(vendor.gateway, token, user)[1][0]
    time.sleep(0.6)
    assert verifier_of(authorize(vendor.gateway, token, user))


@pytest.mark.parametrize("username", ["", " ", "a b", "../x", '"><script>alert(1)</script>', "x" * 65, "oauth"])
def test_an_odd_username_is_asked_for_again_and_shown_safely(vendor: Program, username: str) -> None:
    token = vendor.ask()[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, username)
    assert (status, "Write a username" in page) == (200, True)
    assert "<script" not in page


@pytest.mark.parametrize("token", ["", "0" * 20, "%00", "<b>"])
def test_an_unknown_sign_in_starts_again(gateway: RunningGateway, token: str) -> None:
    for answer in (
        fetch(gateway, "GET", f"/authorize?oauth_token={quote(token)}"),
        authorize(gateway, token, "alice"),
        fetch(gateway, "POST", "/authorize", '{"a":1}', {"Content-Type": "application/json"}),
        fetch(gateway, "POST", "/authorize", "x", {"Content-Type": "multipart/form-data; boundary=b"}),
        fetch(gateway, "DELETE", "/authorize"),
    ):
        assert (answer[0], "Start again" in answer[1][0]) == (400, True)
