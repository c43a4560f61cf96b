"""The order of tests: as many as before, and none of those that wait in a row."""

from __future__ import annotations

from itertools import pairwise

import pytest

from brokers.simulator.testing.gateway import RunningGateway
from config.tests.collection import spreading


def spread(kinds: str) -> list[tuple[int, str]]:
    """One item a letter: `w` waits, `s` shares what its module has set up, `-` does neither; each with its number."""
    return spreading.spread(list(enumerate(kinds)), lambda item: item[1] == "w", lambda item: item[1] == "s")


@pytest.mark.parametrize("kinds", ["", "w", "www", "----", "-" * 40 + "w" * 8, "w" * 9 + "s" * 9 + "-" * 30, "wws"])
def test_every_test_is_run_once_and_the_rest_in_the_order_it_had(kinds: str) -> None:
    after = spread(kinds)
    assert sorted(after) == list(enumerate(kinds))
    rest = [number for number, kind in after if kind != "w"]
    assert rest == sorted(rest)


def test_those_that_wait_are_apart() -> None:
    assert "ww" not in "".join(kind for _, kind in spread("w" * 10 + "-" * 50))


def test_those_of_one_file_are_apart() -> None:
    numbers = [number for number, kind in spread("w" * 100 + "-" * 500) if kind == "w"]
    assert min(abs(one - other) for one, other in pairwise(numbers)) > 5


def test_nothing_comes_between_tests_that_share_what_their_module_has_set_up() -> None:
    assert "sssss" in "".join(kind for _, kind in spread("w" * 10 + "-" * 5 + "sssss" + "-" * 5))


def test_who_asks_the_simulated_ibkr_waits(gateway: RunningGateway, request: pytest.FixtureRequest) -> None:
    assert spreading.waits(request.node)


def test_who_asks_nobody_does_not_wait(request: pytest.FixtureRequest) -> None:
    assert not spreading.waits(request.node)


@pytest.mark.django_db(transaction=True)
def test_who_has_transactions_of_their_own_waits(request: pytest.FixtureRequest) -> None:
    assert spreading.waits(request.node)


@pytest.mark.django_db
def test_who_is_rolled_back_does_not_wait(request: pytest.FixtureRequest) -> None:
    assert not spreading.waits(request.node)
