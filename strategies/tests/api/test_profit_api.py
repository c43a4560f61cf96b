"""Trades and profit over REST: what is told, what is refused, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from config.tests.access.world import NOWHERE
from strategies.models import Subscription, Trade
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
def ask(team: Team, alice: User, client: Any) -> Any:
    secret = teams.issue_token(team=team, user=alice, name="reads", now=NOON)

    def get(address: str, expected: int = 200, **parameters: Any) -> Any:
        answer = client.get(f"/api/v1/{address}", parameters, headers={"Authorization": f"Token {secret}"})
        assert answer.status_code == expected
        return answer

    return get


def text_of(answer: Any) -> str:
    """The file, read as a server that sends it reads it."""

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)().decode("utf-8-sig")


def traded(by: Subscription) -> None:
    """A win of 98 and a loss of 52 on one day, and a hundred shares that are held since the next."""
    dealt(by, minutes(0), 100, "10", signal_price=D("9.99"))
    dealt(by, minutes(10), -100, "11", role="exit")
    dealt(by, minutes(20), 100, "10")
    dealt(by, minutes(30), -100, "9.50", role="exit")
    dealt(by, NOON + timedelta(days=1), 100, "10")
    broker_rows.position(by.account, quantity=D(100), market_price=D("10.25"), as_of=minutes(99))
    making.make_due(NOON)


def test_a_trade_is_told_with_its_fills(by: Subscription, ask: Any) -> None:
    traded(by)

    listed = ask("trades/").json()["results"]
    first = ask(f"trades/{listed[-1]['id']}/").json()

    assert [each["status"] for each in listed] == ["open", "closed", "closed"]
    assert {name: value for name, value in first.items() if name not in {"id", "parts"}} == {
        "account": str(by.account.code),
        "owner": "subscription",
        "subscription": str(by.code),
        "strategy": str(by.strategy.code),
        "signal": str(Trade.objects.get(code=first["id"]).signal.code),  # type: ignore[union-attr]
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "side": "buy",
        "status": "closed",
        "currency": "USD",
        "account_currency": "USD",
        "multiplier": "1",
        "opened_at": "2026-03-02T17:00:00Z",
        "closed_at": "2026-03-02T17:10:00Z",
        "held_seconds": 600,
        "entered": "100",
        "exited": "100",
        "left": "0",
        "average": None,
        "entry_price": "10",
        "exit_price": "11",
        "most": "1000",
        "realized": "100",
        "fees": "2",
        "fees_missing": 0,
        "realized_in_account": "100",
        "fees_in_account": "2",
        "profit": "98",
        "rate": None,
        "rate_as_of": None,
        "signal_price": "9.99",
        "slippage": "1",
        "slippage_points": "10.01001001",
        "latency_ms": 250,
        "fills": 2,
    }
    assert [(part["is_entry"], part["units"], part["realized"], part["side"]) for part in first["parts"]] == [
        (True, "100", None, "buy"),
        (False, "100", "100", "sell"),
    ]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"status": "closed"}, 2),
        ({"status": "open,closed"}, 3),
        ({"ticker": "aapl"}, 3),
        ({"ticker": "MSFT"}, 0),
        ({"owner": "elsewhere"}, 0),
        ({"since": "2026-03-03T00:00:00Z"}, 1),
        ({"until": "2026-03-02T17:20:00Z"}, 1),
    ],
)
def test_trades_are_filtered_and_the_file_is_too(
    by: Subscription, ask: Any, filters: dict[str, str], count: int
) -> None:
    traded(by)

    assert len(ask("trades/", **filters).json()["results"]) == count
    lines = text_of(ask("trades/export/", **filters)).splitlines()
    assert len(lines) == count + 1


def test_the_file_has_one_line_a_trade(by: Subscription, ask: Any) -> None:
    traded(by)

    lines = text_of(ask("trades/export/", status="closed")).splitlines()

    head = lines[0].split(",")
    last = dict(zip(head, lines[-1].split(","), strict=True))
    assert (last["ticker"], last["side"], last["units"], last["profit"]) == ("AAPL", "long", "100", "98")
    assert (last["signal_price"], last["slippage_points"], last["latency_ms"]) == ("9.99", "10.01", "250")


def test_profit_is_told_with_its_curve(by: Subscription, ask: Any) -> None:
    traded(by)

    body = ask("pnl/").json()

    (report,) = body["reports"]
    assert report["currency"] == "USD"
    assert report["result"] == {"realized": "50", "fees": "5", "net": "45"}
    assert report["unrealized"] == {
        "profit": "25",
        "count": 1,
        "unpriced": 0,
        "as_of": "2026-03-02T18:39:00Z",
    }
    assert report["trades"] == {
        "count": 2,
        "wins": 1,
        "losses": 1,
        "win_rate": "0.5",
        "profit_factor": "1.88461538",
        "average_win": "98",
        "average_loss": "-52",
        "average_held_seconds": 600,
    }
    assert (report["largest_drawdown"], report["slippage"]) == ("-1", "1")
    assert report["days"] == [
        {"day": "2026-03-02", "net": "46", "total": "46", "drawdown": "0"},
        {"day": "2026-03-03", "net": "-1", "total": "45", "drawdown": "-1"},
    ]
    assert (body["apart"], body["unseen"], body["groups"]) == ([], 0, [])


def test_profit_of_days_counts_what_ended_within_them(by: Subscription, ask: Any) -> None:
    traded(by)

    (report,) = ask("pnl/", first="2026-03-03", last="2026-03-03").json()["reports"]

    assert (report["result"]["net"], report["trades"]["count"], report["unrealized"]["count"]) == ("-1", 0, 1)


@pytest.mark.parametrize(
    ("by_what", "name"),
    [("account", None), ("strategy", "Trend"), ("subscription", None), ("ticker", "AAPL"), ("owner", "Subscription")],
)
def test_profit_is_grouped(by: Subscription, ask: Any, by_what: str, name: str | None) -> None:
    traded(by)
    names = {"account": by.account.account_id, "subscription": f"Trend in {by.account.account_id}"}

    (group,) = ask("pnl/", by=by_what).json()["groups"]

    assert (group["name"], group["currency"]) == (name or names[by_what], "USD")
    assert (group["result"]["net"], group["trades"]["count"]) == ("45", 2)


def test_what_has_no_rate_stands_apart(by: Subscription, ask: Any) -> None:
    dealt(by, minutes(0), 100, "10", currency="EUR")
    dealt(by, minutes(1), -100, "12", role="exit", currency="EUR")
    making.make_due(NOON)

    body = ask("pnl/").json()

    assert body["reports"] == []
    assert body["apart"] == [{"currency": "EUR", "account_currency": "USD", "realized": "200", "fees": "2", "fills": 2}]


def test_currencies_are_told_one_by_one(by: Subscription, ask: Any) -> None:
    traded(by)
    theirs = broker_rows.account(by.team)
    BrokerageAccount.objects.filter(pk=theirs.pk).update(currency="EUR")
    broker_rows.position(theirs, currency="EUR", quantity=D(10), market_price=D(10))
    dealt_elsewhere(theirs, minutes(0), 10, "10", currency="EUR")
    making.make_due(NOON)

    reports = ask("pnl/").json()["reports"]

    assert [(each["currency"], each["result"]["net"]) for each in reports] == [("USD", "45"), ("EUR", "-1")]


def test_a_part_of_the_team_is_told_alone(by: Subscription, ask: Any) -> None:
    traded(by)
    quiet = rows.subscription(rows.strategy(by.team, NOON, "Quiet"), by.account, NOON)

    assert len(ask("pnl/", subscription=str(by.code)).json()["reports"]) == 1
    assert ask("pnl/", subscription=str(quiet.code)).json()["reports"] == []
    assert ask("pnl/", strategy=str(quiet.strategy.code)).json()["reports"] == []
    assert len(ask("pnl/", account=str(by.account.code), ticker="aapl", owner="subscription").json()["reports"]) == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"first": "yesterday"}, "invalid-first"),
        ({"last": "2026-02-30"}, "invalid-last"),
        ({"first": "9999-12-31"}, "invalid-first"),
        ({"first": "2026-03-03", "last": "2026-03-02"}, "invalid-last"),
        ({"by": "moon"}, "invalid-by"),
        ({"owner": "nobody"}, "invalid-owner"),
        ({"account": "x"}, "invalid-account"),
        ({"account": str(NOWHERE)}, "no-account"),
        ({"ticker": "A" * 41}, "invalid-ticker"),
        ({"ticker": "A\x00"}, "invalid-ticker"),
        ({"month": "3"}, "unknown-filter"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(ask: Any, parameters: dict[str, str], code: str) -> None:
    answer = ask("pnl/", 400, **parameters).json()

    assert answer["code"] == code


def test_another_teams_account_is_none_of_this_team(by: Subscription, ask: Any, charlie: User) -> None:
    theirs = broker_rows.account(teams.found_team(owner=charlie, name="Theirs", now=NOON))
    dealt_elsewhere(theirs, minutes(0), 10, "10")
    making.make_due(NOON)

    assert ask("pnl/", 400, account=str(theirs.code)).json()["code"] == "no-account"
    assert ask("trades/").json()["results"] == []
    assert ask(f"trades/{Trade.objects.get().code}/", 404)


def test_the_answer_takes_as_many_queries_for_many_trades(
    by: Subscription, ask: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        dealt(by, minutes(number * 2), 10, "10")
        dealt(by, minutes(number * 2 + 1), -10, "11", role="exit")
    making.make_due(NOON)

    with django_assert_max_num_queries(24):
        ask("pnl/", by="strategy")
    with django_assert_max_num_queries(8):
        ask("trades/")
