"""What the benches run against: a Postgres and a Valkey of their own, and web processes on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from config import embedded
from config.tests import tables

# As the Procfile starts it.
UVICORN = "--loop uvloop --http httptools --ws accounts.feed.lines:Line --ws-per-message-deflate false --backlog 2048 --no-proxy-headers --no-access-log --no-server-header --log-level warning"


@contextlib.contextmanager
def migrated_database() -> Iterator[Path]:
    """Django, set up on servers in a folder that is thrown away; yields the folder. Once in a process."""
    with tempfile.TemporaryDirectory(prefix="halyard-bench-") as name:
        folder = Path(name)
        known = tables.named()
        tables.fill(folder, known)
        with embedded.start(folder):
            own = embedded.urls(folder)
            os.environ |= {
                "DATABASE_URL": own.database,
                "REDIS_URL": own.redis,
                "HALYARD_DATA": str(folder),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "HALYARD_SELF_CONTAINED": "on",
                "HALYARD_LOG_LEVEL": "WARNING",
                # A bench sends more than a team does.
                "HALYARD_TEAM_PER_MINUTE": str(10**9),
            }
            if known is None:
                subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"], check=True)
            import django

            django.setup()
            from django.db import connections

            try:
                yield folder
            finally:
                connections.close_all()


@contextlib.contextmanager
def served(application: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A uvicorn of one process, as `make run` starts it, in this environment or our own; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, *UVICORN.split()], env=environment)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, seconds: float = 30) -> None:
    """Return once somebody listens on the port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
