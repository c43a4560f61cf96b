"""The page of a contract: when it trades, in the exchange's time, and what an account has of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.trading_hours import TradingHours
from brokers.models import BrokerageAccount, Connection, ContractLookup, Order
from brokers.protection.rungs import rungs
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


def leg(of: BrokerageAccount, role: str, **values: Any) -> Order:
    fields = {"role": role, "side": "sell", "status": "accepted", "broker_order_id": f"{role}{values}"[-32:]}
    return rows.order(of, **fields | values)


def test_it_shows_the_stops_and_targets_of_a_position_the_nearest_first(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    position = rows.position(account, market_price=Decimal(200))
    leg(account, "take_profit", type="limit", limit_price=Decimal(220), quantity=Decimal(6))
    leg(account, "stop_loss", type="stop", stop_price=Decimal(190), quantity=Decimal(10))
    leg(account, "take_profit", type="limit", limit_price=Decimal(204), quantity=Decimal(4), status="unknown")
    leg(account, "stop_loss", type="trailing_stop", trail_percent=Decimal(2))
    # Neither what is over nor what would make the position larger closes it.
    leg(account, "take_profit", type="limit", limit_price=Decimal(201), status="canceled")
    leg(account, "stop_loss", type="stop", stop_price=Decimal(205), side="buy")
    some = [(rung.order.role, rung.price, rung.away, rung.percent) for rung in rungs(position)]
    assert some == [
        ("take_profit", Decimal(204), Decimal(4), Decimal(2)),
        ("stop_loss", Decimal(190), Decimal(10), Decimal(5)),
        ("take_profit", Decimal(220), Decimal(20), Decimal(10)),
        ("stop_loss", None, None, None),
    ]
    text = shown(client, bob, account)
    for words in ("Stops and targets", "take profit unknown", "5.00 %", "follows the market", "not known"):
        assert words in text


def test_a_position_without_any_says_so(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    rows.position(account)
    assert "No stop and no target of Halyard's works for this position." in shown(client, bob, account)
