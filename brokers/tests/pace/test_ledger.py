"""The ledger of one process: who may leave when. `take.lua` keeps the same for all."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import replace

import pytest

from brokers.domain.calls import Rank
from brokers.ibkr.pace.ledger import Ask, Ledger, Part
from brokers.ibkr.pace.limits import IBKR_ENDPOINTS, SECOND, Limit

ASK = Ask(user="A", way="W", tenant="1", rank=Rank.READ, per_user=10, per_way=50)


def of(user: str, tenant: str, rank: Rank = Rank.READ) -> Ask:
    return replace(ASK, user=user, tenant=tenant, rank=rank)


def storm(ledger: Ledger, asks: list[Ask], seconds: float, step: float = 0.01) -> dict[str, int]:
    """All of them ask in each step, the first one first; returns how often each tenant left in the last second of it."""
    left: dict[str, int] = {ask.tenant: 0 for ask in asks}
    for number in range(int(seconds / step)):
        now = 1000 + number * step
        for ask in asks:
            if ledger.take(ask, now).wait == 0 and now >= 1000 + seconds - SECOND:
                left[ask.tenant] += 1
    return left


def test_no_window_has_more_than_its_limit_whatever_the_order() -> None:
    dice, ledger, left = random.Random(3), Ledger(), []
    now = 0.0
    for _ in range(5000):
        now += dice.expovariate(40)
        if ledger.take(replace(ASK, rank=dice.choice(list(Rank))), now).wait == 0:
            left.append(now)
    assert len(left) > 500
    assert all(later - earlier >= 1.0 for earlier, later in zip(left, left[10:], strict=False))


def test_one_tenant_cannot_eat_the_budget_of_another() -> None:
    """Five users of one team ask without end; a neighbour with two requests a second always leaves at once."""
    ledger = Ledger()
    greedy = [of(f"G{number}", "greedy") for number in range(9)]
    waited = []
    for number in range(1000):
        now = 1000 + number * 0.01
        for ask in greedy:
            ledger.take(ask, now)
        if number % 50 == 10:
            waited.append(ledger.take(of("N", "neighbour"), now).wait)
    assert max(waited[3:]) == 0


@pytest.mark.parametrize("tenants", [2, 3, 5])
def test_tenants_who_all_want_more_get_equal_parts(tenants: int) -> None:
    asks = [of(f"{number}-{user}", str(number)) for number in range(tenants) for user in range(9)]
    left = storm(Ledger(), asks, 5)
    assert sum(left.values()) <= 50
    assert max(left.values()) - min(left.values()) <= 3


def test_alone_on_the_way_a_tenant_has_all_of_it() -> None:
    left = storm(Ledger(), [of(str(user), "1", Rank.FIRST) for user in range(9)], 5)
    assert 45 <= left["1"] <= 50


def test_ways_out_of_many_leave_while_questions_have_taken_all_they_may() -> None:
    ledger = Ledger()
    while ledger.take(of(str(random.random()), "1"), 1000).wait == 0:
        pass
    taken = 0
    while ledger.take(of(str(random.random()), str(taken % 4), Rank.FIRST), 1000).wait == 0:
        taken += 1
    assert taken == 20


@pytest.mark.parametrize("limit", [Limit(10, 1), Limit(1, 5), Limit(5, 10), Limit(1, 1)])
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_processes_that_cannot_speak_to_each_other_keep_the_limits_together(limit: Limit, processes: int) -> None:
    """Each asks without end, and knows only how many there are and which of them it is."""
    ask = replace(ASK, endpoint="orders", limit=limit, rank=Rank.FIRST)
    ledgers = [Ledger() for _ in range(processes)]
    left: list[list[float]] = [[] for _ in range(processes)]
    for step in range(3000):
        now = step * 0.1
        for index, ledger in enumerate(ledgers):
            if ledger.take(ask, now, Part(processes, index, 0.0, 1e6 + now)).wait == 0:
                left[index].append(now)
    together = sorted(at for times in left for at in times)
    within = [bisect_left(together, at + limit.seconds - 1e-6) - begin for begin, at in enumerate(together)]
    assert max(within) <= limit.count
    assert all(left)
    assert together[0] >= limit.seconds


def test_the_longest_windows_are_told_to_who_has_forgotten_them() -> None:
    ledger = Ledger()
    ledger.take(replace(ASK, endpoint="trades", limit=IBKR_ENDPOINTS["iserver/account/trades"]), 1000)
    ledger.take(replace(ASK, endpoint="tickle", limit=IBKR_ENDPOINTS["tickle"]), 1000)
    assert ledger.slow(1002) == [("endpoint:A:trades", 5.05, 2)]
    assert ledger.slow(1006) == []


def test_what_is_over_is_forgotten() -> None:
    ledger = Ledger()
    for number in range(5000):
        ledger.take(of(str(number), str(number)), number * 2.0)
    assert len(ledger._left) < 4000
    assert len(ledger._tenants) == 1
