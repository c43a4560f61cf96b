"""A contract counts for a day of its own exchange."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.models import Team
from brokers.book import contracts, trading_hours
from brokers.domain.orders import Instrument
from brokers.domain.trading_hours import TradingHours
from brokers.models import BrokerageAccount, ContractLookup
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ticker", "zone", "asked", "now", "anew"),
    [
        # New York: five in the morning, UTC, is its midnight in winter.
        ("AAPL", "", at(25, 22), at(26, 4), False),
        ("AAPL", "", at(25, 22), at(26, 5), True),
        # Tokyo's next day begins at three in the afternoon, UTC; New York's midnight, before and within its session, is none.
        ("TSE:7203", "", at(25, 14), at(25, 15), True),
        ("TSE:7203", "", at(25, 23), at(26, 6), False),
        ("XETR:SAP", "", at(25, 22), at(25, 23), True),
        ("XETR:SAP", "", at(25, 23), at(26, 16), False),
        ("ASX:BHP", "", at(25, 12), at(25, 13), True),
        # IBKR's own word of the zone comes first.
        ("MNQ", "America/Chicago", at(25, 22), at(26, 5), False),
        ("MNQ", "America/Chicago", at(25, 22), at(26, 6), True),
    ],
)
def test_it_is_asked_for_anew_with_the_midnight_of_its_exchange(
    account: BrokerageAccount, ticker: str, zone: str, asked: datetime, now: datetime, anew: bool
) -> None:
    hours = TradingHours(regular=((1, 2),), zone=zone).as_json() if zone else None
    row = ContractLookup.objects.create(
        connection=account.connection,
        ticker=ticker,
        asset_class="stock",
        status="found",
        conid=7,
        increments=[],
        asked_at=asked,
        hours=hours,
    )
    known = contracts.load([account.connection_id], [ticker])
    contracts.ask_for_missing(known, [(account, Instrument(ticker=ticker))], now)
    row.refresh_from_db()
    assert (row.status == "wanted") is anew


def test_its_hours_are_of_a_day_of_its_exchange(account: BrokerageAccount) -> None:
    row = ContractLookup.objects.create(
        connection=account.connection, ticker="TSE:7203", asset_class="stock", status="found", conid=7, increments=[]
    )
    trading_hours.answer(row, None, at(25, 20))
    row.refresh_from_db()
    # It is Thursday in Tokyo by then.
    assert str(row.hours_asked_on) == "2026-11-26"
