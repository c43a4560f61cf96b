"""Rows as a file: what a spreadsheet would run is shown instead."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from accounts import downloads


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+1",
        "-A1",
        "- 1",
        "-1;=1",
        "-\u0661",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\tx",
        "  =1+1",
        "\xa0=1+1",
        "\u200b\ufeff=1+1",
        "\uff1d1+1",
        "\uff20SUM(A1)",
        '=HYPERLINK("https://evil.example")',
        "=cmd|'/c calc'!A1",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    lines = "".join(downloads.as_csv(["a"], [[text]])).removeprefix("\ufeff")
    assert next(csv.DictReader(lines.splitlines(keepends=True))) == {"a": f"'{text}"}


def test_other_texts_stay_as_they_are() -> None:
    assert "".join(downloads.as_csv(["a", "b"], [["x = 1", ""], ['say "hi"', "é"]])) == (
        '\ufeffa,b\r\nx = 1,\r\n"say ""hi""",é\r\n'
    )


@pytest.mark.parametrize("text", ["-1", "-0.25", "12", "12.50", "-1E-8", "-1.5e+3", "0"])
def test_numbers_stay_numbers(text: str) -> None:
    assert "".join(downloads.as_csv(["a"], [[text]])) == f"\ufeffa\r\n{text}\r\n"


@pytest.mark.parametrize("name", ['a"; filename="b.exe', "a\r\nSet-Cookie: a=b", "../etc", "a b", "", "\xe9"])
def test_nobody_elses_word_names_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        downloads.download(name, "csv", iter(()))


def test_json_is_one_array() -> None:
    records: list[dict[str, Any]] = [{"a": "é"}, {"a": None}]
    assert json.loads("".join(downloads.as_json(records))) == records
    assert json.loads("".join(downloads.as_json([]))) == []
