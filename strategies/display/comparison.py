"""A decision taken again from its stored inputs, and how today's answer differs from the one it gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

from brokers.models import Order
from strategies import inputs
from strategies.display.explanation import UNREADABLE, is_complete
from strategies.display.plans import changed, lines, ordered
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Plan, Rejection
from strategies.models import Decision

REASON_LENGTH = 400  # characters of its sentence that a decision keeps


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of the answer that is different today."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Today's answer to the stored inputs, and where it differs. `unreadable` says why there is no answer."""

    answer: Plan | Rejection | None = None
    differences: tuple[Difference, ...] = ()
    unreadable: str = ""

    @property
    def same(self) -> bool:
        return self.answer is not None and not self.differences


def decide_again(decision: Decision, orders: Sequence[Order] = ()) -> Comparison:
    """Decide again from the stored inputs and compare the answers. `orders` are those of the decision's ticket."""
    if not is_complete(decision.inputs):
        return Comparison(
            unreadable="This decision was taken without a look at the account, so there is nothing to decide by."
        )
    try:
        answer = inputs.decide_again(decision.inputs or {})
    except UNREADABLE as error:
        return Comparison(unreadable=f"This version of Halyard cannot read what the decision saw: {error}")
    differences = tuple(_differences(_stored_answer(decision, orders), _answer_of(answer)))
    return Comparison(answer=answer, differences=differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The parts of an answer that are compared."""

    answer: str
    rule: str
    code: str
    sentence: str
    orders: tuple[str, ...]
    cancels: frozenset[str] = frozenset()
    resizes: frozenset[str] = frozenset()
    modifications: frozenset[str] = frozenset()


def _answer_of(answer: Plan | Rejection) -> _Answer:
    if isinstance(answer, Rejection):
        return _Answer(answer="a rejection", rule=answer.rule, code=answer.code, sentence=answer.reason, orders=())
    return _Answer(
        answer="a plan",
        rule=answer.rule,
        code="",
        sentence=answer.reason,
        orders=tuple(lines(answer.intents)),
        cancels=frozenset(answer.cancels),
        resizes=frozenset(f"{each.reference} to {plain(each.quantity)}" for each in answer.resizes),
        modifications=frozenset(f"{each.reference}: {changed(each)}" for each in answer.modifications),
    )


def _stored_answer(decision: Decision, orders: Sequence[Order]) -> _Answer:
    """The decision's own answer, whatever people did with it: a declined proposal still answered with its plan."""
    if decision.plan:
        return _answer_of(inputs.plan_from_json(decision.plan))
    rejected = decision.status == Decision.Status.REJECTED
    ticket = decision.ticket
    cancels, resizes = (ticket.cancels, ticket.resizes) if ticket else ([], [])
    return _Answer(
        answer="a rejection" if rejected else "a plan",
        rule=decision.rule,
        code=decision.reason_code,
        sentence=decision.reason,
        orders=tuple(ordered(orders)),
        cancels=frozenset(str(each["reference"]) for each in cancels),
        resizes=frozenset(f"{each['reference']} to {plain(Decimal(each['quantity']))}" for each in resizes),
    )


def _differences(then: _Answer, now: _Answer) -> Iterator[Difference]:
    for name in ("answer", "rule", "code"):
        yield from _difference(name, getattr(then, name), getattr(now, name))
    # Without a stored plan there is only the decision's reason, cut to the column.
    cut = len(then.sentence) == REASON_LENGTH and now.sentence.startswith(then.sentence)
    yield from _difference("sentence", then.sentence, then.sentence if cut else now.sentence)
    for number, (before, after) in enumerate(zip_longest(then.orders, now.orders, fillvalue=""), start=1):
        yield from _difference(f"order {number}", before, after)
    yield from _difference("cancels", ", ".join(sorted(then.cancels)), ", ".join(sorted(now.cancels)))
    yield from _difference("made smaller", ", ".join(sorted(then.resizes)), ", ".join(sorted(now.resizes)))
    yield from _difference("changed", ", ".join(sorted(then.modifications)), ", ".join(sorted(now.modifications)))


def _difference(what: str, then: str, now: str) -> Iterator[Difference]:
    if then != now:
        yield Difference(what, then or "none", now or "none")
