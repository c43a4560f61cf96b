"""A share that is sold short is asked about beside, and nothing waits for it; the simulated broker refuses what cannot be borrowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import lab
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_scarce_afterwards(bench: lab.Lab) -> Iterator[None]:
    yield
    bench.gateway.shortable("AAPL", None)


def read(action: str) -> dict[str, Any]:
    return {
        "action": action,
        "instrument": {"class": "stock", "symbol": "AAPL"},
        "quantity": {"value": "10", "type": "fixed_quantity"},
    }


def decided(strategy: Strategy, action: str) -> Decision:
    rows.signal(strategy, timezone.now(), reading=read(action))
    for _ in range(5):
        BrokerageAccount.objects.update(book_as_of=timezone.now())
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


def asked(bench: lab.Lab) -> int:
    """How often the gateway was asked what can be borrowed."""
    calls = bench.gateway.journal(bench.user, path="/iserver/marketdata/snapshot")
    return sum("7636" in str(call["query"]) for call in calls)


def noted(decision: Decision) -> str:
    assert decision.inputs is not None
    return " ".join(decision.inputs["assessment"][0]["notes"])


def lookup() -> ContractLookup:
    return ContractLookup.objects.get(ticker="AAPL")


def test_the_first_short_sale_asks_beside_and_the_next_one_is_told(
    bench: lab.Lab, strategy: Strategy, client: Client, alice: User
) -> None:
    bench.gateway.shortable("AAPL", 0)
    first = decided(strategy, "sell")
    assert first.status == "accepted", first.reason
    # Nothing was known when it was decided, and nothing was waited for.
    assert "borrow" not in noted(first)
    order = Order.objects.get()
    assert (order.status, order.reason_code) == ("rejected", "no-shares-to-borrow")
    # The first request of a session only subscribes.
    times = asked(bench)
    assert times > 0
    assert lookup().borrow_wanted_at is None
    second = decided(strategy, "sell")
    assert second.status == "accepted", second.reason
    assert "IBKR says that no shares of AAPL can be borrowed now" in noted(second)
    assert asked(bench) == times
    client.force_login(alice)
    page = client.get(f"/teams/{bench.account.team.code}/accounts/{bench.account.code}/contracts/{order.conid}/")
    assert "No shares to borrow," in page.text


def test_what_can_be_borrowed_is_written_down(bench: lab.Lab, strategy: Strategy) -> None:
    decided(strategy, "sell")
    known = lookup()
    assert known.borrow is not None
    assert (known.borrow["shares"], known.borrow_wanted_at, known.quote_wanted_at) == ("10000000", None, None)


def test_a_purchase_asks_for_nothing(bench: lab.Lab, strategy: Strategy) -> None:
    assert decided(strategy, "buy").status == "accepted"
    assert asked(bench) == 0
    assert ContractLookup.objects.get(ticker="AAPL").borrow is None


def test_a_gateway_that_does_not_say_is_not_asked_on_and_on(bench: lab.Lab, strategy: Strategy) -> None:
    decided(strategy, "buy")
    ContractLookup.objects.update(borrow_wanted_at=timezone.now())
    bench.gateway.fault(
        match={"user": bench.user, "path": "/iserver/marketdata/snapshot"}, action={"status": 503, "body": ""}, times=99
    )
    lab.work()
    bench.gateway.clear_faults()
    known = lookup()
    assert (known.borrow, known.borrow_wanted_at) == (None, None)
    assert known.borrow_answered_at is not None
