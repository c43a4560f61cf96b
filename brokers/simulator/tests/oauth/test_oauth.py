"""Signed requests: consumers and their states, signatures, nonces and timestamps, live session tokens."""

from __future__ import annotations

import time
from urllib.parse import quote, urlencode

import pytest
from websockets.sync.client import connect

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.testing.oauth import Keys, grant, keys, register
from brokers.simulator.tests.conftest import messages
from brokers.simulator.tests.oauth.oauth_program import (
    EXPIRED,
    INVALID_CONSUMER,
    INVALID_SIGNATURE,
    Program,
    fetch,
    oauth1a,
    owner,
)

__all__ = ["owner"]


# -- the owner's own keys ----------------------------------------------------------------------------------------


def test_a_first_party_consumer_signs_in_and_is_its_user(owner: Program, user: str) -> None:
    status, body = owner.sign_in()
    assert status == 200
    assert body["live_session_token_expiration"] == pytest.approx((time.time() + 86_400) * 1000, abs=60_000)
    assert owner.call("POST", "/iserver/auth/ssodh/init")[1]["authenticated"] is True
    account = owner.call("GET", "/iserver/accounts")[1]["selectedAccount"]
    assert account == owner.gateway.call(user, "GET", "/iserver/accounts")[1]["selectedAccount"]
    assert owner.gateway.call("simulated", "POST", "/tickle")[0] == 200


def test_a_first_party_consumer_asks_for_no_request_token(owner: Program) -> None:
    owner.token = ""
    assert owner.ask() == (401, INVALID_CONSUMER)


def test_the_secret_is_agreed_on_whatever_its_first_bit_is(owner: Program) -> None:
    # The shared number is as long as the prime in half of the runs, and then a zero byte leads.
    assert [owner.sign_in()[0] for _ in range(12)] == [200] * 12
    assert owner.call("POST", "/tickle")[0] == 200


@pytest.mark.parametrize("state", ["pending", "revoked"])
def test_a_consumer_that_is_not_active_is_invalid(owner: Program, state: str) -> None:
    owner.gateway.control("POST", f"/oauth/consumers/{owner.consumer_key}", {"state": state})
    assert owner.sign_in() == (401, INVALID_CONSUMER)
    owner.gateway.control("POST", f"/oauth/consumers/{owner.consumer_key}", {"state": "active"})
    assert owner.sign_in()[0] == 200
    owner.gateway.control("POST", f"/oauth/consumers/{owner.consumer_key}", {"state": state})
    assert owner.call("POST", "/tickle") == (401, INVALID_CONSUMER)


def test_an_unknown_consumer_is_invalid(owner: Program) -> None:
    owner.consumer_key = "NOBODYSKEY"
    assert owner.sign_in() == (401, INVALID_CONSUMER)


def test_a_wrong_realm_is_invalid_and_the_test_consumer_has_its_own(owner: Program, user: str) -> None:
    owner.realm = "test_realm"
    assert owner.sign_in() == (401, INVALID_CONSUMER)
    gateway = owner.gateway
    register(gateway, "TESTCONS", keys(), party="first")
    test = Program(gateway, "TESTCONS", keys(), *grant(gateway, "TESTCONS", user), realm="test_realm")
    assert test.sign_in()[0] == 200


def test_a_token_of_another_consumer_has_no_secret(owner: Program) -> None:
    owner.token = "0" * 20
    text = f"id: 118871, error: LST failed, error: No access secret key found for {owner.consumer_key}"
    assert owner.sign_in() == (401, {"error": text, "statusCode": 401})


def test_a_key_that_was_not_registered_signs_nothing(owner: Program) -> None:
    owner.keys = keys(2)
    with pytest.raises(Exception, match=r".*"):
        owner.sign_in()  # the secret cannot even be read with another encryption key
    owner.keys = Keys(
        signature=keys(2).signature,
        encryption=keys().encryption,
        dh_params=keys().dh_params,
        dh_prime=keys().dh_prime,
    )
    assert owner.sign_in() == (401, INVALID_SIGNATURE)


