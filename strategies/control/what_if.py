"""A plan put before IBKR's preview, because a person asks: what it would cost and change there, with nothing sent."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from brokers.whatif import asking
from brokers.whatif.asking import WhatIfRefused
from strategies.display import explanation
from strategies.domain.plan.previewing import previewed
from strategies.models import Decision

# Of these nothing has been sent.
OPEN = frozenset({Decision.Status.PROPOSED, Decision.Status.REHEARSED})


def ask(decision: Decision, *, actor: User | None, now: datetime) -> int:
    """Ask IBKR about the orders of a plan that was not sent; how many were not being asked about already.

    Raises WhatIfRefused where there is no such plan, or no session to ask over.
    """
    plan = explanation.plan_of(decision)
    if plan is None or not plan.intents:
        raise WhatIfRefused("This decision orders nothing, so there is nothing to ask IBKR about.", "no-plan")
    if decision.status not in OPEN:
        raise WhatIfRefused(
            "The orders of this plan are not open any more, so a preview would be of other orders. "
            "IBKR can be asked about plans that wait for approval, and about dry runs.",
            "plan-not-open",
        )
    return asking.ask(decision.subscription.account, decision.code, previewed(plan), actor=actor, now=now)
