"""The table of known failures names each once, and tests that are there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROWS = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/failures.md").read_text(), re.MULTILINE)
IDS = [json.loads(line)["id"] for line in (ROOT / "brokers/ibkr/tests/data/failures.jsonl").read_text().splitlines()]


def test_it_names_each_failure_once() -> None:
    assert [row[0] for row in ROWS] == IDS


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_its_test_is_there_or_it_says_why_not(row: tuple[str, str, str]) -> None:
    name, reaction, test = row
    assert reaction
    if test.startswith("n/a: "):
        assert len(test) > len("n/a: ")
        return
    path, _, function = test.strip("`").partition("::")
    function, _, case = function.rstrip("]").partition("[")
    functions = {
        node.name: node
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function in functions
    if case:
        assert case == name
        table = "order_reactions.csv" if "/orders/" in path else "reactions.csv"
        assert f"\n{case}," in (ROOT / path).with_name(table).read_text()
