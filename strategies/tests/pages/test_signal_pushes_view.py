"""What open pages are pushed about signals."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User
from brokers.models import Order
from brokers.tests import rows as broker_rows
from strategies import live
from strategies.models import Refusal
from strategies.tests import rows

pytestmark = pytest.mark.django_db


def squeezed(html: str) -> str:
    return re.sub(r"\s+", " ", html).strip()


def test_a_signals_row_is_the_row_of_the_page(client: Client, alice: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    row = live.signal_html(walk.signal.pk)
    assert f'data-feed-tags="strategy:{walk.strategy.code} ticker:AAPL action:buy outcome:accepted"' in row
    client.force_login(alice)
    assert squeezed(row) in squeezed(client.get(f"/teams/{team.code}/signals/").text)
    assert "csrfmiddlewaretoken" not in row


def test_a_refused_delivery_has_a_row_too(team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    refusal = Refusal.objects.create(
        team=team,
        endpoint=strategy.endpoints.get(),
        status=404,
        message_code="not-found",
        sentence="Webhook not found.",
        received_at=now,
    )
    row = live.refusal_html(refusal.pk)
    assert 'data-feed-into="signals"' in row
    assert "Webhook not found." in row


def test_a_push_costs_few_queries(team: Team, now: datetime, django_assert_max_num_queries: Any) -> None:
    walk = rows.walk(team, now)
    with django_assert_max_num_queries(3):
        live.signal_html(walk.signal.pk)


def test_a_push_reads_nothing_of_what_was_received_and_nothing_row_by_row(team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    Order.objects.filter(pk=walk.order.pk).update(held_reason="IBKR looks for shares to lend.", reason="Held.")
    with CaptureQueriesContext(connection) as asked:
        row = live.signal_html(walk.signal.pk)
    assert "order-chip-" in row
    assert len(asked) == 3
    assert not any('"strategies_signal"."body"' in query["sql"] for query in asked)
    assert not any('"secrets"' in query["sql"] for query in asked)


def test_a_signal_of_several_accounts_is_pushed_as_the_page_shows_it(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    walk = rows.walk(team, now)
    for number, status in enumerate(("canceled", "rejected")):
        account = broker_rows.account(team, walk.account.connection, account_id=f"DU80{number}")
        _, ticket = rows.accepted(walk.signal, rows.subscription(walk.strategy, account, now), now)
        for role in ("entry", "stop_loss"):
            order = broker_rows.order(ticket, role=role)
            Order.objects.filter(pk=order.pk).update(status=status, reason="IBKR says no.")
    left_out = broker_rows.account(team, walk.account.connection, account_id="DU809")
    rows.rejected(walk.signal, rows.subscription(walk.strategy, left_out, now), now)
    row = live.signal_html(walk.signal.pk)
    assert row.count("order-chip-") == 5
    assert "3 accepted, 1 rejected" in row
    client.force_login(alice)
    assert squeezed(row) in squeezed(client.get(f"/teams/{team.code}/signals/").text)
