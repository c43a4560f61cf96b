"""What a decision saw, through the database's JSON and back: the same answer, whatever was asked."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.snapshot import Snapshot
from brokers.snapshots import View
from strategies import inputs
from strategies.domain.decide import decide
from strategies.domain.freshness import Freshness
from strategies.domain.guards import Guards
from strategies.domain.message import Message
from strategies.domain.plan import Plan, Terms
from strategies.tests.cases_of_decide import NOW
from strategies.tests.test_decide_properties import GUARDS, MESSAGES, SNAPSHOTS, TERMS

FRESHNESS = st.none() | st.builds(Freshness, entry_seconds=st.integers(1, 90), exit_seconds=st.integers(1, 90))


@settings(max_examples=150, deadline=None)
@given(
    asked=MESSAGES, terms=TERMS, book=SNAPSHOTS, guards=GUARDS, freshness=FRESHNESS,
    waited=st.integers(0, 90).map(lambda seconds: timedelta(seconds=seconds)),
)  # fmt: skip
def test_the_stored_inputs_give_the_stored_plan(
    asked: Message, terms: Terms, book: Snapshot, guards: Guards, freshness: Freshness | None, waited: timedelta
) -> None:
    received_at = NOW - waited
    answer = decide(asked, terms, book, NOW, received_at=received_at, freshness=freshness, guards=guards)
    kept = inputs.kept(
        asked, terms, View(snapshot=book), NOW, answer, received_at=received_at, freshness=freshness, guards=guards
    )
    again = inputs.again(json.loads(json.dumps(kept)))
    assert again == answer
    if isinstance(answer, Plan):
        stored = json.loads(json.dumps(inputs.plan_json(answer)))
        assert inputs.plan_from_json(stored) == answer == again