def test_nothing_is_served_before_there_is_a_live_session_token(owner: Program) -> None:
    owner.live = "AAAA"
    assert owner.call("POST", "/tickle") == (401, EXPIRED)


def test_a_live_session_token_ends_after_its_life(owner: Program) -> None:
    with owner.gateway.behaving(lst_life_s=1.0):
        owner.sign_in()
        assert owner.call("POST", "/tickle")[0] == 200
        time.sleep(1.1)
        assert owner.call("POST", "/tickle") == (401, EXPIRED)
    assert owner.sign_in()[0] == 200
    assert owner.call("POST", "/tickle")[0] == 200


def test_live_session_tokens_can_be_ended_by_hand(owner: Program, user: str) -> None:
    owner.sign_in()
    assert owner.gateway.control("POST", "/oauth/expire", {"username": user}) == {"expired": 1}
    assert owner.call("POST", "/tickle") == (401, EXPIRED)


def test_after_logout_the_token_is_gone(owner: Program) -> None:
    owner.sign_in()
    assert owner.call("POST", "/logout") == (200, {"status": True})
    status, (text, _) = owner.call("POST", "/iserver/auth/ssodh/init")
    assert (status, text) == (410, "Gone")
    assert owner.call("POST", "/tickle") == (401, EXPIRED)
    owner.sign_in()
    assert owner.call("POST", "/iserver/auth/ssodh/init")[1]["authenticated"] is True


def test_a_new_grant_changes_the_secret_and_keeps_the_token(owner: Program, user: str) -> None:
    token, sealed = grant(owner.gateway, owner.consumer_key, user)
    assert token == owner.token
    assert sealed != owner.sealed
    assert owner.sign_in() == (401, INVALID_SIGNATURE)
    owner.sealed = sealed
    assert owner.sign_in()[0] == 200


# -- signatures --------------------------------------------------------------------------------------------------


def test_the_query_may_be_signed_or_left_out(owner: Program) -> None:
    owner.sign_in()
    path, query = "/trsrv/stocks", {"symbols": "AAPL,BRK B"}
    text = f"?{urlencode(query, quote_via=quote)}"
    assert owner.call("GET", path, text)[0] == 200
    bare = {name: value for name, value in owner.signed("GET", path).items() if name != "oauth_signature"}
    for encode in (lambda value: value, lambda value: quote(value, safe="~")):
        bare["oauth_nonce"] = oauth1a.generate_oauth_nonce()
        encoded = {name: encode(value) for name, value in (bare | query).items()}
        base = oauth1a.generate_base_string("GET", owner.base + path, encoded)
        signed = bare | {"oauth_signature": oauth1a.generate_hmac_sha_256_signature(base, owner.live)}
        status, body = owner.send("GET", path, signed, text)
        assert (status, list(body)) == (200, ["AAPL", "BRK B"])


def test_another_query_method_or_path_than_the_signed_one_is_refused(owner: Program) -> None:
    owner.sign_in()
    path = "/trsrv/stocks"
    query = {"symbols": "AAPL"}
    parameters = owner.signed("GET", path)
    base = oauth1a.generate_base_string(
        "GET", owner.base + path, {k: v for k, v in parameters.items() if k != "oauth_signature"} | query
    )
    parameters["oauth_signature"] = oauth1a.generate_hmac_sha_256_signature(base, owner.live)
    assert owner.send("GET", path, parameters, "?symbols=IBM") == (401, INVALID_SIGNATURE)
    assert owner.send("POST", "/tickle", owner.signed("GET", "/tickle")) == (401, INVALID_SIGNATURE)
    assert owner.send("POST", "/logout", owner.signed("POST", "/tickle")) == (401, INVALID_SIGNATURE)


