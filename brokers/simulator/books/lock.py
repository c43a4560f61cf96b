"""The right to be the only gateway on a database."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator

from django.db import connection


@contextlib.contextmanager
def only_gateway(patience_s: float = 2.0) -> Iterator[bool]:
    """Hold the right to be this database's only gateway; False when another process has it.

    Two gateways with the same books would give out the same order numbers.
    """
    if connection.vendor == "postgresql":
        with _advisory_lock(patience_s) as mine:
            yield mine
    else:
        with _file_lock(f"{connection.settings_dict['NAME']}.lock", patience_s) as mine:
            yield mine


@contextlib.contextmanager
def _advisory_lock(patience_s: float) -> Iterator[bool]:
    # On a connection of its own, so that the lock lives exactly as long as the process.
    holder = connection.copy()
    deadline = time.monotonic() + patience_s
    try:
        with holder.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext('halyard simulated broker'))")
                mine = bool(cursor.fetchone()[0])
                if mine or time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        yield mine
    finally:
        holder.close()


@contextlib.contextmanager
def _file_lock(path: str, patience_s: float) -> Iterator[bool]:
    deadline = time.monotonic() + patience_s
    with open(path, "w") as handle:
        mine = False
        while not mine:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        yield mine
