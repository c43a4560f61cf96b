"""The Procfile's processes: started, watched, started again when they die, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.supervisor.output import Output
from config.supervisor.starting import Child, Starter, Wiring

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
STEADY_SECONDS = 10.0  # a process that lived this long is started again at once
GRACE_SECONDS = 6.0
RUN_VARIABLE = "HALYARD_RUN"


def read_procfile(file: Path) -> dict[str, str]:
    """Commands by process name."""
    lines = (re.fullmatch(r"([\w-]+):\s*(\S.*)", line) for line in file.read_text().splitlines())
    return {line[1]: line[2].strip() for line in lines if line}


class Process:
    """One line of the Procfile, kept running."""

    def __init__(self, name: str, command: str, environ: Mapping[str, str], output: Output, starter: Starter) -> None:
        self.name = name
        self.command = command
        self.environ = environ
        self.output = output
        self.starter = starter
        self.listener: int | None = None  # the socket it listens on, where we hold that
        self.process: Child | None = None
        self.over = False  # whether the last one has ended

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    async def keep(self) -> None:
        """Run it, again and again, until this task is cancelled."""
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = await self._run_once()
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self.output.line(self.name, f"{describe_end(code)}; starting it again in {pause:.1f} s.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self.process is None or self.over:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.output.line(self.name, f"did not stop within {GRACE_SECONDS:.0f} s and was ended.")
        self.kill()
        await self.process.wait()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        # A pipe of our own: asyncio's would make wait() wait for every process that inherited it.
        readable, writable = os.pipe()
        reader = asyncio.create_task(self._pass_on(readable))
        try:
            wiring = Wiring(stdout=writable, stderr=writable, listener=self.listener)
            self.process = await self.starter.start(self.name, self.command, self.environ, wiring)
            self.over = False
        finally:
            os.close(writable)
        self.starter.changed()
        code = await self.starter.wait(self.process)
        self.over = True
        # A killed worker leaves its pool behind, which may not run beside the worker's successor.
        self.kill()
        await asyncio.wait([reader], timeout=1)
        reader.cancel()
        self.starter.changed()
        return code

    async def _pass_on(self, readable: int) -> None:
        stream = asyncio.StreamReader()
        with os.fdopen(readable, "rb", buffering=0) as pipe:
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
            rest = b""
            while chunk := await stream.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self.output.line(self.name, line.decode(errors="replace").rstrip())
            if rest:
                self.output.line(self.name, rest.decode(errors="replace").rstrip())


async def stop_all(processes: list[Process], hurry: asyncio.Event) -> None:
    """Stop all processes at the same time; kill them when `hurry` is set."""
    stopping: asyncio.Future[Any] = asyncio.gather(*(process.stop() for process in processes))
    hurried: asyncio.Future[Any] = asyncio.create_task(hurry.wait())
    await asyncio.wait([stopping, hurried], return_when=asyncio.FIRST_COMPLETED)
    if hurry.is_set():
        for process in processes:
            process.kill()
    hurried.cancel()
    await stopping


def end_run(run: str, patience: float) -> None:
    """End the processes left of a run, known by the variable they carry; those that take longer than `patience` seconds are killed."""
    deadline = time.monotonic() + patience
    while (pids := pids_of_run(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def pids_of_run(run: str) -> list[int]:
    """The pids of that run's processes and of all that they started, without our own."""
    mark = f"{RUN_VARIABLE}={run}".encode()
    pids = []
    for file in Path("/proc").glob("[0-9]*/environ") if run else ():
        with contextlib.suppress(OSError):
            if mark in file.read_bytes().split(b"\0"):
                pids.append(int(file.parent.name))
    return [pid for pid in pids if pid != os.getpid()]


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with status {code}"
