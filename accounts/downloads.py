"""Rows as a file, sent while they are read: JSON, or CSV in which no spreadsheet finds a formula."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django import forms
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
# What a spreadsheet may take for a formula, in the wide letters of East Asia too, and what it skips or does not show
# before one.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_SKIPPED = ("\t", "\r", "\n")
_UNSEEN = " \t\r\n\x0b\x0c\xa0\u200b\u2028\u2029\u3000\ufeff"
_NUMBER = re.compile(r"-[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WORD = re.compile(r"[a-z0-9-]{1,40}")
_PIECE = 64 * 1024
# All files that a process sends are read one piece at a time, each in so many seconds or a little more; after a piece
# nobody reads for as long as it took, and this long at most.
PIECE_SECONDS = 0.05
LONGEST_REST = 1.0


def as_csv(columns: Sequence[str], rows: Iterable[Iterable[str] | None]) -> Iterator[str]:
    """Lines of a CSV file (RFC 4180), headed by the names of the columns; a spreadsheet shows the texts and runs none.

    For a row that is None, which says that the next one is still looked for, the line is empty.
    """
    writer = csv.writer(_Echo())
    # A mark that tells spreadsheets the text is UTF-8.
    yield "\ufeff" + writer.writerow(columns)
    for row in rows:
        yield "" if row is None else writer.writerow(map(_cell, row))


def _cell(text: str) -> str:
    """The text, behind a mark where a spreadsheet might run it; a number below zero is one."""
    runs = text.startswith(_SKIPPED) or text.lstrip(_UNSEEN).startswith(_FORMULA)
    return f"'{text}" if runs and not _NUMBER.fullmatch(text) else text


def as_json(records: Iterable[dict[str, Any] | None]) -> Iterator[str]:
    """One JSON array, a record a line; None as for `as_csv`."""
    yield "["
    comma = ""
    for record in records:
        if record is None:
            yield ""
            continue
        yield f"{comma}\n{json.dumps(record, ensure_ascii=False)}"
        comma = ","
    yield "\n]\n"


def refused(filters: forms.Form) -> HttpResponse:
    """The answer where a filter cannot be read: it must not widen the file."""
    sentences = [f"{filters.fields[name].label}: {' '.join(map(str, words))}" for name, words in filters.errors.items()]
    return HttpResponse("\n".join(sentences), status=422, content_type="text/plain; charset=utf-8")


def download(name: str, form: str, lines: Iterator[str]) -> StreamingHttpResponse:
    """The lines as a file of this form, named after the moment, so that it is never in memory as a whole.

    `name` is a word of ours: nobody else's stands in a header.
    """
    if not _WORD.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a file of ours. Use small letters, digits and hyphens.")
    return StreamingHttpResponse(
        _streamed(lines),
        content_type=TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{name}-{timezone.localtime():%Y-%m-%d-%H%M}.{form}"',
            "Cache-Control": "no-store",
        },
    )


async def _streamed(lines: Iterator[str]) -> AsyncIterator[bytes]:
    """Lines in pieces, each read in the request's own thread once the one before it is sent, and one file at a time."""
    is_over = False
    while not is_over:
        async with _turn():
            began = time.monotonic()
            piece, is_over = await sync_to_async(read_piece)(lines)
            # While the reader of a file waits for its turn, pages and signals have the processor.
            await asyncio.sleep(min(time.monotonic() - began, LONGEST_REST))
        if piece:
            yield piece


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _turn() -> asyncio.Lock:
    """Who holds it reads a piece; the others wait in the order in which they came."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def read_piece(lines: Iterator[str], clock: Callable[[], float] = time.monotonic) -> tuple[bytes, bool]:
    """About 64 KiB of the lines, or what is read of them in PIECE_SECONDS; and whether these were the last.

    The connection to the database goes back to its pool: a reader who is slow, or stops, holds none.
    """
    piece, size, until, is_over = [], 0, clock() + PIECE_SECONDS, True
    try:
        for line in lines:
            piece.append(line)
            size += len(line)
            if size >= _PIECE or clock() >= until:
                is_over = False
                break
    finally:
        if not connection.in_atomic_block:
            connection.close()
    return "".join(piece).encode("utf-8", "replace"), is_over


class _Echo:
    """A file whose `write` returns the line, for `csv.writer` to hand on."""

    def write(self, line: str) -> str:
        return line
