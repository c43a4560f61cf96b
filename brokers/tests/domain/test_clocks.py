"""What was written before the clock was set back is read by the clock of now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.session import clocks, takeovers
from brokers.domain.session.states import State, Step, Terms, judged, step
from brokers.domain.sessions import AuthStatus, Environment, Ownership, SessionStatus

NOON = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TAKEN = AuthStatus(authenticated=False, connected=True, competing=True, established=False)
AWAY = BrokerUnavailable("The gateway cannot be reached.", code="not-reached")
OPEN = State(status=SessionStatus.ACTIVE, code="signed-in", since=NOON - HOUR)


def terms(ownership: Ownership = Ownership.ALWAYS) -> Terms:
    return Terms(environment=Environment.PAPER, ownership=ownership, polite_minutes=30)


def right(state: State, seen_at: datetime | None, now: datetime, ownership: Ownership = Ownership.ALWAYS) -> State:
    return clocks.set_right(state, seen_at, now, ownership=ownership, polite_minutes=30)


@pytest.mark.parametrize(
    ("seconds", "ahead", "recent"),
    [(-61, False, False), (-60, False, True), (0, False, True), (5, False, True), (6, True, False)],
)
def test_a_moment_that_has_not_come_yet_proves_nothing(seconds: int, ahead: bool, recent: bool) -> None:
    at = NOON + timedelta(seconds=seconds)
    assert clocks.is_ahead(at, NOON) is ahead
    assert clocks.is_recent(at, NOON, timedelta(minutes=1)) is recent


def test_a_state_of_the_past_is_not_touched() -> None:
    state = judged(TAKEN, OPEN, terms(Ownership.POLITE), NOON)
    assert right(state, NOON, NOON + timedelta(seconds=1), Ownership.POLITE) == state


@pytest.mark.parametrize("back", [HOUR, timedelta(days=1), timedelta(days=400)])
def test_the_next_look_is_due_and_the_patience_begins_anew(back: timedelta) -> None:
    lost = replace(judged(AWAY, OPEN, terms(), NOON), since=NOON - timedelta(minutes=1))
    before = right(lost, NOON, NOON - back)
    assert before.next_try_at == NOON - back
    again = judged(AWAY, before, terms(), NOON - back)
    assert again.since == NOON - back
    assert again.next_try_at is not None
    assert again.next_try_at - (NOON - back) <= timedelta(seconds=1)


def test_takeovers_are_counted_from_now_and_no_longer_than_their_limits() -> None:
    taken = tuple(NOON - timedelta(minutes=minutes) for minutes in (8, 5, 2))
    now = NOON - HOUR
    state = right(replace(judged(TAKEN, OPEN, terms(), NOON), taken=taken), NOON, now)
    assert takeovers.used_up(state.taken, now)
    assert step(judged(TAKEN, state, terms(), now), terms(), now) is Step.WAIT
    later = now + takeovers.WITHIN
    assert step(judged(TAKEN, state, terms(), later), terms(), later) is Step.TAKE


@pytest.mark.parametrize(
    ("ownership", "minutes"), [(Ownership.ALWAYS, 0), (Ownership.POLITE, 30), (Ownership.YIELD, None)]
)
def test_a_session_is_left_to_a_person_no_longer_than_was_chosen(ownership: Ownership, minutes: int | None) -> None:
    now = NOON - HOUR
    state = right(judged(TAKEN, OPEN, terms(ownership), NOON), NOON, now, ownership)
    assert state.left_until == (None if minutes is None else now + timedelta(minutes=minutes))


def test_a_session_that_somebody_wants_back_is_taken_back_at_once() -> None:
    now = NOON - HOUR
    wanted = replace(judged(TAKEN, OPEN, terms(Ownership.YIELD), NOON), left_until=NOON)
    assert right(wanted, NOON, now, Ownership.YIELD).left_until == now


@pytest.mark.parametrize("ownership", list(Ownership))
@pytest.mark.parametrize("back", [timedelta(seconds=6), HOUR, timedelta(days=1000)])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_nothing_of_a_state_lies_ahead_of_a_clock_that_was_set_back(
    back: timedelta, ownership: Ownership, taken: int
) -> None:
    made = tuple(NOON - timedelta(minutes=minutes) for minutes in range(taken))
    state = replace(judged(TAKEN, OPEN, terms(ownership), NOON), taken=made, opened_at=NOON)
    now = NOON - back
    by_now = right(state, NOON, now, ownership)
    assert by_now == right(by_now, now, now, ownership)
    moments = (by_now.since, by_now.opened_at, by_now.next_try_at, *by_now.taken)
    assert not any(clocks.is_ahead(each, now) for each in moments)
    assert by_now.left_until is None or by_now.left_until - now <= timedelta(minutes=30)
