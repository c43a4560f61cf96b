"""Whether IBKR takes an order at all: the rulebook's verdict, IBKR's own rules of the contract, and the auctions. Pure."""

from __future__ import annotations

from datetime import timedelta

from brokers.domain.contracts import auctions
from brokers.domain.contracts import rules as contract_rules
from brokers.domain.orders import TimeInForce
from brokers.domain.sentences import all_of
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot
from brokers.rulebook import values as book
from brokers.rulebook.answers import Denied
from brokers.rulebook.gate.permissions import REASONS
from brokers.rulebook.gate.validation import validate
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.question import Question, calendar_of
from strategies.domain.plan.translation import to_permissions

_FOR_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})


def remarks_on(question: Question) -> tuple[str, ...] | Rejection:
    """Sentences about an order that is sent, or why it is not."""
    snapshot, entry = question.snapshot, question.is_entry
    if entry and (doubt := snapshot.doubted or snapshot.in_combos) is not None:
        return Rejection(rule="B01", code=doubt.code, reason=doubt.sentence)
    verdict = validate(
        question.instrument,
        question.order,
        question.now,
        calendar_of(snapshot),
        rules=question.rules,
        position=book.Position(quantity=snapshot.position),
        permissions=to_permissions(snapshot.capabilities, snapshot.permitted),
    )
    if isinstance(verdict, Denied) and entry:
        rule = "R05" if verdict.reason in REASONS else "R01"
        return Rejection(rule=rule, code=verdict.reason, reason=verdict.sentence)
    ruled_out = contract_rules.denial(question.intent, snapshot.rules) or _outside_auction(question)
    if ruled_out is not None and entry:
        return Rejection(rule="R01", code=ruled_out.code, reason=ruled_out.sentence)
    # A way out is tried all the same: IBKR has the last word, not our tables.
    remarks = (verdict,) if isinstance(verdict, Denied) else verdict.cautions
    unknown = ("IBKR has not said what this account may trade.",) if entry and _is_silent(snapshot) else ()
    ruled = () if ruled_out is None else (ruled_out.sentence,)
    uncounted = _not_counted(snapshot) if entry else ()
    return *(remark.sentence for remark in remarks), *ruled, *unknown, *uncounted


def _outside_auction(question: Question) -> contract_rules.Denial | None:
    """Why an order for an auction may not leave now, by IBKR's hours of its contract, else by the days of US shares."""
    snapshot, now, tif = question.snapshot, question.now, question.intent.time_in_force
    if tif not in _FOR_AUCTIONS or snapshot.environment is Environment.SIMULATED:
        return None
    hours = snapshot.hours
    if hours is not None and hours.regular and hours.covers(now):
        return auctions.denial(tif, hours.regular, hours.zone, now)
    calendar = calendar_of(snapshot)
    if calendar is None:
        return None
    since = calendar.local(now).date() - timedelta(days=5)
    days = [since + timedelta(days=number) for number in range(12)]
    spans = [(calendar.regular_open(day), calendar.regular_close(day)) for day in days]
    sessions = [(int(opens.timestamp()), int(ends.timestamp())) for opens, ends in spans if opens and ends]
    return auctions.denial(tif, sessions, calendar.zone.key, now)


def _not_counted(snapshot: Snapshot) -> tuple[str, ...]:
    """What of the available funds orders placed elsewhere may still need, where nobody can tell how much."""
    orders = snapshot.uncounted
    if not orders:
        return ()
    named = all_of([*orders[:3], f"{len(orders) - 3} more"] if len(orders) > 3 else orders)
    return (f"The money that orders placed elsewhere need is not counted: {named}.",)


def _is_silent(snapshot: Snapshot) -> bool:
    """Whether IBKR has told neither of the account nor of the contract what may be traded."""
    known = snapshot.capabilities.asset_types or snapshot.permitted is not None
    return not known and snapshot.environment is not Environment.SIMULATED
