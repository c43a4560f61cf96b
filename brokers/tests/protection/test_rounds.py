"""Which positions are looked at by the clock: those whose own stops are not as large as they are."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.protection import rounds
from brokers.tests import rows

pytestmark = pytest.mark.django_db
TEN = Decimal(10)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account that holds ten, bought by an entry whose stop may be there or not."""
    account = rows.account(team, book_as_of=now)
    rows.position(account, quantity=TEN)
    return account


def bracket(account: BrokerageAccount, now: datetime, side: str, status: str, filled: int, stop: str) -> Order:
    """An entry of ten of which so many have filled, with a stop of ten in this status; returns the stop."""
    sent = {"submitted_at": now, "changed_at": now}
    entry = rows.order(account, side=side, status=status, filled_quantity=Decimal(filled), **sent)
    legs = {"parent": entry, "release": "with_parent", "role": "stop_loss", "type": "stop", "stop_price": Decimal(150)}
    return rows.order(entry.ticket, side="sell" if side == "buy" else "buy", status=stop, **legs, **sent)


def test_a_position_with_its_stop_is_not_looked_at(account: BrokerageAccount, now: datetime) -> None:
    bracket(account, now, "buy", "filled", 10, "accepted")
    assert rounds.candidates(now) == set()


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_stop_that_sleeps_behind_another_entry_protects_nothing(
    account: BrokerageAccount, now: datetime, side: str
) -> None:
    bracket(account, now, "buy", "filled", 10, "canceled")
    bracket(account, now, side, "accepted", 0, "accepted")
    assert rounds.candidates(now) == {(account.pk, 265598)}


def test_a_stop_behind_an_entry_protects_what_that_entry_has_filled(account: BrokerageAccount, now: datetime) -> None:
    """Six of the ten are somebody else's, or of an entry whose stop is lost."""
    bracket(account, now, "buy", "partially_filled", 4, "accepted")
    assert rounds.candidates(now) == {(account.pk, 265598)}
