"""Combos that have ended cost nothing: what is asked about those that are held reads these, however many there were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import QuerySet

from accounts.models import Team
from benchmarks.trading import history
from brokers.book import explained, live_book
from brokers.domain.contracts.combos import number_of
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import BrokerageAccount, Closing, ContractLookup, Order
from brokers.models.options import columns, combos
from brokers.orders import closing
from brokers.orders.closings import combos as closings
from brokers.orders.closings import own_orders
from brokers.tests import rows
from config.tests.history.probe import probing
from config.tests.history.test_history import as_large_tables_are_read

pytestmark = pytest.mark.django_db
D = Decimal
LOW, HIGH = 700_000_001, 700_000_002
NUMBER, NAME = number_of(LOW, HIGH), "SPY 261218C640/650"
# What ended on some of the days before, at one of some strikes; and how many rows a question may read beside its own.
ENDED, MOST = 1_000, 20


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """Of somebody who has bought a thousand combos that are over, and holds one."""
    made = rows.account(team, book_as_of=now)
    for conid, ticker, held in ((LOW, "SPY 261218C640", 2), (HIGH, "SPY 261218C650", -2), (NUMBER, NAME, 0)):
        ContractLookup.objects.create(
            connection=made.connection, ticker=ticker, asset_class="option", status="found", conid=conid,
            answered_at=now, multiplier=D(100),
        )  # fmt: skip
        if held:
            rows.position(made, conid=conid, ticker=ticker, asset_class="option", quantity=D(held))
    order = rows.order(
        made, conid=NUMBER, ticker=NAME, asset_class="option", quantity=D(2), filled_quantity=D(2), status="filled",
        filled_at=now, submitted_at=now, acknowledged_at=now, changed_at=now - timedelta(seconds=9),
    )  # fmt: skip
    columns = {
        "code": "gen_random_uuid()",
        "reference": "'ended-' || n",
        "broker_order_id": "'9' || n",
        "conid": "-(((800000000 + n)::bigint << 31) | (900000000 + n))",
        "ticker": "'SPY ' || to_char(date '2026-11-19' - (n % 300), 'YYMMDD') || 'C' || (300 + n) || '/' || (400 + n)",
        "changed_at": "r.changed_at - interval '1 day' * (1 + n % 300)",
    }
    history.copy(order, ENDED, columns)
    history.measure()
    return made


def look_at(account: BrokerageAccount, ticker: str, now: datetime) -> object:
    instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
    return live_book.load([(account, instrument)], now).view(account, instrument)


def wish(account: BrokerageAccount, now: datetime) -> Closing:
    return Closing.objects.create(
        team=account.team, account=account, conid=LOW, ticker="SPY 261218C640", asset_class="option", reason="asked",
        asked_at=now,
    )  # fmt: skip


ASKED: dict[str, Callable[[BrokerageAccount, datetime], object]] = {
    "a decision about the combo": lambda of, now: look_at(of, NAME, now),
    "a decision about a leg": lambda of, now: look_at(of, "SPY 261218C640", now),
    "the page of a leg": lambda of, now: closings.of_leg(of, LOW, "option", now),
    "what may fill in a leg": lambda of, now: list(own_orders.may_fill(wish(of, now))),
    "a step of a closing": lambda of, now: wish(of, now) and closing.work(now),
    "all numbers that move a leg": lambda of, now: combos.numbers_beside(of.pk, LOW),
    "what explains a change of a leg": lambda of, now: explained._told_by_orders(of, LOW, now - timedelta(days=1)),
}


@pytest.mark.parametrize("question", ASKED)
def test_a_thousand_combos_that_have_ended_are_read_by_nothing(
    account: BrokerageAccount, now: datetime, question: str
) -> None:
    account.refresh_from_db()
    with as_large_tables_are_read(), probing() as probe:
        ASKED[question](account, now)
    assert probe.reads
    assert not probe.beyond(MOST), "\n".join(map(str, probe.beyond(MOST)))


def test_the_probe_would_see_them(account: BrokerageAccount) -> None:
    with as_large_tables_are_read(), probing() as probe:
        assert Order.objects.filter(account=account, conid__lt=0).count() == ENDED + 1
    assert probe.beyond(ENDED)


def test_what_is_held_and_what_moves_a_leg_are_found_by_their_indexes(account: BrokerageAccount, now: datetime) -> None:
    since = columns.day(now)
    used: dict[str, QuerySet[Order, Any]] = {
        "combos_by_their_first_end": combos.sums([account.pk], since),
        "by combos_by_their_first_end": combos.ahead([account.pk], now, since),
        "combos_by_their_long_leg": combos.with_leg(account.pk, LOW),
        "combos_by_their_short_leg": combos.with_leg(account.pk, HIGH),
    }
    for index, question in used.items():
        with as_large_tables_are_read():
            plan = question.explain()
        assert index.split()[-1] in plan, plan


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=6)])
def test_a_combo_is_held_until_no_class_trades_its_first_leg_any_more(
    account: BrokerageAccount, now: datetime, ahead: timedelta
) -> None:
    last = now.replace(
        month=12, day=18
    )  # 10:00 in New York, and 16:00, a quarter of an hour before the last of them ends
    assert {place[1] for place in combos.load([account.pk], last + ahead)} == {LOW, HIGH}
    assert not combos.load([account.pk], last + timedelta(hours=7))
