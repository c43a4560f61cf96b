"""Whose turn it is, and how long a turn may take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.rota import FIRST_SIZE, LEAST, MOST, MOST_TEAMS, Place, Rota


def take(rota: Rota, team: int, now: float, seconds: float, *, full: bool = True, place: Place | None = None) -> None:
    rota.served(team, now, seconds=seconds, full=full, place=place)


def test_who_waited_longest_is_next_and_a_newcomer_before_all() -> None:
    rota = Rota()
    take(rota, 1, 10.0, 0.01)
    take(rota, 2, 11.0, 0.01)
    assert rota.next([2, 1]) == 1
    take(rota, 1, 12.0, 0.01)
    assert rota.next([1, 2]) == 2
    assert rota.next([1, 2, 3]) == 3
    assert rota.next([]) is None


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=5), max_size=60))
def test_nobody_who_waits_is_passed_twice_by_another(rounds: list[list[int]]) -> None:
    rota, passed = Rota(), dict[int, list[int]]()
    for now, waiting in enumerate(rounds):
        team = rota.next(waiting)
        assert team in waiting
        for other in set(waiting) - {team}:
            mine = passed.setdefault(other, [])
            assert team not in mine, f"{other} waited while {team} was served twice"
            mine.append(team)
        for gone in set(passed) - set(waiting) | {team}:
            passed.pop(gone, None)
        take(rota, team, float(now + 1), 0.01)


def test_a_turn_shrinks_until_it_fits_its_time_and_grows_while_much_is_left() -> None:
    rota = Rota()
    assert rota.size(1) == FIRST_SIZE
    take(rota, 1, 1.0, 0.1)
    assert rota.size(1) == FIRST_SIZE // 2
    for second in range(2, 12):
        take(rota, 1, float(second), 5.0)
    assert rota.size(1) == LEAST
    for second in range(12, 30):
        take(rota, 1, float(second), 0.001)
    assert rota.size(1) == MOST


def test_a_turn_that_had_little_to_do_says_nothing_about_larger_ones() -> None:
    rota = Rota()
    take(rota, 1, 1.0, 0.001, full=False)
    assert rota.size(1) == FIRST_SIZE


def test_turns_are_short_while_another_team_comes_too() -> None:
    rota = Rota()
    between = (Rota.COMPANY_SECONDS + Rota.ALONE_SECONDS) / 2
    take(rota, 1, 1.0, 0.0)
    assert not rota.is_over(2.0, 2.0 + between)
    take(rota, 2, 3.0, 0.0)
    take(rota, 1, 4.0, 0.0)
    take(rota, 1, 5.0, 0.0)
    assert rota.is_over(6.0, 6.0 + between)
    later = 3.0 + Rota.LATELY_SECONDS
    assert not rota.is_over(later, later + between), "the other has not come for a while"


def test_it_knows_where_pending_decisions_go_on_until_none_are_left() -> None:
    rota = Rota()
    assert (rota.place(1), rota.has_more()) == (None, False)
    place = Place(after=77, until=99, ways_out=True)
    take(rota, 1, 1.0, 0.1, place=place)
    assert (rota.place(1), rota.has_more()) == (place, True)
    rota.keep({1, 2})
    assert rota.has_more()
    rota.keep({2})
    assert (rota.place(1), rota.has_more()) == (None, False)
    take(rota, 1, 2.0, 0.1, place=place)
    take(rota, 1, 3.0, 0.1)
    assert not rota.has_more()


def test_without_bounds_a_turn_takes_what_there_is() -> None:
    rota = Rota(most=3, bounded=False)
    take(rota, 1, 1.0, 60.0)
    assert (rota.size(1), rota.is_over(0.0, 600.0)) == (3, False)


def test_it_forgets_the_teams_it_served_first() -> None:
    rota = Rota()
    for team in range(1, MOST_TEAMS + 10):
        take(rota, team, float(team), 5.0)
    assert (rota.size(1), rota.size(MOST_TEAMS)) == (FIRST_SIZE, FIRST_SIZE // 2)
