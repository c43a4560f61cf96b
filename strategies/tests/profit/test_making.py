"""Trades made anew of executions: what is noted, what is made, and what stays as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from accounts import teams
from accounts.models import Team, User
from brokers.book import holdings
from brokers.domain.actions.reading import State
from brokers.domain.brokerage import PositionFacts
from brokers.models import (
    BrokerageAccount,
    ContractLookup,
    CorporateAction,
    ExchangeRate,
    Execution,
    FillChange,
    FillRate,
    FirstHolding,
    Order,
)
from brokers.postgres.locks import Space, direct_parameters
from brokers.tests import rows as broker_rows
from strategies.control import adoptions
from strategies.models import ProfitDay, Subscription, Trade, TradePart
from strategies.profit import making
from strategies.tests import rows
from strategies.tests.profit.scenes import AAPL, dealt, dealt_elsewhere

pytestmark = pytest.mark.django_db
D = Decimal
# A Monday, noon in New York.
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)


@pytest.fixture
def by(team: Team) -> Subscription:
    return rows.subscription(rows.strategy(team, NOON), broker_rows.account(team), NOON)


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def made(now: datetime = NOON) -> list[Trade]:
    making.make_due(now)
    return list(Trade.objects.order_by("opened_at", "pk"))


def test_two_fills_become_one_trade(by: Subscription) -> None:
    bought = dealt(by, minutes(0), 100, "10.10", signal_price=D(10))
    sold = dealt(by, minutes(30), -100, "11", role="exit", signal_price=D("11.02"))

    (trade,) = made()

    assert bought.order is not None
    assert (trade.status, trade.owner, trade.side, trade.ticker) == ("closed", "subscription", "buy", "AAPL")
    assert (trade.subscription, trade.strategy, trade.signal) == (by, by.strategy, bought.order.ticket.decision.signal)
    assert (trade.entry_price, trade.exit_price, trade.entered, trade.exited) == (D("10.1"), D(11), D(100), D(100))
    assert (trade.realized, trade.fees, trade.profit_home, trade.home_currency) == (D(90), D(2), D(88), "USD")
    assert (trade.opened_at, trade.closed_at) == (minutes(0), minutes(30))
    assert (trade.signal_price, trade.slippage, trade.latency_ms) == (D(10), D(12), 250)
    assert (trade.rate, trade.rate_as_of, trade.fees_missing) == (None, None, 0)
    parts = trade.parts.order_by("execution_id")
    assert [(part.execution, part.is_entry, part.units, part.realized) for part in parts] == [
        (bought, True, D(100), None),
        (sold, False, D(100), D(90)),
    ]
    (day,) = ProfitDay.objects.all()
    assert (day.day, day.realized_home, day.fees_home, day.fills) == (date(2026, 3, 2), D(90), D(2), 2)
    assert not FillChange.objects.exists()


def test_nothing_is_made_of_what_has_not_changed(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "10")
    made()

    assert making.make_due(NOON) == 0


def test_a_late_fee_changes_the_trade_and_not_its_address(by: Subscription) -> None:
    bought = dealt(by, minutes(0), 100, "10", fee=None)
    (before,) = made()

    Execution.objects.filter(pk=bought.pk).update(fee=D("1.25"))
    (after,) = made()

    assert (before.fees, before.fees_missing) == (D(0), 1)
    assert (after.pk, after.code, after.fees, after.fees_missing) == (before.pk, before.code, D("1.25"), 0)


def test_a_correction_a_day_later_changes_the_day_of_the_fill(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "10")
    sold = dealt(by, minutes(1), -100, "11", role="exit")
    tomorrow = NOON + timedelta(days=1)
    dealt(by, tomorrow, 100, "10")
    dealt(by, tomorrow + timedelta(minutes=1), -100, "12", role="exit")
    made(tomorrow)
    other = Trade.objects.get(opened_at=tomorrow)

    Execution.objects.filter(pk=sold.pk).update(price=D("11.50"), revision=2)
    made(tomorrow)

    days = ProfitDay.objects.order_by("day").values_list("day", "realized")
    assert list(days) == [(date(2026, 3, 2), D(150)), (date(2026, 3, 3), D(200))]
    assert Trade.objects.get(pk=other.pk).fingerprint == other.fingerprint


def test_a_late_fill_joins_the_trade_it_belongs_to(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "10")
    dealt(by, minutes(9), -150, "12", role="exit")
    assert [trade.status for trade in made()] == ["closed", "unseen"]

    dealt(by, minutes(1), 50, "10")
    (trade,) = made()

    assert (trade.status, trade.realized, trade.entered) == ("closed", D(300), D(150))


def test_a_fill_that_is_given_to_its_order_becomes_the_subscriptions(by: Subscription) -> None:
    stray = dealt_elsewhere(by.account, minutes(0), 10, "10")
    assert [trade.owner for trade in made()] == ["elsewhere"]
    order = dealt(by, minutes(60), 10, "10").order

    Execution.objects.filter(pk=stray.pk).update(order=order)
    (trade,) = made()

    assert (trade.owner, trade.entered) == ("subscription", D(20))


def test_what_is_closed_elsewhere_ends_the_trade(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "10")
    dealt_elsewhere(by.account, minutes(5), -100, "12")

    (trade,) = made()

    assert (trade.owner, trade.status, trade.realized) == ("subscription", "closed", D(200))


def test_trades_elsewhere_stand_apart(by: Subscription) -> None:
    broker_rows.position(by.account, quantity=D(10), market_price=D(12))
    dealt_elsewhere(by.account, minutes(0), 10, "10")

    (trade,) = made()

    assert (trade.owner, trade.subscription, trade.strategy, trade.signal) == ("elsewhere", None, None, None)
    assert (trade.left, trade.average, trade.multiplier) == (D(10), D(10), D(1))


def looked_at(account: BrokerageAccount, quantity: int, at: datetime) -> None:
    """IBKR's list of positions, which is not the first one where there was one before."""
    held = PositionFacts(
        account_id=account.account_id,
        conid=AAPL,
        ticker="AAPL",
        asset_class="stock",
        quantity=D(quantity),
        average_cost=D(10),
    )
    holdings.refresh(account, positions=[held] if quantity else [], summary=None, as_of=at)


