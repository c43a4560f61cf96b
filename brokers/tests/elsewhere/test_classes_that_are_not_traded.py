"""Halyard sends no order in a class that it cannot trade: not from a page, not by REST, not by a stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.book import holdings
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.orders import OrderIntent, OrderStatus, OrderType, Role, Side
from brokers.models import BrokerageAccount, Closing, ForeignOrder, Order, Position
from brokers.orders import closing, execution, tickets
from brokers.protection import deeds
from brokers.rulebook.products.futures import code_of
from brokers.simulator.catalogue import futures, options
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.listed import cfd_of
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from strategies.control import halt
from strategies.domain.decide.guards import Halt

WARRANT = 700_001


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = rows.account(team, book_as_of=timezone.now())
    rows.position(made, conid=WARRANT, ticker="SPY WARRANT", asset_class="warrant", quantity=Decimal(2))
    return made


def an_option() -> Instrument:
    """A call on a future that is listed today, by the gateway's own catalogue."""
    today = timezone.now().date()
    product = futures.underlying("ES")
    assert product is not None
    month = options.months(product.conid, today)[2]
    chain = options.chain(product.conid, month, product.base_price, today)
    return next(each for each in chain if each.right == "C")


def page_of(account: BrokerageAccount) -> str:
    return f"/teams/{account.team.code}/accounts/{account.code}/positions/{WARRANT}/close/"


@pytest.mark.django_db
def test_the_page_says_why_and_sends_nothing(client: Client, alice: User, account: BrokerageAccount) -> None:
    client.force_login(alice)
    shown = client.get(page_of(account))
    assert "SPY WARRANT is a warrant" in shown.text
    assert '<form class="panel"' not in shown.text
    assert client.post(page_of(account), {"quantity": ""}).status_code == 422
    assert not Closing.objects.exists()
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_the_list_names_the_class_and_offers_no_close(client: Client, alice: User, account: BrokerageAccount) -> None:
    rows.position(account)
    client.force_login(alice)
    page = client.get(f"/teams/{account.team.code}/positions/").text
    assert '<span class="sub">warrant</span>' in page
    assert 'aria-label="Close AAPL in' in page
    assert 'aria-label="Close SPY WARRANT' not in page


@pytest.mark.django_db
def test_a_stop_of_trading_closes_what_it_can_and_names_what_stays(account: BrokerageAccount, alice: User) -> None:
    rows.position(account)
    done = halt.halt(
        team=account.team,
        target=account,
        how=Halt.EVERYTHING,
        reason="Enough.",
        flatten=True,
        actor=alice,
        now=timezone.now(),
    )
    assert done.closing == 1
    (stays,) = done.not_closed
    assert stays.startswith("SPY WARRANT is a warrant")
    assert [order.conid for order in Order.objects.all()] == [265598]


@pytest.mark.django_db
def test_the_page_of_a_stop_counts_what_it_can_close_and_names_what_stays(
    client: Client, account: BrokerageAccount, alice: User
) -> None:
    client.force_login(alice)
    address = f"/teams/{account.team.code}/guards/account/{account.code}/stop/"
    alone = client.get(address).text
    assert "Close 0 positions too" in alone
    assert "Nothing is held here that Halyard can close." in alone
    rows.position(account)
    both = client.get(address).text
    assert "Close 1 position too" in both
    assert "1 position stays either way: Halyard has no orders for it." in " ".join(both.split())
    assert "SPY WARRANT" in both.partition('id="staying"')[2].partition("</ul>")[0]


@pytest.mark.django_db
def test_a_caller_that_takes_it_for_a_stock_is_refused_all_the_same(account: BrokerageAccount) -> None:
    with pytest.raises(closing.NotClosable, match="is a warrant"):
        closing.close(
            account=account,
            conid=WARRANT,
            ticker="AAPL",
            asset_class="stock",
            reason="By mistake.",
            actor=None,
            now=timezone.now(),
        )
    assert not Closing.objects.exists()


@pytest.mark.django_db
def test_a_wish_of_before_ends_instead_of_sending(account: BrokerageAccount) -> None:
    now = timezone.now()
    wish = Closing.objects.create(
        team=account.team,
        account=account,
        conid=WARRANT,
        ticker="AAPL",
        asset_class="stock",
        reason="Of an older release.",
        asked_at=now - timedelta(minutes=1),
    )
    closing.work(now)
    wish.refresh_from_db()
    assert (wish.status, wish.attempts) == ("failed", 0)
    assert "is a warrant" in wish.note
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_a_missing_stop_flattens_nothing_of_it(account: BrokerageAccount) -> None:
    entry = rows.order(account, conid=WARRANT)
    lapse = rows.lapse(account, timezone.now(), conid=WARRANT, entry=entry)
    deeds._flatten(lapse, account, Decimal(2), timezone.now())
    assert not Closing.objects.exists()


