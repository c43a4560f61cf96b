"""What an open page is told about signals and decisions, and the rows it is told with."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.template.loader import render_to_string

from accounts.feed.pushes import push_on_commit
from brokers.live import the_one
from brokers.models import Order
from brokers.postgres.written import keep_related, written_once
from strategies.display import proposals
from strategies.domain.outcome import Outcome, Verdict, outcome
from strategies.domain.trouble import Part, Trouble, trouble
from strategies.models import Decision, Refusal, Signal


def signal_changed(signal_pk: int, team_pk: int) -> None:
    """After commit, the signal's row and its page show what has become of it."""
    push_on_commit(team_pk, f"signal.{signal_pk}", lambda: signal_html(signal_pk))


def refused(refusal_pk: int, team_pk: int) -> None:
    """After commit, the list of signals shows a delivery that was refused."""
    push_on_commit(team_pk, f"refusal.{refusal_pk}", lambda: refusal_html(refusal_pk))


def signal_html(signal_pk: int) -> str:
    """The signal's row; of a signal with proposals their cards, too."""
    signal = _shown(signal_pk)
    row = render_to_string(
        "strategies/_signal_row.html", {"signal": signal, "team": signal.team, "outcome": outcome_of(signal)}
    )
    if all(decision.expires_at is None for decision in signal.decisions.all()):
        return row
    proposed = proposals.rows().filter(signal=signal_pk).order_by("pk")
    parts = [row, *(proposal_html(decision) for decision in proposed)]
    parts += [
        render_to_string(
            "strategies/_answered_row.html", {"decision": decision, "team": signal.team, "verdict": verdict}
        )
        for decision in proposed
        if (verdict := proposals.verdict(decision)) != "proposed"
    ]
    return "".join(f"<template>{part}</template>" for part in parts)


def proposal_html(decision: Decision, note: str = "") -> str:
    """A card of the inbox. `note`: what the person who just answered has to know."""
    return render_to_string(
        "strategies/_approval_card.html",
        {"decision": decision, "team": decision.team, "card": proposals.card(decision, note)},
    )


def refusal_html(refusal_pk: int) -> str:
    refusal = Refusal.objects.select_related("team", "endpoint__strategy").get(pk=refusal_pk)
    return render_to_string("strategies/_refusal_row.html", {"refusal": refusal, "team": refusal.team})


# A row shows little of what is joined to it, and of what was received only its reading: half the time of a push was columns.
_OF_A_SIGNAL = (
    *(
        field.name
        for field in Signal._meta.concrete_fields
        if field.name not in {"body", "headers", "warnings", "content_type", "address"}
    ),
    "team__code",
    "strategy__code",
    "strategy__name",
)
_OF_ITS_ORDERS = (
    "ticket",
    "code",
    "role",
    "status",
    "reason",
    "held_reason",
    "filled_quantity",
    "average_price",
    "acknowledged_at",
    "filled_at",
    "account__connection__environment",
)


def _shown(signal_pk: int) -> Signal:
    """The signal with everything its row shows, by three statements that are written once. Raises ObjectDoesNotExist."""
    signal = the_one(_signal(signal_pk))
    decisions = _decisions(signal_pk)
    tickets = {decision.ticket.pk: decision.ticket for decision in decisions if decision.ticket is not None}
    by_ticket: dict[int, list[Order]] = {pk: [] for pk in tickets}
    for order in _orders(signal_pk) if tickets else ():
        # Of a decision that was taken since, the next push shows the orders.
        if (ticket := tickets.get(order.ticket_id)) is not None:
            order.ticket = ticket
            by_ticket[ticket.pk].append(order)
    for pk, ticket in tickets.items():
        keep_related(ticket, "orders", by_ticket[pk])
    for decision in decisions:
        decision.signal = signal
    keep_related(signal, "decisions", decisions)
    return signal


@written_once
def _signal(signal_pk: int) -> QuerySet[Signal]:
    return Signal.objects.select_related("team", "strategy").only(*_OF_A_SIGNAL).filter(pk=signal_pk)


@written_once
def _decisions(signal_pk: int) -> QuerySet[Decision]:
    return _shown_decisions().filter(signal=signal_pk)


@written_once
def _orders(signal_pk: int) -> QuerySet[Order]:
    made = Order.objects.select_related("account__connection").only(*_OF_ITS_ORDERS)
    return made.filter(ticket__decision__signal=signal_pk).order_by("pk")


def signal_rows() -> QuerySet[Signal]:
    """Signals with everything their rows show, in three queries for however many rows."""
    orders = Order.objects.select_related("account__connection").only(*_OF_ITS_ORDERS)
    return Signal.objects.select_related("team", "strategy").prefetch_related(
        Prefetch("decisions", _shown_decisions()), Prefetch("decisions__ticket__orders", orders.order_by("pk"))
    )


def _shown_decisions() -> QuerySet[Decision]:
    # Without what each decision saw, which is most of its row and none of this one.
    columns = ("signal", "status", "reason", "reason_code", "waiting_for", "decided_at", "expires_at", "answered_at")
    joined = ("ticket__key", "terms__values")
    return Decision.objects.select_related("ticket", "terms").only(*columns, *joined).order_by("pk")


def outcome_of(signal: Signal) -> Outcome:
    """What became of a signal whose decisions are loaded."""
    decisions = signal.decisions.all()
    result = outcome(
        [Verdict(decision.status, decision.reason or decision.waiting_for) for decision in decisions],
        dispatched=signal.dispatched_at is not None,
        note=signal.note,
        delayed=signal.not_before is not None,
        is_test=signal.is_test,
    )
    also = [
        *(decision.status for decision in decisions),
        "pending" if result.word == "received" else "",
        "rehearsed" if signal.is_test else "",
        "set_aside" if signal.note else "",
        signal.set_aside,
        "repeated" if signal.duplicates else "",
    ]
    accepted = [decision for decision in decisions if decision.status == Decision.Status.ACCEPTED and decision.ticket]
    orders = [order for decision in accepted if decision.ticket for order in decision.ticket.orders.all()]
    wrong = trouble_of(orders)
    return replace(result, also=(*also, "troubled" if wrong else ""), trouble=wrong)


def trouble_of(orders: Iterable[Order]) -> Trouble | None:
    """What went wrong with the orders that were made of a signal."""
    return trouble(
        Part(role=order.role, status=order.status, reason=order.reason, held=order.held_reason) for order in orders
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list of signals: a signal with its outcome, or a refused delivery."""

    at: datetime
    signal: Signal | None = None
    outcome: Outcome | None = None
    refusal: Refusal | None = None


def rows(signals: Iterable[Signal], refusals: Iterable[Refusal] = ()) -> list[Row]:
    """Signals and refused deliveries in one list, newest first."""
    return list(merged(signals, refusals))


def merged(signals: Iterable[Signal], refusals: Iterable[Refusal]) -> Iterator[Row]:
    """Two lists in one by time, each of them in the order it has.

    The order in which rows were stored is not quite that of their arrival, and pages go by the former: a list that is
    sorted again would lose a row where two pages meet.
    """
    left = (Row(signal=signal, outcome=outcome_of(signal), at=signal.received_at) for signal in signals)
    right = (Row(refusal=refusal, at=refusal.received_at) for refusal in refusals)
    return heapq.merge(left, right, key=lambda row: row.at, reverse=True)
