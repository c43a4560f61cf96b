"""Constants in the text of a statement are what they were as parameters, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from accounts.plans import constants

TEXTS = ["open", "it's", '"quoted"', "100 %", "%s", "%(name)s", "a\\b", "\\'; --", "é\N{PILE OF POO}", ""]


@pytest.mark.django_db
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_as_it_is(text: str) -> None:
    sql, values = constants.written("SELECT %s || '', '5 %%', %s, %s", [text, 2.5, True], lambda each: each != 2.5)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        assert cursor.fetchone() == (text, "5 %", 2.5, True)


def test_a_value_that_is_no_constant_is_left_in_its_place() -> None:
    def is_constant(value: Any) -> bool:
        return value in {"a", "b"}

    asked = constants.written("x = %s AND y = %s AND z = %s", ["a", 7, "b"], is_constant)
    assert asked == ("x = 'a' AND y = %s AND z = 'b'", [7])