@pytest.mark.django_db
def test_a_plan_in_its_number_is_denied_and_never_leaves(account: BrokerageAccount) -> None:
    now = timezone.now()
    like = rows.order(account)
    intent = OrderIntent(
        role=Role.EXIT, instrument=like.instrument, side=Side.SELL, type=OrderType.MARKET, quantity=Decimal(2)
    )
    (ticket,) = tickets.open_tickets(
        [
            tickets.Draft(
                account=account,
                key=like.code,
                conid=WARRANT,
                currency="USD",
                multiplier=Decimal(1),
                intents=(intent,),
                cancels=(),
                expires_at=now + timedelta(minutes=1),
            )
        ],
        now,
    )
    denied = ticket.orders.get()
    assert (denied.status, denied.reason_code) == (OrderStatus.DENIED, "class-not-traded")
    assert "is a warrant" in denied.reason


@pytest.mark.django_db
def test_one_that_waits_when_the_class_becomes_known_does_not_leave(account: BrokerageAccount) -> None:
    waiting = rows.order(account, conid=WARRANT)
    assert execution.take_next(account.connection_id, timezone.now()) is None
    Position.objects.filter(conid=WARRANT).update(asset_class="stock")
    job = execution.take_next(account.connection_id, timezone.now())
    assert job is not None
    assert job.orders[0].pk == waiting.pk


def read(account: BrokerageAccount, asset_class: str) -> str:
    facts = PositionFacts(
        account_id=account.account_id,
        conid=265598,
        ticker="AAPL",
        asset_class=asset_class,
        quantity=Decimal(5),
        average_cost=None,
    )
    summary = AccountSummary(net_liquidation=None, cash=None, buying_power=None)
    holdings.refresh(account, positions=[facts], summary=summary, as_of=timezone.now())
    return Position.objects.get(account=account, conid=265598).asset_class


@pytest.mark.django_db
def test_the_book_keeps_the_class_and_a_list_that_lacks_it_takes_none_away(account: BrokerageAccount) -> None:
    assert read(account, "unknown") == "unknown"
    assert read(account, "cfd") == "cfd"
    assert read(account, "unknown") == "cfd"


@pytest.mark.django_db(transaction=True)
def test_a_cfd_at_the_gateway_comes_home_as_one_and_is_closed_as_one(team: Team, gateway: RunningGateway) -> None:
    cfd = cfd_of("AAPL")
    assert cfd is not None
    bench = lab.make(team, gateway, positions=[{"conid": cfd.conid, "quantity": 7}])

    async def story() -> None:
        async with lab.watching():
            await lab.until(Position.objects.filter(account=bench.account).exists, "the position is home")

    asyncio.run(story())
    held = Position.objects.get(account=bench.account)
    assert (held.conid, held.asset_class, held.quantity) == (cfd.conid, "cfd", Decimal(7))
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    closing.close(
        account=bench.account,
        conid=cfd.conid,
        ticker=held.ticker,
        asset_class=held.asset_class,
        reason="All of it.",
        actor=None,
        now=timezone.now(),
    )
    lab.work()
    assert [(row["conid"], row["secType"], row["side"]) for row in bench.at_broker()] == [(cfd.conid, "CFD", "SELL")]


@pytest.mark.django_db(transaction=True)
def test_an_option_on_a_future_that_was_opened_elsewhere_comes_home_by_its_name_and_is_closed(
    team: Team, gateway: RunningGateway
) -> None:
    option = an_option()
    future = futures.find(option.underlying_conid)
    assert future is not None
    assert future.month is not None
    assert option.expiry is not None
    bench = lab.make(team, gateway, positions=[{"conid": option.conid, "quantity": 3}])
    bench.gateway.by_hand(bench.user, conid=option.conid, side="SELL", quantity=3, type="LMT", limit_price=9999)

    async def story() -> None:
        async with lab.watching():
            await lab.until(Position.objects.filter(account=bench.account).exists, "the position is home")
            await lab.until(ForeignOrder.objects.exists, "the order by hand is home")

    asyncio.run(story())
    held, order = Position.objects.get(account=bench.account), ForeignOrder.objects.get()
    name = f"{code_of('ES', future.month)} {option.expiry:%y%m%d}C{option.strike.normalize():f}"
    assert (held.conid, held.asset_class, held.ticker, held.quantity) == (
        option.conid,
        "future_option",
        name,
        Decimal(3),
    )
    assert (order.conid, order.asset_class, order.side, order.remaining) == (
        option.conid,
        "future_option",
        "sell",
        Decimal(3),
    )
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    closing.close(
        account=bench.account,
        conid=option.conid,
        ticker=held.ticker,
        asset_class=held.asset_class,
        reason="All of it.",
        actor=None,
        now=timezone.now(),
    )
    lab.work()
    (sent,) = [row for row in bench.at_broker() if row["orderType"] == "Market"]
    assert (sent["conid"], sent["secType"], sent["side"], sent["totalSize"]) == (option.conid, "FOP", "SELL", 3.0)
