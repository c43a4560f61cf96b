"""What is let go with time, and what stays."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows as broker
from strategies.models import Decision, Refusal, Repeat, Signal, Strategy, WebhookEndpoint, WebhookMinute
from strategies.setup import strategies
from strategies.tests import rows
from strategies.webhook import retention
from strategies.webhook.retention import Forgotten

pytestmark = pytest.mark.django_db
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture(autouse=True)
def installation(settings: Any) -> None:
    settings.KEEP_DELIVERIES_DAYS = 30


def signal(of: Strategy, at: datetime, **values: Any) -> Signal:
    fields = {"address": "192.0.2.7", "headers": {"user-agent": "Pine"}, "dispatched_at": at, **values}
    return rows.signal(of, at, **fields)


def refusal(of: Strategy, at: datetime) -> Refusal:
    return Refusal.objects.create(
        team=of.team,
        endpoint=of.endpoints.get(),
        status=400,
        message_code="malformed-json",
        sentence="Not JSON.",
        received_at=at,
    )


def minute(of: WebhookEndpoint, at: datetime, **values: int) -> WebhookMinute:
    return WebhookMinute.objects.create(endpoint=of, minute=at, last_at=at, **values)


def test_body_headers_and_address_go_and_what_we_made_of_them_stays(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    old, young = signal(strategy, now - 30 * DAY - SECOND), signal(strategy, now - 30 * DAY)
    rows.rejected(old, rows.subscription(strategy, broker.account(team), now), now)
    assert retention.forget(now) == Forgotten(signals=1)
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.body, old.headers, old.address, old.forgotten_at) == ("", {}, None, now)
    assert (old.reading, old.ticker) == (rows.READING, "AAPL")
    assert Decision.objects.get().reason == "The account is long already."
    assert (young.address, young.forgotten_at) == ("192.0.2.7", None)
    assert "AAPL" in young.body
    assert retention.forget(now) == Forgotten()


def test_a_strategy_may_keep_less_or_more_than_the_installation(team: Team, now: datetime) -> None:
    short, long = rows.strategy(team, now, "Short"), rows.strategy(team, now, "Long")
    Strategy.objects.filter(pk=short.pk).update(keep_days=1)
    Strategy.objects.filter(pk=long.pk).update(keep_days=90)
    of_short, of_long = signal(short, now - 2 * DAY), signal(long, now - 89 * DAY)
    retention.forget(now)
    assert Signal.objects.get(forgotten_at=now) == of_short
    assert Signal.objects.get(forgotten_at=None) == of_long


def test_a_signal_that_still_waits_keeps_its_body(team: Team, now: datetime) -> None:
    signal(rows.strategy(team, now), now - 60 * DAY, dispatched_at=None)
    assert retention.forget(now) == Forgotten()


def test_refusals_and_repeats_go_whole(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    taken = signal(strategy, now)
    for at in (now - 31 * DAY, now - 29 * DAY):
        refusal(strategy, at)
        Repeat.objects.create(team=team, signal=taken, log_code=uuid.uuid4(), received_at=at)
    assert retention.forget(now) == Forgotten(refusals=1, repeats=1)
    assert Refusal.objects.get().received_at == Repeat.objects.get().received_at == now - 29 * DAY


def test_it_works_in_batches_and_misses_none(team: Team, now: datetime, django_assert_max_num_queries: Any) -> None:
    strategy = rows.strategy(team, now)
    for _ in range(7):
        signal(strategy, now - 31 * DAY)
        refusal(strategy, now - 31 * DAY)
    assert retention.forget(now, batch=3) == Forgotten(signals=7, refusals=7)
    assert not Refusal.objects.exists()
    assert not Signal.objects.exclude(body="").exists()


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_nobody_and_leaves_for_later_what_somebody_holds(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signals = [signal(strategy, now - 31 * DAY) for _ in range(3)]
    refusals = [refusal(strategy, now - 31 * DAY) for _ in range(3)]
    with (
        psycopg.connect(**direct_parameters()) as somebody,
        somebody.transaction(),
        connection.cursor() as cursor,
    ):
        somebody.execute("SELECT id FROM strategies_signal WHERE id = %s FOR UPDATE", [signals[0].pk])
        somebody.execute("SELECT id FROM strategies_refusal WHERE id = %s FOR UPDATE", [refusals[0].pk])
        cursor.execute("SET lock_timeout = '20ms'")  # who waits fails
        try:
            assert retention.forget(now, batch=2) == Forgotten(signals=2, refusals=2)
        finally:
            cursor.execute("RESET lock_timeout")
    assert retention.forget(now, batch=2) == Forgotten(signals=1, refusals=1)


def test_minutes_go_after_two_days_but_the_last_one_and_the_last_one_of_an_old_key(team: Team, now: datetime) -> None:
    endpoint = rows.strategy(team, now).endpoints.get()
    minute(endpoint, now - 9 * DAY, taken=1, old_key=1)
    with_old_key = minute(endpoint, now - 8 * DAY, taken=1, old_key=1)
    minute(endpoint, now - 7 * DAY, taken=1)
    last = minute(endpoint, now - 3 * DAY, taken=1)
    assert retention.forget(now) == Forgotten(minutes=2)
    assert set(WebhookMinute.objects.all()) == {with_old_key, last}
    young = minute(endpoint, now - 2 * DAY, taken=1)
    assert retention.forget(now) == Forgotten(minutes=1)
    assert set(WebhookMinute.objects.all()) == {with_old_key, young}


def test_a_revoked_url_keeps_the_proof_of_what_it_refused_as_long_as_its_deliveries(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    old = strategy.endpoints.get()
    strategies.rotate_webhook(strategy=strategy, actor=None, now=now)
    strategies.disable_webhook(endpoint=old, actor=None, now=now - 40 * DAY)
    minute(old, now - 31 * DAY, strangers=3)
    kept = [minute(old, now - 29 * DAY, strangers=2), minute(old, now - 5 * DAY, strangers=1)]
    assert retention.forget(now) == Forgotten(minutes=1)
    assert list(WebhookMinute.objects.order_by("minute")) == kept


def test_strategies_of_which_nothing_is_due_cost_no_statement_of_their_own(team: Team, now: datetime) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert retention.forget(now) == retention.Forgotten()
        return len(asked)

    rows.strategy(team, now, "First")
    before = statements()
    for number in range(20):
        rows.strategy(team, now, f"Strategy {number}")
    assert statements() == before
