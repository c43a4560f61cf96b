"""Which positions are looked at by the clock: those whose own stops are not as large as they are."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount, Lapse, Order
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


def test_what_one_look_has_no_time_for_is_left_to_the_next_and_no_flood_stands_before_another_team(
    account: BrokerageAccount, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lapses of what is not held any more end when they are looked at."""
    other = rows.account(teams.found_team(owner=alice, name="Another team", now=now), book_as_of=now)
    for each, count in ((account, 5), (other, 1)):
        for number in range(count):
            stop = rows.order(each, conid=number + 1, role="stop_loss", side="sell", type="stop", stop_price=150)
            rows.lapse(each, now, conid=number + 1, stop=stop)
            Order.objects.filter(pk=stop.pk).update(status="canceled", submitted_at=now, changed_at=now)
    monkeypatch.setattr(rounds, "AT_ONCE", 2)
    monkeypatch.setattr(rounds, "LONGEST_SECONDS", 0)
    assert rounds.look(now) == 2
    standing = Lapse.objects.filter(ended_at=None)
    assert (standing.filter(team=account.team).count(), standing.filter(team=other.team).count()) == (4, 0)
    monkeypatch.setattr(rounds, "LONGEST_SECONDS", 60)
    assert rounds.look(now) == 4
