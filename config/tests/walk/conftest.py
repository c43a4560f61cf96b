"""One running product for every test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.tests.product import Product, running


@pytest.fixture(scope="package")
def product(servers: None) -> Iterator[Product]:
    """Halyard as `make run` starts it; tests that use it share it, so they stand in one xdist group.

    Until the last of them, and no longer: even idle it takes a tenth of a core.
    """
    with running() as started:
        yield started
