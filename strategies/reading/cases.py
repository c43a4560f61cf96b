"""Compares our own answers with the cases of the contract, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from strategies.reading.parse import evaluate


class CaseRefused(Exception):
    """A line that is no case; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one case. `reason` is "accepted", or the code it must be refused with."""

    case: str
    reason: str
    differences: tuple[str, ...]


def read(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The cases of a file, empty lines left out; raises CaseRefused at the first bad one."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _case(line, number)


def check(case: dict[str, Any]) -> Verdict:
    """Compare our answer to a case with the expected one.

    Our reading may hold more than the case mentions (a price, a diagnostic); the case's `meaning` is prose.
    """
    answer = evaluate(case)
    expected: dict[str, Any] = {name: value for name, value in case["canonical"].items() if name != "meaning"}
    reason = "accepted" if case["expect"] == "accept" else str(expected.get("messageCode"))
    if answer["expect"] != case["expect"]:
        outcome = "accepted" if answer["expect"] == "accept" else f"refused: {answer['message']}"
        return Verdict(case["id"], reason, (f"expected {case['expect']}, was {outcome}",))
    actual: dict[str, Any] = answer["canonical"] if case["expect"] == "accept" else answer
    differences = [
        f"{name}: expected {_shown(value)}, was {_shown(actual.get(name))}"
        for name, value in expected.items()
        if actual.get(name) != value
    ]
    return Verdict(case["id"], reason, tuple(differences))


def _case(line: str, number: int) -> dict[str, Any]:
    try:
        case = json.loads(line)
    except (ValueError, RecursionError):
        raise CaseRefused(f"Line {number} is not JSON. Each line must be one case, written as a JSON object.") from None
    if not isinstance(case, dict):
        raise CaseRefused(f"Line {number} is not a JSON object. Each line must be one case.")
    missing = [name for name in ("id", "body", "expect", "canonical", "context") if name not in case]
    if missing:
        raise CaseRefused(f"Line {number} has no {' and no '.join(missing)}. Add it.")
    if case["expect"] not in ("accept", "reject"):
        raise CaseRefused(f"Line {number} expects {_shown(case['expect'])}. Write accept or reject.")
    for name in ("canonical", "context"):
        if not isinstance(case[name], dict):
            raise CaseRefused(f"Line {number} has {_shown(case[name])} as its {name}. Write an object.")
    _check_context(case, number)
    return case


def _check_context(case: dict[str, Any], number: int) -> None:
    """Refuse a context that `evaluate` cannot use."""
    try:
        evaluate({**case, "body": ""})
    except KeyError as error:
        raise CaseRefused(f"The context on line {number} has no {error.args[0]}. Add it.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise CaseRefused(f"The context on line {number} cannot be used: {error}.") from None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "\u2026"
