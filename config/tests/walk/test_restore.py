"""A restore of an older backup, with every process for real: orders sent since are put to a person, and none is doubled."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]
USER = "RESTORED1"
SOON = 90.0
PROCESSES = ("web", "worker", "stream", "beat")


@dataclass
class Drill:
    """The product, a gateway that keeps its books elsewhere, and a strategy that trades there."""

    product: Product
    gateway: RunningGateway
    connection: int
    url: str

    def send(self, ticker: str, key: str) -> str:
        """POST a signal that opens a position far below the market; the code of its row."""
        message = {"ticker": ticker, "action": "buy", "quantity": 1, "orderType": "limit", "limitPrice": 1}
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

    def until(self, condition: Callable[[], object], what: str) -> None:
        assert eventually(condition, SOON), (what, self.at_ibkr(), self.orphans())


def program(name: str, *words: str) -> None:
    subprocess.run([postgres_programs() / name, *words], check=True, stdin=subprocess.DEVNULL)


def put_back(product: Product, dump: Path) -> None:
    """What docs/operations.md says: the database of the dump in the place of the one there is, then every process anew."""
    database = embedded.urls(product.folder).database
    server, older = (database.replace(f"/{NAME}?", f"/{name}?") for name in ("postgres", "older"))
    with psycopg.connect(server, autocommit=True) as session:
        session.execute("CREATE DATABASE older")
        program("pg_restore", "--no-owner", "--exit-on-error", "--dbname", older, str(dump))
        session.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [NAME])
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
