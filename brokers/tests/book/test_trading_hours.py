"""Trading hours per contract: read from IBKR with the contract, kept per trading day, and waited for by nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.orders import Instrument
from brokers.domain.trading_hours import TradingHours, trading_day
from brokers.models import BrokerageAccount, ContractLookup
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, neighbours

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")
OLD = TradingHours(regular=((1, 2),), extended=((1, 2),))


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, request: pytest.FixtureRequest) -> lab.Lab:
    """A paper user, since the simulated market never closes."""
    name = f"HOURS{abs(hash(request.node.name)) % 10**8}"
    bench = lab.make(team, gateway, neighbours.paper(team, gateway, name))
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    return bench


def asked(bench: lab.Lab) -> list[dict[str, str]]:
    return [entry["query"] for entry in bench.gateway.journal(bench.user, path="/contract/trading-schedule")]


def looked_up(bench: lab.Lab, now: datetime) -> View:
    """What a decision about AAPL sees."""
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    view = live_book.load([(account, AAPL)], now).view(account, AAPL)
    assert isinstance(view, View)
    return view


def test_they_come_with_the_contract(bench: lab.Lab) -> None:
    ContractLookup.objects.update(status="wanted")
    lab.work()
    row = ContractLookup.objects.get()
    hours = TradingHours.from_json(row.hours)
    assert (row.status, row.hours_asked_on, row.hours_wanted_at) == ("found", trading_day(timezone.now()), None)
    assert hours is not None
    assert hours.covers(timezone.now() + timedelta(days=1))
    assert len(hours.regular) >= 3
    assert hours.zone == "America/New_York"
    assert all(opens < closes for opens, closes in hours.regular)
    assert asked(bench) == [{"conid": "265598"}]
    assert looked_up(bench, timezone.now()).snapshot.hours == hours


def test_a_new_day_asks_anew_once_and_no_decision_waits(bench: lab.Lab) -> None:
    now = timezone.now()
    ContractLookup.objects.update(hours=OLD.as_json(), hours_asked_on=trading_day(now) - timedelta(days=1))
    assert looked_up(bench, now).snapshot.hours == OLD
    assert ContractLookup.objects.get().hours_wanted_at == now
    looked_up(bench, now + timedelta(seconds=1))
    lab.work()
    row = ContractLookup.objects.get()
    assert (row.hours_asked_on, row.hours_wanted_at) == (trading_day(timezone.now()), None)
    looked_up(bench, timezone.now())
    lab.work()
    assert len(asked(bench)) == 1
    assert looked_up(bench, timezone.now()).snapshot.hours not in {OLD, None}


@pytest.mark.parametrize(
    "action",
    [
        {"status": 500, "body": {"error": "No contract info for this conid"}},
        {"html_body": True},
        {"truncate_body": True},
    ],
)
def test_where_ibkr_says_none_the_old_ones_stay(bench: lab.Lab, action: dict[str, object]) -> None:
    match = {"user": bench.user, "path": "/contract/trading-schedule"}
    bench.gateway.fault(match=match, action=action, times=None, ttl_s=30)
    ContractLookup.objects.update(hours=OLD.as_json())
    looked_up(bench, timezone.now())
    lab.work()
    row = ContractLookup.objects.get()
    assert (TradingHours.from_json(row.hours), row.hours_wanted_at) == (OLD, None)
    bench.gateway.clear_faults()


def test_the_simulated_market_never_closes_so_it_is_not_asked(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    ContractLookup.objects.update(status="wanted")
    lab.work()
    assert looked_up(bench, timezone.now() + timedelta(seconds=1)).snapshot.hours is None
    assert ContractLookup.objects.get().hours_wanted_at is None
    assert asked(bench) == []


def test_hours_of_one_contract_are_no_others(bench: lab.Lab) -> None:
    ContractLookup.objects.update(status="wanted")
    rows_of = ContractLookup.objects
    december = f"ESZ{(timezone.now() + timedelta(days=21)).year}"  # one that has not expired, whenever this runs
    rows_of.create(connection=bench.connection, ticker=december, asset_class="future", status="wanted")
    lab.work()
    share, future = (TradingHours.from_json(rows_of.get(ticker=t).hours) for t in ("AAPL", december))
    assert share is not None
    assert future is not None
    assert share.regular != future.regular
    assert len(asked(bench)) == 2
