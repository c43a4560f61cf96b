"""What one order costs our processes: processor time and statements of drain, lane and stream, one order at a time.

    python -m benchmarks.bench_cost [--orders 200] [--trace]

They do here what they do for a market order of one account, one after the other in one process and without a broker:
decided, ticketed and written down as leaving, for a lane that waits in this process; written down as taken; its fill
brought home, and the account's book written anew. Who waits for Postgres costs nothing, so that the figures hold on a
busy machine. The baseline of the same run is the least statement there is. HTTP, pushes and what runs by the clock are not in it.
`--trace` prints each statement instead, with what it takes of our processor time and of PostgreSQL's.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal as D
from statistics import median
from typing import Any

from benchmarks import bench_fanout
from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database
from benchmarks.trading import steps

TICKER = "TICK0"
# Statements are prepared at their third time, and plans of theirs kept at their sixth.
WARM = 10


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--trace", action="store_true", help="what each statement takes, and who asks for it")
    options = parser.parse_args(argv)
    with migrated_database():
        strategy = bench_fanout.followed(1, [TICKER])
        if options.trace:
            for _ in range(WARM):
                one_order(strategy, spent)
            steps.trace(functools.partial(one_order, strategy), options.orders)
            return
        report(*measure(strategy, options.orders), statements(strategy))


def measure(strategy: Any, orders: int) -> tuple[dict[str, list[float]], list[float]]:
    """Milliseconds of each step by order, and of bare statements."""
    for _ in range(WARM):
        one_order(strategy, spent)
    taken: dict[str, list[float]] = defaultdict(list)
    bare: list[float] = []
    for _ in range(orders):
        for step, milliseconds in one_order(strategy, spent).items():
            taken[step].append(milliseconds)
        bare.append(spent(bare_statement))
    return taken, bare


def report(taken: dict[str, list[float]], bare: list[float], counted: dict[str, int]) -> None:
    base = median(bare)
    for step, milliseconds in taken.items():
        each, many = median(milliseconds), counted[step]
        print(f"{step:7}{each:7.2f} ms of processor,{many:3} statements, each {each / base / many:4.1f} bare ones")
    whole = sum(median(milliseconds) for milliseconds in taken.values())
    note(Figure(what="an order, processor of our processes", figure=whole, unit="ms", goal=12, baseline=base))
    print(
        f"an order: {whole:.2f} ms of processor, as much as {whole / base:.0f} bare statements ({base * 1000:.0f} µs)"
    )


def spent(work: Callable[[], object]) -> float:
    """The milliseconds of processor that something takes."""
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def bare_statement() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [1])
        cursor.fetchone()


def statements(strategy: Any) -> dict[str, int]:
    """How many each step asks for, without BEGIN and COMMIT."""
    from django.db import connection

    counted: Counter[str] = Counter()

    def count(execute: Any, *values: Any) -> Any:
        counted["all"] += 1
        return execute(*values)

    def counting(work: Callable[[], object]) -> float:
        before = counted["all"]
        with connection.execute_wrapper(count):
            work()
        return counted["all"] - before

    return {step: int(each) for step, each in one_order(strategy, counting).items()}


def one_order(strategy: Any, watched: Callable[[Callable[[], object]], float]) -> dict[str, float]:
    """What `watched` says of each step of an order."""
    from django.utils import timezone

    from strategies.deciding import settle
    from strategies.models import Decision

    now = timezone.now()
    bench_fanout.freshen(strategy, now)
    account = strategy.subscriptions.get().account
    type(account.connection).objects.update(session_status="active", last_kept_at=now)
    signal = bench_fanout.waiting_signal(strategy, TICKER, now)
    with waiting_lane() as handed:
        took = {"drain": watched(lambda: settle.settle_waiting(now, clock=timezone.now))}
    decision = Decision.objects.get(signal=signal)
    if decision.ticket is None:
        raise SystemExit(
            f"Not ordered; the bench would measure something else. {decision.reason or decision.waiting_for}"
        )
    order = decision.ticket.orders.select_related("account__connection").get()
    [job] = handed
    took["lane"] = watched(lambda: send(order, job))
    news, book = as_told(order)
    took["stream"] = watched(news) + watched(book)
    take_away(order.account)
    return took


@contextlib.contextmanager
def waiting_lane() -> Iterator[list[Any]]:
    """The orders that come to a lane in memory, which has nothing else to do."""
    from brokers.orders.together import handing

    handed: list[Any] = []
    with handing.lanes_here(lambda reserved: reserved.ready(handed.append)):
        yield handed


def send(order: Any, job: Any) -> None:
    """Written down as taken by IBKR, and before that as leaving where it did not come in memory."""
    from django.utils import timezone

    from brokers.domain.brokerage import Accepted, Ack
    from brokers.domain.orders import OrderStatus
    from brokers.orders import execution
    from brokers.processes import agenda, between

    if job is None:
        job = agenda.look(order.connection_id, timezone.now(), back=False, clock=timezone.now).job
    assert job is not None, "there is an order to send"
    ack = Ack(reference=order.reference, broker_order_id=f"{order.pk}", status=OrderStatus.ACCEPTED)
    answer = execution.Answer(outcome=Accepted(acks=(ack,)), attempt_pk=job.attempt_pk)
    between.finish_and_take_next(job, answer, order.connection_id, timezone.now(), timezone.now)


def as_told(order: Any) -> tuple[Callable[[], object], Callable[[], object]]:
    """Its report and its fill brought home, as they come; and the account's book, as a watch reads it after them."""
    from django.utils import timezone

    from brokers.domain.brokerage import AccountSummary, ExecutionFacts, OrderFacts, PositionFacts
    from brokers.domain.orders import OrderStatus, Side
    from brokers.protection import home

    now, account = timezone.now(), order.account
    in_account = {account.account_id: account}
    named: dict[str, Any] = {"account_id": account.account_id, "broker_order_id": f"{order.pk}"}
    named |= {"reference": order.reference, "conid": order.conid, "ticker": order.ticker, "side": Side.BUY}
    sizes = {"filled_quantity": order.quantity, "quantity": order.quantity, "average_price": D(100)}
    report = OrderFacts(**named, **sizes, status=OrderStatus.FILLED)
    paid: dict[str, Any] = {"quantity": order.quantity, "price": D(100), "fee": D(1), "currency": "USD"}
    fill = ExecutionFacts(**named, **paid, execution_id=f"{uuid.uuid4()}.01", exchange="X", executed_at=now)
    held = PositionFacts(
        account_id=account.account_id,
        conid=order.conid,
        ticker=order.ticker,
        asset_class="stock",
        quantity=order.quantity,
        average_cost=D(100),
    )
    money = AccountSummary(
        net_liquidation=D(100_000), cash=D(100_000), buying_power=D(400_000), available_funds=D(100_000), currency="USD"
    )
    return (
        lambda: home.bring(
            account.connection, orders=[report], executions=[fill], now=now, clock=timezone.now, known=in_account
        ),
        lambda: replace_book(account, held, money),
    )


def replace_book(account: Any, held: Any, money: Any) -> None:
    """What a watch writes and looks for once IBKR has shown an account."""
    from django.utils import timezone

    from brokers.book import holdings
    from brokers.protection import books

    now = timezone.now()
    holdings.refresh(account, positions=[held], summary=money, as_of=now, ended_at=now)
    books.look_through(account, timezone.now())


def take_away(account: Any) -> None:
    """What was bought goes as if it had been sold, so that the next signal may buy again."""
    account.positions.all().delete()


if __name__ == "__main__":
    main(sys.argv[1:])
