"""Queries that are written once say what Django says, with other values each time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.postgres.written import EACH_LENGTH, LENGTHS, LONGEST_LIST, keep_related, written_once
from brokers.tests import rows

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def of_statuses(accounts: Collection[int], statuses: Collection[str]) -> QuerySet[Order]:
    found = Order.objects.filter(account__in=accounts, status__in=statuses)
    return found.select_related("parent", "account__connection").order_by("pk")


def larger(account: int, quantity: Decimal, before: datetime) -> QuerySet[Order, Any]:
    found = Order.objects.filter(account=account, quantity__gt=quantity, expires_at__lt=before)
    return found.order_by("pk").values_list("pk", F("quantity") + 1)


def by_side(accounts: Collection[int], canceling: bool, parent: int | None) -> QuerySet[Order, Any]:
    found = Order.objects.filter(account__in=accounts, parent=parent)
    if canceling:
        found = found.filter(status="pending_cancel")
    return found.order_by("side").values("side").annotate(count=Count("pk"))


def asked(ask: Callable[..., Any], *values: Any) -> tuple[list[Any], list[str]]:
    """The rows and the statements."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        found = list(ask(*values))
    return found, [query["sql"] for query in seen.captured_queries]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("build", "values"),
    [
        (of_statuses, lambda mine, others: ([mine.pk], ["created"])),
        (of_statuses, lambda mine, others: ([others.pk, mine.pk], {"created"})),
        (of_statuses, lambda mine, others: ({mine.pk: 1, others.pk: 2}, ["created", "filled"])),
        (of_statuses, lambda mine, others: ([], ["created"])),
        (of_statuses, lambda mine, others: ([mine.pk] * (LONGEST_LIST + 1), ["created"])),
        (larger, lambda mine, others: (mine.pk, Decimal(5), NOW + timedelta(days=9999))),
        (larger, lambda mine, others: (mine.pk, Decimal(50), NOW + timedelta(days=9999))),
        (larger, lambda mine, others: (mine.pk, Decimal(5), NOW - timedelta(days=9999))),
        (by_side, lambda mine, others: ([mine.pk], False, None)),
        (by_side, lambda mine, others: ([mine.pk], True, None)),
        (by_side, lambda mine, others: ([mine.pk], False, 7)),
    ],
)
def test_rows_and_statements_are_those_of_django(
    account: BrokerageAccount, team: Team, build: Callable[..., Any], values: Callable[..., tuple[Any, ...]]
) -> None:
    others = rows.account(team)
    for of, quantity in ((account, 10), (others, 20), (account, 30)):
        rows.order(of, quantity=Decimal(quantity))
    ask, given = written_once(build), values(account, others)
    # Written with other values than it is asked with.
    first = [
        [1] * len(each) if isinstance(each, list) and each and isinstance(each[0], int) else each for each in given
    ]
    ask(*first)

    for _ in range(2):
        assert asked(ask, *given) == asked(build, *given)


@pytest.mark.django_db
def test_long_lists_are_few_statements(account: BrokerageAccount) -> None:
    order = rows.order(account)
    ask = written_once(of_statuses)
    for length in range(1, LONGEST_LIST + 1):
        keys = [account.pk, *range(10**9, 10**9 + length - 1)]
        assert ask(keys, ["created"]) == [order]
    assert len(ask._known) == EACH_LENGTH + len(LENGTHS)


@pytest.mark.django_db
def test_what_was_joined_is_loaded(account: BrokerageAccount) -> None:
    parent = rows.order(account)
    rows.order(account, parent=parent)
    ask = written_once(of_statuses)

    found, statements = asked(lambda: [(o.parent, o.account.connection) for o in ask([account.pk], ["created"])])

    assert found == [(None, account.connection), (parent, account.connection)]
    assert len(statements) == 1


@pytest.mark.django_db
def test_rows_that_are_kept_behind_a_relation_are_not_asked_for_again(account: BrokerageAccount) -> None:
    first, second = rows.order(account), rows.order(account)
    keep_related(account, "orders", [second])
    keep_related(account.connection, "accounts", [])
    with CaptureQueriesContext(connection) as seen:
        assert list(account.orders.all()) == [second]
        assert not account.connection.accounts.all()
    assert not seen.captured_queries
    # What is asked of them is asked of Postgres.
    assert list(account.orders.filter(pk=first.pk)) == [first]


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_within_a_transaction_only(account: BrokerageAccount) -> None:
    order = rows.order(account)
    ask = written_once(lambda pk: Order.objects.select_for_update(skip_locked=True).filter(pk=pk))

    def elsewhere() -> list[Order]:
        try:
            with transaction.atomic():
                return ask(order.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            assert ask(order.pk) == [order]
            assert other.submit(elsewhere).result() == []
        assert other.submit(elsewhere).result() == [order]
    with pytest.raises(transaction.TransactionManagementError):
        ask(order.pk)


@pytest.mark.parametrize(
    ("build", "value"),
    [
        (lambda at: Order.objects.filter(expires_at__lt=at + timedelta(seconds=1)), NOW),
        (lambda most: Order.objects.all()[:most], 5),
        (lambda text: Order.objects.filter(reason__contains=text), "filled"),
        (lambda pk: Order.objects.none(), 5),
        (lambda what: Order.objects.filter(reference=what), object()),
    ],
)
@pytest.mark.django_db
def test_a_value_that_does_not_reach_the_statement_is_a_mistake(build: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r"do not reach|has no rows|cannot stand"):
        written_once(build)(value)
