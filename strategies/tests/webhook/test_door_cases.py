"""Every case of the contract, sent to the door itself at the moment it was written for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import time_machine

from accounts.models import Team
from strategies.domain.message.symbols import Kind
from strategies.models import Signal, Strategy
from strategies.setup import strategies
from strategies.tests.reading.test_parse_cases import CASES
from strategies.tests.webhook import doors

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_door_answers_every_case_exactly(team: Team, now: datetime) -> None:
    wrong: list[tuple[str, Any, Any]] = []
    for case in CASES:
        context = case["context"]
        strategy = strategies.create_strategy(
            team=team,
            actor=None,
            name=case["id"],
            asset_class=Kind(context["asset_class"].removesuffix("s")),
            now=now,
            allowed_tickers=context.get("allowed_tickers") or context.get("allow_list") or (),
        )
        body = case["body"]
        with time_machine.travel(datetime.fromisoformat(context["now"])):
            answer = doors.post(
                doors.path_of(strategy),
                body.encode("utf-8", "surrogatepass"),
                headers=[("content-type", case["content_type"])],
            )
        expected = {name: value for name, value in (case.get("canonical") or {}).items() if name != "meaning"}
        actual: object
        expected_answer: object
        if case["expect"] == "accept":
            # What a case does not mention may be in the reading besides.
            reading = answer.json.get("reading", {})
            actual, expected_answer = (answer.status, {name: reading.get(name) for name in expected}), (200, expected)
        else:
            actual, expected_answer = (answer.status, answer.code), (expected["status"], expected["messageCode"])
        if actual != expected_answer:
            wrong.append((case["id"], actual, expected_answer))
    assert wrong == []
    assert Signal.objects.count() == sum(case["expect"] == "accept" for case in CASES)
    assert Strategy.objects.count() == len(CASES) == 121