def test_the_host_a_client_connects_to_counts_not_the_one_in_its_header(owner: Program) -> None:
    owner.sign_in()
    header = oauth1a.generate_authorization_header_string(owner.signed("POST", "/tickle"), owner.realm)
    headers = {"Authorization": header, "Host": "api.ibkr.com"}
    assert fetch(owner.gateway, "POST", "/v1/api/tickle", headers=headers)[0] == 200


def test_a_request_is_heard_once(owner: Program) -> None:
    owner.sign_in()
    parameters = owner.signed("POST", "/tickle")
    assert owner.send("POST", "/tickle", parameters)[0] == 200
    assert owner.send("POST", "/tickle", parameters) == (401, INVALID_SIGNATURE)
    assert "nonce" in owner.gateway.control("GET", "/oauth/refusals")[-1]["reason"]


def test_time_does_not_run_backwards(owner: Program) -> None:
    owner.sign_in()
    owner.call("POST", "/tickle")
    with owner.gateway.behaving(oauth_slack_s=0.0):
        earlier = str(int(time.time()) - 5)
        parameters = owner.signed("POST", "/tickle", oauth_timestamp=earlier)
        assert owner.send("POST", "/tickle", parameters) == (401, INVALID_SIGNATURE)
        assert owner.call("POST", "/tickle")[0] == 200
    parameters = owner.signed("POST", "/tickle", oauth_timestamp=str(int(time.time()) - 2))
    assert owner.send("POST", "/tickle", parameters)[0] == 200


@pytest.mark.parametrize("stamp", ["", "yesterday", "-1", "1e9", "9" * 30, "1700000000", "٣٣٣٣٣٣٣٣٣٣"])
def test_a_timestamp_of_another_time_is_refused(owner: Program, stamp: str) -> None:
    owner.sign_in()
    parameters = owner.signed("POST", "/tickle", oauth_timestamp=stamp)
    parameters["oauth_timestamp"] = quote(stamp)
    assert owner.send("POST", "/tickle", parameters) == (401, INVALID_SIGNATURE)


@pytest.mark.parametrize("challenge", ["", "0", "1", "-2", "0x5", "xyz", "f" * 2000, "1_0"])
def test_a_challenge_that_is_no_number_of_the_group_is_refused(owner: Program, challenge: str) -> None:
    path = "/oauth/live_session_token"
    secret = oauth1a.calculate_live_session_token_prepend(
        owner.sealed, oauth1a.read_private_key(private_key_content=owner.keys.encryption)
    )
    parameters = owner.signed("POST", path, prepend=secret, diffie_hellman_challenge=challenge)
    assert owner.send("POST", path, parameters) == (401, INVALID_SIGNATURE)


@pytest.mark.parametrize(
    "header",
    [
        "OAuth",
        "OAuth ",
        "OAuth nonsense",
        'OAuth realm="limited_poa"',
        'OAuth oauth_token="a", oauth_token="b"',
        'OAuth oauth_consumer_key="\\"',
        'OAuth oauth_consumer_key="%ff%fe", oauth_signature="%%%"',
        "OAuth " + "x" * 7000,
    ],
)
def test_a_header_that_cannot_be_read_is_refused(gateway: RunningGateway, header: str) -> None:
    status, body = fetch(gateway, "POST", "/v1/api/tickle", headers={"Authorization": header})
    assert (status, body) in [(401, INVALID_SIGNATURE), (401, INVALID_CONSUMER)]


def test_a_signature_that_is_no_base64_is_refused(owner: Program) -> None:
    owner.sign_in()
    for text in ("", "%", "a", "äö", "A" * 6000):
        parameters = owner.signed("POST", "/tickle") | {"oauth_signature": quote(text)}
        assert owner.send("POST", "/tickle", parameters) == (401, INVALID_SIGNATURE)
    parameters = owner.signed("POST", "/tickle", oauth_signature_method="PLAINTEXT")
    assert owner.send("POST", "/tickle", parameters) == (401, INVALID_SIGNATURE)


