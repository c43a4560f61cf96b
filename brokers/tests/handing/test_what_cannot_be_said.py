"""An order that this release cannot say to IBKR, as a newer one writes it, waits for one that can, and holds up no other."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, Order, SubmissionAttempt
from brokers.orders import execution
from brokers.orders.together import taking
from brokers.orders.together.leaving import take_of_ticket
from brokers.processes import between
from brokers.tests import rows

pytestmark = pytest.mark.django_db

WORDS = [("type", "of_tomorrow"), ("asset_class", "moon"), ("time_in_force", "ever")]


def account(team: Team, user: str) -> BrokerageAccount:
    broker = rows.connection(team, username=user, session_status="active", last_kept_at=timezone.now())
    return rows.account(broker.team, broker)


@pytest.fixture
def newer(db: None) -> None:
    """The tables of a release that knows more words."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'brokers_order'::regclass AND contype = 'c'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE brokers_order DROP CONSTRAINT "{name}"')


@pytest.mark.usefixtures("newer")
@pytest.mark.parametrize("word", WORDS)
def test_it_waits_and_the_next_one_leaves(team: Team, word: tuple[str, str]) -> None:
    here = account(team, "one")
    strange, plain = rows.order(here), rows.order(here)
    Order.objects.filter(pk=strange.pk).update(**dict([word]))
    assert take_of_ticket(strange.ticket, timezone.now()) is None
    job = execution.take_next(here.connection_id, timezone.now())
    assert job is not None
    assert [order.pk for order in job.orders] == [plain.pk]
    assert execution.take_next(here.connection_id, timezone.now()) is None
    assert not between.writes_wait(here.connection_id, timezone.now())
    strange.refresh_from_db()
    assert strange.status == "created"


@pytest.mark.usefixtures("newer")
def test_an_order_whose_leg_cannot_be_said_waits_with_it(team: Team) -> None:
    here = account(team, "one")
    entry = rows.order(here)
    leg = rows.order(entry.ticket, parent=entry, role="stop_loss", side="sell", release="with_parent")
    Order.objects.filter(pk=leg.pk).update(type="of_tomorrow")
    assert execution.take_next(here.connection_id, timezone.now()) is None


@pytest.mark.usefixtures("newer")
def test_those_of_other_connections_leave_beside_it(team: Team) -> None:
    here, there = account(team, "one"), account(team, "two")
    strange, plain = rows.order(here), rows.order(there)
    Order.objects.filter(pk=strange.pk).update(type="of_tomorrow")
    jobs = taking.take_of_each([here.connection_id, there.connection_id], timezone.now())
    assert {pk: [order.pk for order in job.orders] for pk, job in jobs.items()} == {there.connection_id: [plain.pk]}


def test_none_is_written_down_where_one_cannot_be_said_for_any_other_reason(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = account(team, "one"), account(team, "two")
    orders = [rows.order(here), rows.order(there)]
    said: list[Any] = []

    def fails(leaving: Any) -> Any:
        if said:
            raise ValueError("no words for it")
        said.append(leaving)
        return execution.job_of(leaving)

    monkeypatch.setattr(taking, "job_of", fails)
    with pytest.raises(ValueError, match="no words"):
        taking.take_of_each([here.connection_id, there.connection_id], timezone.now())
    assert {Order.objects.get(pk=order.pk).status for order in orders} == {"created"}
    assert not SubmissionAttempt.objects.exists()
