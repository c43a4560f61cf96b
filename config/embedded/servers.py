"""A server as a child process: start it, wait for it, restart it on the same socket, stop it."""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from config.embedded import children

READY_SECONDS = 60.0  # recovery on a busy small machine
LOG_LIMIT = 5_000_000


class EmbeddedError(Exception):
    """The embedded servers cannot be used; the message says why and what to do."""


class Server(abc.ABC):
    """One server process and its log."""

    name: str
    stops: tuple[signal.Signals, ...]

    def __init__(self, folder: Path, sockets: Path) -> None:
        self.folder = folder
        self.sockets = sockets
        self.log = folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.prepare()
        self.spawn()
        wait_until(self.ready, self._check_alive, f"{self.name} did not answer within {READY_SECONDS:.0f} seconds.")

    @abc.abstractmethod
    def spawn(self) -> None:
        """Start the process without waiting for it; also restarts it after a crash."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make what the first process of this run needs."""

    @abc.abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop it: politely first, then by force."""
        if self.process is None:
            return
        for number in self.stops:
            if not self.alive:
                break
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=4)
        self.process.wait()
        self.process = None

    def _run(self, command: list[str], on_parent_death: signal.Signals, become: children.Preparation | None) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own programs
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=plain_environment(),
                # Its own group: Ctrl-C in the terminal is for the supervisor, who stops the children first.
                process_group=0,
                preexec_fn=children.leash(on_parent_death, become),  # noqa: PLW1509  it makes system calls only
            )

    def _check_alive(self) -> None:
        if not self.alive:
            raise EmbeddedError(f"{self.name} did not start: {last_line(self.log)} The whole log is {self.log}.")


def wait_until(done: Callable[[], bool], check: Callable[[], None], too_late: str) -> None:
    """Poll until done, letting `check` give up early."""
    deadline = time.monotonic() + READY_SECONDS
    while not done():
        check()
        if time.monotonic() > deadline:
            raise EmbeddedError(too_late)
        time.sleep(0.01)


def package_folder(name: str) -> Path:
    """The folder of an installed package, located without running its code."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent")


def plain_environment() -> dict[str, str]:
    """Our environment without what would change a server: PGDATA, PGPORT, foreign locales."""
    neutral = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**neutral, "LC_ALL": "C"}


def keep_small(log: Path) -> None:
    """Start a log anew when it has grown, keeping the last one."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def last_line(log: Path) -> str:
    """The last line of a log that names an error, else its last line."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    errors = [line for line in lines[-20:] if "FATAL" in line or "error" in line.lower()]
    return (errors or lines or ["it said nothing."])[-1].strip()


def number(text: str) -> int:
    """The whole number in a text, 0 when there is none."""
    return int(text.strip()) if text.strip().isdigit() else 0
