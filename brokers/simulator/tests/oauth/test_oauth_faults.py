"""Faults of signed requests: tokens that end, consumers that are not active yet, the wrong username at the login."""

from __future__ import annotations

import pytest

from brokers.simulator.effects.answers import NOT_PAPER
from brokers.simulator.tests.oauth.oauth_program import (
    EXPIRED,
    INVALID_CONSUMER,
    Program,
    authorize,
    owner,
    vendor,
    verifier_of,
)

__all__ = ["owner", "vendor"]


def test_a_live_session_token_expires_in_the_middle_and_a_new_one_serves(owner: Program, user: str) -> None:
    owner.sign_in()
    assert owner.call("POST", "/iserver/auth/ssodh/init")[0] == 200
    owner.gateway.fault(preset="access_token_expired", match={"user": user})
    assert [owner.call("POST", "/tickle") for _ in range(2)] == [(401, EXPIRED)] * 2
    assert owner.sign_in()[0] == 200
    assert owner.call("POST", "/iserver/auth/ssodh/init")[1]["authenticated"] is True


def test_a_consumer_is_pending_for_a_while(owner: Program, user: str) -> None:
    owner.gateway.fault(preset="invalid_consumer", match={"user": user})
    assert owner.sign_in() == (401, INVALID_CONSUMER)
    owner.gateway.clear_faults()
    assert owner.sign_in()[0] == 200


def test_a_token_whose_proof_is_wrong_is_noticed(owner: Program, user: str) -> None:
    """The client's own check fails, with ibind's code: the token must not be used."""
    owner.gateway.fault(
        match={"user": user, "path": "/oauth/live_session_token"},
        action={"spoil": {"live_session_token_signature": "00" * 20}},
    )
    with pytest.raises(AssertionError):
        owner.sign_in()
    assert owner.sign_in()[0] == 200


def test_the_login_page_knows_no_paper_account_for_the_username(vendor: Program, user: str) -> None:
    vendor.gateway.fault(preset="paper_username_not_associated", match={"user": user})
    token = vendor.ask()[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, user)
    assert (status, NOT_PAPER in page) == (200, True)
    vendor.gateway.clear_faults()
    answer = authorize(vendor.gateway, token, user)
    assert vendor.exchange(token, verifier_of(answer))[0] == 200