def test_what_was_held_before_the_account_was_watched_is_sold_without_a_profit(by: Subscription) -> None:
    """It opened a short trade, whose profit was invented."""
    looked_at(by.account, 100, minutes(-60))
    looked_at(by.account, 70, minutes(-30))
    assert [(row.conid, row.quantity) for row in FirstHolding.objects.all()] == [(AAPL, D(100))]
    dealt_elsewhere(by.account, minutes(0), -60, "10")
    (sold,) = made()
    assert (sold.status, sold.side, sold.exited, sold.realized) == ("unseen", "buy", D(60), None)
    # A day later the rest, and forty more: these are short.
    tomorrow = NOON + timedelta(days=1)
    dealt_elsewhere(by.account, tomorrow, -80, "9")
    _, rest, short = made(tomorrow)
    assert (rest.status, rest.exited) == ("unseen", D(40))
    assert (short.status, short.side, short.entered, short.left) == ("open", "sell", D(40), D(40))
    assert sum(day.unseen for day in ProfitDay.objects.all()) == 2


def test_pounds_and_pence_of_fills_elsewhere_are_brought_to_what_the_contract_is_in(by: Subscription) -> None:
    """Bought at 2.50 pounds and sold at 260 pence it made a hundred times as much as was paid."""
    ContractLookup.objects.create(
        connection=by.account.connection, ticker="LSE:VOD", asset_class="stock", status="found", conid=7, currency="GBP",
        multiplier=D("0.01"), last=D(255), increments=[], asked_at=NOON,
    )  # fmt: skip
    dealt_elsewhere(by.account, minutes(0), 100, "2.50", conid=7, ticker="VOD")
    dealt_elsewhere(by.account, minutes(1), -100, "260", conid=7, ticker="VOD")
    (trade,) = made()
    assert (trade.entry_price, trade.exit_price, trade.realized) == (D(250), D(260), D(10))


def test_money_of_a_contract_is_not_told_where_nobody_knows_what_a_point_is_worth(by: Subscription) -> None:
    dealt_elsewhere(by.account, minutes(0), 1, "10", conid=7, ticker="XYZ")
    dealt_elsewhere(by.account, minutes(1), -1, "11", conid=7, ticker="XYZ")

    (trade,) = made()

    assert (trade.multiplier, trade.realized, trade.profit_home, trade.fees) == (None, None, None, D(2))
    assert ProfitDay.objects.get().realized is None


