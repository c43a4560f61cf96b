"""A test that hangs fails by name, and those after it run: where it waits, and where it is tidied up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.tests.product import ROOT

WAITS = "def test_waits():\n    threading.Event().wait()\n"
TIDIES = """
@pytest.fixture
def room():
    yield
    threading.Event().wait()

def test_fails_and_is_tidied_up(room):
    assert False
"""
# The runner of an async test cancels what the test began and waits for it.
SWALLOWS = """
async def test_leaves_a_task_that_will_not_end():
    async def stay():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    task = asyncio.create_task(stay())
    await asyncio.sleep(0)
    assert task.done()
"""
CASES = {"waits": (WAITS, "1 failed, 1 passed"), "tidies": (TIDIES, "1 failed, 1 passed, 1 error")}
CASES["swallows"] = (SWALLOWS, "1 failed, 1 passed, 1 error")


@pytest.mark.parametrize("name", CASES)
def test_a_test_that_hangs_fails_and_the_next_one_runs(servers: None, name: str, tmp_path: Path) -> None:
    text, outcome = CASES[name]
    (tmp_path / "test_it.py").write_text(f"import asyncio, threading, pytest\n{text}\ndef test_next(): ...\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\ntimeout = 1\ntimeout_method = signal\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "config.pytest_hangs", str(tmp_path)]
    said = subprocess.run(
        command, check=False, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert outcome in said.stdout.splitlines()[-1], said.stdout + said.stderr
