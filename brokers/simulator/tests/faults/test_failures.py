"""Every failure the real gateway is known for can be produced here, on the wire and in the books."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from brokers.simulator.faults.presets import FIELD, PRESETS
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket
from brokers.simulator.tests.faults import failures_of_orders, failures_of_reads, failures_of_sessions
from brokers.simulator.tests.faults.failures import ROWS, SHOWN, Stage

_WHERE = (failures_of_orders, failures_of_reads, failures_of_sessions)


@pytest.fixture(scope="module")
def troubled(servers: None) -> Iterator[RunningGateway]:
    with running_gateway("fast", behaviour={"heartbeat_s": 0.2}) as running:
        yield running


@pytest.fixture
def stage(troubled: RunningGateway, user: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield Stage(request.param, Client(troubled, user, troubled.sign_in(user)))
    troubled.clear_faults()


def _named(row: dict[str, Any]) -> str:
    return str(row["id"])


@pytest.mark.parametrize("stage", ROWS, ids=_named, indirect=True)
def test_the_failure_is_produced_by_its_preset(stage: Stage) -> None:
    SHOWN[stage.row["id"]](stage)


def test_every_known_failure_has_a_preset_and_is_shown() -> None:
    known = {row["sim_fault"] for row in ROWS}
    assert len(known) == len(ROWS) == 121
    assert known == set(PRESETS) - set(FIELD)
    assert known == set(SHOWN)


# What the broker answers to a bad request without anybody arming anything.
_BY_THEMSELVES: dict[str, Any] = {
    "order_bad_type": ticket(quantity=[5]),
    "order_bad_side": ticket(side="HOLD"),
    "order_unknown_type": ticket(orderType="MAGIC"),
    "order_no_conid": {k: v for k, v in ticket().items() if k != "conid"},
    "order_price_fields": ticket(orderType="LMT"),
    "order_tif_null": {k: v for k, v in ticket().items() if k != "tif"},
    "order_no_secdef": ticket(conid=13297),
    "order_outside_rth_attr": ticket(outsideRTH=True),
    "order_fractional_not_allowed": ticket(quantity=0.5),
    "account_not_valid": ticket(acctId="U1234567"),
}


@pytest.mark.parametrize("stage", [row for row in ROWS if row["id"] in _BY_THEMSELVES], ids=_named, indirect=True)
def test_the_failure_comes_about_by_itself(stage: Stage) -> None:
    body = _BY_THEMSELVES[stage.row["id"]]
    path = "/iserver/account/ACCT/orders"
    stage.checked(stage.call("POST", path, {"orders": [body]}))
    assert stage.books() == {}
