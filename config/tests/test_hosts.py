"""The names an installation answers to: its own, and no stranger's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded import BASE_DIR
from config.supervisor import ports
from config.tests.test_control_token import PRODUCTION

pytestmark = pytest.mark.usefixtures("servers")

PRINT = "import config.settings as s, json; print(json.dumps([s.ALLOWED_HOSTS, s.PUBLIC_URL]))"
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def names(folder: Path, **variables: str) -> tuple[set[str], str]:
    """The names and the public address under these variables."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HALYARD", "DATABASE", "REDIS", "SECRET", "HOST", "PORT"))
    }
    environ = clean | {"HALYARD_DATA": str(folder)} | variables
    printed = subprocess.check_output([sys.executable, "-c", PRINT], cwd=BASE_DIR, env=environ, text=True)
    hosts, public = json.loads(printed)
    return set(hosts), public


@pytest.mark.parametrize(
    ("variables", "more", "public"),
    [
        ({}, set(), "http://localhost:8000"),
        ({"HOST": "0.0.0.0"}, set(), "http://localhost:8000"),
        ({"HOST": "192.168.1.5", "PORT": "81"}, {"192.168.1.5"}, "http://192.168.1.5:81"),
        ({"HOST": "fd00::5"}, {"[fd00::5]"}, "http://[fd00::5]:8000"),
        ({"HALYARD_PUBLIC_URL": "https://h.example/"}, {"h.example"}, "https://h.example"),
        ({"HALYARD_PUBLIC_URL": "https://h.example:444"}, {"h.example"}, "https://h.example:444"),
    ],
)
def test_the_default_is_this_machine_and_the_public_name(
    tmp_path: Path, variables: dict[str, str], more: set[str], public: str
) -> None:
    assert names(tmp_path / "data", **variables) == (LOOPBACK | more, public)


def test_in_production_too_and_a_list_of_ones_own_is_the_whole_list(tmp_path: Path) -> None:
    production = {**PRODUCTION, "HALYARD_PUBLIC_URL": "https://h.example"}
    assert names(tmp_path / "data", **production)[0] == LOOPBACK | {"h.example"}
    listed = names(tmp_path / "data", **production, HALYARD_ALLOWED_HOSTS="a.example, b.example")
    assert listed[0] == {"a.example", "b.example"}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "halyard.example", "localhost.example")],
)
def test_a_demo_is_made_unasked_on_loopback_only(host: str, loopback: bool) -> None:
    assert ports.is_loopback(host) is loopback
