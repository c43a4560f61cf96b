"""The result of today: one number with its parts on every page and in the API; what nobody knows is called unknown."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.api.client import Api
from brokers import live
from brokers.models import BrokerageAccount, OpeningPosition, Position
from brokers.tests import rows as broker
from strategies.models import Guard, Subscription
from strategies.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
PARTS = "Result today: realized +50.00, unrealized −30.00, fees 1.25"  # noqa: RUF001  the minus of people


def text(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def subscription(team: Team) -> Subscription:
    """Ten AAPL since this morning at 100; five of them sold at 110 and bought again at 110, now at 105.

    IBKR's own figures say something else, as they count from when positions were opened.
    """
    now = timezone.now()
    account = broker.account(
        team,
        opened_at=now - timedelta(seconds=5),
        book_as_of=now,
        equity=D(1_000),
        realized_pnl=D(7_777_777),
        unrealized_pnl=D(888),
    )
    made = rows.subscription(rows.strategy(team, now), account, now)
    OpeningPosition.objects.create(
        account=account,
        day=now.astimezone(tz=None).date(),
        conid=265598,
        ticker="AAPL",
        quantity=10,
        price=100,
        multiplier=1,
        currency="USD",
    )
    broker.position(account, quantity=D(10), market_price=D(102), unrealized_pnl=D(888), as_of=now)
    for side, fee in (("sell", "1"), ("buy", "0.25")):
        order = broker.order(account, side=side, quantity=D(5))
        broker.execution(order, price=D(110), fee=D(fee), executed_at=now, seen_at=now)
    from brokers.book import day_ledger

    OpeningPosition.objects.update(day=day_ledger.day_start(now).date())
    return made


def test_it_is_one_number_with_its_parts_wherever_it_stands(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    account = subscription.account
    Guard.objects.create(team=team, level="account", account=account, max_daily_loss=D(500))
    client.force_login(alice)
    for path in (
        "",
        f"accounts/{account.code}/",
        "guards/",
        f"guards/account/{account.code}/",
        f"guards/team/{team.code}/",
        f"strategies/{subscription.strategy.code}/",
        f"subscriptions/{subscription.code}/",
    ):
        page = text(client.get(f"/teams/{team.code}/{path}").content.decode())
        assert PARTS in page, path
        assert "+18.75" in page, path
        # Long enough that no random code on the page holds it.
        assert "7777777" not in page.replace(",", ""), path
        assert "Realized today" not in page
    pushed = text(live.account_html(account.pk))
    assert PARTS in pushed
    assert "+18.75" in pushed


def test_the_api_shows_the_same_number_and_the_same_parts(alice: User, team: Team, subscription: Subscription) -> None:
    api = Api(team, alice)
    figures = {
        "day_result": "18.75",
        "day_realized": "50",
        "day_unrealized": "-30",
        "day_fees": "1.25",
        "day_result_unknown": "",
    }
    [listed] = api.get("accounts/")["results"]
    alone = api.get(f"accounts/{subscription.account.code}/")
    levels = {each["level"]: each["figures"] for each in api.get("guards/")["results"]}
    for shown in (listed, alone, levels["account"], levels["team"]):
        assert {name: shown[name] for name in figures} == figures
    assert "realized_pnl" not in listed
    assert levels["strategy"]["day_result"] is None


def test_what_is_missing_for_it_is_said_wherever_it_stands(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    account = subscription.account
    Position.objects.update(market_price=None)
    client.force_login(alice)
    for path in ("", f"accounts/{account.code}/", "guards/", f"strategies/{subscription.strategy.code}/"):
        page = text(client.get(f"/teams/{team.code}/{path}").content.decode())
        assert "unknown: IBKR shows no price of AAPL." in page, path
        assert "+18.75" not in page
    [listed] = Api(team, alice).get("accounts/")["results"]
    assert [listed[name] for name in ("day_result", "day_realized", "day_unrealized", "day_fees")] == [None] * 4
    assert "no price of AAPL" in listed["day_result_unknown"]


@pytest.mark.parametrize(
    ("ticker", "kind", "conid"), [("MNQZ2026", "future", 7), ("ESZ2026", "future", 8), ("GCG2027", "future", 9)]
)
def test_a_future_of_unknown_cost_is_unknown_on_pages_and_in_the_result(
    client: Client, alice: User, team: Team, subscription: Subscription, ticker: str, kind: str, conid: int
) -> None:
    account = subscription.account
    columns = {"conid": conid, "ticker": ticker, "asset_class": kind, "quantity": D(2), "average_cost": None}
    broker.position(account, **columns, market_price=D(20_000), as_of=timezone.now())
    OpeningPosition.objects.create(
        account=account,
        day=OpeningPosition.objects.get().day,
        conid=conid,
        ticker=ticker,
        quantity=2,
        price=19_990,
        multiplier=None,
        currency="USD",
    )
    client.force_login(alice)
    for path in ("", f"accounts/{account.code}/", "positions/"):
        page = text(client.get(f"/teams/{team.code}/{path}").content.decode())
        row = page[page.index(f"{ticker} future") :][:200]
        assert row.count("unknown") == 3, (path, row)  # its average cost, its profit and its gain
    page = text(client.get(f"/teams/{team.code}/").content.decode())
    assert f"what one point of {ticker} is worth is not known" in page
    [shown] = [each for each in Api(team, alice).get("positions/")["results"] if each["ticker"] == ticker]
    assert (shown["average_cost"], shown["unrealized_pnl"]) == (None, None)
    # Its multiplier alone makes the result known: what it was bought at is no part of today.
    broker.order(account, conid=conid, ticker=ticker, asset_class=kind, multiplier=D(2))
    page = text(client.get(f"/teams/{team.code}/").content.decode())
    assert "realized +50.00, unrealized +10.00, fees 1.25" in page
    assert "unknown" in page


def test_one_page_of_many_accounts_asks_no_more_than_one_of_few(
    client: Client, alice: User, team: Team, subscription: Subscription, django_assert_max_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.force_login(alice)
    path = f"/teams/{team.code}/"
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    for _ in range(4):
        broker.account(team, subscription.account.connection)
    with CaptureQueriesContext(connection) as many:
        client.get(path)
    assert len(many) <= len(few) + 2
    assert BrokerageAccount.objects.count() == 5
