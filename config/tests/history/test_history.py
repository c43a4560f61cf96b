"""What a walk, a page and a list of the API read does not grow with the history behind them: plans, not times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from accounts.feed.needs import needs_of
from accounts.models import Team
from benchmarks.trading import history, walking
from brokers.models import BrokerageAccount, Order
from brokers.notices import telling
from brokers.orders import cancels, closing, orphans, unsent
from brokers.orders.together.leaving import take_of_ticket
from brokers.orders.waits import overlong
from brokers.processes import agenda
from brokers.protection import rounds
from brokers.tests import rows as broker
from config.tests.access import test_api, test_pages
from config.tests.access.table import API
from config.tests.access.world import World, ask, undone, world
from config.tests.history.growing import GROWING
from config.tests.history.probe import Probe, probing
from strategies.control import approval
from strategies.deciding import guards
from strategies.models import Refusal, Signal, Subscription
from strategies.tests import rows
from strategies.tests.lookups import knows
from strategies.webhook import log, portions, retention
from strategies.webhook.log import LogFilter

pytestmark = [pytest.mark.django_db, pytest.mark.long]
# Half of it is the history of the team that asks, and all of it is older than the others'.
SIZES = history.Sizes(teams=20, subscriptions=200, signals=4_000, orders=8_000, refusals=2_000, share=0.5)
# A page shows fifty rows, and reads a few more of each table for them.
MOST = 400
# Lists that are filtered or exported as a whole read what they are asked for.
WHOLE = {"signals_csv", "signals_json", "trades", "trades_csv", "pnl"}


def beyond(probe: Probe, most: int = MOST) -> list[str]:
    return [str(read) for read in probe.beyond(most)]


@contextmanager
def as_large_tables_are_read() -> Iterator[None]:
    """These are small enough to be read whole, or walked through for a join; a million rows are not."""
    ways = ("enable_seqscan", "enable_mergejoin", "enable_hashjoin")
    with connection.cursor() as cursor:
        for way in ways:
            cursor.execute(f"SET LOCAL {way} = off")
        yield
        for way in ways:
            cursor.execute(f"SET LOCAL {way} = on")


@pytest.fixture
def subscription(team: Team, now: datetime) -> Subscription:
    """Of an account with a long history."""
    walk = rows.walk(team, now - timedelta(days=3))
    knows(walk.account.connection, now)
    refusal = Refusal.objects.create(
        team=team,
        endpoint=walk.strategy.endpoints.get(),
        status=400,
        message_code="invalid-json",
        sentence="No.",
        received_at=now,
    )
    Signal.objects.update(dispatched_at=now)
    history.fill(walk, refusal, SIZES)
    history.measure()
    return walk.subscription


@pytest.fixture
def made(now: datetime, settings: Any) -> World:
    """Everything of which there is a page, in a team with a long history."""
    settings.SIM_CONTROL_TOKEN = ""  # no simulator runs here, and none is waited for
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
    all_of_it = world(now)
    Signal.objects.update(note="")
    parts = all_of_it.ours.parts
    order = Order.objects.get(code=parts["order_code"])
    walk = SimpleNamespace(
        account=order.account,
        strategy=Signal.objects.get(code=parts["signal_code"]).strategy,
        subscription=Subscription.objects.get(code=parts["subscription_code"]),
        signal=Signal.objects.get(code=parts["signal_code"]),
        decision=order.ticket.decision,
        order=order,
    )
    history.fill(walk, Refusal.objects.get(log_code=parts["log_code"]), SIZES)
    history.measure()
    return all_of_it


def test_a_probe_sees_what_reads_a_history(subscription: Subscription) -> None:
    with as_large_tables_are_read(), probing() as probe:
        assert Order.objects.filter(account=subscription.account, quantity__gt=1).count() > MOST
    [read] = beyond(probe)
    assert "brokers_order" in read


def test_a_walk_reads_what_is_open_or_recent(subscription: Subscription, now: datetime) -> None:
    with as_large_tables_are_read(), probing() as probe:
        order = walking.walk(subscription, now)
    assert order.status == "filled"
    assert not beyond(probe), "\n".join(beyond(probe))
    assert len(probe.reads) > 10


TIMES = 14


def test_what_each_signal_and_each_page_asks_is_planned_once(subscription: Subscription, now: datetime) -> None:
    forget_plans()
    for _ in range(TIMES):
        walking.walk(subscription, now)
        needs_of(subscription.team, now)
    plans = custom_plans()
    # Postgres looks at five plans for the values at hand before it takes one for all.
    anew = [sql for sql, count in plans if count > TIMES // 2 and any(table in sql for table in GROWING)]
    assert len(plans) > 15
    assert not anew, "\n".join(anew)


def forget_plans() -> None:
    """Prepare everything anew: what other tests prepared was planned for tables that were empty."""
    connection.ensure_connection()
    driver: Any = connection.connection
    driver._prepared.clear()


def custom_plans() -> list[tuple[str, int]]:
    """The prepared statements of this connection, and how often each was planned for the values at hand."""
    with connection.cursor() as cursor:
        # A list that is told as one value has its rows by their keys.
        cursor.execute(
            "SELECT statement, custom_plans FROM pg_prepared_statements WHERE statement NOT LIKE '%%ANY($%%'"
        )
        return [(sql, count) for sql, count in cursor.fetchall()]


LOOKS: list[Callable[[Subscription, datetime], object]] = [
    lambda of, now: agenda.look(of.account.connection_id, now, back=False),
    lambda of, now: take_of_ticket(broker.order(of.account).ticket, now),
    lambda of, now: agenda.waiting_connections(now),
    lambda of, now: guards.judge_days(now),
    lambda of, now: approval.expire(now),
    lambda of, now: needs_of(of.team, now),
    lambda of, now: unsent.expire_overdue(now),
    lambda of, now: cancels.ask_due(now),
    lambda of, now: overlong.look(now),
    lambda of, now: closing.work(now),
    lambda of, now: orphans.cancel(now),
    lambda of, now: rounds.look(now),
    lambda of, now: telling.look(now),
]
# The last look reads what was ordered within a month, of the year that there is, and what stands on pages beside it.
A_MONTH = SIZES.orders // 2


def test_what_is_looked_at_every_few_seconds_reads_what_is_open(subscription: Subscription, now: datetime) -> None:
    wrong = []
    for number, look in enumerate(LOOKS):
        with as_large_tables_are_read(), probing() as probe, undone():
            look(subscription, now)
        is_last = number == len(LOOKS) - 1
        wrong += [f"look {number}: {read}" for read in beyond(probe, A_MONTH if is_last else MOST)]
    assert not wrong, "\n".join(wrong)


def test_a_retention_that_has_nothing_to_do_reads_little(
    subscription: Subscription, now: datetime, settings: Any
) -> None:
    settings.KEEP_DELIVERIES_DAYS = 180
    assert retention.forget(now).signals > MOST
    history.measure()
    with as_large_tables_are_read(), probing() as probe:
        assert retention.forget(now) == retention.Forgotten()
    assert not beyond(probe), "\n".join(beyond(probe))


def test_every_page_and_every_list_of_the_api_reads_what_it_shows(made: World) -> None:
    wrong = []
    for name, request in (*_pages(made), *_lists(made)):
        with as_large_tables_are_read(), probing() as probe, undone():
            status = request().status_code
        assert status in {200, 302, 404, 409}, name
        wrong += [f"{name}: {read}" for read in beyond(probe)]
    assert not wrong, "\n".join(wrong)


# What hardly occurs in a long history, or not at all, by the page or the list that is asked for it.
RARE_PAGES = {
    "orders": ["ticker=rare", "state=doubt", "state=open", "state=over", "account={unused}", "before={old_order}"],
    "signals": [
        "ticker=rare",
        "ticker=rare&action=sell",
        "action=cancel",
        *(f"outcome={word}" for word in ("set_aside", "rehearsed", "repeated", "delayed", "pending", "rejected")),
        "outcome=stale-signal",
        "outcome=nobody",
        "outcome=nobody&ticker=aapl",
        "signals_before={old_signal}",
        "q=zebra",
        "until={old_day}&q=zebra",
        "since={old_day}&until={old_day}",
        "since={old_day}&until={old_day}&action=exit",
    ],
}
RARE_LISTS = {
    "orders": [
        "ticker=rare",
        "status=rejected",
        "status=unknown,needs_attention",
        "account={unused}",
        "since={now}",
        "since={now}&side=sell",
        "ticker=rare&side=buy",
    ],
    "executions": ["ticker=rare", "account={unused}", "since={now}", "since={now}&side=sell"],
    "signals": [
        "ticker=rare",
        "action=cancel",
        "set_aside=stale-signal",
        "since={now}",
        "since={now}&ticker=aapl&action=sell",
        "strategy={empty}",
        "strategy={empty}&ticker=aapl",
    ],
    "refusals": ["since={now}", "since={now}&message_code=invalid-json"],
    "decisions": ["status=rejected", "status=pending,proposed", "since={now}", "since={now}&status=accepted"],
}


def test_a_filter_for_what_hardly_occurs_reads_no_history(
    made: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "LOOKED_THROUGH", 100)
    team = made.ours.team
    names = {
        "unused": BrokerageAccount.objects.exclude(orders__isnull=False).filter(team=team).values_list("code").first(),
        "old_order": Order.objects.filter(team=team).order_by("pk").values_list("code")[60],
        "old_signal": Signal.objects.filter(team=team).order_by("pk").values_list("code")[60],
    }
    codes = {name: str(row[0]) for name, row in names.items() if row is not None}
    assert set(codes) == set(names)
    codes["empty"] = str(rows.strategy(team, now, "Empty").code)
    codes["now"] = f"{now + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    codes["old_day"] = f"{now - timedelta(days=300):%Y-%m-%dT%H:%M}"
    pages = [(made.clients["owner"], reverse(n, args=[team.code]), q) for n, qs in RARE_PAGES.items() for q in qs]
    lists = [(made.tokens["owner"], reverse(f"api-{n}-list"), q) for n, qs in RARE_LISTS.items() for q in qs]
    wrong = []
    for client, address, query in (*pages, *lists):
        with as_large_tables_are_read(), probing() as probe:
            answer = client.get(f"{address}?{query.format(**codes)}")
        assert answer.status_code == 200, query
        wrong += [f"{address}?{query}: {read}" for read in beyond(probe)]
    assert not wrong, "\n".join(wrong)


def test_a_filter_is_planned_for_what_it_asks_for_however_often_it_was_asked(made: World) -> None:
    pages = [(made.clients["owner"], reverse(name, args=[made.ours.team.code])) for name in RARE_PAGES]
    lists = [
        (made.tokens["owner"], reverse(f"api-{name}-list"))
        for name in RARE_LISTS
        if name not in {"refusals", "decisions"}
    ]
    forget_plans()
    for client, address in (*pages, *lists):
        for _ in range(TIMES):
            assert client.get(f"{address}?ticker=rare").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
        planned = [
            (sql, generic, custom)
            for sql, generic, custom in cursor.fetchall()
            if '"ticker" = $' in sql and "LIMIT" in sql
        ]
    assert len(planned) >= 4
    assert not [sql for sql, generic, custom in planned if generic or custom < TIMES // 2]


EXPORTED = [
    LogFilter(),
    LogFilter(ticker="RARE"),
    LogFilter(action="cancel"),
    LogFilter(q="zebra"),
    *(LogFilter(outcome=word) for word in ("accepted", "rejected", "pending", "set_aside", "stale-signal", "nobody")),
]


def test_a_file_of_a_long_log_is_read_in_portions(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "LOOKED_THROUGH", 100)
    monkeypatch.setattr(portions, "CHUNK", 20)
    team, wrong = made.ours.team, []
    for criteria in EXPORTED:
        with as_large_tables_are_read(), probing() as probe:
            found = sum(1 for row in log.all_rows(team, criteria) if row)
        assert found == (log.signals(team, criteria).count() + log.refusals(team, criteria).count()), criteria
        # Where hardly any keys are left, all of them are read: that costs less than the index of the team.
        wrong += [f"{criteria}: {read}" for read in beyond(probe, 2 * MOST)]
    assert not wrong, "\n".join(wrong)


def _pages(made: World) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, page, entry in test_pages.entries():
        if entry.get and name not in WHOLE:
            address = made.address(page, entry.at)
            yield name, partial(ask, made.clients["owner"], "GET", address, {})


def _lists(made: World) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, page in test_api.actions():
        if API[name][0] == "GET":
            where = test_api.address(page, made.ours)
            yield name, partial(made.tokens["owner"].get, where)
