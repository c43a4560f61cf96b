"""Lists reach Postgres as they are, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from config.arrays import QuotingListDumper

pytestmark = pytest.mark.django_db

HARD = ["", "NULL", "null", '{"a": "b\\"c"}', "back\\slash", "comma,", "{}", " blank ", "new\nline", "ÄÖ€\u2003", None]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (HARD, "text"),
        ([1, None, -3], "bigint"),
        ([True, False, None], "boolean"),
        ([], "text"),
        ([[1, 2], [3, 4]], "int"),
    ],
)
def test_a_list_comes_back_as_it_was_sent(sent: list[Any], kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [sent])
        assert cursor.fetchone() == (sent,)


def test_it_is_used() -> None:
    with connection.cursor() as cursor:
        assert isinstance(cursor.adapters.get_dumper(list, "s")(list, cursor), QuotingListDumper)
