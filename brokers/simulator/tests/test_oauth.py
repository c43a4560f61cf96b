"""Signed requests: consumers and their states, the three-legged flow, live session tokens, nonces and timestamps.

The client side is ibind's own signing code, so that both halves were not written by the same hand.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from websockets.sync.client import connect

from brokers.simulator.testing import RunningGateway, running_gateway
from brokers.simulator.testing_oauth import Keys, grant, keys, register
from brokers.simulator.tests.conftest import messages

oauth1a = pytest.importorskip("ibind.oauth.oauth1a", reason="ibind[oauth], a development dependency, is not installed")
EXPIRED = {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "Access token expired"}
INVALID_CONSUMER = {"error": "id: 39687, error: invalid consumer", "statusCode": 401}
INVALID_SIGNATURE = {"error": "Invalid signature", "statusCode": 401}


@dataclass
class Program:
    """A consumer that signs with ibind's functions and sends with nothing but the standard library."""

    gateway: RunningGateway
    consumer_key: str
    keys: Keys
    token: str = ""
    sealed: str = ""
    live: str = ""
    realm: str = "limited_poa"
    last: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"{self.gateway.url}/v1/api"

    def signed(self, method: str, path: str, *, prepend: str | None = None, **extra: str) -> dict[str, str]:
        """The OAuth parameters of a request: RSA for /oauth, the live session token for the rest."""
        parameters = {
            "oauth_consumer_key": self.consumer_key,
            "oauth_nonce": oauth1a.generate_oauth_nonce(),
            "oauth_timestamp": str(int(time.time())),
            "oauth_signature_method": "RSA-SHA256" if path.startswith("/oauth/") else "HMAC-SHA256",
        } | ({"oauth_token": self.token} if self.token else {})
        parameters |= extra
        text = oauth1a.generate_base_string(method, self.base + path, parameters, prepend=prepend)
        if path.startswith("/oauth/"):
            key = oauth1a.read_private_key(private_key_content=self.keys.signature)
            parameters["oauth_signature"] = oauth1a.generate_rsa_sha_256_signature(text, key)
        else:
            parameters["oauth_signature"] = oauth1a.generate_hmac_sha_256_signature(text, self.live)
        self.last = parameters
        return parameters

    def send(self, method: str, path: str, parameters: Mapping[str, str], query: str = "") -> tuple[int, Any]:
        header = oauth1a.generate_authorization_header_string(parameters, self.realm)
        return fetch(self.gateway, method, f"/v1/api{path}{query}", headers={"Authorization": header})

    def call(self, method: str, path: str, query: str = "") -> tuple[int, Any]:
        return self.send(method, path, self.signed(method, path), query)

    def ask(self, callback: str = "https://halyard.test/back?team=7") -> tuple[int, Any]:
        path = "/oauth/request_token"
        return self.send("POST", path, self.signed("POST", path, oauth_callback=callback))

    def exchange(self, request_token: str, verifier: str) -> tuple[int, Any]:
        path = "/oauth/access_token"
        extra = {"oauth_token": request_token, "oauth_verifier": verifier}
        return self.send("POST", path, self.signed("POST", path, **extra))

    def sign_in(self) -> tuple[int, Any]:
        """Agree on a live session token, and check the gateway's proof of it."""
        secret = oauth1a.calculate_live_session_token_prepend(
            self.sealed, oauth1a.read_private_key(private_key_content=self.keys.encryption)
        )
        number = oauth1a.generate_dh_random_bytes()
        challenge = oauth1a.generate_dh_challenge(self.keys.dh_prime, number)
        path = "/oauth/live_session_token"
        parameters = self.signed("POST", path, prepend=secret, diffie_hellman_challenge=challenge)
        status, body = self.send("POST", path, parameters)
        if status == 200:
            self.live = oauth1a.calculate_live_session_token(
                self.keys.dh_prime, number, body["diffie_hellman_response"], secret
            )
            proof = body["live_session_token_signature"]
            assert oauth1a.validate_live_session_token(self.live, proof, self.consumer_key) is True
        return status, body


def fetch(
    gateway: RunningGateway, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """One request with headers of its own; the body as JSON, or the text with the headers beside it."""
    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=15)
    try:
        link.request(method, path, body, dict(headers or {}))
        answer = link.getresponse()
        text = answer.read().decode()
        if answer.headers.get_content_type().endswith("json"):
            return answer.status, json.loads(text)
        return answer.status, (text, dict(answer.headers))
    finally:
        link.close()


@pytest.fixture
def owner(gateway: RunningGateway, user: str) -> Program:
    """A first-party consumer whose owner has an access token."""
    register(gateway, key_of(user), keys(), party="first")
    token, sealed = grant(gateway, key_of(user), user)
    return Program(gateway, key_of(user), keys(), token, sealed)


@pytest.fixture
def vendor(gateway: RunningGateway, user: str) -> Program:
    """A third-party consumer that nobody has allowed anything yet."""
    register(gateway, key_of(user), keys(), party="third", name="Halyard & Söhne")
    return Program(gateway, key_of(user), keys())


def key_of(user: str) -> str:
    return f"K-{user}"[:64]


def authorize(gateway: RunningGateway, token: str, username: str, choice: str = "allow") -> tuple[int, Any]:
    form = urlencode({"oauth_token": token, "username": username, "choice": choice})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return fetch(gateway, "POST", "/authorize", form, headers)


def verifier_of(answer: tuple[int, Any]) -> str:
    status, (_, headers) = answer
    assert status == 302
    return str(parse_qs(urlsplit(headers["Location"]).query)["oauth_verifier"][0])


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


# -- the three-legged flow ---------------------------------------------------------------------------------------


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

    status, given = vendor.exchange(body["oauth_token"], verifier_of(answer))
    assert (status, given["is_paper"]) == (200, True)
    vendor.token, vendor.sealed = given["oauth_token"], given["oauth_token_secret"]
    assert vendor.sign_in()[0] == 200
    assert vendor.call("GET", "/portfolio/accounts")[1][0]["accountTitle"] == f"Simulated {user}"


def test_the_same_user_allows_twice_and_keeps_the_token(vendor: Program, user: str) -> None:
    given = []
    for _ in range(2):
        token = vendor.ask()[1]["oauth_token"]
        given.append(vendor.exchange(token, verifier_of(authorize(vendor.gateway, token, user)))[1])
    assert given[0]["oauth_token"] == given[1]["oauth_token"]
    assert given[0]["oauth_token_secret"] != given[1]["oauth_token_secret"]


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
    said = "This username is not associated with a paper trading account"
    token = vendor.ask()[1]["oauth_token"]
    status, (page, _) = authorize(vendor.gateway, token, "liveAlice")
    assert (status, said in page) == (200, True)
    vendor.gateway.control("POST", "/oauth/live_usernames", {"usernames": ["alice-real"]})
    assert said in authorize(vendor.gateway, token, "alice-real")[1][0]
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
