"""What is written once a transaction has committed: rows that many share are not locked for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection, transaction


def after_commit(write: Callable[[], object]) -> None:
    """Write when the transaction that is open has committed, in one of its own; at once where none is open.

    Only for what is wanted again by whoever needs it: where the process dies in between, nothing is written. What fails is
    logged, and takes nothing else with it.
    """
    if not connection.in_atomic_block:
        write()
        return
    transaction.on_commit(lambda: _in_one(write), robust=True)


@transaction.atomic
def _in_one(write: Callable[[], object]) -> None:
    write()
