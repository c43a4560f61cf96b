"""The worker as its own program: it takes messages, begins anew when it is told to, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection

from config import embedded
from config.celery import app
from config.tests.watching import eventually

pytestmark = pytest.mark.usefixtures("servers")
QUEUE = f"test-{uuid.uuid4()}"
OWN_DATABASE = 9  # of the test run's Valkey; those of xdist's workers are below


@pytest.fixture
def redis_url() -> str:
    """A database of Valkey in which nobody else waits for messages."""
    return re.sub(r"(\?db=|/)\d+$", rf"\g<1>{OWN_DATABASE}", settings.REDIS_URL)


@pytest.fixture
def worker(redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "config.worker", "--queues", QUEUE, "--concurrency", "1"],
        cwd=embedded.BASE_DIR,
        env={**os.environ, "REDIS_URL": redis_url},
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def test_a_worker_takes_messages_begins_anew_and_ends(worker: subprocess.Popen[bytes], redis_url: str) -> None:
    with Connection(embedded.Urls("", redis_url).broker) as connection:
        channel: Any = connection.default_channel
        client = channel.client

        def is_taken() -> bool:
            return bool(client.exists(f"_kombu.binding.{QUEUE}") and not client.llen(QUEUE))

        send(connection)
        assert eventually(is_taken)
        pool = children(worker.pid)
        worker.send_signal(signal.SIGHUP)
        assert eventually(lambda: (now := children(worker.pid)) and not now & pool)
        send(connection)
        assert eventually(is_taken)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0


def send(connection: Connection) -> None:
    """A message that asks for nothing."""
    app.send_task("celery.accumulate", queue=QUEUE, connection=connection)


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("start", ["import config.asgi", "import config.worker; config.worker.main(['--help'])"])
def test_a_thread_that_renders_keeps_another_from_going_on_for_a_millisecond(start: str) -> None:
    """Python's own 5 ms, after each trip to the database, came to a tenth of a second for a decision."""
    code = f"""
import os, sys
try:
    {start}
except SystemExit:
    pass
if os.fork() == 0:
    print("a process waits", sys.getswitchinterval())
"""
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=embedded.BASE_DIR, text=True)
    assert "a process waits 0.001" in printed
