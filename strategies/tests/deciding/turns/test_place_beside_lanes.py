"""Signals that come all the while start one drain after the other; the one beside the lanes has the place all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connections

from brokers.postgres.locks import Space, try_only_one
from strategies.deciding import settle
from strategies.drain import drain, drain_beside_lanes

pytestmark = pytest.mark.django_db(transaction=True)


class Company:
    """Drains in threads: some without lanes, each begun anew as soon as it ends, and one beside lanes."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.threads: list[threading.Thread] = []
        # The names of the threads that looked, in order, and one release for each look.
        self.looks: list[str] = []
        self.looked = threading.Semaphore(0)

    def look(self, *_: object, **__: object) -> int:
        self.looks.append(threading.current_thread().name)
        self.looked.release()
        return 0

    def without_lanes(self) -> None:
        def again_and_again() -> None:
            while not self.ended.is_set():
                drain(linger=0.3)
            connections.close_all()

        self._begin(again_and_again, "without")

    def beside_lanes(self) -> None:
        self._begin(lambda: drain_beside_lanes(self.ended), "beside")

    def _begin(self, work: object, name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    company = Company()
    monkeypatch.setattr(settle, "settle_waiting", company.look)
    yield company
    company.ended.set()
    for thread in company.threads:
        thread.join(20)
        assert not thread.is_alive()


def test_it_is_next_however_many_begin_meanwhile(company: Company) -> None:
    for _ in range(3):
        company.without_lanes()
    assert company.looked.acquire(timeout=20), "one without lanes has the place"
    company.beside_lanes()
    # The one that has it ends when it is asked, another may have come before the question: not a third.
    for _ in range(8):
        assert company.looked.acquire(timeout=20)
        if company.looks[-1] == "beside":
            break
    others = [
        here
        for here, before in zip(company.looks[1:], company.looks, strict=False)
        if (before, here) == ("beside", "without")
    ]
    assert (company.looks[-1], others) == ("beside", [])


def test_who_waits_for_the_place_stands_before_all_who_only_try() -> None:
    asked, has_it, goes = threading.Event(), threading.Event(), threading.Event()

    def wait_for_it() -> None:
        with try_only_one(Space.DRAIN, 0, ask=asked.set, within=20) as session:
            assert session is not None
            has_it.set()
            assert goes.wait(20)

    thread = threading.Thread(target=wait_for_it, daemon=True)
    with try_only_one(Space.DRAIN, 0) as first:
        assert first is not None
        thread.start()
        assert asked.wait(20)
        assert not has_it.is_set()
    assert has_it.wait(20)
    goes.set()
    thread.join(20)


def test_who_waits_in_vain_holds_nothing() -> None:
    with try_only_one(Space.DRAIN, 0) as first, try_only_one(Space.DRAIN, 0, ask=lambda: None, within=0.1) as second:
        assert (first is None, second is None) == (False, True)
    with try_only_one(Space.DRAIN, 0) as third:
        assert third is not None
