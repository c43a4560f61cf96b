"""Around IBKR's restart: what may leave, what waits until it is over, and what proves that it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Team
from brokers.connections import nights, sessions
from brokers.domain.sessions import AuthStatus, Region, SignIn
from brokers.models import BrokerageAccount, Connection, Order
from brokers.orders import closing, execution, unsent
from brokers.tests import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_nights")]
# New York's restart of 19 November 2026, from 23:45 of the evening before.
GATE = datetime(2026, 11, 19, 4, 43, tzinfo=UTC)
AWAY = datetime(2026, 11, 19, 4, 45, tzinfo=UTC)
BACK = datetime(2026, 11, 19, 6, 45, tzinfo=UTC)
READY = AuthStatus(authenticated=True, connected=True, competing=False, established=True)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    account = rows.account(team)
    Connection.objects.filter(pk=account.connection_id).update(environment="paper", username="PAPER1")
    account.connection.refresh_from_db()
    return account


def order(account: BrokerageAccount, role: str = "entry", **values: object) -> Order:
    at = GATE - timedelta(minutes=1)
    return rows.order(
        account,
        **{"role": role, "created_at": at, "expires_at": GATE + timedelta(days=1), "release": "at_once", **values},
    )


def leaves(account: BrokerageAccount, now: datetime) -> list[str]:
    job = execution.take_next(account.connection_id, now)
    return [] if job is None else [each.role for each in job.orders]


@pytest.mark.parametrize("role", ["entry", "exit", "stop_loss", "take_profit"])
def test_nothing_leaves_from_two_minutes_before_the_restart_on(account: BrokerageAccount, role: str) -> None:
    order(account, role)
    for now in (GATE, AWAY, BACK - timedelta(seconds=1)):
        assert leaves(account, now) == []
    assert leaves(account, BACK) == [role]


def test_what_leaves_before_the_gate_closes_leaves(account: BrokerageAccount) -> None:
    order(account)
    assert leaves(account, GATE - timedelta(seconds=1)) == ["entry"]


def test_an_operator_may_let_ways_out_leave_until_the_restart_itself(account: BrokerageAccount, settings: Any) -> None:
    settings.EXITS_BEFORE_RESETS = True
    order(account)
    order(account, "exit")
    assert leaves(account, GATE) == ["exit"]
    assert leaves(account, GATE) == []
    order(account, "exit")
    assert leaves(account, AWAY) == []


def test_ways_out_leave_first_when_it_is_over(account: BrokerageAccount) -> None:
    order(account)
    order(account, "exit")
    assert [leaves(account, BACK), leaves(account, BACK)] == [["exit"], ["entry"]]


def test_the_simulated_market_has_no_nights(team: Team) -> None:
    account = rows.account(team)
    order(account)
    assert leaves(account, AWAY) == ["entry"]


@pytest.mark.parametrize(
    ("chosen", "seen", "closed"),
    [("NA", "", True), ("EU", "", False), ("EU", "NA", True), ("NA", "APAC", False)],
)
def test_ibkrs_word_for_the_region_counts_before_a_persons(
    account: BrokerageAccount, chosen: str, seen: str, closed: bool
) -> None:
    Connection.objects.update(region=chosen, region_seen=seen)
    order(account)
    assert (leaves(account, AWAY) == []) is closed


@pytest.mark.parametrize(("place", "region"), [("ZUG", "EU"), ("hk", "APAC"), ("somewhere else", ""), ("", "")])
def test_it_writes_down_where_ibkr_serves_a_user(account: BrokerageAccount, place: str, region: str) -> None:
    nights.sign_in_seen(account.connection_id, SignIn(place=place, signed_in_at=GATE))
    account.connection.refresh_from_db()
    assert account.connection.region_seen == region
    assert account.connection.signed_in_at == GATE
    assert nights.region_of(account.connection) is Region(region or "NA")


def test_a_way_out_waits_the_night_out_and_an_entry_is_too_late(account: BrokerageAccount) -> None:
    entry = order(account, expires_at=GATE + timedelta(seconds=10))
    way_out = order(account, "exit", expires_at=GATE + timedelta(minutes=9))
    # Nobody looked for hours: the night is over, and both are past the time they had.
    unsent.expire_overdue(BACK + timedelta(seconds=1))
    entry.refresh_from_db()
    way_out.refresh_from_db()
    assert entry.status == "expired"
    assert "IBKR restarts its servers at this hour" in entry.reason
    assert (way_out.status, way_out.expires_at) == ("created", BACK + timedelta(minutes=10))
    assert leaves(account, BACK + timedelta(seconds=1)) == ["exit"]


def test_a_way_out_that_nobody_could_send_afterwards_expires_as_well(account: BrokerageAccount) -> None:
    way_out = order(account, "exit", expires_at=GATE + timedelta(minutes=9))
    for now in (AWAY, BACK, BACK + timedelta(minutes=11), BACK + timedelta(minutes=12)):
        unsent.expire_overdue(now)
    way_out.refresh_from_db()
    assert way_out.status == "expired"


def test_a_position_that_is_being_closed_waits_the_night_out(account: BrokerageAccount) -> None:
    position = rows.position(account)
    wish = closing.close(
        account=account,
        conid=position.conid,
        ticker="AAPL",
        asset_class="stock",
        reason="the end of a test",
        actor=None,
        now=GATE - timedelta(minutes=1),
    )
    closing.work(BACK - timedelta(minutes=1))
    wish.refresh_from_db()
    assert wish.status == "open"
    closing.work(BACK + timedelta(hours=1))
    wish.refresh_from_db()
    assert wish.status == "failed"


def test_what_was_seen_before_the_night_proves_nothing_after_it(account: BrokerageAccount) -> None:
    connection = account.connection
    sessions.seen(connection.pk, READY, BACK - timedelta(seconds=5))
    connection.refresh_from_db()
    assert sessions.believed_active(connection, BACK - timedelta(seconds=4))
    assert not sessions.believed_active(connection, BACK + timedelta(seconds=1))
    # An answer that was asked for before its end and comes after it is none either.
    sessions.seen(connection.pk, READY, BACK + timedelta(seconds=1), asked_at=BACK - timedelta(seconds=1))
    connection.refresh_from_db()
    assert not sessions.believed_active(connection, BACK + timedelta(seconds=2))
    sessions.seen(connection.pk, READY, BACK + timedelta(seconds=3))
    connection.refresh_from_db()
    assert sessions.believed_active(connection, BACK + timedelta(seconds=4))


def test_exits_leave_before_stops_and_stops_before_targets(account: BrokerageAccount) -> None:
    for conid, role in enumerate(("take_profit", "entry", "stop_loss", "exit"), 1):
        order(account, role, conid=conid)
    assert [leaves(account, BACK + timedelta(hours=6)) for _ in range(4)] == [
        ["exit"],
        ["stop_loss"],
        ["take_profit"],
        ["entry"],
    ]
