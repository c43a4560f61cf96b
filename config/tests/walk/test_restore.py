"""A restore of an older backup, with every process for real: orders sent since are put to a person, and none is doubled."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from config import embedded
from config.embedded.postgres import NAME, postgres_programs
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside
from config.tests.watching import eventually

# Each test has a product of its own: they need not stand behind those that share one.
pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("another-product")]
USER = "RESTORED1"
SOON = 90.0
PROCESSES = ("web", "worker", "stream")


@dataclass
class Drill:
    """The product, a gateway that keeps its books elsewhere, and a strategy that trades there."""

    product: Product
    gateway: RunningGateway
    connection: int
    url: str

    def send(self, ticker: str, key: str, **values: Any) -> str:
        """POST a signal that opens a position, far below the market unless `values` say else; the code of its row."""
        message = {"ticker": ticker, "action": "buy", "quantity": 1, "orderType": "limit", "limitPrice": 1, **values}
        message = {name: value for name, value in message.items() if value is not None}
        request = urllib.request.Request(self.url, json.dumps(message | {"signalId": key}).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["id"])

    def at_ibkr(self) -> list[str]:
        """The references of the orders that IBKR has."""
        return sorted(self.gateway.books(USER))

    def decision(self, signal: str) -> tuple[str, str]:
        query = (
            "SELECT d.status, d.reason_code FROM strategies_decision d JOIN strategies_signal s ON s.id = d.signal_id"
        )
        rows = self.product.rows(f"{query} WHERE s.code = %s", signal)
        return rows[0] if rows else ("", "")

    def orphans(self) -> list[str]:
        """References of the orders that a person is asked about."""
        query = (
            "SELECT reference FROM brokers_foreignorder WHERE left_at IS NULL AND cancel_asked_at IS NULL ORDER BY 1"
        )
        return [reference for (reference,) in self.product.rows(query)]

    def filled(self) -> list[str]:
        """References of the orders that have filled, and of which a person is asked whose they are."""
        query = "SELECT reference FROM brokers_unclaimedorder WHERE choice = '' ORDER BY 1"
        return [reference for (reference,) in self.product.rows(query)]

    def held(self, ticker: str) -> Decimal:
        query = "SELECT coalesce(sum(quantity), 0) FROM brokers_position WHERE ticker = %s"
        return Decimal(self.product.rows(query, ticker)[0][0])

    def cancel(self, reference: str) -> None:
        """Cancel an order at IBKR by hand."""
        order = self.gateway.books(USER)[reference]
        address = f"/iserver/account/{order['account']}/order/{order['order_id']}"
        status, answer = self.gateway.call(USER, "DELETE", address)
        assert (status, "order_id" in answer) == (200, True), answer

    def until(self, condition: Callable[[], object], what: str) -> None:
        assert eventually(condition, SOON), (what, self.at_ibkr(), self.orphans())


def program(name: str, *words: str) -> None:
    subprocess.run([postgres_programs() / name, *words], check=True, stdin=subprocess.DEVNULL, timeout=300)


def put_back(product: Product, dump: Path) -> None:
    """What docs/operations.md says: the database of the dump in the place of the one there is, then every process anew."""
    database = embedded.urls(product.folder).database
    server, older = (database.replace(f"/{NAME}?", f"/{name}?") for name in ("postgres", "older"))
    with psycopg.connect(server, autocommit=True) as session:
        session.execute("CREATE DATABASE older")
        program("pg_restore", "--no-owner", "--exit-on-error", "--dbname", older, str(dump))
        session.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
        session.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [NAME])
        session.execute(f"ALTER DATABASE {NAME} RENAME TO lost")
        session.execute(f"ALTER DATABASE older RENAME TO {NAME}")
    for name in PROCESSES:
        product.kill(name)


@pytest.fixture
def drill(servers: None, django_db_setup: None) -> Iterator[Drill]:
    with running_gateway("fast") as gateway, running(tables=tables.made()) as product:
        gateway.sign_in(USER)
        connection = inside.run(product, f"connect({USER!r}, {gateway.base_url(USER)!r})")
        query = "SELECT 1 FROM brokers_brokerageaccount WHERE connection_id = %s AND book_as_of IS NOT NULL"
        assert eventually(lambda: product.rows(query, connection), SOON)
        terms: dict[str, Any] = {"allow_add": True}
        urls = inside.run(product, f"follow({connection}, restored={terms!r})")
        yield Drill(product, gateway, connection, urls["restored"])


def test_orders_sent_since_the_backup_are_put_to_a_person_and_nothing_is_doubled(drill: Drill, tmp_path: Path) -> None:
    drill.send("NVDA", "before")
    drill.until(lambda: len(drill.at_ibkr()) == 1, "the order of before is at IBKR")
    known = drill.at_ibkr()
    dump = tmp_path / "halyard.dump"
    program("pg_dump", "--format=custom", "--file", str(dump), embedded.urls(drill.product.folder).database)
    drill.send("AAPL", "since-1")
    drill.send("MSFT", "since-2")
    drill.until(lambda: len(drill.at_ibkr()) == 3, "both orders of since are at IBKR")
    since = sorted(set(drill.at_ibkr()) - set(known))
    put_back(drill.product, dump)
    drill.until(drill.product.ready, "the product is back")
    # Both are found by our reference; the one that the backup has is no orphan.
    drill.until(lambda: drill.orphans() == since, "both are put to a person")
    assert drill.product.rows("SELECT count(*) FROM brokers_order WHERE reference = ANY(%s)", since) == [(0,)]
    # The same signal once more: its key is lost with the rows, and the order is there.
    again = drill.send("AAPL", "since-1")
    drill.until(lambda: drill.decision(again)[0] == "rejected", "the repeated signal is refused")
    assert drill.decision(again)[1] == "order-undecided"
    assert drill.at_ibkr() == sorted([*known, *since])
    # Where nothing is undecided, it goes on.
    drill.send("NVDA", "after")
    drill.until(lambda: len(drill.at_ibkr()) == 4, "an order after the restore is at IBKR")
    assert drill.orphans() == since


def test_orders_filled_since_the_backup_are_put_to_a_person_and_nothing_is_bought_twice(
    drill: Drill, tmp_path: Path
) -> None:
    drill.send("NVDA", "before")
    drill.until(lambda: len(drill.at_ibkr()) == 1, "the order of before is at IBKR")
    known = drill.at_ibkr()
    dump = tmp_path / "halyard.dump"
    program("pg_dump", "--format=custom", "--file", str(dump), embedded.urls(drill.product.folder).database)
    # One fills whole; the other in part, and is then canceled by hand.
    drill.send("AAPL", "since-1", orderType="market", limitPrice=None)
    drill.until(lambda: drill.held("AAPL") == 1, "the first order of since has filled")
    drill.gateway.fault(action={"partial_fill": 0.4}, match={"method": "POST", "path": "/iserver/account/*/orders"})
    drill.send("MSFT", "since-2", quantity=10, limitPrice=100000)
    drill.until(lambda: drill.held("MSFT") == 4, "the second order of since has filled in part")
    since = sorted(set(drill.at_ibkr()) - set(known))
    (part,) = [name for name in since if drill.gateway.books(USER)[name]["quantity"] in {"10", "10.0"}]
    drill.cancel(part)
    drill.until(lambda: drill.gateway.books(USER)[part]["status"] == "Cancelled", "the rest of it is canceled")
    put_back(drill.product, dump)
    drill.until(drill.product.ready, "the product is back")
    drill.until(lambda: drill.filled() == since, "both are put to a person")
    drill.until(
        lambda: (drill.held("AAPL"), drill.held("MSFT")) == (Decimal(1), Decimal(4)), "both count in the position"
    )
    assert drill.orphans() == []
    # The same signals once more, as a sender's retry: their keys are lost with the rows.
    again = [
        drill.send("AAPL", "since-1", orderType="market", limitPrice=None),
        drill.send("MSFT", "since-2", quantity=10, limitPrice=100000),
    ]
    refused = [("rejected", "order-undecided")] * 2
    drill.until(lambda: [drill.decision(signal) for signal in again] == refused, "the repeated signals are refused")
    assert drill.at_ibkr() == sorted([*known, *since])
    # A way out goes on.
    drill.send("AAPL", "out", action="exit", orderType="market", limitPrice=None, quantity=None)
    drill.until(lambda: drill.held("AAPL") == 0, "the position is closed")
    assert drill.filled() == since


def test_a_signal_that_comes_again_while_everything_starts_at_once_is_not_doubled(drill: Drill, tmp_path: Path) -> None:
    drill.send("NVDA", "before")
    drill.until(lambda: len(drill.at_ibkr()) == 1, "the order of before is at IBKR")
    dump = tmp_path / "halyard.dump"
    program("pg_dump", "--format=custom", "--file", str(dump), embedded.urls(drill.product.folder).database)
    drill.send("AAPL", "since-1")
    drill.until(lambda: len(drill.at_ibkr()) == 2, "the order of since is at IBKR")
    there = drill.at_ibkr()
    # Web and worker start with the stream, which has not seen IBKR's list yet when the sender tries again.
    late = {"method": "GET", "path": "/iserver/account/orders"}
    drill.gateway.fault(action={"delay_ms": 8000}, match=late, times=None)
    put_back(drill.product, dump)
    drill.until(drill.product.ready, "the product is back")
    again = drill.send("AAPL", "since-1")
    waits = "SELECT 1 FROM strategies_decision WHERE status = 'pending' AND waiting_for LIKE '%%lists of orders%%'"
    drill.until(lambda: drill.product.rows(waits), "the repeated signal waits for IBKR's lists")
    drill.gateway.clear_faults()
    drill.until(lambda: drill.decision(again)[0] == "rejected", "the repeated signal is refused")
    assert drill.decision(again)[1] == "order-undecided"
    assert drill.at_ibkr() == there
    # What was never sent goes on.
    drill.send("MSFT", "after")
    drill.until(lambda: len(drill.at_ibkr()) == 3, "an order after the restore is at IBKR")
