"""One browser for all tests of this folder, which stand in one xdist group.

Several browsers at a time would take both cores from the walks, whose five hundred orders then come too late.
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
