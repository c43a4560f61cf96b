"""A pytest plugin: a private PostgreSQL and Valkey for this run of the tests, thrown away at its end.

Loaded with `-p config.pytest_services`, because pytest-django reads the settings before any conftest is. Servers named
by DATABASE_URL and REDIS_URL are used instead; xdist's workers inherit the variables and so the controller's servers.
With `--quick` nothing is started, and the addresses lead nowhere.

The hour at which the tests run changes nothing: IBKR has no nights here but those that a test sets.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from config import embedded

NO_NIGHTS = "NA=none, EU=none, APAC=none, WEEKEND=none"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start before pytest-django, whose hook of the same name reads the settings."""
    if (worker := os.environ.get("PYTEST_XDIST_WORKER")) is not None:
        _part_from_others(worker)
    else:
        try:
            provide(early_config)
        except embedded.EmbeddedError as error:
            raise pytest.UsageError(str(error)) from error
    return (yield)


def provide(config: pytest.Config) -> None:
    """Start the servers nobody named, tell the settings, and have it all undone when pytest ends, Ctrl-C included."""
    named = [bool(os.environ.get(name) or os.environ.get(f"{name}_FILE")) for name in ("DATABASE_URL", "REDIS_URL")]
    # Always a folder of its own: tests never see the data, keys or running processes of `make run`.
    folder = Path(tempfile.mkdtemp(prefix="halyard-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    own_database, own_redis = (not is_named and not config.known_args_namespace.quick for is_named in named)
    services = embedded.start(folder, database=own_database, redis=own_redis)
    config.add_cleanup(services.stop)
    if own_database:
        _forget_durability(embedded.urls(folder).database)

    os.environ["HALYARD_DATA"] = str(folder)
    own = embedded.urls(folder)
    made = {
        "DATABASE_URL": own.database,
        "REDIS_URL": own.redis,
        "HALYARD_SELF_CONTAINED": "on",
        "HALYARD_RESET_WINDOWS": NO_NIGHTS,
        # A process of tests is web, lanes and stream at once, each of which has a pool of its own elsewhere.
        "HALYARD_DATABASE_POOL": "30",
        **embedded.secrets(folder),
    }
    for name, value in made.items():
        if not os.environ.get(f"{name}_FILE"):
            os.environ.setdefault(name, value)


def _part_from_others(worker: str) -> None:
    """Give each xdist worker a database of this run's Valkey to itself: rows in Postgres have the same keys in all of them."""
    number = 1 + int(worker.removeprefix("gw")) % 8
    folder = Path(os.environ.get("HALYARD_DATA", ""))
    if os.environ.get("REDIS_URL") == embedded.urls(folder).redis:
        os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("?db=0", f"?db={number}")


def _forget_durability(database: str) -> None:
    """Nothing here has to outlive the machine, so Postgres need not wait for its disk."""
    with psycopg.connect(database, autocommit=True) as session:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            session.execute(f"ALTER SYSTEM SET {name} = off")
        session.execute("SELECT pg_reload_conf()")
