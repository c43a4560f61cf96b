"""The markets on the dashboard: which are shown to whom, and in what words."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.test import Client

from accounts import teams
from accounts.models import Team, User
from brokers.domain.orders import AssetClass
from brokers.domain.trading_hours import TradingHours
from brokers.models import BrokerageAccount, ContractLookup
from brokers.tests import rows as broker
from strategies.display.clocks import clocks_of

pytestmark = pytest.mark.django_db
# Tuesday, 10:00 in New York and 16:00 in Berlin.
OPEN = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
BERLIN = TradingHours(regular=((1_796_112_000, 1_796_142_600),), as_of=1_796_100_000, zone="Europe/Berlin")


def hours(account: BrokerageAccount, ticker: str, on: date, known: TradingHours = BERLIN) -> ContractLookup:
    return ContractLookup.objects.create(
        connection=account.connection,
        ticker=ticker,
        asset_class=AssetClass.STOCK,
        status="found",
        conid=14_204,
        hours=known.as_json(),
        hours_asked_on=on,
    )


def page_at(client: Client, user: User, team: Team, at: datetime) -> str:
    with time_machine.travel(at, tick=False):
        client.force_login(user)
        text = client.get(f"/teams/{team.code}/").text
    begins = text.index('id="market-clocks"')
    return " ".join(text[begins : text.index("</ul>", begins)].split())


def test_us_shares_are_always_there(client: Client, bob: User, team: Team) -> None:
    shown = page_at(client, bob, team, OPEN)
    assert "US shares and options" in shown
    assert "Open. Closes <time" in shown
    assert 'data-feed-due="2026-12-01T16:00:00-05:00"' in shown or 'data-feed-due="2026-12-01T21:00:00+00:00"' in shown
    assert "Futures of CME" not in shown


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime(2026, 11, 27, 16, 0, tzinfo=UTC), "Open, a half day."),
        (datetime(2026, 11, 26, 16, 0, tzinfo=UTC), "Closed: holiday. Opens <time"),
        (datetime(2026, 11, 28, 16, 0, tzinfo=UTC), "Closed: weekend. Opens <time"),
        (datetime(2026, 12, 1, 13, 0, tzinfo=UTC), "Outside regular hours, before the opening. Opens <time"),
        (datetime(2026, 12, 1, 22, 0, tzinfo=UTC), "Outside regular hours, after the close, until <time"),
    ],
)
def test_it_says_why_and_until_when(client: Client, bob: User, team: Team, at: datetime, words: str) -> None:
    assert words in page_at(client, bob, team, at)


def test_what_is_held_or_at_work_has_its_market(client: Client, bob: User, team: Team) -> None:
    account = broker.account(team)
    broker.position(account, asset_class=AssetClass.FUTURE, ticker="ESZ6")
    broker.order(account, asset_class=AssetClass.FOREX, ticker="EURUSD")
    shown = page_at(client, bob, team, OPEN)
    assert "Futures of CME" in shown
    assert "Currencies" in shown
    assert "CFDs on US shares" not in shown


def test_exchanges_abroad_are_shown_by_what_ibkr_listed_lately(team: Team) -> None:
    account = broker.account(team)
    hours(account, "XETR:SAP", date(2026, 12, 1))
    hours(account, "XETR:BMW", date(2026, 11, 30))
    hours(account, "LSE:VOD", date(2026, 11, 2))
    hours(account, "EURONEXT:ASML", date(2026, 12, 1), TradingHours())
    hours(account, "NOWHERE:XYZ", date(2026, 12, 1))
    names = [clock.name for clock in clocks_of(team, [], OPEN)]
    assert names == ["US shares and options", "Xetra"]


def test_those_of_another_team_are_not_shown(team: Team, charlie: User) -> None:
    hours(broker.account(teams.found_team(owner=charlie, name="Other", now=OPEN)), "XETR:SAP", date(2026, 12, 1))
    assert [clock.name for clock in clocks_of(team, [], OPEN)] == ["US shares and options"]
