"""Benches: each measures one part of the product, on the whole product where it can."""

# Processes that a bench starts find the bytecode of an earlier start, as those of `make run` do, also where the
# environment asks Python to write none: compiling takes twice as long as all the rest of a start.
from config import pytest_bytecode  # noqa: F401
