"""One browser for all tests of this folder that a worker runs.

Each file is an xdist group: a browser waits for its pages more than it works, so several workers have one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from strategies.tests.browser.browsers import launched, open_page, web

__all__ = ["open_page", "web"]


@pytest.fixture(scope="package")
def browser(django_db_setup: None) -> Iterator[Browser]:
    with launched() as running:
        yield running
