"""Constants of a statement in its text, so that PostgreSQL can keep one plan of it for all values.

A prepared statement is planned anew with each call for as long as plans for the values at hand look cheaper than one for
any. They do where a partial index serves a constant that is sent as a parameter: of a status that it is told only with
the call, PostgreSQL does not know that an index over open rows serves it. Planning then costs more than the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from psycopg.sql import Literal

# `%s`, and a percent sign of the text.
_PLACE = re.compile("%[s%]")


def written(sql: str, values: Sequence[Any], is_constant: Callable[[Any], bool]) -> tuple[str, list[Any]]:
    """The statement with those of its values in the text that are constants, and the values that are left."""
    texts = iter([_text(value) if is_constant(value) else "%s" for value in values])
    text = _PLACE.sub(lambda found: next(texts) if found[0] == "%s" else found[0], sql)
    return text, [value for value in values if not is_constant(value)]


def _text(value: Any) -> str:
    """A value as it stands in a statement whose other values the driver fills in."""
    return Literal(value).as_string(None).replace("%", "%%")
