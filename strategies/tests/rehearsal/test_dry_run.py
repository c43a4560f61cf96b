"""A rehearsal that asks nobody writes nothing: no row, no question to IBKR, whatever its guards and terms want to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Team
from brokers.models import BrokerageAccount, ExchangeRate, OpeningPosition
from brokers.tests import rows as broker
from strategies.domain.message.symbols import Kind, read
from strategies.domain.terms.terms import Terms
from strategies.models import Guard, Strategy
from strategies.rehearsal import first_signal
from strategies.rehearsal.dry_run import rehearse
from strategies.rehearsal.preview import examples, last_signals
from strategies.rehearsal.replay import replay_signal
from strategies.rehearsal.scenes import Scene
from strategies.tests import rows
from strategies.tests.pages.test_check_view import known

pytestmark = pytest.mark.django_db
BODY = b'{"ticker": "AAPL", "action": "buy", "quantity": 3}'


@contextmanager
def only_reading() -> Iterator[list[str]]:
    """Statements other than a SELECT, as they are tried; the block fails at its end if there was one."""
    written: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        # A union of SELECTs begins with a bracket.
        if not sql.lstrip("( \n").upper().startswith("SELECT") or "pg_notify" in sql.lower():
            written.append(sql)
        return execute(sql, *rest)

    behind = len(connection.run_on_commit)
    with connection.execute_wrapper(watch):
        yield written
    assert written == []
    # Nothing is to be written once this has committed, either.
    assert len(connection.run_on_commit) == behind


def euros(account: BrokerageAccount) -> BrokerageAccount:
    """The account has held something in euros since this morning, so that its day needs a rate."""
    now = timezone.now()
    BrokerageAccount.objects.filter(pk=account.pk).update(opened_at=now)
    account.refresh_from_db()
    broker.position(account, conid=77, ticker="SAP", currency="EUR", market_price=Decimal(100))
    OpeningPosition.objects.create(
        account=account, day=now.date(), conid=77, ticker="SAP", quantity=10, price=100, multiplier=1, currency="EUR"
    )
    return account


def world(team: Team, **terms: Any) -> Strategy:
    now = timezone.now()
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, euros(known(broker.account(team))), now, **terms)
    return strategy


def test_a_limit_of_the_day_in_the_terms_asks_for_no_rate(team: Team) -> None:
    strategy = world(team, max_daily_loss=Decimal(100))
    with only_reading():
        answer = rehearse(strategy, BODY, timezone.now(), ask=False).answers[0]
    assert answer.code == "day-result-unknown"
    assert not ExchangeRate.objects.exists()


@pytest.mark.parametrize("level", ["team", "account"])
def test_a_limit_of_the_day_of_a_level_asks_for_no_rate(team: Team, level: str) -> None:
    strategy = world(team)
    account = strategy.subscriptions.get().account
    target = {"account": account} if level == "account" else {}
    Guard.objects.create(team=team, level=level, max_daily_loss=Decimal(100), **target)
    with only_reading():
        rehearse(strategy, BODY, timezone.now(), ask=False)
    assert not ExchangeRate.objects.exists()


def test_accounts_of_another_currency_are_added_up_without_asking(team: Team) -> None:
    strategy = world(team)
    BrokerageAccount.objects.filter(pk=known(broker.account(team), "IBM").pk).update(
        currency="CHF", opened_at=timezone.now()
    )
    Guard.objects.create(team=team, level="team", max_daily_loss=Decimal(100))
    with only_reading():
        rehearse(strategy, BODY, timezone.now(), ask=False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"ticker": "NFLX", "action": "buy", "quantity": 1}',
        b'{"ticker": "AAPL", "action": "exit"}',
        b'{"ticker": "AAPL", "action": "buy", "quantity": 1, "orderType": "limit"}',
        b"not json",
    ],
)
def test_no_message_writes_anything(team: Team, body: bytes) -> None:
    strategy = world(team, max_daily_profit=Decimal(5))
    with only_reading():
        rehearse(strategy, body, timezone.now(), ask=False)


def test_neither_does_a_replay_nor_a_preview_nor_a_first_signal(team: Team) -> None:
    strategy = world(team, max_daily_loss=Decimal(100))
    now = timezone.now()
    signal = rows.signal(strategy, now)
    account = strategy.subscriptions.get().account
    scene = Scene(symbol=read("AAPL", Kind.STOCK, now=now), price=Decimal(187), quantity=Decimal(1))
    terms = Terms(max_daily_loss=Decimal(100))
    with only_reading():
        replay_signal(signal, now, ask=False)
        examples(terms, account, scene, now, ask=False)
        last_signals(strategy, terms, account, scene, now, ask=False)
        first_signal.rehearse_try(team=team, strategy=None, message_body=BODY.decode(), now=now, ask=False)


def test_asking_is_what_writes(team: Team, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> None:
    strategy = world(team, max_daily_loss=Decimal(100))
    with django_capture_on_commit_callbacks(execute=True):
        rehearse(strategy, BODY, timezone.now(), ask=True)
    assert ExchangeRate.objects.get().wanted_at is not None
