"""What PostgreSQL takes back because of somebody else, and what is said to whoever asked for it."""

from __future__ import annotations

from django.db import OperationalError

# Two held what the other needed, one read what the other changed, or waited too long for the other.
_BETWEEN = {"40P01", "40001", "55P03"}
CODE = "came-between"
SENTENCE = "Somebody else was at the same thing at this moment, and what you asked for was not kept. Look at it, then do it again."


def came_between(error: BaseException) -> bool:
    """Whether PostgreSQL took back what was done because of somebody else, and not because of what was asked for.

    It is not done again by itself: what a request has committed before would be done twice.
    """
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) in _BETWEEN
