"""How long a user's order references are remembered, and in how little room."""

from __future__ import annotations

import random
import tracemalloc

from brokers.simulator.gateway.references import HOUR_S, References

DAY = 20_000 * 24 * HOUR_S


def test_references_are_forgotten_once_they_may_be_used_again() -> None:
    references = References()
    for reference, at in (("yesterday", 100.0), ("morning", 200.0), ("now", 300.0), ("tomorrow", 90_000.0)):
        references.register(reference, at)
    references.forget(200.0)
    assert [references.get(each) for each in ("yesterday", "morning", "now", "tomorrow")] == [
        None,
        200.0,
        300.0,
        90_000.0,
    ]
    references.forget(10_000.0)
    assert [references.get(each) for each in ("morning", "tomorrow")] == [None, 90_000.0]
    references.forget(100_000.0)
    assert len(references) == 0


def test_references_are_known_as_a_dictionary_knows_them() -> None:
    dice, known, references = random.Random(5), {}, References()
    for number in range(4_000):
        reference, at = f"order-{dice.randrange(1_500)}", DAY + number * 10.0
        known[reference] = at
        references.register(reference, at)
        if number % 500 == 499:
            before = at - 3.5 * HOUR_S
            references.forget(before)
            known = {name: moment for name, moment in known.items() if moment >= before}
    assert {f"order-{each}": references.get(f"order-{each}") for each in range(1_500)} == {
        f"order-{each}": known.get(f"order-{each}") for each in range(1_500)
    }


def test_a_reference_takes_less_than_thirty_bytes() -> None:
    tracemalloc.start()
    references = References()
    for number in range(10_000):
        references.register(f"7f1c0a52-0000-4000-8000-{number:012}", DAY + number)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(references) < 30
