"""Rows as a file: what a spreadsheet would run is shown instead."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from accounts import downloads


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1"])
def test_no_cell_is_a_formula(text: str) -> None:
    lines = "".join(downloads.as_csv(["a"], [[text]])).removeprefix("\ufeff")
    assert next(csv.DictReader(lines.splitlines(keepends=True))) == {"a": f"'{text}"}


def test_other_texts_stay_as_they_are() -> None:
    assert "".join(downloads.as_csv(["a", "b"], [["x = 1", ""], ['say "hi"', "é"]])) == (
        '\ufeffa,b\r\nx = 1,\r\n"say ""hi""",é\r\n'
    )


def test_json_is_one_array() -> None:
    records: list[dict[str, Any]] = [{"a": "é"}, {"a": None}]
    assert json.loads("".join(downloads.as_json(records))) == records
    assert json.loads("".join(downloads.as_json([]))) == []
