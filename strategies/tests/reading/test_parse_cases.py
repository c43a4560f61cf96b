"""The contract's cases: what each must be read as, or refused with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strategies.reading.parse import evaluate

FILE = Path(__file__).parent / "payloads" / "webhook_cases.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_it_answers_the_case_exactly(case: dict[str, Any]) -> None:
    answer = evaluate(case)
    assert answer["expect"] == case["expect"], answer
    if case["expect"] == "reject":
        assert {name: answer[name] for name in case["canonical"]} == case["canonical"]
        assert answer["message"].endswith(".")
        return
    # `meaning` is prose. What a case does not mention (a price, a diagnostic) may be in the reading besides.
    expected = {name: value for name, value in case["canonical"].items() if name != "meaning"}
    assert {name: answer["canonical"].get(name) for name in expected} == expected