def test_a_split_is_no_profit(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "400")
    made()
    split = CorporateAction.objects.create(
        team=by.team,
        account=by.account,
        ticker="AAPL",
        conid_before=AAPL,
        conid=930000001,
        quantity_before=D(100),
        quantity=D(400),
        new=4,
        old=1,
        before_at=minutes(1),
        split_at=minutes(2),
        seen_at=minutes(3),
        state=str(State.KNOWN),
    )
    making.note(by.account.pk, split.conid, split.before_at)
    dealt(by, minutes(9), -400, "110", role="exit", conid=930000001)

    (trade,) = made()

    assert (trade.conid, trade.entered, trade.entry_price, trade.realized) == (930000001, D(400), D(100), D(4000))


def test_a_profit_in_another_currency_keeps_the_rate_of_its_fills(by: Subscription) -> None:
    rate = ExchangeRate.objects.create(
        connection=by.account.connection, source="EUR", target="USD", rate=D("1.10"), as_of=minutes(0)
    )
    dealt(by, minutes(0), 100, "10", currency="EUR")
    made(minutes(0))
    ExchangeRate.objects.filter(pk=rate.pk).update(rate=D("1.20"), as_of=minutes(5))
    dealt(by, minutes(5), -100, "12", role="exit", currency="EUR")
    made(minutes(5))
    ExchangeRate.objects.filter(pk=rate.pk).update(rate=D("9"), as_of=minutes(60))

    assert making.make_all(by.team_id, minutes(60)) == 1
    trade = Trade.objects.get()

    assert (trade.realized, trade.realized_home, trade.fees_home) == (D(200), D(240), D("2.3"))
    assert (trade.profit_home, trade.rate, trade.rate_as_of) == (D("237.7"), D("1.2"), minutes(5))
    assert FillRate.objects.count() == 2


def test_without_a_rate_a_profit_stands_in_its_own_currency_until_there_is_one(
    by: Subscription, django_capture_on_commit_callbacks: Any
) -> None:
    dealt(by, minutes(0), 100, "10", currency="EUR")
    dealt(by, minutes(1), -100, "12", role="exit", currency="EUR")
    with django_capture_on_commit_callbacks(execute=True):
        (before,) = made(minutes(2))
    asked = ExchangeRate.objects.get()
    ExchangeRate.objects.filter(pk=asked.pk).update(rate=D("1.10"), as_of=minutes(2), wanted_at=None)

    assert making.make_due(minutes(2)) == 0, "it waits for a minute"
    (after,) = made(minutes(3))

    assert (before.realized, before.realized_home, before.profit_home) == (D(200), None, None)
    assert (asked.source, asked.target, asked.wanted_at) == ("EUR", "USD", minutes(2))
    assert (after.profit_home, after.code) == (D("217.8"), before.code)
    assert not FillChange.objects.exists()


def test_a_fill_of_long_ago_is_not_counted_at_the_rate_of_today(by: Subscription) -> None:
    dealt(by, minutes(0), 100, "10", currency="EUR")
    later = NOON + timedelta(days=3)
    ExchangeRate.objects.create(
        connection=by.account.connection, source="EUR", target="USD", rate=D("1.10"), as_of=later
    )

    (trade,) = made(later)

    assert trade.fees_home is None
    assert not FillChange.objects.exists()


def test_an_adopted_order_counts_for_whom_a_person_names(by: Subscription) -> None:
    ticket = broker_rows.ticket(by.account, adopted_at=minutes(0))
    broker_rows.execution(broker_rows.order(ticket, role="entry"), executed_at=minutes(0))
    assert [trade.owner for trade in made()] == ["hand"]

    adoptions.choose(order=Order.objects.get(), subscription=by.code, actor=None, now=minutes(5))
    (trade,) = made()

    assert (trade.owner, trade.subscription) == ("subscription", by)


def test_what_a_person_closes_in_halyard_ends_the_trade_of_the_subscription(by: Subscription) -> None:
    dealt(by, minutes(0), 10, "10")
    order = broker_rows.order(broker_rows.ticket(by.account), role="exit", side="sell")
    broker_rows.execution(order, price=D(9), executed_at=minutes(4))

    (trade,) = made()

    assert (trade.owner, trade.status, trade.realized) == ("subscription", "closed", D(-10))


