"""Splits over REST: shares, options under their names of before and now, and what a person is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers.models import BrokerageAccount
from brokers.tests import rows

D = Decimal


@pytest.fixture
def api(team: Team, bob: User) -> Api:
    return Api(team, bob)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def test_splits_are_listed_with_what_became_of_what(api: Api, account: BrokerageAccount) -> None:
    asked = rows.split(account)
    known = {"state": "known", "conid_before": 10, "quantity_before": D(2), "average_before": D(12)}
    option = rows.split(
        account,
        **known,
        ticker="AAPL 261218C160",
        ticker_before="AAPL 261218C640",
        conid=11,
        quantity=D(8),
        average=D(3),
        new=4,
        old=1,
    )
    rows.split(
        account,
        state="known",
        ticker="AAPL1 261218C320",
        ticker_before="AAPL 261218C320",
        conid=21,
        conid_before=20,
        quantity=D(3),
        quantity_before=D(3),
        new=1,
        old=1,
    )
    changed, whole, question = api.get("splits/")["results"]
    assert (question["id"], question["state"], question["new"], question["ticker_before"]) == (
        str(asked.code),
        "asked",
        None,
        "",
    )
    assert (whole["ticker"], whole["ticker_before"], whole["new"], whole["old"]) == (
        "AAPL 261218C160",
        "AAPL 261218C640",
        4,
        1,
    )
    assert (whole["conid_before"], whole["conid"]) == (10, 11)
    assert (D(whole["quantity_before"]), D(whole["quantity"])) == (D(2), D(8))
    assert whole["text"].endswith("made 8 at 3 AAPL 18 Dec 2026 160 C of 2 at 12 AAPL 18 Dec 2026 640 C.")
    assert changed["text"].endswith("IBKR does not tell Halyard how many shares it delivers.")
    assert api.get(f"splits/{option.code}/")["account"] == str(account.code)
    assert [each["state"] for each in api.get("splits/?state=asked")["results"]] == ["asked"]
    assert api.get(f"splits/?since={timezone.now().year + 1}-01-01T00:00:00Z")["results"] == []
