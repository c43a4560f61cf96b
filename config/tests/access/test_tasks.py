"""Tasks of the queue, begun by anybody who can put a message into it: with rows of other teams, with none, with nonsense.

No task takes the id of a row, so each can only do what is due, for every team alike, and once.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.apps import apps
from django.conf import settings
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from brokers.models import Order
from brokers.tests import rows as broker
from config.celery import app
from config.tests.access.world import NOWHERE, World, world
from strategies import tasks
from strategies.drain import drain
from strategies.models import Signal
from strategies.tests import rows
from strategies.tests.control import proposing
from strategies.tests.lookups import reading

app.loader.import_default_modules()
OF_THE_CLOCK = ("accounts.tick", "brokers.sweep", "strategies.decide", "strategies.sweep")


def everything() -> dict[str, list[Any]]:
    """Every row of ours."""
    models = [model for model in apps.get_models() if model._meta.app_label in {"accounts", "brokers", "strategies"}]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}


@contextmanager
def published() -> Iterator[list[tuple[str, tuple[Any, ...], dict[str, Any]]]]:
    """What is put into the queue meanwhile: the task, and its arguments."""
    messages: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def note(sender: str, body: Any, **_: Any) -> None:
        messages.append((sender, tuple(body[0]), dict(body[1])))

    before_task_publish.connect(note)
    try:
        yield messages
    finally:
        before_task_publish.disconnect(note)


def messages_of_a_stranger(made: World) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments that somebody slips in: rows of another team, rows that are not there, and nonsense."""
    theirs = made.theirs
    for row in (theirs.team.pk, str(theirs.team.code), theirs.parts["order_code"], theirs.parts["signal_code"]):
        yield (str(row),), {}
    yield (theirs.team.signals.order_by("pk").values_list("pk", flat=True)[0],), {}
    yield (), {"team": theirs.team.pk}
    yield (), {"connection_pk": theirs.team.connections.order_by("pk").values_list("pk", flat=True)[0]}
    for missing in (NOWHERE, 2**70, -1, 0, None):
        yield (missing,), {}
    nonsense: Any
    for nonsense in (
        "'; DROP TABLE accounts_team; --",
        "x" * 100_000,
        [[[]]],
        {"__class__": "x"},
        float("nan"),
        "\x00",
    ):
        yield (nonsense,), {}
        yield (), {"now": nonsense}
    yield (), {"linger": 0, "clock": "2099-01-01", "nudge": "os.system"}
    yield (), {"self": None}
    yield tuple(range(50)), {}


@pytest.mark.django_db
@pytest.mark.parametrize("name", OF_THE_CLOCK)
def test_a_message_with_arguments_begins_nothing(name: str, now: datetime, servers: None) -> None:
    made = world(now)
    before, task = everything(), app.tasks[name]
    with published() as sent:
        for positional, named in messages_of_a_stranger(made):
            ended = task.apply(positional, named)
            assert isinstance(ended.result, TypeError), (name, positional, named)
    assert sent == []
    assert everything() == before


@pytest.mark.django_db
def test_the_sweep_of_strategies_only_asks_for_the_drain(now: datetime, servers: None) -> None:
    world(now)
    before = everything()
    with published() as sent:
        for _ in range(3):
            app.tasks["strategies.sweep"].run()
    assert sent == [("strategies.decide", (), {})] * 3
    assert everything() == before


@pytest.fixture
def two_teams(db: None) -> tuple[Team, Team]:
    """A hostile team, made first, and a good one."""
    made = []
    for name in ("mallory", "alice2"):
        owner = User.objects.create_user(f"{name}@example.com", "a password")
        made.append(teams.found_team(owner=owner, name=name, now=timezone.now()))
    return made[0], made[1]


def waits(team: Team, **values: Any) -> Signal:
    """A signal of the team that nobody has decided yet."""
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, proposing.account(team, now), now)
    message = {**reading("buy", quantity="10"), "signal_price": "100"}
    return rows.signal(strategy, now, **{"reading": message, **values})