def test_only_what_has_changed_is_read_again(by: Subscription) -> None:
    """What is made anew begins with the day of the change, where nothing was held over its midnight."""
    dealt(by, NOON - timedelta(days=9), 10, "10")
    dealt(by, NOON - timedelta(days=9), -10, "11", role="exit")
    dealt(by, NOON - timedelta(days=1), 10, "10")
    made()
    held = NOON - timedelta(days=1)

    assert making._beginning(by.account.pk, [AAPL], NOON) == held.replace(hour=5)
    assert making._beginning(by.account.pk, [AAPL], NOON - timedelta(days=4)) == (NOON - timedelta(days=4)).replace(
        hour=5
    )


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_make_the_trades_of_one_account_at_once(by: Subscription) -> None:
    dealt(by, minutes(0), 10, "10")
    with psycopg.connect(**direct_parameters()) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [int(Space.TRADES), by.account.pk])
        assert making.make_due(NOON) == 0
        # A session that ends gives its locks back a moment later.
        other.execute("SELECT pg_advisory_unlock(%s, %s)", [int(Space.TRADES), by.account.pk])
    assert making.make_due(NOON) == 1
    assert Trade.objects.count() == 1


def test_one_contract_that_fails_keeps_no_other_from_its_turn(
    by: Subscription, caplog: pytest.LogCaptureFixture
) -> None:
    broken = dealt(by, minutes(0), 10, "10", conid=1)
    # No such price is ever kept, and a column of a trade cannot hold what it makes.
    Order.objects.filter(executions=broken).update(conid=1)
    Execution.objects.filter(pk=broken.pk).update(quantity=D(10) ** 15, price=D(10) ** 15)
    dealt(by, minutes(0), 10, "10")

    assert making.make_due(NOON) == 1
    assert Trade.objects.get().conid == AAPL
    assert "Trades of contract 1 in account" in caplog.text
    assert making.make_due(NOON) == 0
    assert all(waiting.due_at is not None for waiting in FillChange.objects.all())


def test_teams_wait_in_turn(team: Team, charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = broker_rows.account(team)
    for conid in range(1, 40):
        dealt_elsewhere(ours, minutes(conid), 1, "10", conid=conid)
    theirs = broker_rows.account(teams.found_team(owner=charlie, name="Theirs", now=NOON))
    dealt_elsewhere(theirs, minutes(0), 1, "10", conid=99)
    monkeypatch.setattr(making, "_MOST", 2)

    assert making.make_due(NOON) == 2

    assert set(Trade.objects.values_list("team_id", flat=True)) == {ours.team_id, theirs.team_id}


def test_a_look_ends_when_its_time_is_over(team: Team) -> None:
    ours = broker_rows.account(team)
    for conid in range(1, 4):
        dealt_elsewhere(ours, minutes(conid), 1, "10", conid=conid)

    assert [making.make_due(NOON, seconds=0) for _ in range(4)] == [1, 1, 1, 0]


def test_the_command_makes_all_anew(by: Subscription, capsys: pytest.CaptureFixture[str]) -> None:
    dealt(by, minutes(0), 100, "10")
    dealt(by, minutes(1), -100, "11", role="exit")
    made()
    code = Trade.objects.get().code
    Trade.objects.update(realized=D(5), realized_home=D(5), profit_home=D(3), fingerprint="stale")
    ProfitDay.objects.all().delete()

    call_command("rebuild_trades", team=str(by.team.code))

    trade = Trade.objects.get()
    assert (trade.realized, trade.code) == (D(100), code)
    assert (ProfitDay.objects.count(), TradePart.objects.count()) == (1, 2)
    assert capsys.readouterr().out == "The trades of 1 contract were made anew.\n"


@pytest.mark.parametrize("code", ["nothing", "7f1a0f3e-0000-4000-8000-000000000000"])
def test_the_command_knows_no_other_team(code: str) -> None:
    with pytest.raises(CommandError, match="There is no team"):
        call_command("rebuild_trades", team=code)


def test_an_account_in_another_currency_has_its_own(by: Subscription) -> None:
    BrokerageAccount.objects.filter(pk=by.account.pk).update(currency="EUR")
    ExchangeRate.objects.create(
        connection=by.account.connection, source="USD", target="EUR", rate=D("0.9"), as_of=minutes(1)
    )
    dealt(by, minutes(0), 100, "10")
    dealt(by, minutes(1), -100, "11", role="exit")

    (trade,) = made(minutes(1))

    assert (trade.home_currency, trade.profit_home) == ("EUR", D("88.2"))
