"""Each known failure of an order gets one reaction of the product as it runs: one status, one code, never a second order."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Execution, Order
from brokers.orders import cancels
from brokers.simulator.faults.presets import PRESETS
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_doubts import reason, watched

pytestmark = pytest.mark.django_db(transaction=True)

_HERE = Path(__file__).resolve().parent
FAILURES = {
    row["id"]: row
    for row in map(json.loads, (_HERE.parents[1] / "ibkr/tests/data/failures.jsonl").read_text().splitlines())
}
REACTIONS = {row["id"]: row for row in csv.DictReader((_HERE / "order_reactions.csv").open())}
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
# An answer that takes longer than IBKR waits; the wait itself proves nothing here.
HANGS = {"hang": True, "hang_s": 0.5}


def of(*stages: str) -> list[str]:
    return [name for name, row in REACTIONS.items() if row["stage"] in stages]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def arm(bench: lab.Lab, name: str, **values: Any) -> None:
    """The failure as its preset shows it; one that any call can meet is met by the order."""
    preset = PRESETS[FAILURES[name]["sim_fault"]]
    action = HANGS if preset["action"] == {"hang": True} else preset["action"]
    match = PLACE if preset["match"] in ({}, {"path": "/iserver/*"}) else preset["match"]
    fault = {"action": action, "phase": preset["phase"], "match": {**match, "user": bench.user}, **values}
    bench.gateway.fault(**fault)


def reached(order: Order, name: str) -> bool:
    """Whether the order has the status and the code of its reaction."""
    return reason(order) == (REACTIONS[name]["status"], REACTIONS[name]["code"])


def settled(bench: lab.Lab, order: Order, name: str) -> None:
    """As many requests as the reaction allows, and at IBKR what the row says, once."""
    row = REACTIONS[name]
    order.refresh_from_db()
    ours = [each for each in bench.at_broker() if each.get("order_ref") == order.reference]
    # A session that is lost while an order leaves may take a second request, of which IBKR refuses the first.
    assert not row["posts"] or len(bench.posts()) == int(row["posts"])
    assert len(ours) <= 1
    working = [each for each in ours if each["status"] in {"Submitted", "PreSubmitted", "Filled"}]
    assert bool(working) == (row["status"] in {"accepted", "pending_cancel", "filled"})
    if row["code"]:
        # A sentence that says what happened, and more than IBKR's own words.
        assert order.reason.count(".") >= 1


@pytest.mark.parametrize("name", of("place"))
def test_an_answer_to_an_order(bench: lab.Lab, name: str) -> None:
    arm(bench, name)
    order = bench.order(type="limit", limit_price=Decimal(1))
    watched(lambda: reached(order, name))
    settled(bench, order, name)
    # A list or the stream that named the order meanwhile is believed: it is never in doubt again.
    states = list(order.events.order_by("pk").values_list("new", flat=True))
    assert "unknown" not in states[states.index("accepted") :] if states[-1] == "accepted" else True


@pytest.mark.parametrize("name", of("reply"))
def test_an_answer_to_a_reply(bench: lab.Lab, name: str) -> None:
    bench.gateway.fault(action={"question": ["o354"]}, match={**PLACE, "user": bench.user})
    arm(bench, name)
    order = bench.order(type="limit", limit_price=Decimal(1))
    watched(lambda: reached(order, name))
    settled(bench, order, name)
    replies = [each for each in bench.gateway.journal(bench.user, method="POST") if "/reply/" in each["path"]]
    assert len({each["path"] for each in replies}) == len(replies)


@pytest.mark.parametrize("name", of("cancel"))
def test_an_answer_to_a_cancel(bench: lab.Lab, name: str) -> None:
    order = bench.order(type="limit", limit_price=Decimal(1))
    lab.work()
    arm(bench, name)
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())

    def asked() -> int:
        return len(bench.gateway.journal(bench.user, method="DELETE"))

    watched(lambda: asked() and reached(order, name))
    settled(bench, order, name)
    assert 1 <= asked() <= 3


@pytest.mark.parametrize("name", of("read"))
def test_a_list_that_does_not_tell_all_proves_nothing(bench: lab.Lab, name: str) -> None:
    arm(bench, name, times=2)
    bench.gateway.fault(action={"status": 503, "body": ""}, phase="after", match={**PLACE, "user": bench.user})
    order = bench.order(type="limit", limit_price=Decimal(1))
    watched(lambda: reached(order, name))
    settled(bench, order, name)


@pytest.mark.parametrize("name", of("fill"))
def test_a_fill_is_counted_once(bench: lab.Lab, name: str) -> None:
    arm(bench, name)
    order = bench.order(type="market", quantity=Decimal(3))

    def counted() -> bool:
        rows = Execution.objects.filter(order=order)
        return reached(order, name) and sum(row.quantity for row in rows) == 3

    watched(counted)
    settled(bench, order, name)
