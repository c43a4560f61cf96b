"""Rows that are saved in one statement are those that are saved one by one, or none of them is there."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.forms import model_to_dict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, Order, OrderEvent, Ticket
from brokers.postgres.beside import Beside
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def unsaved(account: BrokerageAccount) -> tuple[Ticket, Order, Order]:
    """A ticket with an order and its stop, as a plan makes them."""
    ticket = Ticket(
        team=account.team,
        account=account,
        connection_id=account.connection_id,
        key=uuid.uuid4(),
        queued_at=timezone.now(),
    )
    like = rows.order(account)
    values: dict[str, Any] = {
        field.attname: getattr(like, field.attname)
        for field in Order._meta.concrete_fields
        if field.name not in {"id", "code", "reference", "ticket", "parent"}
    }
    entry = Order(**values, ticket=ticket, reference=f"HLY-{uuid.uuid4().hex}")
    stop = Order(**values, ticket=ticket, parent=entry, reference=f"HLY-{uuid.uuid4().hex}")
    return ticket, entry, stop


def saved_together(account: BrokerageAccount, **changed: Any) -> tuple[Ticket, Order, Order]:
    ticket, entry, stop = unsaved(account)
    for name, value in changed.items():
        setattr(stop, name, value)
    beside = Beside()
    for row in (ticket, entry, stop):
        beside.add(row)
    event = "INSERT INTO brokers_orderevent (order_id, old, new, cause, at) VALUES ({order}, '', 'created', %s, %s)"
    beside.also(event.format(order=beside.key_of(entry)), ["planned", timezone.now()])
    beside.tell("halyard_orders", "1")
    beside.save()
    return ticket, entry, stop


def test_rows_are_saved_as_one_by_one_and_name_each_other(account: BrokerageAccount) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        ticket, entry, stop = saved_together(account)
    assert len([each for each in seen.captured_queries if each["sql"].startswith("WITH")]) == 1
    assert (entry.ticket_id, stop.ticket_id, stop.parent_id) == (ticket.pk, ticket.pk, entry.pk)
    for row in (ticket, entry, stop):
        kept = type(row)._default_manager.get(pk=row.pk)
        assert model_to_dict(kept) == model_to_dict(row)
    assert OrderEvent.objects.get(order=entry).cause == "planned"
    # As a row that came out of the database: what is changed is updated.
    entry.reason = "changed"
    entry.save(update_fields=["reason"])
    assert Order.objects.filter(reference=entry.reference).get().reason == "changed"


def test_none_is_there_where_one_is_refused(account: BrokerageAccount) -> None:
    before = Ticket.objects.count()
    with pytest.raises(DatabaseError), transaction.atomic():
        saved_together(account, side="sideways" * 50)
    tickets = Ticket.objects.count()
    assert tickets == before
