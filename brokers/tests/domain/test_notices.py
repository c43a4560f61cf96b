"""What the owners of a connection are told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain import notices
from brokers.domain.notices import GRACE, LOOK_BEFORE, Hours, NoticeKind, Standing, due, first_of, week_turned
from brokers.domain.session.resets import Night

OPEN = datetime(2026, 11, 19, 14, 30, tzinfo=UTC)
HOURS = Hours(OPEN, OPEN + timedelta(hours=6.5))
# Sunday's end of the logins is at 1:00 in New York; the first open after it is Monday's.
SUNDAY = datetime(2026, 11, 15, 6, tzinfo=UTC)
MONDAY = Hours(datetime(2026, 11, 16, 14, 30, tzinfo=UTC), datetime(2026, 11, 16, 21, tzinfo=UTC))
DOWN = Standing(
    certificate="",
    can_trade=False,
    since=OPEN - timedelta(hours=8),
    by_person=True,
    signed_in_at=SUNDAY + timedelta(hours=10),
    hours=HOURS,
    week=MONDAY,
    night=None,
    back_at=OPEN - timedelta(hours=7),
)
UP = replace(DOWN, can_trade=True)
MINUTES = st.integers(-3 * 1440, 3 * 1440).map(lambda minutes: timedelta(minutes=minutes))


def kinds(standing: Standing, now: datetime) -> list[NoticeKind]:
    return [each.kind for each in due(standing, now)]


def test_it_looks_half_an_hour_before_the_open_and_until_the_close() -> None:
    assert due(DOWN, OPEN - LOOK_BEFORE - timedelta(seconds=1)) == []
    assert kinds(DOWN, OPEN - LOOK_BEFORE) == [NoticeKind.NOT_READY]
    assert kinds(DOWN, HOURS.closes - timedelta(seconds=1)) == [NoticeKind.NOT_READY]
    assert due(DOWN, HOURS.closes) == []
    assert due(UP, OPEN) == []


def test_it_says_it_again_more_and_more_seldom() -> None:
    seen = [each.event for minute in range(400) for each in due(DOWN, OPEN - LOOK_BEFORE + timedelta(minutes=minute))]
    assert len(set(seen)) == 4
    changes = [index for index in range(1, len(seen)) if seen[index] != seen[index - 1]]
    assert changes == [30, 120, 360]


def test_what_is_lost_while_the_market_is_open_has_ten_minutes_to_come_back() -> None:
    lost = replace(DOWN, since=OPEN + timedelta(hours=1))
    assert due(lost, lost.since + GRACE - timedelta(seconds=1)) == []
    assert kinds(lost, lost.since + GRACE) == [NoticeKind.NOT_READY]


def test_a_night_is_nobodys_trouble_and_has_ten_minutes_afterwards() -> None:
    futures = replace(DOWN, hours=Hours(OPEN - timedelta(hours=15), OPEN + timedelta(hours=7)))
    away = Night(OPEN - timedelta(hours=10), OPEN - timedelta(hours=10), OPEN - timedelta(hours=8), "nightly-restart")
    assert due(replace(futures, night=away), OPEN - timedelta(hours=9)) == []
    assert futures.back_at is not None
    assert due(futures, futures.back_at + GRACE - timedelta(seconds=1)) == []
    assert kinds(futures, futures.back_at + GRACE) == [NoticeKind.NOT_READY]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (SUNDAY + timedelta(hours=7, minutes=59), False),
        (MONDAY.opens - timedelta(hours=24, seconds=1), False),
        (MONDAY.opens - timedelta(hours=24), True),
        (MONDAY.opens - timedelta(seconds=1), True),
        (MONDAY.opens, False),
    ],
)
def test_the_weekly_sign_in_is_reminded_of_on_the_day_before_the_open(now: datetime, told: bool) -> None:
    due_again = replace(UP, signed_in_at=SUNDAY - timedelta(days=1), hours=MONDAY)
    assert (NoticeKind.WEEKLY_SIGN_IN in kinds(due_again, now)) is told
    assert due(replace(due_again, by_person=False), now) == []
    assert due(replace(due_again, signed_in_at=SUNDAY), now) == []


def test_futures_that_open_on_sunday_are_reminded_of_in_the_morning() -> None:
    evening = Hours(SUNDAY + timedelta(hours=17), SUNDAY + timedelta(hours=40))
    due_again = replace(UP, signed_in_at=None, since=SUNDAY - timedelta(days=2), hours=evening, week=evening)
    assert due(due_again, SUNDAY + timedelta(hours=7)) == []
    assert kinds(due_again, SUNDAY + timedelta(hours=8)) == [NoticeKind.WEEKLY_SIGN_IN]


def test_a_session_that_opened_since_sunday_needs_no_sign_in_where_ibkr_says_nothing() -> None:
    opened = replace(UP, signed_in_at=None, since=SUNDAY + timedelta(hours=9), hours=MONDAY)
    assert due(opened, MONDAY.opens - timedelta(hours=1)) == []


@pytest.mark.parametrize(
    "change",
    [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)],
)
def test_the_week_turns_once_where_the_clocks_change(change: datetime) -> None:
    turns = {week_turned(change + timedelta(minutes=minute)) for minute in range(0, 26 * 60, 7)}
    assert len(turns) == 2
    assert max(turns) - min(turns) == timedelta(days=7)


@given(MINUTES, MINUTES, MINUTES, st.booleans(), st.booleans())
def test_no_event_is_told_of_what_trades_nor_after_the_close(
    at: timedelta, since: timedelta, signed_in: timedelta, can_trade: bool, by_person: bool
) -> None:
    now = OPEN + at
    standing = replace(
        DOWN, can_trade=can_trade, by_person=by_person, since=OPEN + since, signed_in_at=OPEN + signed_in
    )
    for each in due(standing, now):
        assert len(each.event) <= 80
        if each.kind is NoticeKind.NOT_READY:
            assert not can_trade
            assert HOURS.opens - LOOK_BEFORE <= now < HOURS.closes
            assert now >= standing.since + GRACE or standing.since + GRACE <= HOURS.opens - LOOK_BEFORE
        else:
            assert by_person
            assert now < each.opens_at
    # A clock that is put back tells of nothing that the earlier moment did not tell.
    assert due(standing, now) == due(standing, now)


@given(st.datetimes(datetime(2025, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC)))
def test_the_week_turned_within_these_seven_days(now: datetime) -> None:
    turned = week_turned(now)
    # A week with a change of the clocks is an hour longer.
    assert timedelta(0) <= now - turned < timedelta(days=7, hours=1)


def test_the_market_that_opens_first_counts() -> None:
    assert first_of([HOURS, None, MONDAY]) == MONDAY
    assert first_of([None]) is None


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_says_what_happened_and_what_to_do(kind: NoticeKind) -> None:
    letter = notices.in_words(kind, "Main", why="Nobody is signed in. Sign in.", opens="10:00 UTC", has_opened=False)
    assert "Main" in letter.subject
    assert all(sentence.endswith(".") for sentence in letter.sentences)
    assert letter.sentences
