"""The one door for test vectors: `evaluate(op, given, ruleset)`, and a command that runs a file of them.

python -m brokers.rulebook.evaluate FILE.jsonl
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from brokers.rulebook import rulesets
from brokers.rulebook.errors import BadInput, RulebookError, UnknownOperation, UnknownRuleset
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.vectors import fills, gateways, ledgers, margins, money, orders

Operation = Callable[[Mapping[str, Any], Ruleset], dict[str, Any]]

OPERATIONS: dict[str, Operation] = {
    **orders.OPERATIONS,
    **gateways.OPERATIONS,
    **money.OPERATIONS,
    **margins.OPERATIONS,
    **fills.OPERATIONS,
    **ledgers.OPERATIONS,
}


def evaluate(op: str, given: Mapping[str, Any], ruleset: str = rulesets.DEFAULT) -> dict[str, Any]:
    """One question in plain words, one answer in plain words; a refusal answers with its code and sentence."""
    operation = OPERATIONS.get(op) if isinstance(op, str) else None
    if operation is None:
        raise UnknownOperation(op)
    if not isinstance(ruleset, str):
        raise UnknownRuleset(ruleset)
    rules = rulesets.load(ruleset)
    try:
        answer = operation(_question(given), rules)
    except ArithmeticError:
        answer = _refusal(BadInput("numbers", problem="they are too far apart to calculate with"))
    except RulebookError as refused:
        answer = _refusal(refused)
    return {**answer, "ruleset": rules.name, "tables": rules.version}


def _question(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise BadInput("given", problem="it must be an object of named facts")
    return given


def _refusal(refused: RulebookError) -> dict[str, Any]:
    return {
        "allowed": False,
        "error": refused.code,
        "reason": refused.code,
        "sentence": refused.sentence,
        "name": str(refused.name),
    }


def agrees(expected: Any, found: Any, tolerance: Decimal = Decimal(0)) -> bool:
    """The comparison rule: every expected key is there and equal, numbers as decimals, extra keys are fine."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or (not expected and found):
            return False
        return all(key in found and agrees(value, found[key], tolerance) for key, value in expected.items())
    if isinstance(expected, list):
        same_length = isinstance(found, list) and len(found) == len(expected)
        return same_length and all(agrees(e, f, tolerance) for e, f in zip(expected, found, strict=True))
    if expected is None or isinstance(expected, bool) or found is None or isinstance(found, bool):
        return expected is found
    left, right = _number(expected), _number(found)
    if left is None or right is None:
        return bool(expected == found)
    return abs(left - right) <= tolerance


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def passes(vector: Mapping[str, Any]) -> bool:
    found = evaluate(vector["op"], vector["given"], vector["ruleset"])
    return agrees(vector["expect"], found, Decimal(vector.get("tol") or 0))


def run(vectors: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[int]], list[str]]:
    """Per area how many passed and failed, and the failures with what was found."""
    areas: dict[str, list[int]] = {}
    failures = []
    for vector in vectors:
        counts = areas.setdefault(vector["area"], [0, 0])
        try:
            passed, found = passes(vector), None
        except Exception as error:  # a crash is a failure of that vector, not the end of the run
            passed, found = False, repr(error)
        counts[0 if passed else 1] += 1
        if not passed:
            found = found or json.dumps(evaluate(vector["op"], vector["given"], vector["ruleset"]))
            failures.append(f"{vector['id']}: expected {json.dumps(vector['expect'])}, found {found}")
    return areas, failures


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m brokers.rulebook.evaluate FILE.jsonl\n")
        return 2
    lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    areas, failures = run(json.loads(line) for line in lines if line.strip())
    out = [f"{failure}\n" for failure in failures]
    out += [f"{area:<18} {passed:>5} passed {failed:>5} failed\n" for area, (passed, failed) in sorted(areas.items())]
    total = [sum(counts[i] for counts in areas.values()) for i in (0, 1)]
    out.append(f"{'all':<18} {total[0]:>5} passed {total[1]:>5} failed\n")
    sys.stdout.writelines(out)
    return 1 if total[1] or not areas else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
