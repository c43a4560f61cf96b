"""A decision as its page shows it: the plan as a tree, what was known when it was taken, and the same decision again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import msgspec

from brokers.domain.snapshot import Snapshot
from brokers.models import Order
from strategies import inputs
from strategies.display import labels
from strategies.display.labels import Change
from strategies.display.plans import Tree, lines, ordered, tree
from strategies.display.readings import pairs
from strategies.domain.decide.guards import NO_GUARDS, Guards, Halt
from strategies.domain.message.message import Message
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Chosen, Leg, Source, effective
from strategies.domain.terms.terms import Terms
from strategies.models import Decision

# Bad inputs of an older version: a field that is gone, a word that is not known any more.
UNREADABLE = (ValueError, TypeError, KeyError)
LONGEST = 400  # letters that a decision keeps of its sentence


@dataclass(frozen=True, slots=True)
class Side:
    """A setting as it held for one leg; `source` says whose word it was."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Merged:
    """One setting of both legs."""

    label: str
    entry: Side
    exit: Side

    @property
    def told(self) -> bool:
        """True when somebody said it, for one of the legs at least."""
        return {self.entry.source, self.exit.source} != {Source.DEFAULT}


@dataclass(frozen=True, slots=True)
class Limit:
    """A stop, a lockout or a limit from above, and the figure it was held against."""

    whose: str
    label: str
    text: str
    figure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a decision saw."""

    reading: tuple[tuple[str, str], ...]
    snapshot: Snapshot
    now: datetime
    received_at: datetime | None
    terms: tuple[Change, ...]
    guards: tuple[Limit, ...]
    merged: tuple[Merged, ...]
    unsettled: Decimal = Decimal(0)

    @property
    def told(self) -> list[Merged]:
        return [each for each in self.merged if each.told]

    @property
    def untold(self) -> list[Merged]:
        return [each for each in self.merged if not each.told]


def plan_of(decision: Decision) -> Plan | None:
    """The plan that was made; of a decision from before plans were kept, the one its inputs give again."""
    if decision.plan:
        return inputs.plan_from_json(decision.plan)
    if decision.status != Decision.Status.ACCEPTED or not _complete(decision.inputs):
        return None
    try:
        answer = inputs.again(decision.inputs or {})
    except UNREADABLE:
        return None
    return answer if isinstance(answer, Plan) else None


def seen(decision: Decision) -> Seen | None:
    """What the decision saw; None where it was taken without a look at the book, or by a version too old to read."""
    kept = decision.inputs or {}
    if not _complete(kept):
        return None
    try:
        snapshot, now = inputs.snapshot_then(kept)
        message, terms = Message.from_reading(kept["message"]), Terms.from_json(kept["terms"])
        guards = NO_GUARDS if kept.get("guards") is None else msgspec.convert(kept["guards"], Guards, strict=False)
    except UNREADABLE:
        return None
    received_at = kept.get("received_at")
    return Seen(
        reading=tuple(pairs(kept["message"])),
        snapshot=snapshot,
        now=now,
        received_at=datetime.fromisoformat(received_at) if received_at else None,
        terms=tuple(labels.changes(Terms(), terms)),
        guards=tuple(_limits(guards)),
        merged=tuple(_merged(message, terms)),
        unsettled=Decimal(kept.get("unsettled") or 0),
    )


def _complete(kept: dict[str, Any] | None) -> bool:
    return bool(kept) and {"message", "terms", "snapshot", "now"} <= set(kept or {})


def _limits(guards: Guards) -> Iterator[Limit]:
    """What was stopped and limited above the terms."""
    if guards.halt is not Halt.NOTHING:
        yield Limit("", "Stopped by hand", f"{guards.halt}, by {guards.halted_by or 'a person'}")
    if guards.lockout_until is not None:
        yield Limit("", "Entries locked", f"until {guards.lockout_until:%Y-%m-%d %H:%M} UTC for {guards.lockout}")
    for level in guards.levels:
        whose = f"{level.who[:1].upper()}{level.who[1:]}"
        figures = {
            "max_trades_per_day": level.trades_today,
            "max_daily_loss": level.day_profit,
            "max_daily_profit": level.day_profit,
            "cooldown_seconds": level.last_trade_at,
        }
        if level.restricted:
            yield Limit(whose, "Tickers not to be opened", ", ".join(level.restricted))
        for name in _LIMITS:
            value = getattr(level, name)
            if value is not None:
                yield Limit(whose, labels.LABELS[name], labels.said(name, value), _figure(figures.get(name)))


def _figure(value: Decimal | datetime | int | None) -> str:
    match value:
        case datetime():
            return f"the last at {value:%H:%M:%S} UTC"
        case Decimal():
            return f"the day's result {plain(value)}"
        case int():
            return f"{value} so far"
    return ""


def _merged(message: Message, terms: Terms) -> Iterator[Merged]:
    # Without the strategy's defaults: those of today are not those of then.
    entry = effective(message, terms, Leg.ENTRY).shown()
    leave = effective(message, terms, Leg.EXIT).shown()
    for name in entry:
        label = _LABELS.get(name) or labels.LABELS.get(name, name.replace("_", " ").capitalize())
        yield Merged(label, _side(name, entry[name]), _side(name, leave[name]))


def _side(name: str, chosen: Chosen[Any]) -> Side:
    value = chosen.value
    if value is None:
        return Side(_NOT_SAID.get(name, "none"), chosen.source)
    return Side(labels.said(_TERMS.get(name, name), value), chosen.source)


# Settings that are called otherwise where signal and terms are merged, and what it means that nobody said one.
_TERMS = {"extended_hours": "outside_rth", "cancel": "cancel_orders", "ignore_windows": "ignore_windows"}
_LABELS = {
    "extended_hours": "Also outside regular hours",
    "cancel": "Cancel working orders first",
    "ignore_windows": "Ignore trading windows",
    "limit_price": "Limit price",
    "stop_price": "Stop price",
}
_NOT_SAID = {
    "quantity": "not said",
    "limit_price": "the market's then",
    "stop_price": "the market's then",
    "cancel_after": "never",
}
_LIMITS = (
    "max_quantity",
    "max_amount",
    "max_position",
    "max_position_amount",
    "max_trades_per_day",
    "cooldown_seconds",
    "max_daily_loss",
    "max_daily_profit",
)


# -- the same decision again ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was one way then and is another way now."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The answer of today's `decide` to the inputs of then. `unreadable` says why there is none."""

    answer: Plan | Rejection | None = None
    differences: tuple[Difference, ...] = ()
    unreadable: str = ""
    tree: Tree = field(default_factory=Tree)

    @property
    def same(self) -> bool:
        return self.answer is not None and not self.differences


