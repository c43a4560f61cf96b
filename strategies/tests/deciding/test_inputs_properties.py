"""What a decision saw, through the database's JSON and back: the same answer, whatever was asked."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.snapshot import Snapshot
from config.tests.samples import samples
from strategies import inputs
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import Guards
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Terms
from strategies.inputs import Inputs
from strategies.tests.domain.cases_of_decide import NOW, drawn, message, snapshot, working
from strategies.tests.domain.test_decide_properties import GUARDS, MESSAGES, SNAPSHOTS, TERMS

FRESHNESS = st.none() | st.builds(Freshness, entry_seconds=st.integers(1, 90), exit_seconds=st.integers(1, 90))


@settings(max_examples=samples(150), deadline=None)
@given(
    asked=MESSAGES,
    terms=TERMS,
    book=SNAPSHOTS,
    guards=GUARDS,
    freshness=FRESHNESS,
    waited=st.integers(0, 90).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_the_stored_inputs_give_the_stored_plan(
    asked: Message, terms: Terms, book: Snapshot, guards: Guards, freshness: Freshness | None, waited: timedelta
) -> None:
    received_at = NOW - waited
    seen = Inputs(
        message=asked,
        terms=terms,
        snapshot=book,
        now=NOW,
        received_at=received_at,
        freshness=freshness,
        guards=guards,
    )
    answer = decide(asked, terms, book, NOW, received_at=received_at, freshness=freshness, guards=guards)
    kept = seen.to_json(answer)
    again = inputs.decide_again(json.loads(json.dumps(kept)))
    assert again == answer
    if isinstance(answer, Plan):
        stored = json.loads(json.dumps(inputs.plan_json(answer)))
        assert inputs.plan_from_json(stored) == answer == again


def test_legs_that_become_smaller_are_kept_one_by_one() -> None:
    """However many orders work: a plan that names one has to find it again."""
    legs = [
        working("stop_loss", "sell", 1, f"s{number}", "stop", stop_price=Decimal(90), parent=f"e{number}")
        for number in range(inputs.WHOLE)
    ]
    last = working("stop_loss", "sell", 10, "s", "stop", stop_price=Decimal(90), parent="e")
    asked, book = message("exit", 4), snapshot(inputs.WHOLE + 10, last, *legs)
    answer = decide(asked, Terms(), book, NOW)
    assert isinstance(answer, Plan)
    assert drawn(answer) == "s to 6 | exit sell 4"
    seen = Inputs(message=asked, terms=Terms(), snapshot=book, now=NOW, received_at=NOW, freshness=None)
    kept = seen.to_json(answer)
    again = inputs.decide_again(json.loads(json.dumps(kept)))
    assert isinstance(again, Plan)
    assert drawn(again) == drawn(answer)
