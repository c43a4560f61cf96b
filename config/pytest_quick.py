"""A pytest plugin: `--quick` runs the tests that need no server and no process, and no test needs one unasked.

A test asks by the database's mark or fixtures, or by the fixture `servers`, itself or through another fixture. One
that asks for none of them and starts a process or connects a socket all the same fails, whether the run is quick or not.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

ASKING = {"servers", "django_db_setup"}  # each fixture of pytest-django's for the database asks for the latter

# A file whose every test asks for the database: a quick run need not even import it.
_ALL_ASK = re.compile(r"^pytestmark = (\[[^\]]*)?pytest\.mark\.django_db\b", re.MULTILINE)

is_quick = False  # whether this run is one; tests read it when they say how many samples they try
_unasked: list[str] | None = None  # what the test of this moment did unasked; None while it may


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that need no server and no process of their own")


@pytest.fixture(scope="session")
def servers() -> None:
    """To be asked for by what starts a process or talks to one: the gateway, Valkey, a command, a browser."""


def asks_for_servers(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(ASKING & fixtures) or item.get_closest_marker("django_db") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if asks_for_servers(item)])
        items[:] = [item for item in items if not asks_for_servers(item)]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if not (is_test and config.getoption("quick")):
        return None
    return True if _ALL_ASK.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_configure(config: pytest.Config) -> None:
    global is_quick  # noqa: PLW0603 - said once, before any test is imported
    is_quick = bool(config.getoption("quick"))
    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess.Popen, "__init__", _noting(subprocess.Popen.__init__, "starts a process"))
    patch.setattr(socket.socket, "connect", _noting(socket.socket.connect, "connects a socket"))
    patch.setattr(socket.socket, "connect_ex", _noting(socket.socket.connect_ex, "connects a socket"))
    config.add_cleanup(patch.undo)


def _noting(call: Callable[..., Any], what: str) -> Callable[..., Any]:
    def noted(*words: Any, **named: Any) -> Any:
        if _unasked is not None:
            _unasked.append(what)
            raise RuntimeError(f"This test {what} and has not asked for the fixture `servers`.")
        return call(*words, **named)

    return noted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    global _unasked  # noqa: PLW0603 - a process runs one test at a time
    if asks_for_servers(item):
        return (yield)
    deeds: list[str] = []
    _unasked = deeds
    try:
        result = yield
    finally:
        _unasked = None
    if deeds:  # and the test caught the error that it got for it
        pytest.fail(f"This test {deeds[0]} and has not asked for the fixture `servers`.", pytrace=False)
    return result
