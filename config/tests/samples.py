"""How many samples a property is tried with: all of them, or a few where a person waits for `make quick`."""

from __future__ import annotations

from config import pytest_quick

_FEWEST = 10


def samples(number: int) -> int:
    """So many samples in a whole run, a fifth of them in a quick one."""
    return max(min(number, _FEWEST), number // 5) if pytest_quick.is_quick else number
