"""One signal to a thousand subscriptions on as many accounts: until every decision is taken and its ticket is committed.

    python -m benchmarks.bench_fanout [--rounds 3] [--sizes 100 300 1000]

The baseline of the same run is a bare bulk insert of the same rows: decisions, tickets, orders and their events.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database

SIZES = (100, 300, 1000)
GOAL_S = 3.0
D = Decimal
WARM = "WARM"


@dataclass(frozen=True, slots=True)
class Round:
    """One fan-out: what the product took, what the bare insert of its rows took, and how many of them there were."""

    seconds: float
    bare: float
    rows: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many subscriptions, smallest first")
    options = parser.parse_args(argv)
    with migrated_database():
        report(measure(options.rounds, options.sizes))


def measure(rounds: int, sizes: Sequence[int]) -> dict[int, list[Round]]:
    """The sizes take turns, so that a slow minute hits all of them; every round is about a ticker of its own."""
    tickers = [f"TICK{number}" for number in range(rounds)]
    strategies = {size: followed(size, [WARM, *tickers]) for size in sizes}
    for strategy in strategies.values():
        fan_out(strategy, WARM)
    by_size: dict[int, list[Round]] = {size: [] for size in sizes}
    for ticker in tickers:
        for size, strategy in strategies.items():
            by_size[size].append(fan_out(strategy, ticker))
    return by_size


def report(by_size: dict[int, list[Round]]) -> None:
    print(f"{'subscriptions':>13}{'decided':>12}{'each':>10}{'bare insert':>14}{'ratio':>8}")
    for size, rounds in by_size.items():
        seconds, bare = median(each.seconds for each in rounds), median(each.bare for each in rounds)
        print(f"{size:13}{seconds:10.2f} s{seconds / size * 1000:7.2f} ms{bare:12.2f} s{seconds / bare:8.1f}")
    note(Figure(what=f"fan-out to {size:,}", figure=seconds, unit="s", goal=GOAL_S * size / 1000, baseline=bare))
    small, large = (median(each.seconds for each in by_size[size]) / size for size in (min(by_size), max(by_size)))
    print(
        f"1,000 subscriptions: goal {GOAL_S:.0f} s; each of {max(by_size):,} takes {large / small:.2f} times one of {min(by_size)}"
    )


def followed(size: int, tickers: Sequence[str]) -> Any:
    """A strategy with so many subscriptions, each on an account of a connection of its own whose book is fresh."""
    from django.utils import timezone

    from accounts import teams
    from accounts.models import User
    from brokers.domain.sessions import Environment
    from brokers.models import BrokerageAccount, Connection, ContractLookup
    from strategies.domain.terms.terms import Terms
    from strategies.models import Subscription, TermsVersion
    from strategies.setup import strategies

    now = timezone.now()
    team = teams.found_team(
        owner=User.objects.create_user(f"owner{size}@example.com", "a password"), name=f"{size} followers", now=now
    )
    strategy = strategies.create_strategy(team=team, actor=None, name=f"Followed by {size}", now=now)
    connections = Connection.objects.bulk_create(
        Connection(team=team, name=f"User {n}", username=f"sim-{size}-{n}", environment=Environment.SIMULATED)
        for n in range(size)
    )
    money = {"equity": D(100_000), "cash": D(100_000), "available_funds": D(100_000), "buying_power": D(400_000)}
    accounts = BrokerageAccount.objects.bulk_create(
        BrokerageAccount(
            team=team, connection=connection, account_id=f"SIM{size:04}{n:05}", currency="USD", book_as_of=now, **money
        )
        for n, connection in enumerate(connections)
    )
    ContractLookup.objects.bulk_create(
        ContractLookup(
            connection=connection,
            ticker=ticker,
            asset_class="stock",
            status="found",
            conid=1000 + n,
            answered_at=now,
            asked_at=now,
            currency="USD",
            bid=D("99.99"),
            ask=D("100.01"),
            last=D(100),
            quote_as_of=now,
            quote_flags="RpB",
        )
        for connection in connections
        for n, ticker in enumerate(tickers)
    )
    subscriptions = Subscription.objects.bulk_create(
        Subscription(team=team, strategy=strategy, account=account, enabled=False) for account in accounts
    )
    versions = TermsVersion.objects.bulk_create(
        TermsVersion(subscription=each, number=1, values=Terms(quantity=D(10)).to_json()) for each in subscriptions
    )
    for subscription, version in zip(subscriptions, versions, strict=True):
        subscription.terms, subscription.enabled = version, True
    Subscription.objects.bulk_update(subscriptions, ["terms", "enabled"])
    return strategy


def fan_out(strategy: Any, ticker: str) -> Round:
    """One signal, decided and ticketed."""
    from django.utils import timezone

    from strategies.deciding import settle
    from strategies.models import Decision

    now = timezone.now()
    freshen(strategy, now)
    signal = waiting_signal(strategy, ticker, now)
    started = time.perf_counter()
    decided, taken = Decision.objects.filter(signal=signal), -1
    # A turn of the drain takes a bounded number of decisions: turns are taken until one adds none.
    while taken < (taken := decided.count()):
        settle.settle_waiting(now)
    seconds = time.perf_counter() - started
    accepted, every = decided.filter(status="accepted").count(), strategy.subscriptions.count()
    if accepted != every:
        example = decided.exclude(status="accepted").values_list("status", "reason", "waiting_for").first()
        raise SystemExit(f"{accepted} of {every} were accepted; the bench would measure something else. {example}")
    bare, rows = bare_insert(signal)
    return Round(seconds=seconds, bare=bare, rows=rows)


def waiting_signal(strategy: Any, ticker: str, now: datetime) -> Any:
    """A signal as the door stores it."""
    from strategies.models import Signal

    reading = {
        "action": "buy",
        "instrument": {"class": "stock", "symbol": ticker},
        "quantity": {"value": "10", "type": "fixed_quantity"},
    }
    return Signal.objects.create(
        team=strategy.team,
        strategy=strategy,
        endpoint=strategy.endpoints.get(),
        key=str(uuid.uuid4()),
        body="{}",
        reading=reading,
        ticker=ticker,
        action="buy",
        received_at=now,
        stored_at=now,
    )


def freshen(strategy: Any, now: datetime) -> None:
    """The stream keeps the book and its quotes fresh; here nobody else does."""
    from brokers.models import BrokerageAccount, ContractLookup
    from brokers.postgres.incarnation import this_database

    accounts = BrokerageAccount.objects.filter(subscriptions__strategy=strategy)
    accounts.update(book_as_of=now, orders_home_in=this_database())
    ContractLookup.objects.filter(connection__accounts__subscriptions__strategy=strategy).update(quote_as_of=now)


def bare_insert(signal: Any) -> tuple[float, int]:
    """The same rows once more, in one transaction and with nothing thought about."""
    from django.db import transaction

    from brokers.models import Order, OrderEvent, Ticket
    from strategies.models import Decision

    decisions = list(Decision.objects.filter(signal=signal).select_related("ticket"))
    tickets = [decision.ticket for decision in decisions if decision.ticket is not None]
    orders = list(Order.objects.filter(ticket__in=tickets))
    events = list(OrderEvent.objects.filter(order__in=orders))
    for row in (*decisions, *tickets, *orders, *events):
        row.pk = None
    for ticket, decision in zip(tickets, decisions, strict=True):
        ticket.key, decision.code, decision.attempt = uuid.uuid4(), uuid.uuid4(), 2
    for order in orders:
        order.code, order.reference = uuid.uuid4(), f"bare-{uuid.uuid4().hex}"
    started = time.perf_counter()
    with transaction.atomic():
        Ticket.objects.bulk_create(tickets)
        for ticket, decision in zip(tickets, decisions, strict=True):
            decision.ticket = ticket
        Order.objects.bulk_create(orders)
        OrderEvent.objects.bulk_create(events)
        Decision.objects.bulk_create(decisions)
    seconds = time.perf_counter() - started
    return seconds, len(decisions) + len(tickets) + len(orders) + len(events)


if __name__ == "__main__":
    main(sys.argv[1:])
