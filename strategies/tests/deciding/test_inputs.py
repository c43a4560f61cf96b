"""What a decision saw is kept as JSON, and answers again as it did."""

from __future__ import annotations

from decimal import Decimal

from strategies import inputs
from strategies.domain.decide.decide import decide
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, snapshot


def test_a_plan_is_read_back_whole() -> None:
    plan = decide(
        message("buy", 10, signal_price=Decimal(100)),
        Terms(stop_loss=bracket("percent", 2), take_profit=bracket("amount", 5)),
        snapshot(0),
        NOW,
    )
    assert isinstance(plan, Plan)
    assert len(plan.estimates) == 3
    assert inputs.plan_from_json(inputs.plan_json(plan)) == plan
