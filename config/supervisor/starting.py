"""How a process of the Procfile starts: forked from the template where that knows its program, else as a program of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from config.embedded import BASE_DIR, children

PATIENCE_SECONDS = 60.0  # for the template to load what a process needs, on a busy machine
# What the template has loaded for. Anything else in a Procfile starts as a program.
KNOWN = (["-m", "uvicorn"], ["-m", "config.worker"], ["-m", "config.supervisor.prepare"], ["manage.py"])


class Child(Protocol):
    """A process that was started."""

    pid: int

    async def wait(self) -> int:
        """Its status once it has ended; below zero, the signal that ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where a process writes, and the socket it listens on."""

    stdout: int
    stderr: int
    listener: int | None = None


class Forked:
    """A process that the template forked and the kernel made ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._handle, self._ended)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        end = os.waitid(os.P_PIDFD, self._handle, os.WEXITED)
        os.close(self._handle)
        assert end is not None
        self._code.set_result(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)


class Starter:
    """Starts processes, one at a time where they come from the template."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.changed = changed  # called after each start and end of a process of the Procfile
        self._line: socket.socket | None = None
        self._template: subprocess.Popen[bytes] | None = None
        self._turn = asyncio.Lock()
        self._number = 0
        self._beginning = 0  # processes whose ids we do not know yet
        self._running: set[int] = set()
        self._served = False  # whether this template has been of use
        self._environ: Mapping[str, str] = {}

    @property
    def pid(self) -> int | None:
        """The template's process id, while it answers."""
        return self._template.pid if self._template and self._line else None

    def load(self, environ: Mapping[str, str]) -> None:
        """Start the template, where the system can do what that needs. Call it from the main thread."""
        if not (hasattr(os, "pidfd_open") and children.adopt()):
            return
        self._environ, self._served = environ, False
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with its:
            self._template = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "config.supervisor.template", str(its.fileno()), str(os.getpid())],
                cwd=BASE_DIR,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what is wrong is said by each process, which then starts as a program
                pass_fds=[its.fileno()],
                process_group=0,
                preexec_fn=children.leash(9),  # noqa: PLW1509  it makes system calls only
            )
        self._line = ours

    async def start(self, name: str, command: str, environ: Mapping[str, str], wiring: Wiring) -> Child:
        """Start a command as /bin/sh would read it."""
        self._beginning += 1
        try:
            child = await self._fork(name, command, environ, wiring) or await self._execute(command, environ, wiring)
            self._running.add(child.pid)
        finally:
            self._beginning -= 1
        return child

    async def wait(self, child: Child) -> int:
        """Its status once it has ended; below zero, the signal that ended it."""
        try:
            return await child.wait()
        finally:
            self._running.discard(child.pid)

    def reap_orphans(self, servers: Iterable[int]) -> None:
        """Collect what became ours when its parent ended (a killed worker's pool), and has ended itself."""
        if self._beginning or not hasattr(os, "waitid"):
            return
        known = {*self._running, *servers, self.pid}
        with contextlib.suppress(ChildProcessError):
            while (end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and end.si_pid not in known:
                os.waitpid(end.si_pid, 0)

    async def _fork(self, name: str, command: str, environ: Mapping[str, str], wiring: Wiring) -> Child | None:
        if self._line is None or (words := known_words(command, environ)) is None:
            return None
        async with self._turn:
            pid = await self._ask(name, words, environ, wiring)
        return None if pid is None else Forked(pid)

    async def _execute(self, command: str, environ: Mapping[str, str], wiring: Wiring) -> Child:
        return await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            f"exec {command}",  # exec: no shell between us and the process we watch
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=wiring.stdout,
            stderr=wiring.stderr,
            process_group=0,  # Ctrl-C is for us; and a group can be ended with all it started
            pass_fds=[] if wiring.listener is None else [wiring.listener],
            preexec_fn=children.leash(15),
        )

    async def _ask(self, name: str, words: list[str], environ: Mapping[str, str], wiring: Wiring) -> int | None:
        """The process id of what the template made of it; None when the template is there no more."""
        if (line := self._line) is None:
            return None
        self._number += 1
        request = {
            "number": self._number,
            "name": name,
            "words": words,
            "environ": dict(environ),
            "listener": wiring.listener,
        }
        descriptors = [wiring.stdout, wiring.stderr, *([] if wiring.listener is None else [wiring.listener])]
        try:
            socket.send_fds(line, [json.dumps(request).encode()], descriptors)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while answer := await asyncio.get_running_loop().sock_recv(line, 4096):
                    told = json.loads(answer)
                    if told["number"] == self._number:
                        self._served = True
                        return int(told["pid"])
        except (OSError, TimeoutError):
            pass
        useful = self._served
        self.close()
        if useful:
            self.load(self._environ)  # for the next one; a template that cannot load is not tried again
        return None

    def close(self) -> None:
        """Let the template end."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._template is not None:
            self._template.kill()
            self._template.wait()
            self._template = None


def known_words(command: str, environ: Mapping[str, str]) -> list[str] | None:
    """What stands after `python`, as the shell makes it; None unless it runs a program that the template knows, and that alone.

    A command with variables of its own (`env NAME=value python ...`) is none: the template has read its settings already.
    """
    if re.search(r"[;&|<>`\n]|\$\(", command):
        return None
    read = subprocess.run(  # noqa: S603  the operator's own Procfile
        ["/bin/sh", "-c", f"printf '%s\\0' {command}"], env=dict(environ), capture_output=True, check=False
    )
    words = read.stdout.decode(errors="surrogateescape").split("\0")[:-1]
    if read.returncode or words[:1] != ["python"]:
        return None
    program = words = words[1:]
    while program[:1] == ["-W"]:
        program = program[2:]
    return words if any(program[: len(known)] == known for known in KNOWN) else None
