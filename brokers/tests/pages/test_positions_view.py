"""Positions and accounts as IBKR shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.models import EquityPoint
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def test_it_shows_each_accounts_positions_with_their_sign(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    rows.position(account, quantity=Decimal(-300), market_price=Decimal("171.00"), unrealized_pnl=Decimal("2700.00"))
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/positions/")
    for words in (account.account_id, "300", "short", "180.00", "171.00", "+2,700.00", "+5.00 %"):
        assert words in page.text


def test_it_says_when_an_account_holds_nothing(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    assert "No account yet" in client.get(f"/teams/{team.code}/positions/").text
    account = rows.account(team)
    assert f"No positions in {account.account_id}." in client.get(f"/teams/{team.code}/positions/").text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    account = rows.account(team)
    client.force_login(charlie)
    for path in ("positions/", f"accounts/{account.code}/", f"accounts/{account.code}/equity.json"):
        assert client.get(f"/teams/{team.code}/{path}").status_code == 404


def test_an_account_shows_its_value_its_orders_and_fills(client: Client, bob: User, team: Team, now: datetime) -> None:
    account = rows.account(team, equity=Decimal("1000123.45"), cash=Decimal("-20.5"), book_as_of=timezone.now())
    rows.filled(rows.order(account), at=now)
    EquityPoint.objects.create(account=account, at=timezone.now(), equity=Decimal("1000123.45"))
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/accounts/{account.code}/")
    for words in ("1,000,123.45", "\N{MINUS SIGN}20.50", "10 @ 187.25", "individual, margin, USD"):
        assert words in page.text


def test_the_curve_has_the_last_day_thinned_to_what_can_be_seen(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    moment = timezone.now()
    EquityPoint.objects.bulk_create(
        EquityPoint(account=account, at=moment - timedelta(minutes=n), equity=Decimal(1_000_000 + n))
        for n in range(2000)
    )
    client.force_login(bob)
    data = client.get(f"/teams/{team.code}/accounts/{account.code}/equity.json").json()
    assert data["currency"] == "USD"
    assert 300 < len(data["points"]) <= 361
    assert data["points"][-1] == [round(moment.timestamp(), 1), 1_000_000.0]
    assert data["points"] == sorted(data["points"])
