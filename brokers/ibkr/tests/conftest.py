"""A gateway of the simulator on loopback, and other people's recordings where they are at hand."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.domain.brokerage import Leg
from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderType, Role, Side
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr import IbkrBrokerage, connect

_REPOSITORY = Path(__file__).resolve().parents[3]
APPLE = Contract(instrument=Instrument(ticker="AAPL"), conid=265598)


@pytest.fixture(scope="session")
def gateway(servers: None) -> Iterator[Any]:
    """One gateway process for all wire tests; each test is a user of its own."""
    # By name: the adapter and the simulator never import each other, they meet on the wire.
    testing = importlib.import_module("brokers.simulator.testing.gateway")
    with testing.running_gateway("fast") as running:
        yield running


@pytest.fixture
def login(gateway: Any, request: pytest.FixtureRequest) -> Login:
    """A user nobody else has."""
    username = re.sub(r"\W", "", request.node.name)[:40].upper() + str(abs(hash(request.node.nodeid)) % 10**6)
    return Login(
        username=username,
        environment=Environment.SIMULATED,
        auth_method=AuthMethod.GATEWAY,
        base_url=gateway.base_url(username),
    )


@pytest.fixture
async def brokerage(login: Login) -> AsyncIterator[IbkrBrokerage]:
    """A brokerage whose session is open."""
    opened = connect(login)
    await opened.open_session()
    yield opened
    await opened.close()


@pytest.fixture
async def account(brokerage: IbkrBrokerage) -> str:
    [facts] = await brokerage.accounts()
    return facts.account_id


def leg(reference: str, **changes: Any) -> Leg:
    """An order for five shares of Apple, at market unless said otherwise."""
    parent = changes.pop("parent_reference", None)
    contract = changes.pop("contract", APPLE)
    fields = {
        "role": Role.ENTRY,
        "instrument": contract.instrument,
        "side": Side.BUY,
        "type": OrderType.MARKET,
        "quantity": Decimal(5),
    } | changes
    return Leg(intent=OrderIntent(**fields), reference=reference, contract=contract, parent_reference=parent)


@pytest.fixture
def recording() -> Any:
    """Reads the body of a recorded answer; the recordings belong to others and are not in this repository."""
    shared = Path(os.environ.get("HALYARD_SHARED") or _REPOSITORY.parent / "shared")
    folder = shared / "data" / "ibkr" / "recordings"
    if not folder.is_dir():
        pytest.skip("The recordings of IBKR's answers are not on this machine (set HALYARD_SHARED).")

    def read(name: str) -> Any:
        text = (folder / f"{name}.json").read_text()
        return json.loads(text, parse_float=Decimal)["Response"]["Body"]

    return read
