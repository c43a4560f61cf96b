"""One running product for every test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.tests import tables
from config.tests.product import Product, running


@pytest.fixture(scope="package")
def product(servers: None, django_db_setup: None) -> Iterator[Product]:
    """Halyard as `make run` starts it; tests that use it share it, so they stand in one xdist group.

    Until the last of them, and no longer: even idle it takes a tenth of a core. It begins with the tables that the
    databases of the tests are made of; the one that is open to the network migrates an empty folder.
    """
    with running(tables=tables.made()) as started:
        yield started
