"""What one subscription makes of one signal.

Rule ids are rows of docs/trading-rules.md; an `s` behind one is its mirror for sells. The orders of a plan are put before
the rulebook last; its refusals are the rules R01 to R05 (docs/rulebook.md).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from brokers.domain.orders import Role
from brokers.domain.sentences import all_of
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide import actions, trades
from strategies.domain.decide.advisors.dividing import divided
from strategies.domain.decide.case import Case
from strategies.domain.decide.guards import NO_GUARDS, Guards
from strategies.domain.decide.modifying.modify import modify
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.good_till import moment_in_utc
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.approval import every_order
from strategies.domain.plan.costs import affordable
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms


def decide(
    message: Message,
    terms: Terms,
    snapshot: Snapshot,
    now: datetime,
    *,
    received_at: datetime | None = None,
    freshness: Freshness | None = None,
    guards: Guards = NO_GUARDS,
) -> Plan | Rejection:
    """A plan or a rejection, with the rule that decided. Total: every input has an answer, no error is raised.

    Positions are signed, quantities in shares or contracts, prices in the contract's currency, moments aware.
    `received_at` is when the signal came in, None for a rehearsal; `freshness` limits its age by its own time, None where
    age does not matter.
    """
    try:
        case = Case(message, terms, snapshot, now, received_at=received_at, freshness=freshness, guards=guards)
        answer = _answer(case)
        if isinstance(answer, Rejection):
            return answer
        answer = affordable(answer, snapshot, now, message.signal_price)
        return answer if isinstance(answer, Rejection) else divided(case, _with_end(_with_pick(answer, message)))
    except ArithmeticError:
        # Prices and quantities are bounded where they come in; what is left is a broker's nonsense.
        return Rejection(
            rule="X03",
            code="figures-out-of-range",
            reason="The figures of this signal and its market cannot be computed with. Check its prices and quantity.",
        )


def _with_pick(plan: Plan, message: Message) -> Plan:
    """The plan with why this option was picked, where the signal names one by its parts and opens it."""
    picked = message.symbol.facts.get("picked")
    if not picked or not any(intent.role is Role.ENTRY for intent in plan.intents):
        return plan
    return replace(plan, reason=f"{plan.reason} {picked}.")


def _with_end(plan: Plan) -> Plan:
    """The plan with when Halyard cancels those of its orders that are good till a date."""
    ends = sorted({order.good_till for order in every_order(plan.intents) if order.good_till is not None})
    if not ends:
        return plan
    what = "What is left of it" if len(plan.intents) == 1 else "What is left"
    return replace(plan, reason=f"{plan.reason} {what} is canceled by Halyard at {all_of(map(moment_in_utc, ends))}.")


def _answer(case: Case) -> Plan | Rejection:
    if case.terms.tickers and not _listed(case):
        reason = f"{case.ticker} is not on this subscription's list of tickers. Add it to the list to trade it."
        return Rejection(rule="G11", code="ticker-not-allowed", reason=reason)
    match case.message.action:
        case Action.BUY | Action.SELL:
            return trades.trade(case)
        case Action.EXIT:
            return actions.leave_position(case)
        case Action.ADD:
            return actions.add(case)
        case Action.CANCEL:
            return actions.cancel(case)
        case Action.REVERSE:
            return actions.reverse(case)
        case Action.BREAKEVEN:
            return actions.breakeven(case)
        case Action.MODIFY:
            return modify(case)


def _listed(case: Case) -> bool:
    names = {case.ticker, *case.message.symbol.names}
    return not names.isdisjoint(case.terms.tickers)
