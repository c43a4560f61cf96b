"""Rows as a file: what a spreadsheet would run is shown instead."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.db import connection

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


def test_a_line_that_is_still_looked_for_is_empty() -> None:
    assert list(downloads.as_csv(["a"], [None, ["x"]]))[1:] == ["", "x\r\n"]
    assert json.loads("".join(downloads.as_json([None, {"a": 1}, None, {"a": 2}]))) == [{"a": 1}, {"a": 2}]


def test_a_piece_ends_by_its_size_or_with_its_time() -> None:
    lines = iter(["x" * 40_000] * 3)
    assert [len(piece) for piece, _ in (downloads.read_piece(lines), downloads.read_piece(lines))] == [80_000, 40_000]
    halves = count(step=downloads.PIECE_SECONDS / 2)
    lines = iter(["a", "", "b"])
    pieces = [downloads.read_piece(lines, clock=lambda: next(halves)) for _ in range(2)]
    assert pieces == [(b"a", False), (b"b", True)]


@pytest.mark.django_db(transaction=True)
def test_between_two_pieces_the_connection_is_in_its_pool() -> None:
    def lines() -> Iterator[str]:
        for number in range(3):
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s", [number])
                yield "x" * 70_000

    rows = lines()
    for _ in range(2):
        downloads.read_piece(rows)
        assert connection.connection is None
    assert len(downloads.read_piece(rows)[0]) == 70_000


def test_one_file_is_read_at_a_time_and_others_in_their_turn() -> None:
    order, second = list[str](), threading.Event()

    def lines(name: str) -> Iterator[str]:
        for number in range(2):
            if (name, number) == ("first", 0):
                # The other one is not read meanwhile: nobody sets this.
                order.append("alone" if not second.wait(0.3) else "together")
            if name == "second":
                second.set()
            order.append(f"{name} {number}")
            yield "x" * 70_000

    async def read(stream: AsyncIterator[bytes]) -> None:
        async with ThreadSensitiveContext():
            assert [len(piece) async for piece in stream] == [70_000] * 2

    async def both() -> None:
        answers: list[Any] = [
            downloads.download("a", "csv", lines(name)).streaming_content for name in ("first", "second")
        ]
        await asyncio.gather(*map(read, answers))

    asyncio.run(both())
    assert order == ["alone", "first 0", "second 0", "first 1", "second 1"]
