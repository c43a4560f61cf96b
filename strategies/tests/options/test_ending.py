"""Options on their last days: the dashboard warns of them, and a subscription closes them before they end."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.feed.needs import needs_of
from accounts.models import Team
from brokers.domain.contracts.combos import number_of
from brokers.domain.contracts.options import days_of_trade_left, named
from brokers.models import BrokerageAccount, Closing, Order
from brokers.rulebook.products import option_ends
from brokers.tests import rows as broker_rows
from strategies.control import ending
from strategies.control.ending import close_ending, ends_at
from strategies.domain.message.symbols import Kind
from strategies.models import Subscription, TermsVersion
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.lookups import knows

# A Friday with an option's last day; four in New York is nine in UTC.
LAST_DAY = "2026-12-18"
OPTION, CONID = "SPY 261218C640", 77


def at(text: str, day: str = LAST_DAY) -> datetime:
    return datetime.fromisoformat(f"{day}T{text}+00:00")


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return broker_rows.account(team, book_as_of=at("20:44"))


def held(
    account: BrokerageAccount,
    ticker: str = OPTION,
    quantity: int = 2,
    conid: int = CONID,
    asset_class: str = "option",
) -> None:
    broker_rows.position(account, conid=conid, ticker=ticker, asset_class=asset_class, quantity=Decimal(quantity))


def following(
    team: Team,
    account: BrokerageAccount,
    minutes: int | None,
    *,
    name: str = "Options",
    ticker: str = OPTION,
    conid: int = CONID,
    quantity: int = 2,
    asset_class: str = "option",
) -> Subscription:
    """A subscription whose entry has filled in the option: bought, or sold where the quantity is below zero."""
    now = at("15:00")
    strategy = strategies.create_strategy(team=team, actor=None, name=name, asset_class=Kind.OPTION, now=now)
    made = rows.subscription(strategy, account, now, close_ending_minutes=minutes)
    _, ticket = rows.accepted(rows.signal(strategy, now), made, now)
    Order.objects.filter(ticket=ticket).delete()
    broker_rows.order(
        ticket,
        ticker=ticker,
        asset_class=asset_class,
        conid=conid,
        side="buy" if quantity > 0 else "sell",
        quantity=abs(quantity),
        filled_quantity=abs(quantity),
        status="filled",
    )
    return made


@pytest.mark.parametrize(
    ("today", "left"),
    [("2026-12-16", None), ("2026-12-17", 1), ("2026-12-18", 0), ("2026-12-19", None)],
)
def test_the_days_of_trade_that_are_left(today: str, left: int | None) -> None:
    name = named(OPTION)
    assert name is not None
    assert days_of_trade_left(name.expiry, date.fromisoformat(today)) == left


def test_over_a_weekend_the_day_before_is_a_friday() -> None:
    name = named("SPY 261221C640")
    assert name is not None
    assert [days_of_trade_left(name.expiry, date(2026, 12, day)) for day in range(16, 22)] == [None, None, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("ticker", "ends"),
    [
        (OPTION, "21:00"),
        ("SPXW 261218C6400", "21:00"),
        ("SPY 261221C640", None),
        # On a future: with it at the open, at the close of the shares, or at the venue's own time.
        ("ESZ2026 261218C6400", "14:30"),
        ("ESH2027 261218C6400", "21:00"),
        ("CLG2027 261218C70", "19:30"),
        ("GCG2027 261218C4100", "18:30"),
        # Of what is not known here none ends before the open.
        ("ZNH2027 261218C110", "14:30"),
        ("HGH2027 261218C4", "18:00"),
        ("ESZ2026 261221C6400", None),
        ("AAPL", None),
    ],
)
def test_when_trade_ends_today(ticker: str, ends: str | None) -> None:
    assert ends_at(ticker, at("15:00")) == (at(ends) if ends else None)


def test_where_the_third_friday_is_a_holiday_the_day_before_is_the_last_of_the_future() -> None:
    # Juneteenth, observed on Friday.
    assert ends_at("ESM2027 270617C6400", at("13:00", "2027-06-17")) == at("13:30", "2027-06-17")
    assert ends_at("ESU2027 270617C6400", at("13:00", "2027-06-17")) == at("20:00", "2027-06-17")


def test_on_a_half_day_it_ends_earlier() -> None:
    assert ends_at("SPY 261127C640", at("15:00", "2026-11-27")) == at("18:00", "2026-11-27")


@pytest.mark.parametrize(
    ("root", "half", "whole"),
    [
        ("ES", time(13, 15), time(16)),
        ("CL", time(13, 45), time(14, 30)),
        ("GC", time(13, 30), time(13, 30)),
        ("ZN", None, None),
    ],
)
def test_options_on_futures_have_half_days_of_their_own(root: str, half: time | None, whole: time | None) -> None:
    ends = [option_ends.of_root(root, date(2026, 11, day), with_future=False) for day in (27, 30)]
    assert ends == [half, whole]


@pytest.mark.django_db
def test_the_dashboard_warns_on_the_last_two_days(team: Team, account: BrokerageAccount) -> None:
    held(account)
    held(account, "SPY 261218P600", -1, 78)
    held(account, "SPXW 261218C6400", 1, 79)
    held(account, "SPY 270115C640", 1, 80)
    held(account, "ESH2027 261218P6400", -1, 81, asset_class="future_option")

    def titles(moment: datetime) -> list[str]:
        return [need.title for need in needs_of(team, moment).rows if need.key.startswith("ending-")]

    assert titles(at("15:00", "2026-12-16")) == []
    assert f"SPY 18 Dec 2026 640 C in {account.account_id} ends on the next day of trading" in titles(
        at("15:00", "2026-12-17")
    )
    assert len(titles(at("15:00"))) == 4
    told = {need.title.split(" in ")[0]: need.text for need in needs_of(team, at("15:00")).rows}
    assert told["SPY 18 Dec 2026 640 C"].startswith(
        "2 held long: in the money it is exercised, and shares are bought at 640;"
    )
    assert told["SPY 18 Dec 2026 600 P"].startswith("1 written: in the money it is assigned, and shares are bought at")
    assert told["SPXW 18 Dec 2026 6400 C"].startswith("1 held long: in the money it is paid out in cash")
    assert told["ESH2027 18 Dec 2026 6400 P"].startswith(
        "1 written: in the money it is assigned, and ESH2027 is bought at 6400;"
    )
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
@pytest.mark.parametrize(
    ("ticker", "now", "wished"),
    [
        ("ESZ2026 261218C6400", "14:14", 0),
        ("ESZ2026 261218C6400", "14:15", 1),
        ("ESH2027 261218C6400", "14:15", 0),
        ("ESH2027 261218C6400", "20:45", 1),
        ("CLG2027 261218C70", "19:15", 1),
    ],
)
def test_one_on_a_future_is_closed_before_its_own_end(
    team: Team, account: BrokerageAccount, ticker: str, now: str, wished: int
) -> None:
    held(account, ticker, asset_class="future_option")
    following(team, account, 15, ticker=ticker, asset_class="future_option")
    assert close_ending(at(now)) == wished
    assert Closing.objects.filter(asset_class="future_option").count() == wished


HIGH = 78
COMBO = number_of(CONID, HIGH)


def in_combo(team: Team, account: BrokerageAccount, long: int = 2) -> None:
    """Two combos that a subscription with the setting has bought, and what is held of their legs."""
    held(account, OPTION, long, CONID)
    held(account, "SPY 261218C650", -2, HIGH)
    following(team, account, 15, ticker="SPY 261218C640/650", conid=COMBO)


@pytest.mark.django_db
def test_a_combo_is_closed_as_one_order_before_its_legs_end(team: Team, account: BrokerageAccount) -> None:
    in_combo(team, account)
    assert close_ending(at("20:44")) == 0
    assert close_ending(at("20:45")) == 1
    wish = Closing.objects.get()
    assert (wish.conid, wish.ticker, wish.quantity) == (COMBO, "SPY 261218C640/650", Decimal(2))
    assert wish.reason == "15 minutes before the end of its last day, by the terms of Options"
    assert close_ending(at("20:46")) == 0


@pytest.mark.django_db
def test_a_calendar_is_closed_whole_before_its_sooner_leg_ends(team: Team, account: BrokerageAccount) -> None:
    held(account, "SPY 270115C640", 2, CONID)
    held(account, OPTION, -2, HIGH)
    following(team, account, 15, ticker="SPY 270115/261218C640", conid=COMBO)
    assert close_ending(at("20:45")) == 1
    assert Closing.objects.get().conid == COMBO


@pytest.mark.django_db
def test_an_option_beside_a_combo_of_another_subscription_is_closed_before_it_ends(
    team: Team, account: BrokerageAccount
) -> None:
    in_combo(team, account, long=5)
    following(team, account, 15, name="Alone", quantity=3)
    assert close_ending(at("20:45")) == 2
    assert dict(Closing.objects.values_list("conid", "quantity")) == {CONID: 3, COMBO: 2}


@pytest.mark.django_db
def test_what_is_in_a_combo_is_not_closed_alone_before_it_ends(team: Team, account: BrokerageAccount) -> None:
    # The subscription of the combo closes nothing, and that of the option holds fewer than it has bought.
    held(account, OPTION, 3, CONID)
    held(account, "SPY 261218C650", -2, HIGH)
    following(team, account, None, ticker="SPY 261218C640/650", conid=COMBO)
    following(team, account, 15, name="Alone", quantity=3)
    assert close_ending(at("20:45")) == 1
    assert dict(Closing.objects.values_list("conid", "quantity")) == {CONID: 1}


@pytest.mark.django_db
def test_it_is_wished_once_at_a_time_and_says_by_whom(team: Team, account: BrokerageAccount) -> None:
    held(account)
    following(team, account, 15)
    assert close_ending(at("20:45")) == 1
    wish = Closing.objects.get()
    assert wish.reason == "15 minutes before the end of its last day, by the terms of Options"
    assert wish.quantity == 2
    assert close_ending(at("20:46")) == 0


@pytest.mark.django_db
def test_what_nobody_opened_here_is_let_be(team: Team, account: BrokerageAccount) -> None:
    held(account)
    assert close_ending(at("20:45")) == 0


@pytest.mark.django_db
def test_one_whose_terms_cannot_be_read_keeps_no_other_from_being_closed(team: Team, account: BrokerageAccount) -> None:
    for number in range(3):
        ticker, conid = f"SPY 261218C{640 + number}", CONID + number
        held(account, ticker, 2, conid)
        made = following(team, account, 15, name=f"Options {number}", ticker=ticker, conid=conid)
        if number == 0:
            TermsVersion.objects.filter(subscription=made).update(values={"of_another_release": 1})
    assert close_ending(at("20:45")) == 2
    assert set(Closing.objects.values_list("conid", flat=True)) == {CONID + 1, CONID + 2}


@pytest.mark.django_db
def test_only_what_subscriptions_with_the_setting_opened_is_closed(team: Team, account: BrokerageAccount) -> None:
    held(account, quantity=-14)
    first = following(team, account, 30, name="First", quantity=-1)
    # A later entry of another subscription, and one that is switched off, change nothing of it.
    following(team, account, None, name="Without", quantity=-2)
    Subscription.objects.filter(pk=first.pk).update(enabled=False)
    assert close_ending(at("20:30")) == 1
    assert Closing.objects.get().quantity == 1


@pytest.mark.django_db
def test_a_hedge_beside_what_was_closed_already_stays(team: Team, account: BrokerageAccount) -> None:
    held(account, quantity=10)
    made = following(team, account, 30)
    now = at("16:00")
    _, ticket = rows.accepted(rows.signal(made.strategy, now), made, now)
    broker_rows.order(
        ticket,
        ticker=OPTION,
        asset_class="option",
        conid=CONID,
        side="sell",
        role="exit",
        quantity=2,
        filled_quantity=2,
        status="filled",
    )
    assert close_ending(at("20:45")) == 0


@pytest.mark.django_db
def test_who_holds_an_option_that_ibkr_does_not_name_is_told_that_nothing_warns_of_its_end(
    team: Team, account: BrokerageAccount
) -> None:
    held(account, "EW1Z6 C6400", -1, 81, asset_class="future_option")
    held(account, "ESH2027 261218P6400", 1, 82, asset_class="future_option")
    # What is no option, or ends much later, is nobody's matter.
    held(account, "AAPL", 5, 84, asset_class="stock")
    held(account, "ESH2027 270115P6400", 1, 85, asset_class="future_option")
    said = [need for need in needs_of(team, at("15:00")).rows if need.key.startswith(("unnamed-", "ending-"))]
    titles = {need.title for need in said}
    assert titles == {
        f"Halyard cannot tell when EW1Z6 C6400 in {account.account_id} ends",
        f"ESH2027 18 Dec 2026 6400 P in {account.account_id} ends today",
    }
    told = next(need.text for need in said if need.key.startswith("unnamed-"))
    assert told.startswith("1 written: IBKR does not name all of this option, so nothing warns of its end")


@pytest.mark.django_db
def test_an_index_option_that_settles_at_an_open_is_closed_on_the_day_before(
    team: Team, account: BrokerageAccount
) -> None:
    # IBKR lists it by the Friday on which it settles; our order has the Thursday, its last day of trade.
    listed, own, thursday = "SPX 261218C6400", "SPX 261217C6400", "2026-12-17"
    held(account, listed)
    following(team, account, 15, ticker=own)
    assert close_ending(at("20:45", "2026-12-16")) == 0
    assert close_ending(at("20:45", thursday)) == 1
    Closing.objects.all().delete()
    assert close_ending(at("20:45")) == 0
    titles = [need.title for need in needs_of(team, at("15:00", thursday)).rows if need.key.startswith("ending-")]
    assert titles == [f"SPX 18 Dec 2026 6400 C in {account.account_id} ends today"]


@pytest.mark.django_db
def test_a_closing_that_failed_is_wished_again_while_time_is_left(team: Team, account: BrokerageAccount) -> None:
    held(account)
    following(team, account, 30)
    wished = []
    for minute in range(30, 60):
        wished.append(close_ending(at(f"20:{minute}")))
        Closing.objects.filter(status="open").update(status="failed", ended_at=at(f"20:{minute}"))
    # At most once a minute, and five times in all.
    assert (wished[:2], sum(wished)) == ([1, 1], 5)


@pytest.mark.django_db
@pytest.mark.parametrize(("now", "asks"), [("08:29", False), ("08:30", True), ("20:59", True), ("21:00", False)])
def test_the_look_asks_only_while_something_can_be_due(
    team: Team, account: BrokerageAccount, now: str, asks: bool
) -> None:
    held(account)
    following(team, account, 360)
    with CaptureQueriesContext(connection) as made:
        close_ending(at(now))
    assert bool(made) is asks


@pytest.mark.django_db
def test_only_teams_whose_terms_close_before_the_end_are_looked_at(team: Team, account: BrokerageAccount) -> None:
    held(account)
    made = following(team, account, None)
    assert not ending._may_end(at("20:50")).exists()
    other = rows.subscription(rows.strategy(team, at("15:00")), account, at("15:00"), close_ending_minutes=15)
    assert made.team_id == other.team_id
    assert ending._may_end(at("20:50")).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("held_as", "known"),
    [
        ("SPX 261218C6400", []),
        ("SPX 261218C6400", ["SPX 261217C6400"]),
        ("SPX 261217C6400", ["SPX 261217C6400"]),
        ("SPX 261217C6400", ["SPX 261218C6400", "SPX 261217C6400"]),
        ("SPX 261218C6400", ["SPX 261218C6400", "SPX 261217C6400"]),
    ],
)
def test_the_need_names_the_last_day_under_either_name(
    team: Team, account: BrokerageAccount, held_as: str, known: list[str]
) -> None:
    held(account, held_as)
    for ticker in known:
        knows(account.connection, at("15:00"), ticker, CONID, asset_class="option")

    def said(day: str) -> list[str]:
        needs = [need for need in needs_of(team, at("15:00", day)).rows if need.key.startswith("ending-")]
        return [need.title.partition(" ends ")[2] for need in needs]

    days = ("2026-12-15", "2026-12-16", "2026-12-17", "2026-12-18")
    assert [said(day) for day in days] == [[], ["on the next day of trading"], ["today"], []]