def again(decision: Decision, orders: Sequence[Order] = ()) -> Again:
    """Decide once more from what was kept, and hold the answer against the one of then; `orders` are its ticket's."""
    if not _complete(decision.inputs):
        return Again(
            unreadable="This decision was taken without a look at the account, so there is nothing to decide by."
        )
    try:
        answer = inputs.again(decision.inputs or {})
    except UNREADABLE as error:
        return Again(unreadable=f"This version of Halyard cannot read what the decision saw: {error}")
    shown = tree(answer) if isinstance(answer, Plan) else Tree()
    differences = tuple(_differences(_given(decision, orders), _said(answer)))
    return Again(answer=answer, differences=differences, tree=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An answer as far as another one is held against it."""

    answer: str
    rule: str
    code: str
    sentence: str
    orders: tuple[str, ...]
    cancels: frozenset[str] = frozenset()
    resizes: frozenset[str] = frozenset()


def _said(answer: Plan | Rejection) -> _Said:
    if isinstance(answer, Rejection):
        return _Said(answer="a rejection", rule=answer.rule, code=answer.code, sentence=answer.reason, orders=())
    return _Said(
        answer="a plan",
        rule=answer.rule,
        code="",
        sentence=answer.reason,
        orders=tuple(lines(answer.intents)),
        cancels=frozenset(answer.cancels),
        resizes=frozenset(f"{each.reference} to {plain(each.quantity)}" for each in answer.resizes),
    )


def _given(decision: Decision, orders: Sequence[Order]) -> _Said:
    """The answer of then, apart from what people made of it: a proposal's plan stays its answer when it is declined."""
    if decision.plan:
        return _said(inputs.plan_from_json(decision.plan))
    rejected = decision.status == Decision.Status.REJECTED
    ticket = decision.ticket
    cancels, resizes = (ticket.cancels, ticket.resizes) if ticket else ([], [])
    return _Said(
        answer="a rejection" if rejected else "a plan",
        rule=decision.rule,
        code=decision.reason_code,
        sentence=decision.reason,
        orders=tuple(ordered(orders)),
        cancels=frozenset(str(each["reference"]) for each in cancels),
        resizes=frozenset(f"{each['reference']} to {plain(Decimal(each['quantity']))}" for each in resizes),
    )


def _differences(then: _Said, now: _Said) -> Iterator[Difference]:
    for name in ("answer", "rule", "code"):
        yield from _told(name, getattr(then, name), getattr(now, name))
    # What was not kept as a plan has its sentence cut to the column.
    cut = len(then.sentence) == LONGEST and now.sentence.startswith(then.sentence)
    yield from _told("sentence", then.sentence, then.sentence if cut else now.sentence)
    for number, (before, after) in enumerate(zip_longest(then.orders, now.orders, fillvalue=""), start=1):
        yield from _told(f"order {number}", before, after)
    yield from _told("cancels", ", ".join(sorted(then.cancels)), ", ".join(sorted(now.cancels)))
    yield from _told("made smaller", ", ".join(sorted(then.resizes)), ", ".join(sorted(now.resizes)))


def _told(what: str, then: str, now: str) -> Iterator[Difference]:
    if then != now:
        yield Difference(what, then or "none", now or "none")
