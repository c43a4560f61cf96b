"""A burst of signals of one team on as many accounts: what a decision costs by the size of the turns it is taken in.

    python -m benchmarks.trading.turns [--accounts 200] [--sizes 16 32 64 100] [--rounds 3]

Each account follows a strategy of its own. A signal to each waits, and the drain's own code decides all of them in turns of
one size after the other: locked, decided, ticketed and written down, without lanes and without a broker. Counted is the
processor time of the thread that decides and of PostgreSQL's process for it, which other load hardly moves. The baseline of
the same run is turns of the first size.
"""

from __future__ import annotations

import argparse
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import bench_fanout
from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database

TICKER = "TICK0"
GOAL_MS = 2.5
_TICKS = os.sysconf("SC_CLK_TCK")


class Spent(NamedTuple):
    """Milliseconds of a decision: of the thread that decides, and of PostgreSQL's process. `statements`: of a turn."""

    thread: float
    database: float
    statements: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 100], help="decisions of a turn")
    parser.add_argument("--rounds", type=int, default=3, help="of each size, after one that nobody counts")
    options = parser.parse_args(argv)
    with migrated_database():
        strategies = crowd(options.accounts)
        by_size: dict[int, list[Spent]] = {size: [] for size in options.sizes}
        for number in range(options.rounds + 1):
            for size, rounds in by_size.items():
                spent = burst(strategies, size)
                # Statements are prepared in the first round of each size.
                rounds.extend([spent] if number else [])
        report(by_size)


def crowd(accounts: int) -> list[Any]:
    """So many strategies of one team, each followed by an account of its own."""
    from django.utils import timezone

    from strategies.models import Subscription
    from strategies.setup import strategies

    first = bench_fanout.followed(accounts, [TICKER])
    followers = list(first.subscriptions.order_by("pk"))
    for number, follower in enumerate(followers):
        name = f"Followed by {number}"
        follower.strategy = strategies.create_strategy(team=first.team, actor=None, name=name, now=timezone.now())
    Subscription.objects.bulk_update(followers, ["strategy"])
    return [follower.strategy for follower in followers]


def burst(strategies: Sequence[Any], size: int) -> Spent:
    """A signal to each, decided in turns of this size."""
    from django.db import connection
    from django.utils import timezone

    from strategies.deciding import settle
    from strategies.domain.rota import Rota
    from strategies.models import Decision

    as_before(strategies)
    signals = waiting(strategies)
    statements = turns = 0

    def count(execute: Any, *values: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*values)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [server] = cursor.fetchone()
    rota = Rota(most=size, bounded=False)
    began, began_there = time.thread_time(), processor_of(server)
    with connection.execute_wrapper(count):
        for _ in range(0, len(signals), size):
            settle.settle_waiting(timezone.now(), clock=timezone.now, rota=rota)
            turns += 1
    thread, database = time.thread_time() - began, processor_of(server) - began_there
    decided = Decision.objects.filter(signal__in=signals)
    if decided.filter(status="accepted").count() != len(signals):
        example = decided.exclude(status="accepted").values_list("status", "reason", "waiting_for").first()
        raise SystemExit(f"Not all were accepted; the bench would measure something else. {example}")
    each = 1000 / len(signals)
    return Spent(thread * each, database * each, statements / turns)


def as_before(strategies: Sequence[Any]) -> None:
    """Nothing is left of the burst before, and every book and quote is fresh."""
    from django.utils import timezone

    from brokers.models import BrokerageAccount, ContractLookup, Order, Ticket
    from brokers.postgres.incarnation import this_database

    now, team = timezone.now(), strategies[0].team
    Order.objects.filter(team=team, status="created").update(status="canceled")
    Ticket.objects.filter(team=team, worked_at=None).update(worked_at=now)
    BrokerageAccount.objects.filter(team=team).update(book_as_of=now, orders_home_in=this_database())
    ContractLookup.objects.filter(connection__team=team).update(quote_as_of=now)


def waiting(strategies: Sequence[Any]) -> list[Any]:
    """A signal to each strategy, as the door stores it."""
    from django.utils import timezone

    from strategies.models import Signal, WebhookEndpoint

    endpoints = {row.strategy_id: row for row in WebhookEndpoint.objects.filter(strategy__in=strategies)}
    now = timezone.now()
    quantity = {"value": "10", "type": "fixed_quantity"}
    reading = {"action": "buy", "instrument": {"class": "stock", "symbol": TICKER}, "quantity": quantity}
    return Signal.objects.bulk_create(
        Signal(
            team=strategy.team,
            strategy=strategy,
            endpoint=endpoints[strategy.pk],
            key=str(uuid.uuid4()),
            body="{}",
            reading=reading,
            ticker=TICKER,
            action="buy",
            received_at=now,
            stored_at=now,
        )
        for strategy in strategies
    )


def processor_of(process: int) -> float:
    """The seconds of processor that a process has taken, as the kernel counts them."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def report(by_size: dict[int, list[Spent]]) -> None:
    print(f"{'turn of':>8}{'thread':>10}{'PostgreSQL':>13}{'together':>11}{'statements':>13}")
    together: list[float] = []
    for size, rounds in by_size.items():
        thread, database, statements = (median(values) for values in zip(*rounds, strict=True))
        together.append(thread + database)
        print(f"{size:8}{thread:7.2f} ms{database:10.2f} ms{together[-1]:8.2f} ms{statements:13.1f}")
    what = f"a decision in a turn of {max(by_size)}, processor"
    note(Figure(what=what, figure=together[-1], unit="ms", goal=GOAL_MS, baseline=together[0]))
    print(f"a decision of the largest takes {together[-1] / together[0]:.2f} times one of the smallest")


if __name__ == "__main__":
    main()
