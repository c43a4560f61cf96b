"""Fixtures of this floor's tests."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


@pytest.fixture
def own_layer(settings: Any) -> None:
    """Groups of this test alone: other runs of tests use the same Redis and the same primary keys."""
    layer = settings.CHANNEL_LAYERS["default"]
    config = {**layer["CONFIG"], "prefix": f"test-{uuid.uuid4()}"}
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": config}}
