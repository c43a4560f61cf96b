"""Styles and scripts under ASGI: sent as one piece, asked for again only when they changed, and nothing warns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient

PATH = "/static/css/base.css"
CONTENT = (Path(settings.BASE_DIR) / "static/css/base.css").read_bytes()


async def ask(method: str = "get", **headers: str) -> Any:
    """The answer, read to its end as the server reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return await getattr(AsyncClient(), method)(PATH, headers=headers)


async def test_a_file_is_sent_whole_and_as_what_it_is() -> None:
    answer = await ask()
    assert (answer.status_code, answer.streaming, answer.content) == (200, False, CONTENT)
    assert answer.headers["Content-Type"] == 'text/css; charset="utf-8"'
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Cache-Control"] == "max-age=60, public"


async def test_a_file_that_did_not_change_is_not_sent_again() -> None:
    first = await ask()
    again = await ask(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize(
    ("wanted", "status", "sent"),
    [("bytes=2-5", 206, CONTENT[2:6]), ("bytes=-4", 206, CONTENT[-4:]), ("bytes=9999999-", 416, b"")],
)
async def test_a_part_of_a_file_may_be_asked_for(wanted: str, status: int, sent: bytes) -> None:
    answer = await ask(Range=wanted)
    assert (answer.status_code, answer.content) == (status, sent)


async def test_a_head_has_no_body_and_nothing_is_posted() -> None:
    head = await ask("head")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert (await ask("post")).status_code == 405
