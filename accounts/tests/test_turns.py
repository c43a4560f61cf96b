"""Whose turn it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from accounts import teams
from accounts.models import Membership, Role, Team, User
from accounts.turns import Turns, each_alone, in_portions, in_turn, one_of_each


@given(st.lists(st.integers(1, 4)))
def test_every_item_is_given_once_and_each_teams_in_the_order_received(of: list[int]) -> None:
    turns = Turns[int, tuple[int, int]]()
    for number, team in enumerate(of):
        turns.put(team, (team, number))
    given = [turns.take() for _ in range(len(turns))]
    assert sorted(given, key=lambda item: item[1]) == list(zip(of, range(len(of)), strict=True))
    for team in set(of):
        own = [number for key, number in given if key == team]
        assert own == sorted(own)
    with pytest.raises(KeyError):
        turns.take()


@given(st.lists(st.integers(1, 4), min_size=1), st.integers(0, 50))
def test_who_comes_while_a_flood_waits_is_served_within_one_turn_of_all(of: list[int], flood: int) -> None:
    turns = Turns[int, int]()
    for team in of + of[:1] * flood:
        turns.put(team, team)
    turns.put(9, 9)
    assert 9 in [turns.take() for _ in range(len(set(of)) + 1)]


def test_a_flood_that_goes_on_gets_every_second_turn() -> None:
    turns = Turns[str, str]()
    served = []
    turns.put("a", "a")
    for _ in range(4):
        turns.put("b", "b")
    for _ in range(8):
        served.append(turns.take())
        turns.put("a", "a")
    assert served == ["a", "b"] * 4


@given(st.lists(st.integers(1, 4)), st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)))
def test_nobody_has_a_second_before_everybody_had_a_first(of: list[int], now: datetime) -> None:
    given = one_of_each(list(enumerate(of)), lambda item: item[1], now)
    assert sorted(given) == list(enumerate(of))
    keys = [key for _, key in given]
    which = [keys[:place].count(key) for place, key in enumerate(keys)]
    assert which == sorted(which)


def test_what_comes_first_differs_from_moment_to_moment() -> None:
    moments = [datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=20 * number) for number in range(60)]
    firsts = {one_of_each(range(10), lambda item: item % 2, moment)[0] for moment in moments}
    assert firsts == set(range(10))


@pytest.mark.django_db
def test_rows_are_taken_one_of_each_team_in_turn(team: Team, alice: User) -> None:
    others = [teams.found_team(owner=alice, name=f"Team {number}", now=team.created_at) for number in range(2)]
    members = []
    for number in range(5):
        user = User.objects.create_user(f"member{number}@example.com", "a password")
        members.append(Membership.objects.create(team=team, user=user, role=Role.VIEWER, joined_at=team.created_at))
    flood = list(Membership.objects.filter(team=team).order_by("pk").values_list("pk", flat=True))
    single = [Membership.objects.get(team=other).pk for other in others]
    every = Membership.objects.filter(team__in=[team, *others])
    first, *_ = flood
    assert sorted(in_turn(every, 3)) == sorted([first, *single])
    assert in_turn(every, 100)[3:] == flood[1:]


def test_what_is_left_when_the_time_is_over_waits_for_the_next_look() -> None:
    done: list[list[int]] = []

    def work(keys: list[int]) -> int:
        done.append(keys)
        return len(keys)

    assert in_portions(range(5), work, at_once=2, seconds=0) == 2
    assert in_portions(range(5), work, at_once=2, seconds=60) == 5
    assert done == [[0, 1], [0, 1], [2, 3], [4]]


def test_one_that_cannot_be_worked_keeps_no_other_from_being_worked(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def work(keys: list[int]) -> int:
        if 1 in keys:
            raise ValueError("no such row")
        done.extend(keys)
        return len(keys)

    assert in_portions(range(5), work, at_once=3, seconds=60) == 4
    assert done == [0, 2, 3, 4]
    assert "1 could not be worked" in caplog.text


def test_a_database_that_is_away_is_no_fault_of_a_row() -> None:
    def work(keys: list[int]) -> int:
        raise OperationalError

    with pytest.raises(OperationalError):
        in_portions(range(5), work, at_once=3, seconds=60)


def test_a_chore_that_fails_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[datetime] = []

    def fail(now: datetime) -> None:
        raise ValueError("no such row")

    moments = iter(datetime(2030, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    each_alone((done.append, fail, done.append), lambda: next(moments))
    assert [moment.day for moment in done] == [1, 3]
    assert "ValueError: no such row" in caplog.text
