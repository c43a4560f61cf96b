"""A consumer at the simulator's OAuth server, and what its owner would paste."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.connections import signing
from brokers.domain.sessions import Environment, Region
from brokers.ibkr.auth.keys import group_pem
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import grant, keys, register

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person with a consumer at IBKR."""

    gateway: RunningGateway
    username: str
    parts: dict[str, str]

    def connect(self, team: Team, **parts: str) -> Connection:
        return signing.connect(
            team=team,
            actor=None,
            name="Signed",
            username=self.username,
            environment=Environment.PAPER,
            region=Region.NORTH_AMERICA,
            parts={**self.parts, **parts},
            now=timezone.now(),
        )

    def asked(self) -> int:
        """How often a live session token was asked for."""
        return len(self.gateway.journal(self.username, method="POST", path="/oauth/live_session_token"))


@pytest.fixture
def owner(gateway: RunningGateway, settings: Any) -> Owner:
    settings.IBKR_API_URL = f"{gateway.url}/v1/api"
    settings.TRUST_PRIVATE_GATEWAYS = True
    settings.GATEWAY_PORTS = ["1-65535"]
    number = next(_numbers)
    username, key, made, group = f"signer{number}", f"SIGNED{number:03d}", keys(), group_pem(PRIME)
    register(gateway, key, made, party="first", dh_params=group)
    token, sealed = grant(gateway, key, username)
    parts = {
        "consumer_key": key,
        "access_token": token,
        "access_token_secret": sealed,
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": group,
    }
    return Owner(gateway=gateway, username=username, parts=parts)
