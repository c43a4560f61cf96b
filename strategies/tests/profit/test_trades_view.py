"""The pages of trades and of profit: what stands there, how it is sorted and narrowed, and what is told of nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from brokers.tests import rows as broker_rows
from strategies.models import Subscription, Trade
from strategies.pages.profit import trades
from strategies.profit import making
from strategies.tests import rows
from strategies.tests.profit.scenes import dealt, dealt_elsewhere

pytestmark = pytest.mark.django_db
D = Decimal
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


@pytest.fixture
def by(team: Team) -> Subscription:
    return rows.subscription(rows.strategy(team, NOON), broker_rows.account(team), NOON)


@pytest.fixture
def look(client: Client, alice: User, team: Team) -> Any:
    """Look at a page of the team as its owner."""
    client.force_login(alice)

    def page(name: str, query: Any = None, **parts: Any) -> str:
        answer = client.get(reverse(name, kwargs={"team_code": team.code, **parts}), query)
        assert answer.status_code == 200, answer.content[:500]
        return answer.content.decode().replace("\N{MINUS SIGN}", "-")

    return page


def traded(by: Subscription) -> list[Trade]:
    """A win of 98, a loss of 52, and one that is held."""
    dealt(by, minutes(0), 100, "10", signal_price=D("9.99"))
    dealt(by, minutes(10), -100, "11", role="exit")
    dealt(by, minutes(20), 100, "10", signal_price=D("10.05"))
    dealt(by, minutes(30), -100, "9.50", role="exit")
    dealt(by, minutes(40), 100, "10")
    making.make_due(NOON)
    return list(Trade.objects.order_by("opened_at"))


def shown(page: str) -> list[str]:
    """The trades of a list, in its order, by what they made."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r'data-label="Profit">\s*([^<\n]+?)\s*\n', body)


def test_a_list_joins_the_signal_the_fill_and_the_money(by: Subscription, look: Any) -> None:
    traded(by)

    page = look("trades")

    assert shown(page) == ["-1.00 USD", "-52.00 USD", "+98.00 USD"]
    for words in (
        "9.99",
        "filled 10.00, out 11.00",
        "10.0 bp",
        "250 ms",
        "10\xa0minutes",
        "3 trades in USD",
        "+45.00 USD",
    ):
        assert words in page, words


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("profit", ["-52.00 USD", "-1.00 USD", "+98.00 USD"]),
        ("-profit", ["+98.00 USD", "-1.00 USD", "-52.00 USD"]),
        ("opened", ["+98.00 USD", "-52.00 USD", "-1.00 USD"]),
        # What has no slippage, or is still held, stands last whichever way.
        ("slippage", ["-52.00 USD", "+98.00 USD", "-1.00 USD"]),
        ("-slippage", ["+98.00 USD", "-52.00 USD", "-1.00 USD"]),
        ("-held", ["-52.00 USD", "+98.00 USD", "-1.00 USD"]),
        ("-latency", ["-1.00 USD", "-52.00 USD", "+98.00 USD"]),
        ("; DROP TABLE", ["-1.00 USD", "-52.00 USD", "+98.00 USD"]),
    ],
)
def test_a_list_is_sorted_by_its_address(by: Subscription, look: Any, sort: str, order: list[str]) -> None:
    traded(by)

    assert shown(look("trades", {"sort": sort})) == order


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"ticker": "aapl"}, 3),
        ({"ticker": "MSFT"}, 0),
        ({"status": "open"}, 1),
        ({"owner": "elsewhere"}, 0),
        ({"first": "2026-03-02", "last": "2026-03-02"}, 3),
        ({"first": "2026-03-03"}, 1),
        ({"last": "2026-03-01"}, 0),
        # What cannot be read narrows nothing, and says so.
        ({"first": "soon"}, 3),
        ({"page": "99999"}, 3),
        ({"page": "-1"}, 3),
    ],
)
def test_a_list_is_narrowed_by_its_address(by: Subscription, look: Any, filters: dict[str, str], count: int) -> None:
    traded(by)

    assert len(shown(look("trades", filters))) == count


