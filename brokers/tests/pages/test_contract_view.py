"""The page of a contract: when it trades, in the exchange's time, and what an account has of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.trading_hours import TradingHours
from brokers.models import BrokerageAccount, Connection, ContractLookup
from brokers.tests import rows

pytestmark = pytest.mark.django_db


def span(begins: datetime, hours: float) -> tuple[int, int]:
    return int(begins.timestamp()), int((begins + timedelta(hours=hours)).timestamp())


def shown(client: Client, user: User, account: BrokerageAccount, conid: int = 265598) -> str:
    client.force_login(user)
    page = client.get(f"/teams/{account.team.code}/accounts/{account.code}/contracts/{conid}/")
    assert page.status_code == 200
    return re.sub(r"<[^>]+>", "", " ".join(page.text.split())).replace("  ", " ")


def on_paper(team: Team, hours: TradingHours | None) -> BrokerageAccount:
    account = rows.account(team)
    Connection.objects.filter(pk=account.connection_id).update(environment="paper")
    ContractLookup.objects.create(
        connection=account.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=265598,
        name="APPLE INC",
        exchange="NASDAQ",
        hours=hours.as_json() if hours else None,
        hours_asked_on=timezone.now().date() if hours else None,
    )
    account.refresh_from_db()
    return account


@pytest.mark.parametrize(
    ("regular", "extended", "words"),
    [
        ((-1, 2), (-2, 6), "Open. Regular trading ends"),
        ((1, 2), (-2, 6), "Outside regular hours. Orders that may fill then are taken until"),
        ((3, 2), (2, 6), "Closed. It opens"),
    ],
)
def test_it_says_whether_the_market_is_open_and_what_comes(
    client: Client, bob: User, team: Team, regular: Any, extended: Any, words: str
) -> None:
    now = timezone.now()
    as_of = int((now - timedelta(hours=3)).timestamp())
    sessions = [(span(now + timedelta(hours=begins), length),) for begins, length in (regular, extended)]
    listed = TradingHours(regular=sessions[0], extended=sessions[1], as_of=as_of, zone="America/New_York")
    text = shown(client, bob, on_paper(team, listed))
    assert words in text
    assert "in the time of New York, by IBKR's schedule" in text
    assert "APPLE INC" in text


def test_it_says_what_is_not_known(client: Client, bob: User, team: Team) -> None:
    account = on_paper(team, None)
    assert "Halyard has not asked IBKR for its hours" in shown(client, bob, account)
    long_ago = TradingHours(regular=((1, 2),), as_of=1)
    ContractLookup.objects.update(hours=long_ago.as_json(), hours_asked_on=datetime(2026, 1, 2, tzinfo=UTC).date())
    assert "schedule of 2026-01-02 says nothing of this hour" in shown(client, bob, account)


def test_the_simulated_market_never_closes(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    rows.position(account)
    text = shown(client, bob, account)
    assert "The simulated market never closes." in text
    assert "10 long at 180.00" in text


def test_a_position_and_an_order_lead_to_it(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    rows.position(account)
    order = rows.order(account)
    path = f"/teams/{team.code}/accounts/{account.code}/contracts/265598/"
    client.force_login(bob)
    for page in ("positions/", f"accounts/{account.code}/", f"orders/{order.code}/"):
        assert f'href="{path}"' in client.get(f"/teams/{team.code}/{page}").text


def test_a_contract_that_nobody_named_has_no_page(client: Client, bob: User, charlie: User, team: Team) -> None:
    account = rows.account(team)
    path = f"/teams/{team.code}/accounts/{account.code}/contracts"
    client.force_login(bob)
    assert client.get(f"{path}/1/").status_code == 404
    rows.position(account)
    client.force_login(charlie)
    assert client.get(f"{path}/265598/").status_code == 404
