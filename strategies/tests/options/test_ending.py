"""Options on their last days: the dashboard warns of them, and a subscription closes them before they end."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.feed.needs import needs_of
from accounts.models import Team
from brokers.domain.contracts.options import days_of_trade_left, named
from brokers.models import BrokerageAccount, Closing, Order
from brokers.tests import rows as broker_rows
from strategies.control.ending import close_ending, ends_at
from strategies.domain.message.symbols import Kind
from strategies.models import Subscription
from strategies.setup import strategies
from strategies.tests import rows

# A Friday with an option's last day; four in New York is nine in UTC.
LAST_DAY = "2026-12-18"
OPTION, CONID = "SPY 261218C640", 77


def at(text: str, day: str = LAST_DAY) -> datetime:
    return datetime.fromisoformat(f"{day}T{text}+00:00")


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return broker_rows.account(team, book_as_of=at("20:44"))


def held(account: BrokerageAccount, ticker: str = OPTION, quantity: int = 2, conid: int = CONID) -> None:
    broker_rows.position(account, conid=conid, ticker=ticker, asset_class="option", quantity=Decimal(quantity))


def following(team: Team, account: BrokerageAccount, minutes: int | None) -> Subscription:
    """A subscription whose entry has filled in the option."""
    now = at("15:00")
    strategy = strategies.create_strategy(team=team, actor=None, name="Options", asset_class=Kind.OPTION, now=now)
    made = rows.subscription(strategy, account, now, close_ending_minutes=minutes)
    _, ticket = rows.accepted(rows.signal(strategy, now), made, now)
    Order.objects.filter(ticket=ticket).delete()
    broker_rows.order(
        ticket, ticker=OPTION, asset_class="option", conid=CONID, quantity=2, filled_quantity=2, status="filled"
    )
    return made


@pytest.mark.parametrize(
    ("today", "left"),
    [("2026-12-16", None), ("2026-12-17", 1), ("2026-12-18", 0), ("2026-12-19", None)],
)
def test_the_days_of_trade_that_are_left(today: str, left: int | None) -> None:
    name = named(OPTION)
    assert name is not None
    assert days_of_trade_left(name, date.fromisoformat(today)) == left


def test_over_a_weekend_the_day_before_is_a_friday() -> None:
    name = named("SPY 261221C640")
    assert name is not None
    assert [days_of_trade_left(name, date(2026, 12, day)) for day in range(16, 22)] == [None, None, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("ticker", "ends"),
    [
        (OPTION, "21:00"),
        ("SPXW 261218C6400", "21:00"),
        ("SPY 261221C640", None),
        ("AAPL", None),
    ],
)
def test_when_trade_ends_today(ticker: str, ends: str | None) -> None:
    assert ends_at(ticker, at("15:00")) == (at(ends) if ends else None)


def test_on_a_half_day_it_ends_earlier() -> None:
    assert ends_at("SPY 261127C640", at("15:00", "2026-11-27")) == at("18:00", "2026-11-27")


@pytest.mark.django_db
def test_the_dashboard_warns_on_the_last_two_days(team: Team, account: BrokerageAccount) -> None:
    held(account)
    held(account, "SPY 261218P600", -1, 78)
    held(account, "SPXW 261218C6400", 1, 79)
    held(account, "SPY 270115C640", 1, 80)

    def titles(moment: datetime) -> list[str]:
        return [need.title for need in needs_of(team, moment).rows if need.key.startswith("ending-")]

    assert titles(at("15:00", "2026-12-16")) == []
    assert f"SPY 18 Dec 2026 640 C in {account.account_id} ends on the next day of trading" in titles(
        at("15:00", "2026-12-17")
    )
    assert len(titles(at("15:00"))) == 3
    told = {need.title.split(" in ")[0]: need.text for need in needs_of(team, at("15:00")).rows}
    assert told["SPY 18 Dec 2026 640 C"].startswith(
        "2 held long: in the money it is exercised, and shares are bought at 640;"
    )
    assert told["SPY 18 Dec 2026 600 P"].startswith("1 written: in the money it is assigned, and shares are bought at")
    assert told["SPXW 18 Dec 2026 6400 C"].startswith("1 held long: in the money it is paid out in cash")
    # Deep in the night of the next day it is not said any more.
    assert titles(at("15:00", "2026-12-19")) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "now", "wished"), [(15, "20:44", 0), (15, "20:45", 1), (None, "20:59", 0)])
def test_a_subscription_closes_it_so_many_minutes_before_its_end(
    team: Team, account: BrokerageAccount, minutes: int | None, now: str, wished: int
) -> None:
    held(account)
    following(team, account, minutes)
    assert close_ending(at(now)) == wished
    assert [(wish.ticker, wish.conid) for wish in Closing.objects.all()] == [(OPTION, CONID)] * wished


@pytest.mark.django_db
def test_it_is_wished_once_a_day_and_says_by_whom(team: Team, account: BrokerageAccount) -> None:
    held(account)
    following(team, account, 15)
    assert close_ending(at("20:45")) == 1
    wish = Closing.objects.get()
    assert wish.reason == "15 minutes before the end of its last day, by the terms of Options"
    Closing.objects.update(status="done", ended_at=at("20:46"))
    assert close_ending(at("20:47")) == 0


@pytest.mark.django_db
def test_what_nobody_opened_here_or_a_subscription_that_is_off_is_let_be(team: Team, account: BrokerageAccount) -> None:
    held(account)
    assert close_ending(at("20:45")) == 0
    made = following(team, account, 15)
    Subscription.objects.filter(pk=made.pk).update(enabled=False)
    assert close_ending(at("20:45") + timedelta(minutes=1)) == 0
