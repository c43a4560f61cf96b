"""A pytest plugin: a test that failed and hangs while it is tidied up fails once more, and the others go on.

pytest-timeout ends a test that hangs, but stops its clock where a test fails. An open lock, a task that swallows its
cancellation or a server that does not answer can hold up what comes after that, and with it the whole run.
"""

from __future__ import annotations

from typing import Any

import pytest
from pytest_timeout import Settings


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Begin the test's time anew, after pytest-timeout has stopped it for whoever wants to debug the failure."""
    seconds = _seconds(node.config)
    if isinstance(node, pytest.Item) and seconds > 0:
        node.config.hook.pytest_timeout_set_timer(item=node, settings=Settings(seconds, "signal", False, False))


def _seconds(config: pytest.Config) -> float:
    """What a test may take: of the command line or the configuration, which pytest-timeout has both checked."""
    given: Any = config.getvalue("timeout")
    return float(given if given is not None else config.getini("timeout") or 0)
