"""A position that somebody turns round in TWS: the stop of what was held before would add to what is held now."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Execution, Lapse, Order
from brokers.protection import mending, rounds
from brokers.tests import rows
from brokers.tests.protection.test_statements import stop_of

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(minutes=5)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return rows.account(team, book_as_of=now)


@pytest.fixture
def stop(account: BrokerageAccount, now: datetime) -> Order:
    """Sells ten, of which nothing is held any more: somebody has sold fifteen, and Halyard has seen it long ago."""
    entry = rows.filled(rows.order(account, broker_order_id="70"), at=now - LONG_AGO)
    entry.executions.update(seen_at=now - LONG_AGO)
    made = stop_of(entry, now - LONG_AGO)
    theirs = {"order": None, "side": "sell", "quantity": Decimal(15), "seen_at": now - LONG_AGO}
    rows.execution(entry, executed_at=now - LONG_AGO, **theirs)
    rows.position(account, quantity=Decimal(-5))
    return made


def look(stop: Order, now: datetime) -> Order:
    mending.look_at(rounds.candidates(now), now)
    stop.refresh_from_db()
    return stop


def test_a_stop_that_would_add_to_what_is_held_is_canceled(stop: Order, now: datetime) -> None:
    assert look(stop, now).status == "pending_cancel"
    lapse = Lapse.objects.get()
    assert (lapse.fault, lapse.verdict, lapse.alarm) == ("too_large", "mending", False)
    assert lapse.did == "Halyard asked IBKR to cancel the stop, which had nothing to close."


def test_it_is_canceled_where_another_stop_is_as_large_as_the_position(stop: Order, now: datetime) -> None:
    covers = {"role": "stop_loss", "type": "stop", "stop_price": Decimal(200), "quantity": Decimal(5)}
    theirs = rows.order(stop.account, **covers, status="accepted", broker_order_id="72")
    assert look(stop, now).status == "pending_cancel"
    theirs.refresh_from_db()
    assert theirs.status == "accepted"


def test_it_stays_while_ibkrs_list_may_lag_behind_a_fill(stop: Order, now: datetime) -> None:
    Execution.objects.filter(order=stop.parent_id).update(seen_at=now - timedelta(seconds=20))
    assert look(stop, now).status == "accepted"


def test_it_stays_where_the_list_is_older_than_the_last_fill(stop: Order, now: datetime) -> None:
    BrokerageAccount.objects.filter(pk=stop.account_id).update(book_as_of=now - LONG_AGO)
    assert look(stop, now).status == "accepted"


def test_the_leg_of_an_entry_that_may_still_fill_stays(account: BrokerageAccount, now: datetime) -> None:
    rows.position(account, quantity=Decimal(-5))
    entry = rows.order(account, broker_order_id="70", type="limit", limit_price=Decimal(1), status="accepted")
    assert look(stop_of(entry, now - LONG_AGO), now).status == "accepted"
