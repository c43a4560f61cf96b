"""Fixtures of the entrance's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.entrance import counting


@pytest.fixture(autouse=True)
def asks_valkey_again() -> Iterator[None]:
    """A test in which Valkey is away must not have the next one count in memory."""
    counting._ASK_AGAIN_AT["moment"] = 0.0
    yield
    counting._ASK_AGAIN_AT["moment"] = 0.0
