"""What it costs to render what is pushed: processor time of the thread that renders, statements included.

Other load hardly moves such a time. The baseline of the same run is a bare statement, which each rendering has to make
at least once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.goals import Figure, note

GOAL_MS = 2.0
WARM = 10


def measure(rounds: int) -> None:
    """Render each kind of row so many times, in turn; print and note the median of each."""
    kinds = _kinds()
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(WARM + rounds):
        for name, render in kinds.items():
            began = time.thread_time_ns()
            render()
            if number >= WARM:
                times[name].append((time.thread_time_ns() - began) / 1e6)
    base = median(times.pop(_BARE))
    for name, each in times.items():
        print(
            f"rendering {name}: {median(each):.2f} ms of processor, {median(each) / base:.0f} bare statements of"
            f" {base:.3f} ms (goal: {GOAL_MS:.0f} ms)"
        )
        note(Figure(what=f"rendering {name}", figure=median(each), unit="ms", goal=GOAL_MS, baseline=base))


_BARE = "bare statement"


def _kinds() -> dict[str, Callable[[], object]]:
    """A filled order with its signal, its account with one position, and its session."""
    from datetime import timedelta

    from django.utils import timezone

    from benchmarks.trading import tenants
    from brokers import live as orders
    from brokers.tests import rows as broker_rows
    from strategies import live as signals
    from strategies.tests import rows

    now: Any = timezone.now()
    walk = rows.walk(tenants.team(), now - timedelta(seconds=1))
    broker_rows.position(walk.account)
    return {
        _BARE: _ask_nothing,
        "an order's row": lambda: orders.order_html(walk.order.pk),
        "a signal's row": lambda: signals.signal_html(walk.signal.pk),
        "an account with a position": lambda: orders.account_html(walk.account.pk),
        "a session's badge": lambda: orders.session_html(walk.account.connection_id),
    }


def _ask_nothing() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
