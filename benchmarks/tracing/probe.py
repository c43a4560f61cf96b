"""The probe: each statement of a process with the functions that asked for it, and each POST, feed event and push.

One line of JSON for each, in a file per process. Moments are seconds of the machine's clock, so that processes compare.
What is counted is a trip to the database: a BEGIN, a COMMIT and the empty statement of a pool's health check are trips.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Any

from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor

FOLDER = "HALYARD_TRACE_FOLDER"
OURS = ("accounts.", "brokers.", "strategies.", "config.")
_open: dict[int, int] = {}


def install(folder: Path) -> None:
    """Watch this process, and those it forks, until it ends."""
    BaseCursor._maybe_prepare_gen = _statement(BaseCursor._maybe_prepare_gen, folder)  # type: ignore[method-assign]
    BaseConnection._exec_command = _command(BaseConnection._exec_command, folder)  # type: ignore[method-assign]
    _watch_calls(folder)


def _statement(inner: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    @functools.wraps(inner)
    def watched(cursor: Any, query: Any, **options: Any) -> Generator[Any, Any, Any]:
        began, path = time.time(), _functions()
        result = yield from inner(cursor, query, **options)
        backend = cursor._conn.pgconn.backend_pid
        write(folder, kind="sql", began=began, ended=time.time(), path=path, what=_words(query.query), backend=backend)
        return result

    return watched


def _command(inner: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    @functools.wraps(inner)
    def watched(connection: Any, command: Any, **options: Any) -> Generator[Any, Any, Any]:
        began, path = time.time(), _functions()
        result = yield from inner(connection, command, **options)
        backend = connection.pgconn.backend_pid
        write(folder, kind="sql", began=began, ended=time.time(), path=path, what=_words(command), backend=backend)
        return result

    return watched


def _watch_calls(folder: Path) -> None:
    """The two places where the walk meets the broker, and the one where it meets the browser."""
    from accounts.feed.pushes import Pusher
    from brokers.ibkr.brokerage import IbkrBrokerage
    from brokers.processes.watching.listening import Listening

    submit, apply, send = IbkrBrokerage.submit, Listening._apply, Pusher._send

    async def submitted(self: IbkrBrokerage, *values: Any, **named: Any) -> Any:
        began = time.time()
        try:
            return await submit(self, *values, **named)
        finally:
            write(folder, kind="call", began=began, ended=time.time(), path=[], what="POST of the order")

    async def applied(self: Listening, batch: Any) -> None:
        events = [event for event in batch if event is not None]
        facts = sum(len(event.orders) + len(event.executions) for event in events)
        began = time.time()
        await apply(self, batch)
        if facts:
            what = f"news brought home ({facts} facts)"
            write(folder, kind="call", began=began, ended=time.time(), path=[], what=what)

    def sent(self: Pusher, loop: Any, audience: Any, key: str, push: Any) -> None:
        began = time.time()
        send(self, loop, audience, key, push)
        write(folder, kind="call", began=began, ended=time.time(), path=[], what=f"push of {key}")

    IbkrBrokerage.submit, Listening._apply, Pusher._send = submitted, applied, sent  # type: ignore[method-assign]


def _functions() -> list[str]:
    """Our functions that are being run, the outermost first."""
    found: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(OURS):
            found.append(f"{module.rpartition('.')[2]}.{frame.f_code.co_name}")
        frame = frame.f_back
    return found[::-1]


def _words(query: Any) -> str:
    text = query.decode(errors="replace") if isinstance(query, bytes) else str(query)
    return " ".join(text.split())[:2000]


def write(folder: Path, **line: Any) -> None:
    """One line in this process's file."""
    pid = os.getpid()
    if pid not in _open:
        _open[pid] = os.open(folder / f"{pid}.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(_open[pid], json.dumps({"process": _process(), "pid": pid, **line}).encode() + b"\n")


def _process() -> str:
    words = " ".join(sys.argv)
    return next((name for name in ("uvicorn", "worker", "stream", "gateway") if name in words), "command")
