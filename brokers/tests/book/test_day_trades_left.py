"""How many day trades are left of an account: read and heard from IBKR, kept, shown, and asked of nobody who has no limit."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from brokers.book import holdings, live_book
from brokers.book.views import View
from brokers.domain.brokerage import AccountSummary
from brokers.domain.orders import Instrument
from brokers.domain.session.feed import MoneyHeard
from brokers.ibkr import translate
from brokers.models import BrokerageAccount, ContractLookup
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db


def left(account: BrokerageAccount) -> int | None:
    account.refresh_from_db()
    return account.day_trades_left


def read(**values: Any) -> AccountSummary:
    return AccountSummary(net_liquidation=None, cash=None, buying_power=None, **values)


def test_it_is_read_and_heard_and_a_limit_that_is_gone_is_too(team: Team, now: datetime) -> None:
    account = rows.account(team)
    holdings.refresh(account, positions=[], summary=read(day_trades_left=2), as_of=now)
    assert left(account) == 2
    for second, told in ((9, 0), (18, -1)):
        at = now + timedelta(seconds=second)
        holdings.hear(account.connection_id, {account.account_id: MoneyHeard(day_trades_left=told)}, at)
        assert left(account) == told
    # A message that does not say changes nothing; a read that does not say leaves nothing to go by.
    holdings.hear(account.connection_id, {account.account_id: MoneyHeard()}, now + timedelta(seconds=27))
    assert left(account) == -1
    holdings.refresh(account, positions=[], summary=read(), as_of=now + timedelta(seconds=36))
    assert left(account) is None


@pytest.mark.parametrize(
    "tags",
    [
        None,
        [],
        "no",
        {},
        {"daytradesremaining": None},
        {"daytradesremaining": 2},
        {"daytradesremaining": {"value": None}},
        {"daytradesremaining": {"value": "Unlimited"}},
        {"daytradesremaining": {"value": "-7"}},
        {"daytradesremaining": {"value": 10**30}},
        {"daytradesremaining": {"value": "2.5"}},
        {"daytradesremaining": {"value": ["2"]}},
    ],
)
def test_what_is_missing_or_no_number_is_not_guessed(tags: Any) -> None:
    assert translate.account_summary({}, None, tags).day_trades_left is None


def test_it_reaches_the_decisions(team: Team, now: datetime) -> None:
    account = rows.account(team, book_as_of=now, day_trades_left=1)
    ContractLookup.objects.create(
        connection=account.connection, ticker="AAPL", asset_class="stock", status="found", conid=265598
    )
    instrument = Instrument(ticker="AAPL")
    view = live_book.load([(account, instrument)], now).view(account, instrument)
    assert isinstance(view, View)
    assert view.snapshot.day_trades_left == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["margin", "cash"])
def test_the_gateway_tells_it_of_accounts_that_borrow_and_nobody_asks_of_others(
    team: Team, gateway: RunningGateway, kind: str
) -> None:
    bench = lab.make(team, gateway)
    gateway.seed(bench.user, cash={"USD": 9_000}, type=kind)
    before = len(gateway.journal(bench.user, path=f"/portfolio/{bench.account.account_id}/summary"))

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: known(bench).margin == kind and known(bench).equity is not None, "it is read")

    with gateway.behaving(day_trades_left=2):
        asyncio.run(story())
    asked = len(gateway.journal(bench.user, path=f"/portfolio/{bench.account.account_id}/summary")) - before
    if kind == "cash":
        assert (known(bench).day_trades_left, asked) in {(None, 0), (-1, 0)}
    else:
        assert known(bench).day_trades_left == 2


def known(bench: lab.Lab) -> BrokerageAccount:
    return BrokerageAccount.objects.get(pk=bench.account.pk)


@pytest.mark.parametrize(
    ("margin", "count", "shown"),
    [("margin", 0, True), ("margin", 2, True), ("margin", -1, False), ("margin", None, False), ("cash", 2, False)],
)
def test_the_page_shows_it_where_there_is_a_limit(
    client: Client, alice: User, team: Team, margin: str, count: int | None, shown: bool
) -> None:
    account = rows.account(team, margin=margin, day_trades_left=count, book_as_of=timezone.now())
    client.force_login(alice)
    page = client.get(reverse("account", args=[team.code, account.code])).text
    assert ("Day trades left" in page) is shown
