"""Who stands before whom among thousands: the same as by looking at all of them, without looking at all of them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from brokers.book.views import NotYet
from strategies.deciding.turns import Line, Pair
from strategies.domain.message.message import Message
from strategies.models import Decision, Signal, Subscription
from strategies.tests.lookups import reading

MESSAGES = {action: Message.from_reading(reading(action)) for action in ("buy", "sell", "add")}
MESSAGES["exit"] = Message.from_reading(reading("exit", quantity=None))
ACCOUNT = 1


def decision(key: int | None, subscription: int = 1) -> Decision:
    """A decision of one account; without a key it is not saved yet."""
    made = Decision(
        pk=key,
        subscription=Subscription(pk=subscription, account_id=ACCOUNT),
        signal=Signal(received_at=timezone.now()),
    )
    made._state.adding = key is None
    return made


def slowly(waiting: list[Pair], asking: Decision) -> list[Pair]:
    """Who stands before it, by looking at each."""
    if asking._state.adding:
        return waiting
    older = [pair for pair in waiting if not pair[0]._state.adding and pair[0].pk < asking.pk]
    return sorted(older, key=lambda pair: pair[0].pk)


def whose(pairs: list[Pair]) -> list[int]:
    return [id(each) for each, _ in pairs]


coming = st.tuples(st.booleans(), st.sampled_from(sorted(MESSAGES)), st.integers(1, 2))
STEPS = st.lists(st.tuples(st.sampled_from(["wait", "turn", "save"]), coming, st.integers(0, 99)), max_size=30)


@given(STEPS, st.permutations(range(100)))
def test_who_stands_before_whom_is_the_same_as_by_looking_at_each(steps: list[Any], keys: list[int]) -> None:
    line, waiting = Line(), list[Pair]()
    for number, (step, (is_new, action, subscription), any_key) in enumerate(steps):
        message = MESSAGES[action]
        if step == "wait":
            made = decision(None if is_new else 1000 + keys[number], subscription)
            line.wait(made, message)
            waiting.append((made, message))
        elif step == "save":
            for each, _ in waiting:
                if each._state.adding:
                    each.pk, each._state.adding = 1000 + keys[number], False
                    break
        else:
            asking = decision(None if is_new else 1000 + any_key, subscription)
            before = slowly(waiting, asking)
            assert whose(line.ahead(asking, message)) == whose(before)
            turn = line.turn(asking, message)
            if not isinstance(turn, NotYet):
                assert [id(each) for each in turn] == whose(before)
                waiting = [pair for pair in waiting if id(pair[0]) not in whose(before)]
    for asking in (decision(None), decision(1050)):
        assert whose(line.ahead(asking, MESSAGES["buy"])) == whose(slowly(waiting, asking))


def test_to_ask_who_stands_before_one_of_many_compares_it_with_few() -> None:
    class Counted(int):
        compared = 0

        def __lt__(self, other: int) -> bool:
            Counted.compared += 1
            return int(self) < int(other)

    line, many = Line(), 512
    pairs = [(decision(Counted(number + 1)), MESSAGES["buy"]) for number in range(many)]
    for each, message in pairs:
        line.wait(each, message)
    for place, (each, message) in enumerate(pairs):
        assert len(line.ahead(each, message)) == place
    # Twice ten: to stand in line, and to ask.
    assert many < Counted.compared <= 2 * 10 * many
