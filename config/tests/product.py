"""The whole product as a person starts it: every process for real, in a data folder of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from config import embedded
from config.tests.tables import fill
from config.tests.watching import eventually, outside

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Product:
    """A running Halyard and what `manage.py demo` says of it."""

    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    demo: dict[str, Any]
    _asking: threading.Lock = field(init=False, default_factory=threading.Lock)
    _session: psycopg.Connection[tuple[Any, ...]] | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        return str(self.demo["url"])

    def pid(self, name: str) -> int:
        """The process id of one of our processes or servers, as it is now."""
        processes: dict[str, int] = embedded.read_run(self.folder)["processes"]
        return int(processes[name])

    def kill(self, name: str) -> None:
        """End one process the hard way."""
        os.kill(self.pid(name), signal.SIGKILL)

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.url}/readyz", timeout=5).status == 200)
        return False

    def send(self, patience: float = 0, **message: Any) -> tuple[int, dict[str, Any]]:
        """POST to the webhook; tried again for `patience` seconds while nobody answers or the answer is a 5xx."""
        request = urllib.request.Request(self.demo["webhook_url"], json.dumps(message).encode())
        give_up = time.monotonic() + patience
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code < 500 or time.monotonic() > give_up:
                    return error.code, json.load(error)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > give_up:
                    raise
            time.sleep(0.05)

    def api(self, path: str) -> Any:
        """GET from the REST API with the demo's token."""
        headers = {"Authorization": f"Token {self.demo['api_token']}"}
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the product's own database, past every line of the product.

        In one session, since tests ask again and again until something is so, and a new one costs two processes ten
        milliseconds. One that ended with its server, or with the database that a test has replaced, is opened anew.
        """
        with self._asking:
            if self._session is not None:
                with contextlib.suppress(psycopg.OperationalError):
                    return self._session.execute(query, values).fetchall()
                self._session.close()
            # Never prepared: a plan does not outlive a change of its table.
            self._session = psycopg.connect(
                embedded.urls(self.folder).database, autocommit=True, prepare_threshold=None
            )
            return self._session.execute(query, values).fetchall()

    def close(self) -> None:
        """End the session of `rows`."""
        with self._asking:
            if self._session is not None:
                self._session.close()
                self._session = None

    def filled(self, prefix: str) -> int:
        """How many orders of signals with this prefix in their key are filled."""
        return int(
            self.rows(
                "SELECT count(*) FROM brokers_order o JOIN strategies_decision d ON d.ticket_id = o.ticket_id"
                " JOIN strategies_signal s ON s.id = d.signal_id WHERE o.status = 'filled' AND s.key LIKE %s",
                f"id:{prefix}%",
            )[0][0]
        )


@contextlib.contextmanager
def running(
    *, demo: bool = True, tables: Path | None = None, procfile: Path = ROOT / "Procfile", **variables: str
) -> Iterator[Product]:
    """Start the product with the command behind `make run`, and stop it with Ctrl-C. `variables` go to its processes.

    Its folder is a new one: empty, or with `tables` in its database, which it then need not migrate from the first on.
    """
    with tempfile.TemporaryDirectory(prefix="halyard-") as name:
        folder = Path(name) / "data"
        fill(folder, tables)
        port = _free_port()
        # Tests send more than a trader does.
        names = ("HALYARD_WEBHOOK_PER_MINUTE", "HALYARD_WEBHOOK_PER_HOUR", "HALYARD_TEAM_PER_MINUTE")
        limits = dict.fromkeys(names, "1000000")
        environment = outside(folder, PORT=str(port), PYTHONUNBUFFERED="1", **limits, **variables)
        with (Path(name) / "log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "config.run", "--procfile", str(procfile)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            product = Product(folder, environment, process, {"url": f"http://localhost:{port}"})
            try:
                if (
                    not eventually(lambda: product.ready() or process.poll() is not None, 240)
                    or process.poll() is not None
                ):
                    log.seek(0)
                    raise RuntimeError(log.read().decode()[-4000:])
                if demo:
                    product.demo = _demo(environment)
                yield product
            finally:
                product.close()
                process.send_signal(signal.SIGINT)
                process.wait(40)


def _demo(environment: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "manage.py", "demo", "--json"]
    demo: dict[str, Any] = json.loads(subprocess.check_output(command, cwd=ROOT, env=environment, timeout=300))
    return demo


def _free_port() -> int:
    from config.supervisor import ports

    return ports.free("127.0.0.1", 0)
