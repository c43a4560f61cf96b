"""One gateway for the whole run; every test is a username of its own, so none can see another's books."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from brokers.simulator.testing.gateway import RunningGateway, running_gateway

ROOT = Path(__file__).resolve().parents[3]


def shared_ibkr() -> Path:
    """The folder with IBKR's description and recordings; skips, with the reason, where it is absent."""
    named = os.environ.get("HALYARD_SHARED")
    for base in ([Path(named)] if named else []) + [ROOT.parent / "shared", ROOT / "shared"]:
        if (folder := base / "data" / "ibkr").is_dir():
            return folder
    pytest.skip("shared/data/ibkr is absent: set HALYARD_SHARED to the folder that holds data/ibkr/recordings.")


@dataclass
class Client:
    """A signed-in user of the gateway."""

    gateway: RunningGateway
    user: str
    account: str

    def get(self, path: str) -> Any:
        return self.gateway.call(self.user, "GET", path)[1]

    def post(self, path: str, body: Any = None) -> Any:
        return self.gateway.call(self.user, "POST", path, body)[1]

    def delete(self, path: str) -> Any:
        return self.gateway.call(self.user, "DELETE", path)[1]

    def place(self, *tickets: dict[str, Any]) -> Any:
        return self.post(f"/iserver/account/{self.account}/orders", {"orders": list(tickets)})

    def orders(self) -> list[dict[str, Any]]:
        """The live orders, past the cold first read."""
        answer = self.get("/iserver/account/orders")
        if not answer["snapshot"]:
            answer = self.get("/iserver/account/orders")
        rows: list[dict[str, Any]] = answer["orders"]
        return rows

    def order(self, reference: str) -> dict[str, Any]:
        return next(o for o in self.orders() if o.get("order_ref") == reference)

    def trades(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get("/iserver/account/trades?days=7")
        return rows

    def positions(self) -> dict[str, float]:
        rows = self.get(f"/portfolio2/{self.account}/positions")
        return {row["description"]: row["position"] for row in rows}

    def socket(self) -> ClientConnection:
        return connect(self.gateway.ws_url(self.user))


def ticket(reference: str = "", **changes: Any) -> dict[str, Any]:
    """A market order for five Apple shares, with changes."""
    base = {"conid": 265598, "side": "BUY", "orderType": "MKT", "tif": "DAY", "quantity": 5}
    return base | ({"cOID": reference} if reference else {}) | changes


def messages(socket: ClientConnection, topic: str, count: int = 1, timeout: float = 5) -> list[dict[str, Any]]:
    """The next messages of a topic."""
    matching: list[dict[str, Any]] = []
    while len(matching) < count:
        message = json.loads(socket.recv(timeout=timeout))
        if message.get("topic") == topic:
            matching.append(message)
    return matching


def until(check: Callable[[], Any], timeout: float = 15) -> Any:
    """Wait for what must come about, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if result := check():
            return result
        time.sleep(0.02)
    raise AssertionError("It did not come about in time.")


@pytest.fixture(scope="session")
def gateway(servers: None) -> Iterator[RunningGateway]:
    with running_gateway("fast") as running:
        yield running


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    return re.sub(r"[^A-Za-z0-9]", "-", request.node.name)[:64]


@pytest.fixture
def client(gateway: RunningGateway, user: str) -> Client:
    # The gateway is shared: a price that another test posted would be this one's market.
    gateway.clear_quotes()
    return Client(gateway, user, gateway.sign_in(user))
