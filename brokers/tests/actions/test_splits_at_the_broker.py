"""A split at a real gateway: seen in its list of positions, and its orders followed."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.book import holdings
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.actions.reading import Ratio
from brokers.domain.brokerage import PositionFacts
from brokers.models import BrokerageAccount, ContractLookup, CorporateAction, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
SYMBOL = "GIS"


def test_a_reverse_split_that_renumbers_the_contract_is_followed(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    gateway.hold(bench.user, symbol=SYMBOL, quantity=105, average_price=40)
    before = _number(gateway, bench.user)
    ContractLookup.objects.create(
        connection=bench.connection,
        ticker=SYMBOL,
        asset_class="stock",
        status="found",
        conid=before,
        increments=[],
        answered_at=timezone.now(),
        asked_at=timezone.now(),
    )
    held = Position.objects.filter(account=bench.account, ticker=SYMBOL)
    _look(bench)
    assert held.get().quantity == 105
    gateway.split(SYMBOL, 1, 10, renumbers=True)
    for _ in range(2):
        _look(bench)
    action = CorporateAction.objects.get()
    assert (action.ratio, action.fraction) == (Ratio(new=1, old=10), Decimal("0.5"))
    assert (action.conid_before, action.conid) == (before, _number(gateway, bench.user))
    assert held.get().quantity == 10
    assert ContractLookup.objects.get(ticker=SYMBOL).conid == action.conid
    assert BrokerageAccount.objects.get(pk=bench.account.pk).corporate_actions.count() == 1


def _look(bench: lab.Lab) -> None:
    """Read the positions at IBKR and write them down, as lanes and watches do."""

    async def ask() -> list[PositionFacts]:
        async with ibkr.new_http(reach()) as http:
            broker = ibkr.connect(connections.login_of(bench.connection), http)
            try:
                assert (await broker.open_session()).ready
                await broker.accounts()
                return list(await broker.positions(bench.account.account_id))
            finally:
                await broker.close()

    as_of = timezone.now()
    facts = asyncio.run(ask())
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    holdings.refresh(account, positions=facts, summary=None, as_of=as_of)


def _number(gateway: RunningGateway, user: str) -> int:
    listed = gateway.call(user, "GET", f"/trsrv/stocks?symbols={SYMBOL}")[1][SYMBOL][0]["contracts"]
    return int(next(each["conid"] for each in listed if each["isUS"]))
