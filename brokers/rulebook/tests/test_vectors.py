"""Every vector counts: each is its own test, and their number is pinned."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brokers.rulebook.evaluate import OPERATIONS, agrees, evaluate, main, passes

FILE = Path(__file__).parent / "data" / "brokerage_vectors.jsonl"
VECTORS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_it_answers_as_the_vector_expects(vector: dict[str, Any]) -> None:
    answer = evaluate(vector["op"], vector["given"], vector["ruleset"])
    assert passes(vector), f"expected {vector['expect']}, found {answer}"


def test_it_knows_every_vector_by_number_and_ruleset() -> None:
    assert Counter(vector["ruleset"] for vector in VECTORS) == {
        "lean": 1084,
        "seed": 125,
        "ibkr_current": 17,
        "lean_head": 4,
    }
    assert len({vector["id"] for vector in VECTORS}) == 1230


def test_it_has_an_operation_for_every_vector() -> None:
    assert {vector["op"] for vector in VECTORS} == set(OPERATIONS)


def test_it_names_the_ruleset_and_the_table_version_in_every_answer() -> None:
    for vector in VECTORS[::25]:
        answer = evaluate(vector["op"], vector["given"], vector["ruleset"])
        assert answer["ruleset"] == vector["ruleset"]
        assert answer["tables"].startswith(vector["ruleset"])


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"allowed": True}, {"allowed": False}),
        ({"allowed": True}, {"allowed": "true"}),
        ({"reason": "a"}, {"reason": "b"}),
        ({"amount": "1"}, {"amount": "1.01"}),
        ({"amount": "1"}, {}),
        ({"unsettled": {}}, {"unsettled": {"USD": "1"}}),
        ({"steps": [{"filled": True}]}, {"steps": []}),
        ({"expires_at_utc": None}, {"expires_at_utc": "2025-01-01T00:00:00Z"}),
    ],
)
def test_it_calls_a_different_answer_a_failure(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    assert not agrees(expected, actual)


def test_it_compares_numbers_as_decimals_and_ignores_extra_keys() -> None:
    assert agrees({"amount": "1.10", "days": 1}, {"amount": "1.1", "days": "1", "more": True})


def test_the_command_prints_each_area_and_succeeds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(json.dumps(vector) for vector in VECTORS[:30]), encoding="utf-8")
    assert main([str(file)]) == 0
    assert "30 passed     0 failed" in capsys.readouterr().out


def test_the_command_fails_when_one_vector_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = {**VECTORS[0], "expect": {"impossible": "answer"}}
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(json.dumps(vector) for vector in (wrong, VECTORS[1])), encoding="utf-8")
    assert main([str(file)]) == 1
    out = capsys.readouterr().out
    assert VECTORS[0]["id"] in out
    assert "1 passed     1 failed" in out


def test_the_command_fails_on_an_unknown_operation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(json.dumps({**VECTORS[0], "op": "guess"}), encoding="utf-8")
    assert main([str(file)]) == 1
    assert "no operation named" in capsys.readouterr().out


def test_the_command_fails_without_vectors(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("", encoding="utf-8")
    assert main([str(file)]) == 1
    assert main([]) == 2
