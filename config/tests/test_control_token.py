"""The token of the simulator's control plane: every installation has one of its own, and production has none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded import BASE_DIR

pytestmark = pytest.mark.usefixtures("servers")

PRINT = "import config.settings as s; print(s.SIM_CONTROL_TOKEN)"
PRODUCTION = {
    "DATABASE_URL": "postgresql://db.example/halyard",
    "REDIS_URL": "redis://redis.example/0",
    "SECRET_KEY": "0123456789abcdef" * 4,
    "HALYARD_SERVER_KEYS": "fedcba9876543210" * 3,
    "EMAIL_URL": "console:",
    "HALYARD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


def token(folder: Path, **changes: str) -> str:
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("HALYARD", "SIM_", "DATABASE", "REDIS", "SECRET"))
    }
    environ = clean | {"HALYARD_DATA": str(folder)} | changes
    return subprocess.run(
        [sys.executable, "-c", PRINT], cwd=BASE_DIR, env=environ, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_it_is_made_once_for_each_installation(tmp_path: Path) -> None:
    first = token(tmp_path / "one")
    assert len(first) == 64
    assert token(tmp_path / "one") == first
    assert token(tmp_path / "two") != first


def test_it_can_be_given(tmp_path: Path) -> None:
    assert token(tmp_path / "one", SIM_CONTROL_TOKEN="mine") == "mine"


def test_there_is_none_without_a_simulator_or_in_production(tmp_path: Path) -> None:
    assert token(tmp_path / "one", HALYARD_SIMULATOR="off") == ""
    assert token(tmp_path / "two", **PRODUCTION) == ""
    assert token(tmp_path / "two", **PRODUCTION, HALYARD_SIMULATOR="on") == ""
