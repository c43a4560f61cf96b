"""What a history costs: a walk, pages, lists of the API, a search and a retention run on a large database and on a small one.

    python -m benchmarks.bench_history [--signals 1000000] [--orders 2000000] [--subscriptions 10000] [--teams 1000]

The same team is asked for the same things twice in one run, on one server: with a few hundred orders, and with the
history of everybody behind it, of which nearly a third is its own. The figures are ratios. The walk goes through the
product's own functions in this process; nothing is sent.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database
from benchmarks.trading import history, walking

GOAL = 1.2
SMALL = history.Sizes(teams=10, subscriptions=100, signals=1_000, orders=2_000, refusals=300)
PAGES = ("dashboard", "signals", "orders", "positions", "guards", "strategies", "subscriptions", "approvals")
LISTS = ("signals", "orders", "executions", "decisions", "refusals", "accounts", "guards")

Figures = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--teams", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(argv)
    large = history.Sizes(
        teams=options.teams,
        subscriptions=options.subscriptions,
        signals=options.signals,
        orders=options.orders,
        refusals=options.signals // 10,
    )
    with migrated_database():
        bench = Bench()
        bench.fill(SMALL)
        small = bench.measure(options.rounds)
        started = time.monotonic()
        bench.fill(large)
        filled = time.monotonic() - started
        report(small, bench.measure(options.rounds), large, filled)


class Bench:
    """A team with an account, a browser and a token, and what they ask for."""

    def __init__(self) -> None:
        from django.conf import settings
        from django.test import Client
        from django.utils import timezone

        from accounts import teams
        from accounts.models import User
        from strategies.models import Refusal, Signal
        from strategies.tests import rows
        from strategies.tests.lookups import knows

        settings.ALLOWED_HOSTS = ["*"]
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
        now = timezone.now()
        owner = User.objects.create_user("owner@example.com", "a password")
        self.team = teams.found_team(owner=owner, name="Traders", now=now)
        self.walk = rows.walk(self.team, now)
        knows(self.walk.account.connection, now)
        Signal.objects.update(dispatched_at=now)
        self.refusal = Refusal.objects.create(
            team=self.team,
            endpoint=self.walk.strategy.endpoints.get(),
            status=400,
            message_code="invalid-json",
            sentence="No.",
            received_at=now,
        )
        self.browser = Client()
        self.browser.force_login(owner)
        token = teams.issue_token(team=self.team, user=owner, name="bench", now=now)
        self.program = Client(headers={"Authorization": f"Token {token}"})

    def fill(self, sizes: history.Sizes) -> None:
        """With what autovacuum and the checkpoint would have done meanwhile; bodies as old as that are gone."""
        from django.db import connection
        from django.utils import timezone

        from strategies.webhook import retention

        history.fill(self.walk, self.refusal, sizes)
        retention.forget(timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")

    def measure(self, rounds: int) -> Figures:
        """Milliseconds of each, the median of so many rounds after one that warms it."""
        return {name: _median(ask, rounds) for name, ask in self.everything().items()}

    def everything(self) -> dict[str, Callable[[], object]]:
        from django.urls import reverse
        from django.utils import timezone

        from strategies.webhook import retention

        asked: dict[str, Callable[[], object]] = {
            "a walk, from the stored signal to the fill": lambda: walking.walk(self.walk.subscription, timezone.now())
        }
        for name in PAGES:
            asked[f"page: {name}"] = partial(self._ok, self.browser, reverse(name, args=[self.team.code]))
        address = reverse("strategy", args=[self.team.code, self.walk.strategy.code])
        asked["page: a strategy"] = partial(self._ok, self.browser, address)
        for name in LISTS:
            asked[f"API: {name}"] = partial(self._ok, self.program, reverse(f"api-{name}-list"))
        search = reverse("signals", args=[self.team.code]) + "?ticker=AAPL&q=buy"
        asked["search for a word"] = partial(self._ok, self.browser, search)
        asked["retention, with nothing to do"] = lambda: retention.forget(timezone.now())
        return asked

    @staticmethod
    def _ok(client: Any, address: str) -> None:
        answer = client.get(address)
        if answer.status_code != 200:
            raise SystemExit(f"{address} answered {answer.status_code}; the bench would measure something else.")


def _median(ask: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return median(times[1:])


def report(small: Figures, large: Figures, sizes: history.Sizes, filled: float) -> None:
    print(
        f"{sizes.signals:,} signals, {sizes.orders:,} orders, {sizes.subscriptions:,} subscriptions, {sizes.teams:,} teams"
        f" (filled in {filled:.0f} s), against {SMALL.orders:,} orders"
    )
    print(f"{'':44}{'small':>10}{'large':>10}{'ratio':>8}")
    for name, before in small.items():
        ratio = large[name] / before
        print(f"{name:44}{before:7.1f} ms{large[name]:7.1f} ms{ratio:8.2f}{'' if ratio <= GOAL else '  beyond'}")
    reached = sum(large[name] / before <= GOAL for name, before in small.items())
    worst = max(large[name] / before for name, before in small.items())
    note(Figure(what="a long history, the slowest by its ratio", figure=worst, unit="times", goal=GOAL))
    print(f"{reached} of {len(small)} within {GOAL} times (goal: all)")


if __name__ == "__main__":
    main(sys.argv[1:])