@pytest.fixture
def decide(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task, which here goes home as soon as nothing is left to do."""
    monkeypatch.setattr(tasks, "drain", functools.partial(drain, linger=0.1))
    return app.tasks["strategies.decide"].run


@pytest.mark.django_db(transaction=True)
def test_the_drain_decides_each_teams_own_signals_once(
    two_teams: tuple[Team, Team], decide: Any, servers: None
) -> None:
    signals = [waits(team) for team in two_teams]
    with published() as sent:
        decide()
    for team, signal in zip(two_teams, signals, strict=True):
        [decision] = signal.decisions.all()
        assert (decision.team, decision.status) == (team, "accepted"), decision.reason
        orders = Order.objects.filter(ticket__decision=decision)
        assert orders
        assert {(order.team_id, order.account.team_id, order.connection.team_id) for order in orders} == {
            (team.pk,) * 3
        }
    assert {(name, arguments) for name, arguments, _ in sent} <= {("brokers.work", ())}
    before = everything()
    decide()
    assert everything() == before, "a second message decides nothing again"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"action": "buy"},
        {"action": "buy", "instrument": {"class": "stock"}},
        {"action": "buy", "instrument": {"class": "nothing", "symbol": "AAPL"}, "quantity": {"value": "NaN"}},
        {"action": "<b>", "instrument": {"class": "stock", "symbol": "AAPL"}, "quantity": {"value": "1e999999"}},
        {"action": "buy", "instrument": {"class": "stock", "symbol": "'; DROP TABLE"}},
    ],
)
def test_a_signal_that_cannot_be_decided_holds_up_no_other_team(
    broken: dict[str, Any], two_teams: tuple[Team, Team], decide: Any, servers: None
) -> None:
    hostile, good = two_teams
    poison, signal = waits(hostile), waits(good)
    Signal.objects.filter(pk=poison.pk).update(reading=broken)
    decide()
    assert [decision.status for decision in signal.decisions.all()] == ["accepted"]
    assert not Order.objects.filter(team=hostile).exists()
    poison.refresh_from_db()
    assert poison.dispatched_at is not None, "it is set aside, and not tried for ever"


@pytest.mark.django_db(transaction=True)
def test_the_drain_with_nothing_to_do_changes_nothing(two_teams: tuple[Team, Team], decide: Any, servers: None) -> None:
    before = everything()
    with published() as sent:
        decide()
    assert sent == []
    assert everything() == before


@pytest.mark.django_db
def test_the_sweep_of_brokers_ends_what_is_due_for_every_team_and_nothing_else(
    two_teams: tuple[Team, Team], servers: None
) -> None:
    now = timezone.now()
    late, fresh = [], []
    for team in two_teams:
        account = broker.account(team)
        # What a hostile gateway says of itself is part of the reason.
        type(account.connection).objects.filter(team=team).update(session_reason="<b>'; DROP TABLE " * 10)
        late.append(broker.order(account, expires_at=now - timedelta(seconds=1)))
        fresh.append(broker.order(account, expires_at=now + timedelta(hours=1)))
    with published() as sent:
        app.tasks["brokers.sweep"].run()
    for order in late:
        order.refresh_from_db()
        assert order.status == "expired"
        assert order.reason.startswith("Not sent: it could not leave")
    for order in fresh:
        order.refresh_from_db()
        assert order.status == "created"
    assert sent == [("brokers.work", (), {"shard": shard}) for shard in range(settings.WORK_SHARDS)]
    before = everything()
    app.tasks["brokers.sweep"].run()
    assert everything() == before


def test_a_name_that_is_no_task_is_none() -> None:
    for name in ("strategies.settle", "os.system", "brokers.sweep; ls", str(uuid.uuid4())):
        assert name not in app.tasks
