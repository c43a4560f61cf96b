"""Whose turn it is, and how long a turn may take."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain.rota import FIRST_SIZE, FIRST_SIZE_ASIDE, LEAST, MOST, MOST_TEAMS, Place, Rota


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
    take(rota, 2, 0.5, 0.001)
    take(rota, 1, 1.0, 0.1)
    assert rota.size(1) == FIRST_SIZE // 2
    for second in range(2, 8):
        take(rota, 1, float(second), 5.0)
    assert rota.size(1) == LEAST
    for second in range(12, 30):
        take(rota, 1, float(second), 0.001)
    assert rota.size(1) == MOST


def test_alone_a_turn_stays_at_its_first_size_however_slow_the_machine_is() -> None:
    rota = Rota()
    for second in range(1, 9):
        take(rota, 1, float(second), 5.0)
    assert rota.size(1) == FIRST_SIZE
    for second in range(10, 20):
        take(rota, 1 + second % 2, float(second), 5.0)
    assert (rota.size(1), rota.size(2)) == (LEAST, LEAST)
    take(rota, 1, 19.0 + Rota.LATELY_SECONDS + 1, 0.05)
    assert rota.size(1) == FIRST_SIZE, "the other has not come for a while"


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


class TestInCompany:
    """What a team that comes all the time leaves to another that comes seldom."""

    def days_work(self, company: list[float], seconds: float, turn: float, *, more: bool) -> tuple[float, list[float]]:
        """Team 1 always has work, team 2 has at these moments: the time that team 1 took, and how long team 2 waited each time.

        `turn`: what each turn takes; `more`: whether more of team 1 waits after each.
        """
        rota, now, taken, waits, coming = Rota(), 0.0, 0.0, list[float](), sorted(company)
        while now < seconds:
            waiting = {1, 2} if coming and coming[0] <= now else {1}
            team = rota.next(waiting, now)
            if team is None:
                assert rota.rests_until is not None
                now = min([rota.rests_until, *(at for at in coming if at > now)])
                continue
            if team == 1:
                taken += turn
            else:
                waits.append(now - coming.pop(0))
            now += turn
            rota.served(team, now, seconds=turn, full=more and team == 1, took=turn)
        return taken, waits

    @given(st.lists(st.floats(1, 3), max_size=9), st.floats(0.02, 0.3), st.booleans())
    @settings(deadline=None)
    def test_who_comes_seldom_waits_for_one_turn_of_another_at_most(
        self, pauses: list[float], turn: float, more: bool
    ) -> None:
        company = list(accumulate(pauses))
        taken, waits = self.days_work(company, 30.0, turn, more=more)
        assert len(waits) == len(company)
        assert all(wait <= turn for wait in waits)
        assert taken > 0.8 * 30.0 * turn / (2 * turn + 0.1), "and the flood goes on"

    def test_much_of_the_time_stays_free_for_who_comes_seldom(self) -> None:
        every_half_second = [0.5 * n for n in range(1, 200)]
        for turn, more, share in ((0.012, False, 0.2), (0.02, True, 0.55), (0.2, False, 0.55)):
            taken, waits = self.days_work(every_half_second, 100.0, turn, more=more)
            assert taken < share * 100, (turn, more)
            at_once = sum(1 for wait in waits if wait == 0)
            assert at_once > (0.7 if share < 0.5 else 0.4) * len(waits), (turn, more)

    def test_of_fifty_signals_a_second_ten_turns_are_made(self) -> None:
        rota, now, turns, decided = Rota(), 0.0, 0, 0
        for second in range(100):
            rota.served(2, now := float(second), seconds=0.01, full=False, took=0.01)
            while now < second + 1:
                waiting = int(now * 50) - decided
                if waiting > 0 and rota.next([1], now) is not None:
                    took = 0.011 + 0.001 * waiting
                    turns, decided, now = turns + 1, decided + waiting, now + took
                    rota.served(1, now, seconds=took, full=waiting >= rota.size(1), took=took, decisions=waiting)
                else:
                    now += 0.001
        assert decided >= 4_980
        assert turns < 11 * 100

    def test_alone_nobody_rests(self) -> None:
        taken, _ = self.days_work([], 10.0, 0.012, more=False)
        assert taken >= 10.0 - 0.012
        taken, _ = self.days_work([1.0], 60.0, 0.012, more=False)
        assert taken > 48.0, "and not for long after another has come"

    def test_a_few_signals_at_once_do_not_wait_for_each_other(self) -> None:
        rota = Rota()
        take(rota, 2, 0.5, 0.01, full=False)
        for number in range(5):
            now = 1.0 + number / 100
            assert rota.next([1], now) == 1
            rota.served(1, now, seconds=0.01, full=False, took=0.01, decisions=2)
        assert rota.next([1], 1.05) == 1
        rota.served(1, 1.05, seconds=0.01, full=False, took=0.01, decisions=2)
        assert rota.next([1], 1.06) is None
        assert rota.next([1, 2], 1.06) == 2

    def test_one_signal_to_many_accounts_rests_for_nobody_and_lets_others_go_between_its_turns(self) -> None:
        rota = Rota()
        take(rota, 2, 0.5, 0.01, full=False)
        rota.served(1, now := 1.0, seconds=0.02, full=True, took=0.02)
        for _ in range(100):
            assert (rota.next([1], now), rota.rests_until) == (1, None)
            assert rota.next([1, 2], now) == 2
            now += 0.02
            rota.served(1, now, seconds=0.02, full=True, took=0.02, goes_on=True)

    def test_many_signals_to_many_accounts_rest_after_the_first_share_of_each(self) -> None:
        rota, now = Rota(), 1.0
        take(rota, 2, 0.5, 0.01, full=False)
        for _ in range(5):
            rota.served(1, now, seconds=0.001, full=True, took=0.001)
            rota.served(1, now, seconds=0.001, full=True, took=0.001, goes_on=True)
            assert rota.next([1], now) == 1
        rota.served(1, now, seconds=0.001, full=True, took=0.001)
        assert rota.next([1], now) is None
        now += 0.002
        assert rota.next([1], now) == 1
        rota.served(1, now, seconds=0.001, full=True, took=0.001, goes_on=True)
        assert rota.next([1], now) == 1, "what was begun goes on at once"

    def test_a_rota_without_bounds_lets_nobody_rest(self) -> None:
        rota = Rota(bounded=False)
        for number in range(50):
            rota.served(1 + number % 2, float(number), seconds=1.0, full=True, took=1.0)
        assert rota.next([1, 2], 49.5) == 1


class TestBesideTheOthers:
    """Whose turns are taken beside those of the others."""

    def flooding(self, *, until: float = 5.0) -> Rota:
        """A rota in which team 1 sends fifty a second, and team 2 two a second."""
        rota = Rota()
        for tenth in range(int(until * 10) + 1):
            if tenth % 5 == 0:
                take(rota, 2, tenth / 10, 0.01, full=False)
            rota.served(1, tenth / 10 + 0.02, seconds=0.01, full=False, took=0.01, decisions=5)
        return rota

    def test_who_floods_in_company_goes_there_and_who_comes_seldom_never(self) -> None:
        rota = self.flooding()
        assert rota.goes_aside(1, 5.1)
        assert not rota.goes_aside(2, 5.1)
        assert not rota.goes_aside(3, 5.1)
        assert not rota.goes_aside(1, 5.1 + Rota.LATELY_SECONDS), "it has let the others be for a while"

    def test_alone_a_team_goes_there_only_while_more_of_it_waits(self) -> None:
        rota = Rota()
        for tenth in range(50):
            rota.served(1, tenth / 10, seconds=0.01, full=False, took=0.01, decisions=5)
            assert not rota.goes_aside(1, tenth / 10)
        take(rota, 1, 5.0, 0.01, full=True)
        assert rota.goes_aside(1, 5.0)
        take(rota, 1, 5.1, 0.01, full=False, place=Place(after=1, until=2, ways_out=True))
        assert rota.goes_aside(1, 5.1)
        rota.served(1, 5.2, seconds=0.01, full=False, goes_on=True)
        assert rota.goes_aside(1, 5.2)
        take(rota, 1, 5.3, 0.01, full=False)
        assert not rota.goes_aside(1, 5.3)

    def test_while_one_is_under_way_there_others_are_served_and_who_would_go_there_waits(self) -> None:
        rota, place = self.flooding(), Place(after=1, until=2, ways_out=True)
        take(rota, 3, 5.1, 0.01, place=place)
        rota.aside = 1
        assert rota.goes_aside(3, 5.2)
        assert not rota.has_more(5.2), "or the drain would look again and again"
        assert rota.next([1, 3], 5.2) is None
        assert rota.next([1, 2, 3], 5.2) == 2
        take(rota, 2, 5.25, 0.01, full=False)
        take(rota, 1, 5.3, 0.01, full=False)
        assert rota.next([1, 2, 3], 5.4) == 3, "the turn beside has ended"
        assert rota.has_more(5.4)

    def test_nobody_waits_for_a_turn_there_so_it_is_no_shorter_than_alone(self) -> None:
        rota = self.flooding()
        rota.aside = 1
        take(rota, 1, 5.1, 5.0)
        assert rota.size(1) >= FIRST_SIZE
        take(rota, 1, 5.2, 5.0)
        assert rota.size(1) < FIRST_SIZE

    def test_a_turn_there_grows_and_shrinks_by_its_processor_time_however_long_a_busy_machine_takes(self) -> None:
        rota = Rota()
        take(rota, 1, 1.0, 5.0)
        little, some, much = (Rota.ASIDE_SECONDS * share for share in (0.4, 0.7, 1.1))
        sizes = []
        for number, processor in enumerate([little, little, some, much, much, much]):
            rota.aside = 1
            sizes.append(rota.size(1))
            rota.served(1, 2.0 + 5 * number, seconds=0.3, full=True, took=0.3, processor=processor)
            assert rota.size(1) == FIRST_SIZE, "what it takes there says nothing about turns that others wait for"
        rota.aside = 1
        assert [*sizes, rota.size(1)] == [FIRST_SIZE_ASIDE, 64, MOST, MOST, MOST // 2, MOST // 4, FIRST_SIZE]

    def test_a_turn_there_that_a_stop_of_the_team_waits_too_long_for_is_the_last_of_its_size(self) -> None:
        rota = Rota()
        rota.aside = 1
        rota.served(1, 1.0, seconds=Rota.ASIDE_LONGEST + 0.01, full=True, took=1.0, processor=0.001)
        rota.aside = 1
        assert rota.size(1) == FIRST_SIZE_ASIDE // 2

    def test_in_company_a_turn_there_goes_by_the_clock_however_large_it_was_alone(self) -> None:
        rota = Rota()
        for number in range(6):
            take(rota, 1, 1.0 + number / 100, 0.001)
        rota.aside = 1
        rota.served(1, 2.0, seconds=0.01, full=True, took=0.01, processor=0.01)
        rota.aside = 1
        assert (rota.size(1), rota.size(1, 2.0)) == (64, 64)
        sizes = []
        for half in range(5):
            rota.aside = None
            take(rota, 2, 3.0 + half / 2, 0.01, full=False)
            rota.aside = 1
            sizes.append(rota.size(1, 3.1 + half / 2))
            rota.served(1, 3.4 + half / 2, seconds=0.3, full=True, took=0.3, processor=0.01)
        assert sizes == [MOST, MOST // 2, MOST // 4, FIRST_SIZE, FIRST_SIZE]
        rota.aside = 1
        assert rota.size(1, 6.0 + Rota.LATELY_SECONDS) == 64, "it is alone again"

    def test_a_slow_machine_makes_no_flood_of_a_signal_now_and_then(self) -> None:
        rota = Rota()
        for second in range(1, 60):
            take(rota, 1, float(second), 0.01, full=False)
            rota.served(2, second + 0.5, seconds=0.3, full=False, took=0.3)
            assert rota.next([2], second + 0.51) == 2
            assert not rota.goes_aside(2, second + 0.51)
