"""How long calls are kept, and how many; what they come to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from brokers.connections import call_log
from brokers.connections.diagnosis import diagnose
from brokers.domain.calls import Call as Made
from brokers.domain.calls import CallOutcome
from brokers.models import Call, Connection, Order
from brokers.tests import rows
from strategies import tasks

pytestmark = pytest.mark.django_db


def kept(connection: Connection) -> list[int]:
    return list(connection.calls.order_by("pk").values_list("size", flat=True))


def test_it_deletes_what_is_older_than_it_is_kept(team: Team, now: datetime, settings: Any) -> None:
    settings.KEEP_CALLS_DAYS = 2
    connection = rows.connection(team)
    for number, age in enumerate([3, 3, 1, 0]):
        rows.call(connection, at=now - timedelta(days=age), size=number)
    assert call_log.forget(now, batch=1) == 2
    assert kept(connection) == [2, 3]


def test_it_keeps_the_newest_of_a_busy_connection_and_all_of_a_quiet_one(
    team: Team, now: datetime, settings: Any
) -> None:
    settings.KEEP_CALLS = 3
    busy, quiet = rows.connection(team), rows.connection(team)
    for number in range(5):
        rows.call(busy, size=number)
        rows.call(quiet, size=number) if number < 2 else None
    assert call_log.forget(now) == 2
    assert (kept(busy), kept(quiet)) == ([2, 3, 4], [0, 1])


def test_the_task_that_tidies_does_it(team: Team, now: datetime) -> None:
    connection = rows.connection(team)
    rows.call(connection, at=now - timedelta(days=400))
    tasks.tidy()
    assert not Call.objects.exists()


def test_a_diagnosis_is_of_the_last_day_and_of_one_connection(team: Team, now: datetime) -> None:
    connection, other = rows.connection(team), rows.connection(team)
    rows.call(connection, at=now - timedelta(hours=30), took_ms=9000)
    rows.call(connection, at=now - timedelta(hours=2), took_ms=20, own_ms=5, pace_left=3)
    rows.call(connection, at=now - timedelta(minutes=5), took_ms=40, pace_left=-2, missing=3)
    rows.call(connection, at=now - timedelta(minutes=4), took_ms=60, pace_left=8, outcome="refused", status=400)
    rows.call(connection, at=now - timedelta(minutes=3), took_ms=500, outcome="no_answer", status=None)
    rows.call(other, at=now, took_ms=7000)
    figures = diagnose(connection, now)
    assert (figures.whole.calls, figures.whole.errors, figures.whole.p50, figures.whole.p99) == (4, 2, 40, 60)
    assert figures.whole.own_share == pytest.approx(5 / 120)
    assert dict(figures.errors) == {"refused": 1, "no_answer": 1}
    assert figures.missing == 3
    assert figures.pace is not None
    assert (figures.pace.left, figures.pace.least, figures.pace.busiest) == (8, -2, 1)
    assert figures.points[0].p50 == 20
    assert figures.points[-1].p99 == 60


def test_a_connection_that_was_never_used_has_no_figures(team: Team, now: datetime) -> None:
    figures = diagnose(rows.connection(team), now)
    assert (figures.whole.calls, figures.whole.p50, figures.points, figures.pace) == (0, None, [], None)


def message(connection: Connection, *names: str) -> tuple[datetime, Made]:
    made = Made(
        connection=connection.pk,
        method="RECEIVED",
        endpoint="ws/sor",
        outcome=CallOutcome.ANSWERED,
        took=0,
        own=0,
        names=names,
    )
    return timezone.now(), made


def test_a_message_is_linked_to_the_order_of_ours_that_it_names(team: Team, client: Client, bob: User) -> None:
    account = rows.account(team)
    first, second = rows.order(account), rows.order(account)
    Order.objects.filter(pk=second.pk).update(broker_order_id="4712")
    connection = account.connection
    call_log.save(
        [
            message(connection, "nobody's", first.reference, "4712"),
            message(connection, "4712"),
            message(connection, "4713"),
            message(connection),
        ],
        {},
    )
    assert list(Call.objects.order_by("pk").values_list("order", flat=True)) == [first.pk, second.pk, None, None]
    client.force_login(bob)
    assert "RECEIVED" in client.get(f"/teams/{team.code}/orders/{first.code}/").text


def test_a_message_names_no_order_of_another_connection(team: Team, alice: User) -> None:
    theirs = rows.order(rows.account(teams.found_team(owner=alice, name="Another", now=timezone.now())))
    Order.objects.filter(pk=theirs.pk).update(broker_order_id="4711")
    of_another_login = rows.order(rows.account(team))
    call_log.save([message(rows.connection(team), theirs.reference, "4711", of_another_login.reference)], {})
    assert Call.objects.get().order is None
