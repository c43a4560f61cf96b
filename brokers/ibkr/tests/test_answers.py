"""What the answer to a read stands for."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused, OrderRefused, Paused, SessionLost
from brokers.domain.sessions import Environment
from brokers.ibkr.answers import check_environment, demand, session_status, wants_accounts_first
from brokers.ibkr.decoding import NOT_JSON, READ, WRITE, decode
from brokers.ibkr.lines.requests import Answer


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "not authenticated", "statusCode": 401}, SessionLost),
        (401, {"type": "/simple", "status": 401, "detail": "Access token expired"}, SessionLost),
        (400, {"error": "Bad Request: no bridge", "statusCode": 400}, SessionLost),
        (500, {"error": "Please query /accounts first"}, SessionLost),
        (200, {"error": "no session"}, SessionLost),
        (200, NOT_JSON, SessionLost),
        (302, NOT_JSON, SessionLost),
        (429, NOT_JSON, Paused),
        (500, {"error": "unknown", "statusCode": 500}, BrokerUnavailable),
        (503, NOT_JSON, BrokerUnavailable),
        (400, {"error": "Bad Request: accountId is not valid: U1", "statusCode": 400}, OrderRefused),
        (401, {"error": "id: 39687, error: invalid consumer", "statusCode": 401}, LoginRefused),
    ],
)
def test_it_names_the_error_by_what_the_caller_does_next(status: int, body: Any, error: type[BrokerError]) -> None:
    with pytest.raises(BrokerError) as raised:
        demand(Answer(status, body))
    assert type(raised.value) is error


def test_it_gives_the_body_of_a_good_answer() -> None:
    assert demand(Answer(200, {"orders": []})) == {"orders": []}


def test_it_knows_which_read_wants_the_accounts_first() -> None:
    assert wants_accounts_first(Answer(400, {"error": "Bad Request: Please query /accounts first"}))
    assert not wants_accounts_first(Answer(400, {"error": "Bad Request: no bridge"}))


@pytest.mark.parametrize("status", [401, 410, 302])
def test_a_session_that_is_refused_is_signed_out(status: int) -> None:
    session = session_status(Answer(status, NOT_JSON))
    assert (session.authenticated, session.connected, session.ready) == (False, False, False)
    assert "Log in at the gateway" in session.message


def test_a_sign_in_that_says_it_failed_is_not_ready() -> None:
    fail = "Force compete capability must be used together with compete flag"
    status = session_status(Answer(200, {"authenticated": False, "competing": True, "connected": True, "fail": fail}))
    assert not status.ready
    assert (status.competing, status.code) == (True, "session-not-taken-over")
    assert status.message.endswith(f'IBKR: "{fail}"')


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_says_nothing_about_the_session(status: int) -> None:
    with pytest.raises(BrokerUnavailable):
        session_status(Answer(status, NOT_JSON))


def test_a_block_is_told_to_the_owner() -> None:
    with pytest.raises(LoginRefused):
        session_status(Answer(403, NOT_JSON))


@pytest.mark.parametrize(("environment", "is_paper"), [(Environment.PAPER, False), (Environment.LIVE, True)])
def test_paper_and_live_are_never_mixed(environment: Environment, is_paper: bool) -> None:
    with pytest.raises(LoginRefused) as refused:
        check_environment({"accounts": ["U1"], "isPaper": is_paper}, environment)
    assert refused.value.help_page == "paper_account"


def test_a_lite_account_is_told_to_become_pro() -> None:
    body = {"accounts": ["U1"], "isPaper": False, "allowFeatures": {"liteUser": True}}
    with pytest.raises(LoginRefused, match="IBKR Pro"):
        check_environment(body, Environment.LIVE)


def test_numbers_that_are_none_are_read_as_nothing() -> None:
    assert decode(b'{"a": NaN, "b": Infinity}', READ) == {"a": None, "b": None}


def test_what_is_not_json_is_known_as_such() -> None:
    assert decode(b"<!DOCTYPE html>", READ) is NOT_JSON
    assert decode(b"", WRITE, exact=False) is NOT_JSON
