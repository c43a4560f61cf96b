"""A gateway that a person signed in to, and the installation's own simulated one: the path or the gateway is the proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from brokers.domain.brokerage import BrokerError
from brokers.domain.sessions import Login
from brokers.ibkr import credentials
from brokers.ibkr.auth.method import Answered, Post


class SimulatedLogin:
    """The simulator knows its user by the path of the address: nothing is shown, and nothing ends."""

    def __init__(self, login: Login) -> None:
        self.base_url = login.base_url.rstrip("/")

    async def prepare(self, post: Post) -> None:
        """Nothing comes before a request."""

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        return {}

    def stream_headers(self) -> Mapping[str, str]:
        return {}

    def stream_query(self) -> Mapping[str, str]:
        return {}

    def is_over(self, answer: Answered) -> bool:
        """A person signs in at a gateway: nothing that we could prepare again."""
        return False

    def refusal(self, answer: Answered) -> BrokerError | None:
        return None

    @property
    def expires_at(self) -> datetime | None:
        return None


class GatewayLogin(SimulatedLogin):
    """The gateway holds the sign-in; a proxy before it may want to be shown a header."""

    def __init__(self, login: Login) -> None:
        super().__init__(login)
        self._shown = credentials.headers(login.secrets)

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        return self._shown

    def stream_headers(self) -> Mapping[str, str]:
        return self._shown
