"""A split at a real gateway: seen in its list of positions, and its orders followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
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
from brokers.models import BrokerageAccount, ContractLookup, CorporateAction, Order, Position
from brokers.simulator.catalogue import listed, options
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


@pytest.mark.parametrize(("symbol", "new", "old"), [("SYY", 2, 1), ("MDLZ", 5, 4)])
def test_an_exit_that_waits_closes_what_its_option_has_become(
    team: Team, gateway: RunningGateway, symbol: str, new: int, old: int
) -> None:
    bench = lab.make(team, gateway)
    today = timezone.now().date()
    share = listed.STOCKS[symbol]
    chain = options.chain(share.conid, options.months(share.conid, today)[2], share.base_price, today)
    option = min(chain, key=lambda each: abs(float(each.strike) - share.base_price))
    gateway.hold(bench.user, conid=option.conid, quantity=3, average_price=4)
    _look(bench)
    held = Position.objects.get(account=bench.account, asset_class="option")
    assert (held.conid, held.quantity) == (option.conid, Decimal(3))
    leaves = bench.order(
        conid=option.conid,
        ticker=held.ticker,
        asset_class="option",
        multiplier=Decimal(100),
        role="exit",
        side="sell",
        quantity=Decimal(3),
    )
    Order.objects.filter(pk=leaves.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    # The reading before the split came after it.
    _look(bench)
    gateway.split(symbol, new, old)
    for _ in range(2):
        _look(bench)
    action = CorporateAction.objects.get()
    expected = Decimal(3 * new if old == 1 else 3)
    assert (action.ticker_before, action.conid_before, action.quantity) == (held.ticker, option.conid, expected)
    leaves.refresh_from_db()
    assert (leaves.status, leaves.conid, leaves.quantity) == ("created", action.conid, expected)
    assert leaves.ticker == action.ticker
    asyncio.run(_worked(lambda: Order.objects.filter(pk=leaves.pk, filled_quantity=expected).exists()))
    book = gateway.books(bench.user)[leaves.reference]
    assert (book["conid"], book["side"]) == (action.conid, "SELL"), book
    _look(bench)
    assert not Position.objects.filter(account=bench.account, asset_class="option").exists()


async def _worked(seen: Callable[[], bool]) -> None:
    """Work the lanes beside the stream until something is seen."""
    async with lab.watching():
        for _ in range(30):
            if await asyncio.to_thread(lab.holds, seen):
                return
            await asyncio.to_thread(lab.work)
    pytest.fail("it is not seen")


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
