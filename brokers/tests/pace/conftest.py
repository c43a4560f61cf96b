"""A Valkey of one's own, which may be emptied, ended, or made to hang."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config import embedded


class OwnValkey:
    """A server that is nobody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = embedded.urls(folder).redis
        self._services: embedded.Services | None = None
        self.start()

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        self._services = embedded.start(self.folder, database=False)

    def stop(self) -> None:
        if self._services is not None:
            self._services.stop()
        self._services = None

    def hang(self) -> None:
        os.kill(self._pid(), signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._stopped, signal.SIGCONT)

    def _pid(self) -> int:
        self._stopped = int(self.client.info("server")["process_id"])
        return self._stopped


@pytest.fixture(scope="session")
def _a_valkey(servers: None) -> Iterator[OwnValkey]:
    folder = Path(tempfile.mkdtemp(prefix="halyard-pace-"))
    server = OwnValkey(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def valkey(_a_valkey: OwnValkey) -> OwnValkey:
    """Running, and without a word of earlier tests; it has settled already."""
    client = _a_valkey.client
    client.flushall()
    client.set("halyard:pace:epoch", 1)
    return _a_valkey
