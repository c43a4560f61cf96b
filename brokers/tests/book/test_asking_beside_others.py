"""Contracts are asked for in the middle of a turn of signals: nobody is waited for there."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from brokers.book import contracts
from brokers.domain.orders import Instrument
from brokers.models import ContractLookup
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timedelta(days=3)


def test_a_contract_that_is_answered_at_this_moment_holds_no_turn(team: Team) -> None:
    """The turn waited for the row, and with it every signal behind this one."""
    now = timezone.now()
    account = rows.account(team)
    held, free, answered = (
        ContractLookup.objects.create(
            connection=account.connection, ticker=ticker, asset_class="stock", status="found", conid=conid, increments=[],
            asked_at=now - LONG_AGO, answered_at=now - LONG_AGO,
        )
        for conid, ticker in ((7, "AAPL"), (8, "MSFT"), (9, "SPY"))
    )  # fmt: skip
    known = contracts.load([account.connection_id], ["AAPL", "MSFT", "SPY"])
    # Answered since it was read.
    ContractLookup.objects.filter(pk=answered.pk).update(asked_at=now, answered_at=now)
    pairs = [(account, Instrument(ticker=row.ticker)) for row in (held, free, answered)]
    with psycopg.connect(**direct_parameters()) as somebody:
        somebody.execute("BEGIN")
        somebody.execute("SELECT id FROM brokers_contractlookup WHERE id = %s FOR UPDATE", [held.pk])
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            contracts.ask_for_missing(known, pairs, now)
        somebody.execute("ROLLBACK")
    found = dict(ContractLookup.objects.values_list("ticker", "status"))
    assert found == {"AAPL": "found", "MSFT": "wanted", "SPY": "found"}
    # Whoever decides waits for the word that is on its way.
    assert {row.status for row in known.values()} == {"wanted"}
