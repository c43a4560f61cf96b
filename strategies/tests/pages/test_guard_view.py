"""The pages of guards: who sees them, who may stop, who may resume, and what they say before anything is pressed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Role, Team, User
from brokers.book.day_ledger import day_start
from brokers.models import BrokerageAccount, Closing, OpeningPosition, Order
from brokers.tests import rows as broker
from strategies.control import limits
from strategies.models import Guard, Strategy, Subscription
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription(team: Team) -> Subscription:
    now = timezone.now()
    account = broker.account(team, book_as_of=now, equity=Decimal(1000), opened_at=day_start(now))
    return rows.subscription(rows.strategy(team, now), account, now)


@pytest.fixture
def trader(bob: User, team: Team) -> User:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    return bob


def path(team: Team, level: str = "team", code: Any = None, end: str = "") -> str:
    return f"/teams/{team.code}/guards/{level}/{code or team.code}/{end}"


def levels(subscription: Subscription) -> dict[str, Any]:
    return {
        "team": subscription.team.code,
        "account": subscription.account.code,
        "strategy": subscription.strategy.code,
        "subscription": subscription.code,
    }


def test_everybody_of_the_team_sees_them_and_nobody_else(
    client: Client, alice: User, bob: User, charlie: User, team: Team, subscription: Subscription
) -> None:
    pages = [f"/teams/{team.code}/guards/", *(path(team, *each) for each in levels(subscription).items())]
    for person, status in ((alice, 200), (bob, 200), (charlie, 404)):
        client.force_login(person)
        assert [client.get(page).status_code for page in pages] == [status] * 5


def test_a_viewer_stops_nothing_and_sets_nothing(
    client: Client, bob: User, charlie: User, team: Team, subscription: Subscription
) -> None:
    for person, status in ((bob, 403), (charlie, 404)):
        client.force_login(person)
        assert client.get(path(team, end="stop/")).status_code == status
        for end in ("", "stop/", "resume/", "unlock/"):
            fields = {"reason": "Why not", "how": "entries", "what": "limits", "max_quantity": "5"}
            assert client.post(path(team, end=end), fields).status_code == status
    assert not Guard.objects.exists()


@pytest.mark.parametrize(("level", "code"), [("planet", ""), ("account", ""), ("team", "account")])
def test_a_level_that_is_not_there_is_not_found(
    level: str, code: str, client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    other = subscription.account.code if code else subscription.strategy.code
    assert client.get(path(team, level, other)).status_code == 404


@pytest.mark.parametrize("level", ["team", "account", "strategy", "subscription"])
def test_a_trader_stops_a_level_with_a_reason(
    level: str, client: Client, trader: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(trader)
    where = path(team, level, levels(subscription)[level], "stop/")
    refused = client.post(where, {"how": "entries", "reason": " "})
    assert "Say why, in a few words" in refused.text
    assert not Guard.objects.exists()
    page = client.post(where, {"how": "everything", "reason": "It went wild"}, follow=True)
    assert "Stopped: 0 orders canceled or being canceled." in page.text
    assert "everything is stopped" in page.text
    guard = Guard.objects.get()
    assert (guard.level, guard.halt, guard.halt_reason, guard.halted_by) == (
        level,
        "everything",
        "It went wild",
        trader,
    )


def test_before_it_is_pressed_it_says_what_it_will_do(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    assert "No entry order waits or works now." in client.get(path(team, end="stop/")).text
    entry = broker.order(subscription.account)
    broker.order(subscription.account, role="stop_loss", side="sell", type="stop", stop_price=1)
    broker.position(subscription.account, market_price=Decimal(190), unrealized_pnl=Decimal(100))
    page_text = client.get(path(team, end="stop/")).text
    assert "<b>1 entry order</b> that waits or works is canceled" in page_text
    assert "<b>2 orders</b>" in page_text
    assert "<b>1 of them protective</b>" in page_text
    assert "Close 1 position too, at the market" in page_text
    assert "+100.00 USD" in page_text
    entry.refresh_from_db()
    assert entry.status == "created"


def test_positions_are_closed_only_where_it_was_marked(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    broker.position(subscription.account)
    client.post(path(team, end="stop/"), {"how": "entries", "reason": "Enough"})
    assert not Closing.objects.exists()
    page = client.post(path(team, end="stop/"), {"how": "entries", "reason": "Enough", "flatten": "on"}, follow=True)
    assert "1 position being closed" in page.text
    assert Closing.objects.get().asked_by == alice


def test_only_an_owner_resumes_the_whole_team(
    client: Client, alice: User, trader: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(trader)
    client.post(path(team, end="stop/"), {"how": "entries", "reason": "Enough"})
    assert client.post(path(team, end="resume/"), {"reason": "Go"}).status_code == 403
    assert "Only an owner of the team can resume it." in client.get(path(team)).text
    client.force_login(alice)
    assert "Say why" in client.post(path(team, end="resume/"), {"reason": ""}, follow=True).text
    assert Guard.objects.get().halt == "entries"
    assert (
        "Resumed: the next signal trades again."
        in client.post(path(team, end="resume/"), {"reason": "Go"}, follow=True).text
    )
    assert Guard.objects.get().halt == "nothing"


def test_a_trader_resumes_an_account(client: Client, trader: User, team: Team, subscription: Subscription) -> None:
    client.force_login(trader)
    where = ("account", subscription.account.code)
    client.post(path(team, *where, "stop/"), {"how": "entries", "reason": "Enough"})
    client.post(path(team, *where, "resume/"), {"reason": "Go"})
    assert Guard.objects.get().halt == "nothing"


def test_a_trader_tightens_the_teams_limits_and_an_owner_loosens_them(
    client: Client, alice: User, trader: User, team: Team
) -> None:
    client.force_login(trader)
    page = client.post(path(team), {"what": "limits", "max_quantity": "10", "max_daily_loss": "500"}, follow=True)
    assert "The limits hold from the next signal on." in page.text
    assert client.post(path(team), {"what": "limits", "max_quantity": "11", "max_daily_loss": "500"}).status_code == 403
    assert client.post(path(team), {"what": "limits", "max_quantity": "10"}).status_code == 403
    assert client.post(path(team), {"what": "limits", "max_quantity": "9", "max_daily_loss": "500"}).status_code == 302
    client.force_login(alice)
    assert client.post(path(team), {"what": "limits", "max_quantity": "11"}).status_code == 302
    guard = Guard.objects.get()
    assert (guard.max_quantity, guard.max_daily_loss) == (Decimal(11), None)
    assert "max quantity 11" in client.get(path(team)).text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"what": "limits", "max_quantity": "0"}, "A limit is above zero"),
        ({"what": "limits", "max_quantity": "ten"}, "Enter a number."),
        ({"what": "limits", "max_quantity": "NaN"}, "Enter a number."),
        ({"what": "limits", "max_trades_per_day": "1.5"}, "Enter a whole number."),
        ({"what": "lockout", "length": "60", "reason": ""}, "Say why"),
        ({"what": "lockout", "length": "forever", "reason": "News"}, "Select a valid choice"),
        ({"what": "restricted", "restricted": "A" * 41}, "longer than any ticker"),
        ({"what": "restricted", "restricted": "GME <b>x"}, "&lt;B&gt;X is no ticker."),
        ({"what": "restricted", "restricted": "ES1!"}, "List its root, ES,"),
        ({"what": "restricted", "restricted": "SPY 270115C600"}, "List what the options are on, SPY"),
    ],
)
def test_what_cannot_be_meant_is_refused_beside_its_field(
    fields: dict[str, str], sentence: str, client: Client, alice: User, team: Team
) -> None:
    client.force_login(alice)
    page = client.post(path(team), fields)
    assert page.status_code == 200
    assert sentence in page.text
    assert not Guard.objects.exists()


def test_entries_are_locked_for_a_while_and_unlocked_with_a_reason(
    client: Client, alice: User, trader: User, team: Team
) -> None:
    client.force_login(trader)
    page = client.post(path(team), {"what": "lockout", "length": "60", "reason": "Fed at two"}, follow=True)
    assert "Fed at two" in page.text
    guard = Guard.objects.get()
    assert guard.lockout_until is not None
    assert timedelta(minutes=59) < guard.lockout_until - timezone.now() <= timedelta(minutes=60)
    shorter = {"what": "lockout", "length": "15", "reason": "Less"}
    assert client.post(path(team), shorter).status_code == 403
    assert client.post(path(team, end="unlock/"), {"reason": "Calm"}).status_code == 403
    client.force_login(alice)
    client.post(path(team, end="unlock/"), {"reason": "Calm"})
    guard.refresh_from_db()
    assert guard.lockout_until is None


def test_the_restricted_list_is_set_and_shown(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.post(path(team), {"what": "restricted", "restricted": "gme, amc"}, follow=True)
    assert Guard.objects.get().restricted == ["AMC", "GME"]
    assert "AMC GME" in page.text
    assert "No entries in AMC, GME" in client.get(f"/teams/{team.code}/guards/").text


def test_another_spelling_of_a_listed_ticker_loosens_nothing(client: Client, trader: User, team: Team) -> None:
    client.force_login(trader)
    client.post(path(team), {"what": "restricted", "restricted": "BRK.B"})
    answer = client.post(path(team), {"what": "restricted", "restricted": "brk-b GME"})
    assert answer.status_code == 302
    assert Guard.objects.get().restricted == ["BRK.B", "GME"]
    assert client.post(path(team), {"what": "restricted", "restricted": "GME"}).status_code == 403


def test_meters_show_the_figure_the_limit_and_what_is_not_known(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    now = timezone.now()
    account = subscription.account
    Guard.objects.create(team=team, level="account", account=account, max_daily_loss=100, max_trades_per_day=2)
    Guard.objects.create(team=team, level="team", max_daily_loss=1000)
    broker.position(account, conid=1, ticker="T", quantity=Decimal(1), market_price=Decimal(10))
    OpeningPosition.objects.create(
        account=account, day=day_start(now).date(), conid=1, ticker="T", quantity=Decimal(1), price=Decimal(95)
    )
    page_text = " ".join(client.get(f"/teams/{team.code}/guards/").text.split())
    assert "<strong>85.00</strong> of 100.00 USD" in page_text
    assert "Nearly reached." in page_text
    assert "<strong>0</strong> of 2" in page_text
    assert "<strong>85.00</strong> of 1,000.00 USD" in page_text
    BrokerageAccount.objects.update(opened_at=now - timedelta(days=2))
    page_text = " ".join(client.get(f"/teams/{team.code}/guards/").text.split())
    assert "not known, <strong>limit</strong> 100.00 USD" in page_text
    assert "Its positions of this morning have not been read yet." in page_text


def test_while_anything_is_stopped_every_page_says_so(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    pages = [f"/teams/{team.code}/", f"/teams/{team.code}/orders/", f"/teams/{team.code}/settings/"]
    assert all("Entries are stopped" not in client.get(page).text for page in pages)
    Guard.objects.create(
        team=team,
        level="account",
        account=subscription.account,
        halt="entries",
        halt_reason="Odd prices",
        halted_by=alice,
        halted_at=timezone.now(),
    )
    for page in pages:
        page_text = " ".join(client.get(page).text.split())
        stopped = f"Entries are stopped for {subscription.account.account_id}</strong> {alice.email}: Odd prices"
        assert stopped in page_text


def test_the_whole_page_costs_the_same_for_many(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/teams/{team.code}/guards/").status_code == 200
        return len(queries)

    few = asked()
    for number in range(6):
        made: Strategy = rows.strategy(team, timezone.now(), f"S{number}")
        rows.subscription(made, broker.account(team), timezone.now())
    assert asked() == few


def test_what_was_done_is_told_with_who_did_it(
    client: Client, alice: User, team: Team, subscription: Subscription
) -> None:
    client.force_login(alice)
    broker.order(subscription.account)
    client.post(path(team, end="stop/"), {"how": "entries", "reason": "Enough"})
    client.post(path(team, end="resume/"), {"reason": "Go"})
    client.post(path(team), {"what": "lockout", "length": "day", "reason": "Holiday"})
    page_text = " ".join(client.get(path(team)).text.split())
    for sentence in ("Stopped entries: Enough (1 order canceled)", "Resumed: Go", "Holiday", alice.email):
        assert sentence in page_text
    assert AuditEntry.objects.filter(team=team, action__startswith="guard.").count() == 3
    assert Order.objects.get().status == "canceled"


def test_a_limit_that_was_tightened_a_moment_ago_is_not_loosened_unseen(
    client: Client, alice: User, trader: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trader's page still shows 10; the owner has set 3; the trader sends 5, which is looser than what holds now."""
    limits.set_limits(team=team, target=None, limits={"max_trades_per_day": 10}, actor=alice, now=timezone.now())
    lock = limits.lock_guard

    def owner_first(team: Team, target: Any) -> Guard:
        monkeypatch.setattr(limits, "lock_guard", lock)
        limits.set_limits(team=team, target=None, limits={"max_trades_per_day": 3}, actor=alice, now=timezone.now())
        return lock(team, target)

    monkeypatch.setattr(limits, "lock_guard", owner_first)
    client.force_login(trader)
    answer = client.post(path(team), {"what": "limits", "max_trades_per_day": "5"})
    assert answer.status_code == 403
    assert not Guard.objects.filter(max_trades_per_day=5).exists()
