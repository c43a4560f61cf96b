"""A program that signs: ibind's own signing code, so that both halves were not written by the same hand."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import Keys, grant, keys, register

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
