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


def evaluate(op: str, question: Mapping[str, Any], ruleset: str = rulesets.DEFAULT) -> dict[str, Any]:
    """Answers one vector: `op` names the operation, `question` holds its fields as strings, numbers and lists.

    The answer names the ruleset and the version of its tables. A RulebookError becomes an answer with `error`, `reason`
    and `sentence`; only an unknown operation (UnknownOperation) or ruleset (UnknownRuleset) is raised.
    """
    operation = OPERATIONS.get(op) if isinstance(op, str) else None
    if operation is None:
        raise UnknownOperation(op)
    if not isinstance(ruleset, str):
        raise UnknownRuleset(ruleset)
    rules = rulesets.load(ruleset)
    try:
        answer = operation(_fields(question), rules)
    except ArithmeticError:
        answer = _refusal(BadInput("numbers", problem="they are too far apart to calculate with"))
    except RulebookError as refused:
        answer = _refusal(refused)
    return {**answer, "ruleset": rules.name, "tables": rules.version}


def _fields(case: Any) -> Mapping[str, Any]:
    if not isinstance(case, Mapping):
        raise BadInput("given", problem="it must be an object of named facts")
    return case


def _refusal(refused: RulebookError) -> dict[str, Any]:
    return {
        "allowed": False,
        "error": refused.code,
        "reason": refused.code,
        "sentence": refused.sentence,
        "name": str(refused.name),
    }


def agrees(expected: Any, answer: Any, tolerance: Decimal = Decimal(0)) -> bool:
    """Whether an answer has every expected key with an equal value: numbers as decimals, extra keys are fine."""
    if isinstance(expected, dict):
        if not isinstance(answer, dict) or (not expected and answer):
            return False
        return all(key in answer and agrees(value, answer[key], tolerance) for key, value in expected.items())
    if isinstance(expected, list):
        same_length = isinstance(answer, list) and len(answer) == len(expected)
        return same_length and all(agrees(e, f, tolerance) for e, f in zip(expected, answer, strict=True))
    if expected is None or isinstance(expected, bool) or answer is None or isinstance(answer, bool):
        return expected is answer
    left, right = _number(expected), _number(answer)
    if left is None or right is None:
        return bool(expected == answer)
    return abs(left - right) <= tolerance


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def passes(vector: Mapping[str, Any]) -> bool:
    """Whether a vector gets the answer it expects, within its tolerance."""
    answer = evaluate(vector["op"], vector["given"], vector["ruleset"])
    return agrees(vector["expect"], answer, Decimal(vector.get("tol") or 0))


def run(vectors: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[int]], list[str]]:
    """Counts of passed and failed vectors by area, and a line for each failure with the answer it got."""
    areas: dict[str, list[int]] = {}
    failures = []
    for vector in vectors:
        counts = areas.setdefault(vector["area"], [0, 0])
        try:
            passed, answered = passes(vector), None
        except Exception as error:  # a crash is a failure of that vector, not the end of the run
            passed, answered = False, repr(error)
        counts[0 if passed else 1] += 1
        if not passed:
            answered = answered or json.dumps(evaluate(vector["op"], vector["given"], vector["ruleset"]))
            failures.append(f"{vector['id']}: expected {json.dumps(vector['expect'])}, found {answered}")
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
