"""A consumer that the simulator knows, and the login that signs in with its keys."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.auth.keys import group_pem

# By name: the adapter and the simulator never import each other, they meet on the wire.
oauth: Any = importlib.import_module("brokers.simulator.testing.oauth")
# The second Oakley group (RFC 2409): 1024 bits.
PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A first-party consumer at the running gateway, with one user's grant."""

    gateway: Any
    consumer_key: str
    login: Login

    def changed(self, **secrets: str) -> Login:
        """The login with other secrets."""
        return replace(self.login, secrets={**self.login.secrets, **secrets})

    def state(self, state: str) -> None:
        self.gateway.control("POST", f"/oauth/consumers/{self.consumer_key}", {"state": state})

    def granted_again(self) -> str:
        """A new grant: the token stays, its secret changes."""
        return str(oauth.grant(self.gateway, self.consumer_key, self.login.username)[1])

    def refusals(self) -> list[dict[str, Any]]:
        return list(self.gateway.control("GET", "/oauth/refusals"))

    def asked(self) -> int:
        """How often a live session token was asked for."""
        entries = self.gateway.journal(self.login.username, method="POST", path="/oauth/live_session_token")
        return len(entries)


@pytest.fixture
def registered(gateway: Any, login: Login) -> Registered:
    key = f"K{login.username}"[:60]
    made = oauth.keys()
    group = group_pem(PRIME)
    oauth.register(gateway, key, made, party="first", dh_params=group)
    token, sealed = oauth.grant(gateway, key, login.username)
    secrets = {
        "consumer_key": key,
        "access_token": token,
        "access_token_secret": sealed,
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": group,
    }
    signed = Login(
        username=login.username,
        environment=Environment.SIMULATED,
        auth_method=AuthMethod.OAUTH,
        base_url=f"{gateway.url}/v1/api",
        secrets=secrets,
        # What one does that is asked to slow down is no other's.
        tenant=login.username,
    )
    return Registered(gateway=gateway, consumer_key=key, login=signed)