def test_a_token_speaks_for_its_own_user_only(owner: Program, user: str) -> None:
    owner.sign_in()
    for name, expected in ((user, 200), ("somebody-else", 401)):
        path = f"/u/{name}/v1/api/tickle"
        bare = {k: v for k, v in owner.signed("POST", "/tickle").items() if k != "oauth_signature"}
        base = oauth1a.generate_base_string("POST", f"{owner.gateway.url}{path}", bare)
        signed = bare | {"oauth_signature": oauth1a.generate_hmac_sha_256_signature(base, owner.live)}
        header = oauth1a.generate_authorization_header_string(signed, owner.realm)
        assert fetch(owner.gateway, "POST", path, headers={"Authorization": header})[0] == expected


def test_a_gateway_can_serve_signed_requests_only(owner: Program, user: str) -> None:
    owner.sign_in()
    with owner.gateway.behaving(oauth_only=True):
        assert owner.gateway.request("POST", "/u/anybody/v1/api/tickle")[0] == 200
        assert fetch(owner.gateway, "POST", "/v1/api/tickle") == (401, EXPIRED)
        assert owner.call("POST", "/tickle")[0] == 200


def test_a_websocket_names_its_access_token(owner: Program, user: str) -> None:
    owner.sign_in()
    owner.call("POST", "/iserver/auth/ssodh/init")
    session = owner.call("POST", "/tickle")[1]["session"]
    url = f"{owner.base.replace('http', 'ws', 1)}/ws?oauth_token={owner.token}"
    with connect(url, additional_headers={"Cookie": f"api={session}"}) as socket:
        assert messages(socket, "system")[0]["success"] == user
    path = f"/v1/api/ws?oauth_token={'0' * 20}"
    assert fetch(owner.gateway, "GET", path, headers={"Connection": "Upgrade", "Upgrade": "websocket"}) == (
        401,
        EXPIRED,
    )


# -- registering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"consumer_key": ""}, "consumer_key"),
        ({"signature_key": "x"}, "PEM"),
        ({"encryption_key": keys().signature}, "PEM"),
        ({"dh_params": "x"}, "dhparam"),
        ({"dh_params": "", "dh_prime": "-7f"}, "at least 512 bits"),
        ({"dh_params": "", "dh_prime": "zz"}, "base 16"),
        ({"dh_params": ""}, "dh_prime"),
        ({"state": "sleepy"}, "pending, active, revoked"),
        ({"party": "second"}, "first, third"),
    ],
)
def test_a_consumer_that_makes_no_sense_is_not_registered(
    gateway: RunningGateway, change: dict[str, str], says: str
) -> None:
    body = {"consumer_key": "NONSENSE"} | keys().public() | change
    status, answer = gateway.request("POST", "/sim/v1/oauth/consumers", body)
    assert (status, says in answer["error"]) == (400, True)
    assert "NONSENSE" not in [c["consumer_key"] for c in gateway.control("GET", "/oauth/consumers")]


@pytest.mark.usefixtures("servers")
def test_consumers_and_grants_survive_a_crash_and_sessions_do_not() -> None:
    with running_gateway("fast") as gateway:
        register(gateway, "DURABLE", keys(), party="first")
        program = Program(gateway, "DURABLE", keys(), *grant(gateway, "DURABLE", "alice"))
        assert program.sign_in()[0] == 200
        gateway.control("POST", "/oauth/consumers/DURABLE", {"state": "pending"})
        gateway.kill()
        gateway.start()
        assert program.call("POST", "/tickle") == (401, INVALID_CONSUMER)
        gateway.control("POST", "/oauth/consumers/DURABLE", {"state": "active"})
        assert program.call("POST", "/tickle") == (401, EXPIRED)
        assert program.sign_in()[0] == 200
        assert program.call("POST", "/tickle")[0] == 200


def test_the_control_plane_for_signing_needs_its_token(gateway: RunningGateway) -> None:
    assert fetch(gateway, "GET", "/sim/v1/oauth/consumers")[0] == 401
