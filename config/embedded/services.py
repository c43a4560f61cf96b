"""The embedded PostgreSQL and Valkey, which run where no variable names a server.

Everything lies in one data folder (`HALYARD_DATA`, default `.halyard/` beside manage.py) at paths that follow from
the folder alone, so that any command finds the running servers by itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets as randomness
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from config import env
from config.embedded import folder as folders
from config.embedded.postgres import NAME, PORT, Postgres
from config.embedded.servers import Server
from config.embedded.valkey import Valkey

BASE_DIR = Path(__file__).resolve().parents[2]


class Urls(NamedTuple):
    """Where the database and Redis are, as the variables DATABASE_URL and REDIS_URL say it.

    Embedded, `database` is `postgresql://halyard@/halyard?host=<folder>&port=5432` (libpq, psycopg and Django take
    the socket's folder as host) and `redis` is `unix://<socket>?db=0` (redis-py and channels_redis).
    """

    database: str
    redis: str

    @property
    def broker(self) -> str:
        """The Redis address as Celery spells it: a unix socket is `redis+socket://`."""
        if not self.redis.startswith("unix://"):
            return self.redis
        return "redis+socket://" + self.redis.removeprefix("unix://").replace("?db=", "?virtual_host=")


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder all local state lives in."""
    named = environ.get("HALYARD_DATA", "").strip()
    return Path(os.path.abspath(os.path.expanduser(named))) if named else BASE_DIR / ".halyard"


def urls(folder: Path) -> Urls:
    """Where the embedded servers of this folder are, running or not."""
    sockets = folders.socket_folder(folder)
    return Urls(
        database=f"postgresql://{NAME}@/{NAME}?host={quote(str(sockets), safe='')}&port={PORT}",
        redis=f"unix://{sockets}/valkey.sock?db=0",
    )


def resolve(environ: Mapping[str, str] = os.environ) -> Urls:
    """The servers to use: those that DATABASE_URL and REDIS_URL name, else the embedded ones."""
    own = urls(data_folder(environ))
    return Urls(
        database=env.text("DATABASE_URL", own.database, environ=environ),
        redis=env.text("REDIS_URL", own.redis, environ=environ),
    )


def secrets(folder: Path) -> dict[str, str]:
    """SECRET_KEY, HALYARD_SERVER_KEYS and HALYARD_ENCRYPTION_KEYS of this folder, made once."""
    file = folder / "secrets.json"
    with folders.explaining_errors(folder):
        if not file.exists():
            folders.claim(folder)
            new = {
                "SECRET_KEY": randomness.token_urlsafe(50),
                "HALYARD_SERVER_KEYS": randomness.token_urlsafe(32),
                "HALYARD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            }
            with folders.write_once(file) as out:
                json.dump(new, out, indent=2)
        stored: dict[str, str] = json.loads(file.read_text())
        return stored


def read_run(folder: Path) -> dict[str, Any]:
    """What the supervisor (config/run.py) last wrote of its run: pid, urls, processes; empty if it never ran."""
    try:
        run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return run


def is_running(folder: Path) -> bool:
    """Whether a run holds this folder now."""
    return folders.is_locked(folder)


def gateway_url(folder: Path) -> str:
    """Where the simulator gateway of this folder's run listens, or would."""
    if known := read_run(folder).get("gateway_url"):
        return str(known)
    # From the folder, too: two installations that start at the same moment must not both find one port free,
    # or one would trade on the other's gateway. Below the ports systems give to outgoing connections.
    place = int.from_bytes(hashlib.sha256(os.fsencode(folder)).digest()[:4], "big")
    return f"http://127.0.0.1:{20_000 + place % 10_000}"


class Services:
    """The embedded servers of one data folder, while this process holds its lock."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.servers: list[Server] = []
        self._lock = lock

    @property
    def pids(self) -> dict[str, int]:
        """The servers' process ids by name."""
        return {server.name: server.process.pid for server in self.servers if server.process}

    def revive(self) -> list[str]:
        """Start again, on the same sockets and without waiting, the servers that have died; returns their names."""
        dead = [server for server in self.servers if not server.alive]
        for server in dead:
            server.spawn()
        return [server.name for server in dead]

    def stop(self) -> None:
        """Stop the servers, the database last, and let go of the folder. Safe to call twice."""
        for server in reversed(self.servers):
            server.stop()
        self.servers.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(folder: Path, *, database: bool = True, redis: bool = True) -> Services:
    """Lock the folder and start its servers; they answer when this returns.

    Call it from the main thread: the servers end when the thread that started them ends.
    """
    with folders.explaining_errors(folder):
        folders.claim(folder)
        services = Services(folder, folders.lock(folder))
        try:
            sockets = folders.open_socket_folder(folder)
            for kind in (Postgres,) * database + (Valkey,) * redis:
                server = kind(folder, sockets)
                services.servers.append(server)
                server.start()
        except BaseException:
            services.stop()
            raise
        return services
