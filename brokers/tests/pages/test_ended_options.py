"""The page of an account says of fills that nobody ordered how an option has ended."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from brokers.models import BrokerageAccount, ContractLookup, Execution
from brokers.tests import rows

pytestmark = pytest.mark.django_db
AT = datetime.fromisoformat("2026-12-18T22:00:00+00:00")


def fill(account: BrokerageAccount, **values: Any) -> None:
    number = Execution.objects.count()
    columns = {"quantity": Decimal(1), "price": Decimal(0), "executed_at": AT, "broker_execution_id": f"0.{number}"}
    Execution.objects.create(team_id=account.team_id, account=account, **{**columns, **values})


def test_an_assignment_is_said_at_both_of_its_fills(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    account = rows.account(team)
    for ticker in ("SPY P +1 weeks out 2", "SPY 261218P640"):
        ContractLookup.objects.create(
            connection=account.connection, ticker=ticker, asset_class="option", status="found", conid=7, increments=[]
        )
    fill(account, conid=7, ticker="SPY", side="buy")
    fill(account, conid=756733, ticker="SPY", side="buy", quantity=Decimal(100), price=Decimal(640))
    page = client.get(reverse("account", args=[team.code, account.code])).content.decode()
    assert "Assigned: 100 SPY bought at 640" in page
    assert "By the assignment of SPY 18 Dec 2026 640 P" in page
