"""How long a test waits between two looks at what is to come about."""

from __future__ import annotations

from collections.abc import Iterator

FIRST, MOST, GROWS = 0.02, 0.1, 1.2


def pauses() -> Iterator[float]:
    """Seconds, one after the other: short at first, since most comes about at once, and longer after half a second.

    A look costs some milliseconds of the processor, here and in the server that answers it, and every test that waits
    takes them.
    """
    pause = FIRST
    while True:
        yield pause
        pause = min(MOST, pause * GROWS)
