"""A past delivery read again: what it did when it came beside what it would do now. Nothing is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from brokers.domain.orders import OrderIntent
from brokers.models import Order
from strategies.display.plans import how
from strategies.display.readings import pairs
from strategies.models import Decision, Refusal, Signal, Strategy, Subscription
from strategies.reading.warnings import sentence
from strategies.rehearsal.dry_run import Answer, OrderLine, Rehearsal, lines, rehearse


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What became of the delivery when it came."""

    at: datetime
    pairs: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: Refusal | None = None
    note: str = ""
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the reading, then and now; either text may be empty."""

    label: str
    then: str
    now: str

    @property
    def differs(self) -> bool:
        return self.then != self.now


@dataclass(frozen=True, slots=True)
class Pair:
    """One subscription's answer then and now; either may be missing."""

    subscription: Subscription
    then: Answer | None
    now: Answer | None

    @property
    def differs(self) -> bool:
        # One that is switched off is shown and would not be asked.
        now = self.now if self.subscription.enabled else None
        if self.then is None or now is None:
            return self.then is not now
        return _essence(self.then) != _essence(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Then and now, side by side. `rehearsal` is None when the body is gone."""

    strategy: Strategy
    past: Past
    rehearsal: Rehearsal | None
    rows: tuple[Row, ...] = ()
    answers: tuple[Pair, ...] = ()

    @property
    def same(self) -> bool:
        """True when everything would be the same now."""
        if self.rehearsal is None or not self.strategy.enabled or self.rehearsal.set_aside or self.past.note:
            return False
        then, now = self.past.refusal, self.rehearsal.refused
        if (then.message_code if then else "") != (now.code if now else ""):
            return False
        return not any(row.differs for row in self.rows) and not any(pair.differs for pair in self.answers)


def replay_signal(signal: Signal, now: datetime, *, ask: bool) -> Replay:
    """A stored signal against today's settings and today's book."""
    decisions = list(
        Decision.objects.filter(signal=signal)
        .select_related("subscription__account__connection", "subscription__terms")
        .order_by("pk")
    )
    past = Past(
        at=signal.received_at,
        pairs=tuple(pairs(signal.reading)),
        warnings=tuple(sentence(code) for code in signal.warnings),
        note=signal.note,
        answers=tuple(_past_answers(decisions)),
    )
    return _replay(signal.strategy, past, signal.body, now, ask=ask)


def replay_refusal(refusal: Refusal, now: datetime, *, ask: bool) -> Replay:
    """A refused delivery against today's settings and today's book: would it be taken now?"""
    past = Past(at=refusal.received_at, refusal=refusal)
    return _replay(refusal.endpoint.strategy, past, refusal.body, now, ask=ask)


def _replay(strategy: Strategy, past: Past, body: str, now: datetime, *, ask: bool) -> Replay:
    if not body:
        return Replay(strategy=strategy, past=past, rehearsal=None, rows=tuple(_rows(past.pairs, past.pairs)))
    rehearsal = rehearse(strategy, body.encode("utf-8", "replace"), now, ask=ask)
    return Replay(
        strategy=strategy,
        past=past,
        rehearsal=rehearsal,
        rows=tuple(_rows(past.pairs, pairs(rehearsal.reading))),
        answers=tuple(_side_by_side(past.answers, rehearsal.answers)),
    )


def _rows(then: Iterable[tuple[str, str]], now: Iterable[tuple[str, str]]) -> Iterator[Row]:
    before, after = dict(then), dict(now)
    for label in dict.fromkeys([*after, *before]):
        yield Row(label, before.get(label, ""), after.get(label, ""))


def _side_by_side(then: Iterable[Answer], now: Iterable[Answer]) -> Iterator[Pair]:
    before = {answer.subscription.pk: answer for answer in then}
    after = {answer.subscription.pk: answer for answer in now}
    for key in dict.fromkeys([*after, *before]):
        either = after.get(key) or before[key]
        yield Pair(either.subscription, before.get(key), after.get(key))


def _essence(answer: Answer) -> object:
    """What an answer does, apart from how it says it."""
    acts = answer.status in {"accepted", "rehearsed", "proposed"}
    return (acts, answer.code, [(line.role, line.words) for line in answer.orders])


def _past_answers(decisions: list[Decision]) -> Iterator[Answer]:
    by_ticket: dict[int, list[OrderLine]] = defaultdict(list)
    tickets = [decision.ticket_id for decision in decisions if decision.ticket_id]
    for order in Order.objects.filter(ticket__in=tickets).order_by("pk"):
        by_ticket[order.ticket_id].append(_ordered(order))
    for decision in decisions:
        yield Answer(
            subscription=decision.subscription,
            status=decision.status,
            rule=decision.rule,
            code=decision.reason_code,
            reason=decision.reason or decision.waiting_for,
            orders=tuple(by_ticket[decision.ticket_id]) if decision.ticket_id else _planned(decision),
        )


def _ordered(order: Order) -> OrderLine:
    return OrderLine(
        role=order.role,
        side=order.side,
        quantity=order.quantity,
        ticker=order.ticker,
        how=how(order),
        depth=1 if order.parent_id else 0,
    )


def _planned(decision: Decision) -> tuple[OrderLine, ...]:
    """The orders of a plan that was only rehearsed; none where this version cannot read it back."""
    try:
        intents = msgspec.convert((decision.plan or {}).get("intents", []), tuple[OrderIntent, ...], strict=False)
    except msgspec.ValidationError:
        return ()
    return lines(intents)
