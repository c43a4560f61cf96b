"""Behind a pooler that hands each transaction to another session, every signal is still one order, though processes are killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import children
from config.supervisor import ports
from config.supervisor.processes import read_procfile
from config.tests import tables
from config.tests.product import ROOT, Product, running
from config.tests.walk import pooler
from config.tests.watching import arrives, eventually, senders

pytestmark = [
    pytest.mark.walk,
    pytest.mark.xdist_group("product"),
    pytest.mark.skipif(
        pooler.PROGRAM is None, reason="PgBouncer is not installed (Debian: apt-get install pgbouncer)."
    ),
    pytest.mark.skipif(
        os.geteuid() == 0 and not children.can_become(children.namespace()),
        reason="PgBouncer refuses to be root, and user namespaces are refused here.",
    ),
]
SIGNALS = 96
SENDERS = 8
PATIENCE = 60.0
POOLED = ("web", "worker", "stream")


@pytest.fixture
def pooler_port() -> int:
    return ports.free("127.0.0.1", 0)


@pytest.fixture
def product(servers: None, django_db_setup: None, tmp_path: Path, pooler_port: int) -> Iterator[Product]:
    """A product whose processes reach the database by a pooler, and directly where they need a session."""
    behind = (
        f"env DATABASE_URL=postgresql://halyard@127.0.0.1:{pooler_port}/halyard"
        ' DATABASE_DIRECT_URL="$DATABASE_URL" HALYARD_SELF_CONTAINED=on'
    )
    commands = read_procfile(ROOT / "Procfile")
    commands |= {name: f"{behind} {commands[name]}" for name in POOLED}
    commands["pooler"] = f"python -m config.tests.walk.pooler {pooler_port}"
    procfile = tmp_path / "Procfile"
    procfile.write_text("".join(f"{name}: {command}\n" for name, command in commands.items()))
    with running(tables=tables.made(), procfile=procfile) as product:
        yield product


def test_each_signal_is_one_order_behind_a_transaction_pooler(product: Product, pooler_port: int) -> None:
    product.rows(
        "UPDATE strategies_termsversion SET values = jsonb_set(values, '{entry_time_to_live_seconds}', '600') RETURNING id"
    )
    answered = threading.Semaphore(0)

    def send(number: int) -> None:
        status, answer = product.send(PATIENCE, ticker="AAPL", action="buy", quantity=1, signalId=f"pooled-{number}")
        assert status == 200, answer
        answered.release()

    with senders(SENDERS) as pool:
        sent = [pool.submit(send, number) for number in range(SIGNALS)]
        for name in ("worker", "pooler", "stream"):
            for _ in range(SIGNALS // 4):
                assert answered.acquire(timeout=PATIENCE)
            product.kill(name)
        for future in sent:
            future.result()

    assert arrives(lambda: product.filled("pooled-"), SIGNALS)
    assert product.rows("SELECT count(*), count(DISTINCT reference) FROM simulator_simorder") == [(SIGNALS, SIGNALS)]
    assert product.rows("SELECT count(*) FROM brokers_order") == [(SIGNALS,)]
    assert eventually(product.ready, PATIENCE)
    # They went through it.
    with psycopg.connect(f"postgresql://halyard@127.0.0.1:{pooler_port}/pgbouncer", autocommit=True) as admin:
        pooled = [row for row in admin.execute("SHOW STATS_TOTALS").fetchall() if row[0] == "halyard"]
        assert pooled
        assert pooled[0][1] > SIGNALS
        servers = {row[-1] for row in admin.execute("SHOW SERVERS").fetchall()}
        assert servers
