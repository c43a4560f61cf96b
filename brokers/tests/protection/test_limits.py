"""Each order ends, or a person is asked, in bounded time, also where IBKR says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from brokers.domain.doubts.limits import LIMITS, Silence, becomes, counts_as_missing
from brokers.domain.orders import MAY_FILL, OVER, OrderStatus, can_move

S = OrderStatus
NOW = datetime(2026, 6, 8, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
# No order is longer without IBKR's word than a closed market explains, a day as being canceled, and a day in doubt.
BOUND = LIMITS.closure + 2 * LIMITS.longest + 2 * HOUR
# What never left ends by its own time (`expires_at`); what is left to a person is told, and waits for what they say.
BY_ITS_OWN_TIME, BY_A_PERSON = S.CREATED, S.NEEDS_ATTENTION
# At IBKR: as long as its lists show it, that is so; an empty list is taken for an answer in the end.
SHOWN = frozenset({S.ACCEPTED, S.PARTIALLY_FILLED})


def is_missing(status: OrderStatus, silent: timedelta, is_open: bool | None) -> bool:
    return counts_as_missing(Silence(status=status, since=NOW - silent, is_open=is_open), NOW, LIMITS)


def after(status: OrderStatus, silent: timedelta, is_open: bool | None = True) -> OrderStatus | None:
    return becomes(Silence(status=status, since=NOW - silent, is_open=is_open), NOW, LIMITS)


def time_to_a_person(status: OrderStatus, is_open: bool | None, *, empty: bool) -> timedelta:
    """How long an order goes on until a person is asked, looked at every hour; IBKR says nothing of it at all.

    `empty`: its lists are read and are empty; else nobody can ask it.
    """
    taken, silent = timedelta(0), timedelta(0)
    while status is not BY_A_PERSON and taken <= 2 * BOUND:
        taken, silent = taken + HOUR, silent + HOUR
        missing = empty and status in SHOWN | {S.PENDING_CANCEL} and is_missing(status, silent, is_open)
        following = S.UNKNOWN if missing else after(status, silent, is_open)
        if following is not None:
            assert can_move(status, following)
            status, silent = following, timedelta(0)
    return taken


def test_every_status_that_is_not_an_end_has_its_way_out() -> None:
    """A new status has to say here how an order leaves it."""
    by_the_clock = {S.SUBMITTED, S.UNKNOWN, S.PENDING_CANCEL}
    assert {BY_ITS_OWN_TIME, BY_A_PERSON} | SHOWN | by_the_clock == MAY_FILL == set(S) - OVER


@pytest.mark.parametrize("is_open", [True, False, None])
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("status", [S.SUBMITTED, S.UNKNOWN, S.PENDING_CANCEL])
def test_what_ibkr_never_speaks_of_comes_to_a_person(status: OrderStatus, is_open: bool | None, *, empty: bool) -> None:
    assert time_to_a_person(status, is_open, empty=empty) <= BOUND


@pytest.mark.parametrize("is_open", [True, False, None])
@pytest.mark.parametrize("status", sorted(SHOWN))
def test_what_works_by_our_rows_and_is_in_no_list_comes_to_a_person(status: OrderStatus, is_open: bool | None) -> None:
    assert time_to_a_person(status, is_open, empty=True) <= BOUND


@pytest.mark.parametrize(
    ("status", "silent", "is_open", "expected"),
    [
        (S.PENDING_CANCEL, timedelta(minutes=14), True, False),
        (S.PENDING_CANCEL, timedelta(minutes=15), True, True),
        (S.ACCEPTED, timedelta(minutes=15), True, True),
        # After hours an empty list says nothing.
        (S.PENDING_CANCEL, timedelta(days=3), False, False),
        (S.ACCEPTED, timedelta(days=3), False, False),
        (S.ACCEPTED, timedelta(days=10), False, True),
        # Where nobody knows its hours, what works is left alone.
        (S.ACCEPTED, timedelta(days=3), None, False),
        (S.PENDING_CANCEL, timedelta(minutes=15), None, True),
    ],
)
def test_an_empty_list_counts_where_the_market_is_open(
    status: OrderStatus, silent: timedelta, is_open: bool | None, *, expected: bool
) -> None:
    assert is_missing(status, silent, is_open) is expected


def test_the_clock_alone_waits_a_day_and_for_the_open() -> None:
    day = timedelta(hours=24)
    assert after(S.UNKNOWN, day - HOUR) is None
    assert after(S.UNKNOWN, day, None) is S.NEEDS_ATTENTION
    assert after(S.PENDING_CANCEL, day, None) is S.UNKNOWN
    assert after(S.PENDING_CANCEL, 3 * day, is_open=False) is None
    assert after(S.PENDING_CANCEL, 10 * day, is_open=False) is S.UNKNOWN
    # What works may work for months.
    assert after(S.ACCEPTED, 100 * day) is None
