"""A team with an account, a browser and a token, and what they ask of one database. A process of its own.

    DATABASE_URL=... REDIS_URL=... python -m benchmarks.trading.asked SIZES

Fills the database, prints a JSON object (`names`: what can be asked, `door`: the path of a webhook), then answers each
name on standard input with the milliseconds that it took by the clock, and those of processor, its own and PostgreSQL's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.trading import history, walking

PAGES = ("dashboard", "signals", "orders", "positions", "guards", "strategies", "subscriptions", "approvals")
LISTS = ("signals", "orders", "executions", "decisions", "refusals", "accounts", "guards")
# What hardly occurs, or not at all: a list without it may not read the history to find that out.
RARE = {
    "signals": {"ticker": "RARE"},
    "orders": {"ticker": "RARE"},
    "executions": {"ticker": "RARE"},
    "decisions": {"status": "rejected"},
}
# The oldest row that a deep page begins behind, counted from the oldest of the team.
DEEP = 1_000


def main() -> None:
    import django

    django.setup()
    team = Asked(history.Sizes(**json.loads(sys.argv[1])))
    asked = team.everything()
    print(json.dumps({"names": list(asked), "door": team.door(), "filled": team.filled}), flush=True)
    for line in sys.stdin:
        print(*measured(asked[line.strip()]), flush=True)


def measured(ask: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock, and of processor: this process and the one of PostgreSQL that it asks."""
    server, began, started = _ran(_server()), time.process_time(), time.perf_counter()
    ask()
    took, own = time.perf_counter() - started, time.process_time() - began
    return took * 1000, own * 1000 + (_ran(_server()) - server) / 1e6


def _server() -> int:
    """The process of PostgreSQL behind this connection, which stays the same for as long as it is asked."""
    from django.db import connection

    connection.ensure_connection()
    driver: Any = connection.connection
    return int(driver.info.backend_pid)


def _ran(process: int) -> int:
    """Nanoseconds for which a process of this machine has had a processor."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0])


class Asked:
    """One owner's team with its history and that of everybody else."""

    def __init__(self, sizes: history.Sizes) -> None:
        from django.conf import settings
        from django.test import Client
        from django.utils import timezone

        from accounts import teams
        from accounts.models import User
        from strategies.tests import rows

        settings.ALLOWED_HOSTS = ["*"]
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
        now = timezone.now()
        owner = User.objects.create_user("owner@example.com", "a password")
        self.team = teams.found_team(owner=owner, name="Traders", now=now)
        self.walk = rows.walk(self.team, now)
        self.filled = self._fill(sizes)
        self.browser = Client()
        self.browser.force_login(owner)
        token = teams.issue_token(team=self.team, user=owner, name="bench", now=now)
        self.program = Client(headers={"Authorization": f"Token {token}"})

    def _fill(self, sizes: history.Sizes) -> float:
        """With what autovacuum and the checkpoint would have done meanwhile; returns how many seconds it took."""
        from django.db import connection
        from django.utils import timezone

        from brokers.tests import rows
        from strategies.models import Refusal, Signal
        from strategies.tests.lookups import knows

        now, started = timezone.now(), time.monotonic()
        knows(self.walk.account.connection, now)
        Signal.objects.update(dispatched_at=now)
        self.walk.strategy.endpoints.update(enabled=True)
        type(self.walk.strategy).objects.update(per_minute=10**9, per_hour=10**9)
        refusal = Refusal.objects.create(
            team=self.team,
            endpoint=self.walk.strategy.endpoints.get(),
            status=400,
            message_code="invalid-json",
            sentence="No.",
            received_at=now,
        )
        with history.indexed_afterwards():
            history.fill(self.walk, refusal, sizes)
        self.unused = rows.account(self.team, self.walk.account.connection, account_id="DU999")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
        return time.monotonic() - started

    def door(self) -> str:
        from strategies.webhook.passwords import password_for

        code = self.walk.strategy.endpoints.get().code
        return f"/trading/webhook/{code}/{password_for(code)}"

    def everything(self) -> dict[str, Callable[[], object]]:
        from django.utils import timezone

        from strategies.webhook import retention

        return {
            "a walk, from the stored signal to the fill": lambda: walking.walk(self.walk.subscription, timezone.now()),
            **self._pages(),
            **self._lists(),
            **self._rare(),
            "retention, with nothing to do": lambda: retention.forget(timezone.now()),
        }

    def _pages(self) -> dict[str, Callable[[], object]]:
        from django.urls import reverse

        pages = {name: reverse(name, args=[self.team.code]) for name in PAGES}
        pages["a strategy"] = reverse("strategy", args=[self.team.code, self.walk.strategy.code])
        pages["deep in the orders"] = f"{pages['orders']}?before={self._old('brokers', 'Order')}"
        pages["deep in the signals"] = f"{pages['signals']}?signals_before={self._old('strategies', 'Signal')}"
        return {f"page: {name}": partial(_ok, self.browser, address) for name, address in pages.items()}

    def _old(self, app: str, model: str) -> str:
        """The public id of a row with no more than a thousand behind it."""
        from django.apps import apps

        rows = apps.get_model(app, model).objects.filter(team=self.team).order_by("pk")
        return str(rows.values_list("code", flat=True)[min(DEEP, rows.count() // 2)])

    def _lists(self) -> dict[str, Callable[[], object]]:
        from django.urls import reverse

        addresses = {name: reverse(f"api-{name}-list") for name in LISTS}
        return {f"API: {name}": partial(_ok, self.program, address) for name, address in addresses.items()}

    def _rare(self) -> dict[str, Callable[[], object]]:
        from urllib.parse import urlencode

        from django.urls import reverse

        orders, signals = (reverse(name, args=[self.team.code]) for name in ("orders", "signals"))
        pages = {
            "page: orders of a rare ticker": f"{orders}?ticker=rare",
            "page: orders in doubt": f"{orders}?state=doubt",
            "page: open orders": f"{orders}?state=open",
            "page: orders of an account without any": f"{orders}?account={self.unused.code}",
            "page: signals of a rare ticker": f"{signals}?ticker=rare",
            "page: signals set aside": f"{signals}?outcome=set_aside",
            "page: signals that were rejected": f"{signals}?outcome=rejected",
            "search for a word that is everywhere": f"{signals}?ticker=AAPL&q=buy",
            "search for a word that is nowhere": f"{signals}?q=zebra",
        }
        asked: dict[str, Callable[[], object]] = {
            name: partial(_ok, self.browser, address) for name, address in pages.items()
        }
        for name, query in {**RARE, "orders ": {"status": "rejected"}}.items():
            words = ", ".join(query.values())
            address = f"{reverse(f'api-{name.strip()}-list')}?{urlencode(query)}"
            asked[f"API: {name.strip()}, {words}"] = partial(_ok, self.program, address)
        return asked


def _ok(client: Any, address: str) -> None:
    answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}; the bench would measure something else.")


if __name__ == "__main__":
    main()
