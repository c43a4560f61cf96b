"""Two of everything on one database: web processes, workers and streams share the work, and kills double nothing."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.supervisor import ports
from config.supervisor.processes import read_procfile
from config.tests import tables
from config.tests.product import ROOT, Product, running
from config.tests.watching import arrives, eventually, senders

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]
SIGNALS = 160
SENDERS = 8
PATIENCE = 60.0


@pytest.fixture
def doubles(servers: None, django_db_setup: None, tmp_path: Path) -> Iterator[tuple[Product, Product]]:
    """A product with two web processes, two workers and two streams; as its first web process shows it and its second."""
    commands, port = read_procfile(ROOT / "Procfile"), ports.free("127.0.0.1", 0)
    commands |= {
        "web2": commands["web"].replace('"${PORT:-8000}"', str(port)),
        "worker2": commands["worker"],
        "stream": f"{commands['stream']} --shard 0 --shards 2",
        "stream2": f"{commands['stream']} --shard 1 --shards 2",
    }
    procfile = tmp_path / "Procfile"
    procfile.write_text("".join(f"{name}: {command}\n" for name, command in commands.items()))
    with running(tables=tables.made(), procfile=procfile, HALYARD_WORK_SHARDS="2") as product:
        path = urlsplit(product.demo["webhook_url"]).path
        paths = {name: urlsplit(url).path for name, url in product.demo["webhook_urls"].items()}
        urls = {name: f"http://localhost:{port}{each}" for name, each in paths.items()}
        there = product.demo | {
            "webhook_url": f"http://localhost:{port}{path}",
            "webhook_urls": urls,
            "url": f"http://localhost:{port}",
        }
        second = dataclasses.replace(product, demo=there)
        assert eventually(second.ready, 60)
        yield product, second
        second.close()


def test_two_of_everything_take_each_signal_once_while_one_after_the_other_is_killed(
    doubles: tuple[Product, Product],
) -> None:
    product, _ = doubles
    product.rows(
        "UPDATE strategies_termsversion SET values = jsonb_set(values, '{entry_time_to_live_seconds}', '600') RETURNING id"
    )
    answered = threading.Semaphore(0)

    def send(number: int) -> str:
        message = {"ticker": "AAPL", "action": "buy", "quantity": 1, "signalId": f"two-{number}"}
        # Every third goes to both doors: the second one knows it from the first.
        codes = set()
        for door in doubles if number % 3 == 0 else (doubles[number % 2],):
            status, answer = door.send(PATIENCE, **message)
            assert status == 200, answer
            codes.add(str(answer["id"]))
        answered.release()
        [code] = codes
        return code

    with senders(SENDERS) as pool:
        sent = [pool.submit(send, number) for number in range(SIGNALS)]
        for name in ("worker", "stream", "valkey", "web2", "worker2", "stream2"):
            for _ in range(SIGNALS // 8):
                assert answered.acquire(timeout=PATIENCE)
            product.kill(name)
        signals = {future.result() for future in sent}

    assert len(signals) == SIGNALS
    assert arrives(lambda: product.filled("two-"), SIGNALS)
    assert product.rows("SELECT count(*), count(DISTINCT reference) FROM simulator_simorder") == [(SIGNALS, SIGNALS)]
    assert product.rows("SELECT count(*) FROM brokers_order") == [(SIGNALS,)]
    assert product.rows("SELECT (SELECT sum(quantity) FROM brokers_execution) - sum(quantity) FROM brokers_order") == [
        (0,)
    ]