def test_a_filter_that_cannot_be_read_says_so_and_gives_no_file(by: Subscription, look: Any, client: Client) -> None:
    traded(by)

    assert "To: This is before the day it begins with." in look("trades", {"first": "2026-03-03", "last": "2026-03-02"})
    answer = client.get(reverse("trades_csv", args=[by.team.code]), {"first": "soon"})
    assert answer.status_code == 422


def test_long_lists_have_pages(by: Subscription, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    traded(by)
    monkeypatch.setattr(trades, "SIZE", 2)

    first, second = look("trades"), look("trades", {"page": "2"})

    assert (shown(first), shown(second)) == (["-1.00 USD", "-52.00 USD"], ["+98.00 USD"])
    assert 'href="?page=2"' in first
    assert "3 trades in USD" in second, "totals are those of all pages"


def test_a_trade_tells_its_way(by: Subscription, look: Any) -> None:
    win, _, held = traded(by)
    broker_rows.position(by.account, quantity=D(100), market_price=D("10.25"), as_of=minutes(50))

    page, open_page = look("trade", trade_code=win.code), look("trade", trade_code=held.code)

    assert win.signal is not None
    assert reverse("signal", args=[by.team.code, win.signal.code]) in page
    for words in ("Long 100 AAPL", "+98.00 USD", "10.0 basis points", "250 ms", "In:", "Out:", "why it was traded"):
        assert words in page, words
    assert "+25.00 USD" in open_page
    assert "IBKR shows 100 AAPL in the account at an average of 180.00" in open_page


def test_what_nobody_saw_opened_says_so(by: Subscription, look: Any) -> None:
    dealt(by, minutes(0), -10, "10", role="exit")
    making.make_due(NOON)

    page = look("trade", trade_code=Trade.objects.get().code)

    assert "Nobody saw this position opened" in page
    assert "1 exit of what nobody saw opened" in look("pnl")


def test_what_a_point_is_worth_may_be_unknown(by: Subscription, look: Any) -> None:
    dealt_elsewhere(by.account, minutes(0), 1, "10", conid=7, ticker="XYZ")
    making.make_due(NOON)

    assert "What one point of XYZ is worth is not known" in look("trade", trade_code=Trade.objects.get().code)
    assert "contracts of which nobody knows what a point is worth" in look("pnl")


def test_profit_is_told_with_its_days(by: Subscription, look: Any) -> None:
    traded(by)

    page = look("pnl")

    for words in ("In USD", "+45.00 USD", "1 of 2", "1.88", "+98.00 USD", "-52.00 USD", "March 2026", "By strategy"):
        assert words in page, words
    curve = json.loads(re.findall(r'<script id="curve-USD" type="application/json">(.+?)</script>', page)[0])
    assert curve == {
        "id": "curve-USD",
        "currency": "USD",
        "days": ["2026-03-02"],
        "totals": [45.0],
        "drawdowns": [0.0],
    }
    assert f"{reverse('trades', args=[by.team.code])}?first=2026-03-02&amp;last=2026-03-02" in page


@pytest.mark.parametrize(("by_what", "words"), [("ticker", "AAPL"), ("owner", "Subscription"), ("moon", "Trend")])
def test_profit_is_grouped_by_its_address(by: Subscription, look: Any, by_what: str, words: str) -> None:
    traded(by)

    assert words in look("pnl", {"by": by_what}).partition('id="groups"')[2]


def test_without_a_trade_the_pages_say_what_will_stand_there(team: Team, look: Any) -> None:
    assert "No trade yet" in look("trades")
    assert "No profit and no loss yet" in look("pnl")
    assert "No such trade" in look("trades", {"ticker": "AAPL"})
