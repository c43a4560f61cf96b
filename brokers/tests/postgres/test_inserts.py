"""Rows that are inserted by a statement written once are the rows that Django would save."""

from __future__ import annotations

import copy
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.models import BrokerageAccount, Call, EquityPoint, Execution, Order, SubmissionAttempt, Ticket
from brokers.orders.tickets import new_reference
from brokers.postgres import inserts
from brokers.postgres.inserts import inserted
from brokers.tests import rows
from strategies.models import Decision

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEYS = {"id", "code", "key", "reference"}


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def values_of(row: models.Model) -> dict[str, Any]:
    """A row's columns as Postgres has them, without those that name it."""
    kept = type(row)._default_manager.filter(pk=row.pk).values().get()
    return {name: value for name, value in kept.items() if name not in KEYS}


@pytest.mark.parametrize("model", [Call, Decision, EquityPoint, Execution, Order, SubmissionAttempt, Ticket])
def test_what_the_walk_saves_is_written_once(model: type[models.Model]) -> None:
    assert inserts._written(model, False) is not None


@pytest.mark.django_db
def test_a_row_is_the_one_that_django_saves(account: BrokerageAccount) -> None:
    kept = rows.order(account)
    kept.limit_price, kept.created_at = Decimal("12.3400"), NOW

    def another() -> Order:
        order = copy.copy(kept)
        order._state = copy.copy(kept._state)
        order.pk, order.reference, order.code = None, new_reference(), Order().code
        order._state.adding = True
        return order

    ours, theirs = another(), another()
    with CaptureQueriesContext(connection) as seen:
        assert inserted([ours]) == [ours]
    Order.objects.bulk_create([theirs])

    assert len(seen) == 1
    assert ours.pk is not None
    assert ours.pk != theirs.pk
    assert not ours._state.adding
    assert values_of(ours) == values_of(theirs)


@pytest.mark.django_db
def test_rows_with_other_columns_filled_have_their_own_values(account: BrokerageAccount) -> None:
    order = rows.order(account)
    first, second = (
        SubmissionAttempt(order=order, kind="post", request={"a": [1, None]}, request_hash="x", sent_at=NOW),
        SubmissionAttempt(
            order=order, kind="post", request={}, request_hash="y", sent_at=NOW, answered_at=NOW, outcome="accepted"
        ),
    )
    inserted([first])
    inserted([second])

    assert values_of(first)["request"] == {"a": [1, None]}
    assert values_of(first)["answered_at"] is None
    assert values_of(second)["answered_at"] == NOW
    assert values_of(second)["outcome"] == "accepted"


@pytest.mark.django_db
def test_more_rows_than_one_are_saved_too(account: BrokerageAccount) -> None:
    order = rows.order(account)
    attempts = [
        SubmissionAttempt(order=order, kind="post", request={}, request_hash=each, sent_at=NOW) for each in "ab"
    ]

    assert inserted(iter(attempts)) == attempts
    assert inserted([]) == []
    assert order.attempts.count() == 2
    assert all(each.pk for each in attempts)


@pytest.mark.parametrize("model", [Decision, Order, Ticket])
def test_what_a_turn_saves_is_written_once(model: type[models.Model]) -> None:
    assert inserts._written_together(model) is not None


@pytest.mark.django_db
def test_rows_that_are_saved_together_are_those_that_django_saves(account: BrokerageAccount) -> None:
    kept = rows.order(account)

    def another(**changed: Any) -> Order:
        order = copy.copy(kept)
        order._state = copy.copy(kept._state)
        order.pk, order.reference, order.code = None, new_reference(), Order().code
        order._state.adding = True
        for name, value in changed.items():
            setattr(order, name, value)
        return order

    texts = ['a "quoted" \\ text, {with} NULL', "NULL", "", "é\n"]
    changes: list[dict[str, Any]] = [
        {"reason": text, "limit_price": Decimal(f"1{number}.2500") if number % 2 else None, "outside_rth": number == 0}
        for number, text in enumerate(texts)
    ]
    ours, theirs = [another(**each) for each in changes], [another(**each) for each in changes]
    with CaptureQueriesContext(connection) as seen:
        assert inserted(ours) == ours
    Order.objects.bulk_create(theirs)

    assert len(seen) == 1
    assert [each.reference for each in Order.objects.filter(pk__in=[each.pk for each in ours]).order_by("pk")] == [
        each.reference for each in ours
    ]
    assert not any(each._state.adding for each in ours)
    assert [values_of(each) for each in ours] == [values_of(each) for each in theirs]


@pytest.mark.django_db
def test_decisions_of_a_turn_keep_their_json_and_may_name_rows_that_were_saved_meanwhile(
    account: BrokerageAccount,
) -> None:
    order = rows.order(account)
    ticket = Ticket(team_id=account.team_id, account=account, connection_id=account.connection_id, queued_at=NOW)
    events = [Ticket(team_id=account.team_id, account=account, connection_id=account.connection_id, queued_at=NOW)]
    for each in (ticket, *events):
        each.key, each.cancels, each.resizes = uuid.uuid4(), [{"reference": 'a"b\\', "filled": None}], []
    attempts = [
        SubmissionAttempt(order=order, kind="post", request={"n": number, "t": '{"\\'}, request_hash="x", sent_at=NOW)
        for number in range(2)
    ]
    inserted([ticket, *events])
    inserted(attempts)

    assert [each.cancels for each in Ticket.objects.filter(pk__in=[ticket.pk, events[0].pk])] == [ticket.cancels] * 2
    assert [each.request["n"] for each in order.attempts.order_by("pk")] == [0, 1]
    assert {each.request["t"] for each in order.attempts.all()} == {'{"\\'}


@pytest.mark.django_db
def test_one_row_that_postgres_refuses_leaves_none_of_those_saved_with_it(account: BrokerageAccount) -> None:
    order = rows.order(account)
    attempts = [
        SubmissionAttempt(order=order, kind="post", request={}, request_hash="x", sent_at=NOW) for _ in range(2)
    ]
    attempts[1].order_id = None  # type: ignore[assignment]

    with pytest.raises(IntegrityError), transaction.atomic():
        inserted(attempts)

    assert not order.attempts.exists()


@pytest.mark.django_db
def test_a_row_that_is_there_is_left_as_it_is_where_that_is_asked_for(account: BrokerageAccount) -> None:
    inserted([EquityPoint(account=account, at=NOW, equity=Decimal(1))], ignore_conflicts=True)
    inserted([EquityPoint(account=account, at=NOW, equity=Decimal(2))], ignore_conflicts=True)

    assert list(EquityPoint.objects.values_list("equity", flat=True)) == [Decimal(1)]


@pytest.mark.django_db
def test_what_postgres_refuses_raises_and_the_block_around_it_is_undone(account: BrokerageAccount) -> None:
    order = rows.order(account)
    named: dict[str, Any] = {"team_id": account.team_id, "ticket": order.ticket, "reference": order.reference}

    @transaction.atomic
    def try_it() -> None:
        Ticket.objects.filter(pk=order.ticket_id).update(queued_at=NOW)
        inserted([Order(**named, account=account, connection_id=account.connection_id)])

    with pytest.raises(IntegrityError):
        try_it()

    assert Ticket.objects.get(pk=order.ticket_id).queued_at != NOW


@pytest.mark.django_db
def test_what_a_row_names_has_to_be_saved_before(account: BrokerageAccount) -> None:
    with pytest.raises(ValueError, match="unsaved related object"):
        inserted([EquityPoint(account=BrokerageAccount(), at=NOW, equity=Decimal(1))])
