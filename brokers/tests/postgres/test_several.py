"""Queries asked in one statement give the rows that each gives by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, QuerySet
from django.forms import model_to_dict
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.models import BrokerageAccount, Connection, Order
from brokers.postgres.several import Asked, asked_together
from brokers.postgres.written import LONGEST_LIST, written_once
from brokers.tests import rows

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 30, 12, 0, 0, 500_000, tzinfo=UTC)


@written_once
def of_accounts(accounts: Collection[int]) -> QuerySet[Order]:
    found = Order.objects.filter(account__in=accounts)
    return found.select_related("parent", "ticket", "account__connection").order_by("-pk")


@written_once
def of_quantity(quantity: Decimal) -> QuerySet[Order, Any]:
    return Order.objects.filter(quantity=quantity).order_by("pk").values_list("pk", "code", F("quantity") * 2)


@written_once
def locked(key: int) -> QuerySet[Order]:
    return Order.objects.select_for_update().filter(pk=key)


def fields_of(order: Order) -> list[Any]:
    joined = (order, order.ticket, order.account, order.account.connection, *([order.parent] if order.parent else []))
    return [model_to_dict(each) | {"code": getattr(each, "code", None)} for each in joined]


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    user = rows.connection(team, takeovers=[NOW], last_kept_at=NOW)
    made = rows.account(team, user)
    first = rows.order(made, quantity=Decimal("10.50000000"), limit_price=Decimal("0.10"), reason='a "word" \u00e4 %s')
    rows.order(made, parent=first, quantity=Decimal(3))
    return made


def test_rows_are_those_that_each_question_gives_by_itself(account: BrokerageAccount, team: Team) -> None:
    questions = (
        Asked(of_accounts, ([account.pk],)),
        Asked(of_quantity, (Decimal("10.5"),)),
        Asked(of_quantity, (Decimal(77),)),
        Asked(of_accounts, ([],)),
    )
    for _ in range(2):
        with CaptureQueriesContext(connection) as seen:
            together = asked_together(*questions)
            together_fields = [fields_of(order) for order in together[0]]
        assert len(seen) == 1
        alone = [each.question(*each.values) for each in questions]
        assert together == alone
        assert together_fields == [fields_of(order) for order in alone[0]]
        assert [type(value) for value in together[1][0]] == [type(value) for value in alone[1][0]]
    assert [str(order.quantity) for order in together[0]] == [str(order.quantity) for order in alone[0]]
    kept = Connection.objects.get(pk=account.connection_id)
    assert together[0][0].account.connection.secrets.token == kept.secrets.token
    assert together[0][0].account.connection.takeovers == [NOW]


def test_lists_that_are_too_long_are_asked_one_after_the_other(account: BrokerageAccount) -> None:
    with CaptureQueriesContext(connection) as seen:
        orders, numbers = asked_together(
            Asked(of_accounts, ([account.pk] * (LONGEST_LIST + 1),)), Asked(of_quantity, (Decimal(3),))
        )
    assert (len(orders), len(numbers), len(seen)) == (2, 1, 2)


def test_what_is_locked_is_asked_by_itself(account: BrokerageAccount) -> None:
    with pytest.raises(AssertionError, match="locked"):
        asked_together(Asked(locked, (1,)), Asked(of_quantity, (Decimal(3),)))
