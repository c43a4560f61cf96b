"""Whether fills explain what an account holds now."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.book import explained
from brokers.models import BrokerageAccount
from brokers.tests import rows

pytestmark = pytest.mark.django_db
FIVE, TEN = Decimal(5), Decimal(10)
AAPL, OTHER = 265598, 1


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def fill(account: BrokerageAccount, now: datetime, side: str, quantity: Decimal) -> None:
    rows.execution(rows.order(account), side=side, quantity=quantity, seen_at=now + timedelta(seconds=1))


def test_a_fill_explains_what_it_made(account: BrokerageAccount, now: datetime) -> None:
    fill(account, now, "buy", TEN)
    assert explained.by_fills(account, {}, {AAPL: TEN}, now)
    assert not explained.by_fills(account, {}, {AAPL: FIVE}, now)
    assert not explained.by_fills(account, {AAPL: TEN}, {}, now)


def test_fills_of_both_sides_are_added_up(account: BrokerageAccount, now: datetime) -> None:
    fill(account, now, "buy", TEN)
    fill(account, now, "sell", FIVE)
    assert explained.by_fills(account, {AAPL: FIVE}, {AAPL: TEN}, now)


def test_a_fill_that_was_seen_before_explains_nothing(account: BrokerageAccount, now: datetime) -> None:
    fill(account, now, "buy", TEN)
    assert not explained.by_fills(account, {}, {AAPL: TEN}, now + timedelta(seconds=1))


def test_one_contract_does_not_explain_another(account: BrokerageAccount, now: datetime) -> None:
    fill(account, now, "buy", TEN)
    assert not explained.by_fills(account, {}, {AAPL: TEN, OTHER: TEN}, now)
    assert not explained.by_fills(account, {OTHER: TEN}, {AAPL: TEN}, now)


def test_what_our_copy_of_the_book_holds_is_what_is_to_be_explained(account: BrokerageAccount, now: datetime) -> None:
    assert explained.last_reading(account) == ({}, account.book_as_of)
    rows.position(account, quantity=TEN)
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=now)
    assert explained.last_reading(account) == ({AAPL: TEN}, now)
