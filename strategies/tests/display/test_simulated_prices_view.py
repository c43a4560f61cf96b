"""Prices that the simulator made say so wherever a fill or a profit stands, and are no slippage of a signal."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers import live
from brokers.book import day_ledger
from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Connection, OpeningPosition, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows as broker
from strategies.domain.slippage import slippage
from strategies.models import Guard
from strategies.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal


def text(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def walk(team: Team) -> rows.Walk:
    """Ten AAPL, filled at 187.25, and what they have gained."""
    made = rows.walk(team, timezone.now() - timedelta(seconds=5))
    now = timezone.now()
    BrokerageAccount.objects.update(opened_at=now, book_as_of=now)
    OpeningPosition.objects.create(
        account=made.account,
        day=day_ledger.day_start(now).date(),
        conid=265598,
        ticker="AAPL",
        quantity=10,
        price=189,
        multiplier=1,
        currency="USD",
    )
    broker.position(made.account, market_price=D(190), unrealized_pnl=D(27))
    Guard.objects.create(team=team, level="account", account=made.account, max_daily_loss=D(100))
    return made


def pages(walk: rows.Walk) -> list[str]:
    account, team = walk.account, walk.account.team
    below = (
        "",
        "orders/",
        f"orders/{walk.order.code}/",
        "positions/",
        f"accounts/{account.code}/",
        f"accounts/{account.code}/positions/265598/close/",
        "guards/",
        f"guards/account/{account.code}/",
        f"guards/account/{account.code}/stop/",
        f"strategies/{walk.strategy.code}/",
        f"subscriptions/{walk.subscription.code}/",
        f"signals/{walk.signal.code}/",
    )
    return [f"/teams/{team.code}/{path}" for path in below]


def test_fills_and_profits_of_the_simulator_are_called_simulated(client: Client, alice: User, walk: rows.Walk) -> None:
    client.force_login(alice)
    for path in pages(walk):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "simulated price" in text(answer.content.decode()), path
    for pushed in (live.order_html(walk.order.pk), live.account_html(walk.account.pk)):
        assert "simulated price" in pushed


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_those_of_ibkr_are_not(client: Client, alice: User, walk: rows.Walk, environment: str) -> None:
    Connection.objects.update(environment=environment)
    client.force_login(alice)
    for path in pages(walk):
        assert "simulated price" not in text(client.get(path).content.decode()), path
    assert "simulated price" not in live.order_html(walk.order.pk) + live.account_html(walk.account.pk)


@pytest.mark.parametrize(
    ("saw", "far"), [("187.25", False), ("187", False), ("512", True), ("20", True), ("189.2", True)]
)
def test_a_signal_of_another_market_is_not_judged(
    client: Client, alice: User, walk: rows.Walk, saw: str, far: bool
) -> None:
    Order.objects.update(signal_price=D(saw))
    client.force_login(alice)
    path = f"/teams/{walk.account.team.code}/signals/{walk.signal.code}/"
    page = client.get(path).text
    assert ("this is no slippage" in page) is far
    assert ("basis points" in page) is (not far and saw != "187.25")
    assert ("Trade at the signals" in page) is far
    if far:
        assert not re.search(r'class="(down|up)">[^<]*basis', page)
    # At IBKR the same fill is judged, however far it is: there the price is real.
    Connection.objects.update(environment="paper")
    page = client.get(path).text
    assert "this is no slippage" not in page
    assert ("basis points" in page) is (saw != "187.25")


def test_how_far_is_far_is_counted_from_the_signal() -> None:
    for fill, far in (("101", True), ("99", True), ("100.99", False), ("99.01", False)):
        for side in (Side.BUY, Side.SELL):
            found = slippage(side, D(100), D(fill), D(1), D(1))
            assert found is not None
            assert found.is_far is far


@pytest.mark.parametrize("always_open", [True, False])
def test_the_dashboard_says_that_the_simulated_market_never_closes_when_it_is_so(
    client: Client, alice: User, team: Team, gateway: RunningGateway, always_open: bool
) -> None:
    made = broker.connection(team)
    client.force_login(alice)
    with gateway.behaving(market_always_open=always_open):
        page = client.get(f"/teams/{team.code}/").text
    assert ("The simulated market never closes." in page) is always_open
    with gateway.behaving(market_always_open=True):
        Connection.objects.filter(pk=made.pk).update(environment="paper")
        assert "never closes" not in client.get(f"/teams/{team.code}/").text
