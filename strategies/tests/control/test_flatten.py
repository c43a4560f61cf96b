"""Positions closed by the clock: what is closed and canceled at each level, once, and what a person sees of it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.feed.needs import needs_of
from accounts.models import AuditEntry, Team, User
from accounts.tests.api.client import Api
from brokers.models import BrokerageAccount, Closing, Order
from brokers.tests import rows as broker_rows
from strategies.control import flatten
from strategies.control.limits import GuardRefused
from strategies.domain.clockwork import Schedule
from strategies.models import FlattenRule, FlattenRun, Guard, Subscription
from strategies.tests import rows
from strategies.tests.control.test_halt import working
from strategies.tests.lookups import knows

pytestmark = pytest.mark.django_db
# A Tuesday; shares close at nine in the evening, UTC.
CLOSE = datetime(2026, 12, 1, 21, tzinfo=UTC)
DUE = CLOSE - timedelta(minutes=15)
BEFORE = Schedule(minutes_before_close=15)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=DUE, equity=Decimal(1000))
    knows(made.connection, DUE)
    return made


@pytest.fixture
def by(team: Team, account: BrokerageAccount) -> Subscription:
    return rows.subscription(rows.strategy(team, DUE), account, DUE, allow_add=True)


def every_day(team: Team, target: Any = None, wanted: Schedule | None = BEFORE, at: datetime = DUE) -> Guard:
    return flatten.set_schedule(team=team, target=target, wanted=wanted, actor=None, now=at - timedelta(hours=1))


def wished() -> set[tuple[int, str]]:
    return set(Closing.objects.values_list("conid", "reason"))


REASON = "By the clock, 15 minutes before US shares close."


def test_at_its_time_all_is_closed_once_and_what_would_open_is_canceled(team: Team, by: Subscription) -> None:
    entry = working(by, DUE, conid=7, ticker="MSFT")
    broker_rows.position(by.account, conid=265598, quantity=Decimal(10))
    every_day(team, by.account)
    assert flatten.run_due(DUE - timedelta(seconds=1)) == 0
    assert [flatten.run_due(DUE + timedelta(seconds=each)) for each in (0, 5, 600)] == [1, 0, 0]
    assert wished() == {(265598, REASON)}
    entry.refresh_from_db()
    assert entry.status == "pending_cancel"
    run = FlattenRun.objects.get()
    assert (run.due_at, run.status, run.closing, run.canceled) == (DUE, "begun", 1, 1)
    assert AuditEntry.objects.filter(action="guard.flattened", actor=None).count() == 1
    # Trading goes on with the next signal.
    assert Guard.objects.get().halt == "nothing"
    tomorrow = DUE + timedelta(days=1)
    assert flatten.run_due(tomorrow) == 1
    assert FlattenRun.objects.count() == 2


@pytest.mark.parametrize("level", ["team", "account", "strategy", "subscription"])
def test_each_level_closes_what_is_its_own(team: Team, by: Subscription, level: str) -> None:
    _, ticket = rows.accepted(rows.signal(by.strategy, DUE), by, DUE)
    broker_rows.order(ticket, conid=265598, status="filled", filled_quantity=Decimal(10))
    other = broker_rows.account(team, by.account.connection, account_id="U7654321", book_as_of=DUE)
    broker_rows.position(by.account, conid=265598, quantity=Decimal(10))
    broker_rows.position(by.account, conid=8, ticker="SPY", quantity=Decimal(1))
    broker_rows.position(other, conid=9, ticker="QQQ", quantity=Decimal(1))
    targets = {"team": None, "account": by.account, "strategy": by.strategy, "subscription": by}
    every_day(team, targets[level])
    assert flatten.run_due(DUE) == 1
    closed = {"team": {265598, 8, 9}, "account": {265598, 8}, "strategy": {265598}, "subscription": {265598}}
    assert {conid for conid, _ in wished()} == closed[level]


def test_who_was_away_closes_nothing_later_and_a_need_says_so(team: Team, by: Subscription) -> None:
    broker_rows.position(by.account, conid=265598, quantity=Decimal(10))
    every_day(team, by.account)
    late = CLOSE + timedelta(minutes=1)
    assert [flatten.run_due(late), flatten.run_due(late)] == [0, 0]
    assert not Closing.objects.exists()
    assert FlattenRun.objects.get(due_at=DUE).status == "missed"
    (need,) = [each for each in needs_of(team, late).rows if each.key.startswith("flatten-")]
    assert need.title == f"Positions were not closed by the clock: {by.account.account_id}"
    assert need.href.endswith("#flatten")
    assert not [each for each in needs_of(team, late + timedelta(days=1)).rows if each.key.startswith("flatten-")]


def test_what_came_before_it_was_set_is_nobodys_wish(team: Team, by: Subscription) -> None:
    flatten.set_schedule(team=team, target=None, wanted=BEFORE, actor=None, now=DUE + timedelta(seconds=30))
    assert flatten.run_due(DUE + timedelta(minutes=1)) == 0
    assert flatten.run_due(CLOSE + timedelta(minutes=1)) == 0
    assert not FlattenRun.objects.exists()


def test_one_that_fails_keeps_no_other_from_being_closed(
    team: Team, by: Subscription, charlie: User, caplog: pytest.LogCaptureFixture
) -> None:
    every_day(team, by.account)
    # A zone that this machine does not know any more.
    broken = every_day(team, by.strategy, Schedule(at=time(15, 45), zone="America/New_York"))
    FlattenRule.objects.filter(guard=broken).update(zone="Atlantis/Deep")
    assert flatten.run_due(DUE) == 1
    assert "Atlantis" in caplog.text


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Schedule(minutes_before_close=0), "minutes"),
        (Schedule(minutes_before_close=361), "minutes"),
        (Schedule(minutes_before_close=5, days=frozenset()), "days"),
        (Schedule(minutes_before_close=5, days=frozenset({7})), "days"),
        (Schedule(at=None, zone="America/New_York"), "at"),
        (Schedule(at=time(15), zone="Mars/Olympus"), "zone"),
        (Schedule(at=time(15), zone="../etc/passwd"), "zone"),
    ],
)
def test_what_is_no_schedule_is_refused_in_a_sentence(team: Team, wanted: Schedule, field: str) -> None:
    with pytest.raises(GuardRefused) as refused:
        every_day(team, None, wanted)
    assert refused.value.field == field
    assert str(refused.value).endswith(".")


# On the page ----------------------------------------------------------------------------------------------------------


def address(by: Subscription) -> str:
    return f"/teams/{by.team.code}/guards/account/{by.account.code}/"


def test_a_person_sets_it_reads_it_and_takes_it_away(client: Client, alice: User, bob: User, by: Subscription) -> None:
    client.force_login(alice)
    sent = {"what": "flatten", "when": "before", "minutes": "20", "days": ["0", "4"]}
    page = client.post(address(by), sent, follow=True)
    assert "Monday and Friday, 20 minutes before US shares close: set." in page.text
    assert "Closed by the clock: Monday and Friday, 20 minutes before US shares close." in page.text
    assert "20 minutes before the close" in page.text
    rule = FlattenRule.objects.get()
    assert (rule.minutes_before_close, rule.days, rule.set_by) == (20, 0b10001, alice)
    sent = {"what": "flatten", "when": "at", "at": "15:50", "zone": "America/New_York", "days": ["4"]}
    client.post(address(by), sent)
    rule.refresh_from_db()
    assert (rule.minutes_before_close, rule.at, rule.zone) == (None, time(15, 50), "America/New_York")
    page = client.post(address(by), {**sent, "zone": "Mars/Olympus"})
    assert "Choose a time zone by its name" in page.text
    client.post(address(by), {"what": "flatten", "when": ""})
    assert not FlattenRule.objects.exists()
    client.force_login(bob)
    assert client.post(address(by), sent).status_code == 403
    assert 'name="what" value="flatten"' not in client.get(address(by)).text


def test_the_page_shows_what_came_of_it(client: Client, alice: User, team: Team, by: Subscription) -> None:
    broker_rows.position(by.account, conid=265598, quantity=Decimal(10))
    guard = every_day(team, by.account)
    flatten.run_due(DUE)
    FlattenRun.objects.create(guard=guard, due_at=DUE - timedelta(days=1), at=DUE, status="missed")
    client.force_login(alice)
    page = client.get(address(by)).text
    assert "1 position closed, 0 orders canceled." in page
    assert "Missed: Halyard did not run then, and nothing was closed." in page
    assert Order.objects.filter(role="exit").count() == 1


def test_the_card_of_a_level_says_it(client: Client, alice: User, team: Team, by: Subscription) -> None:
    every_day(team, by.account, Schedule(at=time(15, 50), zone="America/New_York", days=frozenset({4})))
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/guards/").text
    assert "Closed by the clock: Friday, at 15:50 in New York." in page


# By program -----------------------------------------------------------------------------------------------------------


def test_a_program_sets_it_and_reads_it(team: Team, alice: User, by: Subscription) -> None:
    api = Api(team, alice, "trade")
    path = f"guards/account/{by.account.code}/"
    assert api.get(path)["flatten"] is None
    answer = api.post(f"{path}flatten/", minutes_before_close=10, days=[0, 4])
    assert answer.status_code == 200
    assert api.get(path)["flatten"] == {"minutes_before_close": 10, "days": [0, 4]}
    api.post(f"{path}flatten/", at="15:50", zone="America/New_York")
    assert api.get(path)["flatten"] == {"at": "15:50", "zone": "America/New_York", "days": [0, 1, 2, 3, 4]}
    for body, status, code in (
        ({"minutes_before_close": 10, "zone": "UTC"}, 409, "schedule-of-two-kinds"),
        ({"at": "15:50", "zone": "Mars/Olympus"}, 409, "no-such-schedule"),
        ({}, 409, "no-such-schedule"),
        ({"minutes_before_close": 361}, 400, "invalid-minutes_before_close"),
        ({"at": "25:00", "zone": "UTC"}, 400, "invalid-at"),
        ({"minutes_before_close": 5, "days": [7]}, 400, "invalid-days"),
    ):
        refused = api.post(f"{path}flatten/", **body)
        assert (refused.status_code, refused.json()["code"].replace("_", "-")) == (status, code.replace("_", "-")), body
