"""Who lets whom go first."""

from __future__ import annotations

import asyncio

from accounts.turns import A_SECOND, AT_ONCE, LATELY_SECONDS, LONGEST_SECONDS, Manners

BUSY, QUIET = 1, 2


class Clock:
    """A steady clock that moves when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def much(manners: Manners, team: int = BUSY) -> None:
    for _ in range(int(AT_ONCE) + 1):
        manners.done(team)


def wait(manners: Manners, team: int = BUSY, *, asked: float | None = None, rested: float = 0.0) -> float:
    now = manners.clock()
    return round(manners.wait(team, now, asked=now if asked is None else asked, rested=rested), 6)


def test_a_team_that_does_much_lets_another_go_first_whatever_waits_of_it() -> None:
    manners = Manners(Clock())
    much(manners)
    assert wait(manners) == 0, "alone it waits for nobody"
    with manners.at_work(QUIET):
        assert wait(manners) == LONGEST_SECONDS
        assert wait(manners, QUIET) == 0
    assert wait(manners) == 0


def test_a_few_orders_at_once_wait_for_nobody() -> None:
    manners = Manners(Clock())
    with manners.at_work(QUIET):
        for _ in range(int(AT_ONCE)):
            assert wait(manners) == 0
            manners.done(BUSY)
        assert wait(manners) == 0
        manners.done(BUSY)
        assert wait(manners) > 0


def test_it_may_go_on_at_once_after_doing_nothing_for_a_moment() -> None:
    clock = Clock()
    manners = Manners(clock)
    much(manners)
    with manners.at_work(QUIET):
        clock.now += 1 / A_SECOND
        assert wait(manners) == 0


def test_in_company_it_rests_as_long_as_its_last_unit_took() -> None:
    clock = Clock()
    manners = Manners(clock)
    much(manners)
    assert wait(manners, rested=clock.now + 0.03) == 0, "alone it does not rest"
    manners.done(QUIET)
    assert wait(manners, rested=clock.now + 0.03) == 0.03
    assert wait(manners, rested=clock.now + 60) == LONGEST_SECONDS, "a slow broker makes nobody rest for long"
    clock.now += LATELY_SECONDS
    much(manners)
    assert wait(manners, rested=clock.now + 0.03) == 0, "the other has not come for a while"


def test_a_unit_that_hangs_is_let_go_first_for_a_moment_only() -> None:
    clock = Clock()
    manners = Manners(clock)
    with manners.at_work(QUIET):
        clock.now += LONGEST_SECONDS
        much(manners)
        assert wait(manners) == 0


def test_however_many_come_it_waits_no_longer_than_for_two() -> None:
    clock = Clock()
    manners = Manners(clock)
    much(manners)
    asked = clock.now
    clock.now = asked + 1.5 * LONGEST_SECONDS
    much(manners)
    with manners.at_work(QUIET):
        assert wait(manners, asked=asked) == round(0.5 * LONGEST_SECONDS, 6)
        clock.now = asked + 2 * LONGEST_SECONDS
        much(manners)
        assert wait(manners, asked=asked) == 0


def test_of_two_that_do_much_none_lets_the_other_go_first() -> None:
    manners = Manners(Clock())
    much(manners)
    much(manners, QUIET)
    with manners.at_work(BUSY), manners.at_work(QUIET):
        assert (wait(manners), wait(manners, QUIET)) == (0, 0)


async def test_who_waits_goes_on_as_soon_as_the_other_has_ended() -> None:
    """The clock stands still, so that nothing but the end lets it go on."""
    manners, order = Manners(Clock()), list[str]()
    much(manners)

    async def busy() -> None:
        await manners.let_others(BUSY)
        order.append("busy")

    with manners.at_work(QUIET):
        waits = asyncio.create_task(busy())
        for _ in range(5):
            await asyncio.sleep(0)
        order.append("quiet")
    await waits
    assert order == ["quiet", "busy"]
