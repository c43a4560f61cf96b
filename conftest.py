"""Alice owns a team, Bob views it, Charlie is a stranger."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections
from hypothesis import HealthCheck, settings
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts import teams
from accounts.models import Membership, Role, Team, User
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from config import embedded
from config.tests import databases
from config.tests.collection import spreading

# Passwords of tests guard nothing: the same hash at the least cost, which any process can still verify.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1

# A full machine makes examples slow, which says nothing about the code. Tests that have settings of their own keep these two.
settings.register_profile("halyard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("halyard")

_static_files: dict[str, Any] = {}
_list_static_files = WhiteNoiseMiddleware.add_files_from_finders


def _list_them_once(middleware: WhiteNoiseMiddleware) -> None:
    """Every test client makes the middleware anew, which looks for each static file: they are the same all run long."""
    if not _static_files:
        _list_static_files(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


WhiteNoiseMiddleware.add_files_from_finders = _list_them_once

LONGEST = ("walk", "browser", "long")  # marks
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, markets open


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Called by pytest-django before it makes the test database of a process."""
    folder = embedded.data_folder()
    if embedded.resolve().database == embedded.urls(folder).database:
        databases.copy_a_migrated_one(folder)
        databases.delete_instead_of_truncating()
    else:
        databases.empty_the_audit_too()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """At the end nobody is in the database, which Postgres would wait five seconds for before it refuses to drop it."""
    yield
    # The thread in which async tests asked the database keeps its connection.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Ten thousand tests are some 700,000 objects that stay: looking through them for garbage took an eighth of a run.

    Later garbage is looked for less often than usual: most objects of a test are gone without that.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: a worker that gets it last would end long after the others. What waits is spread."""
    items.sort(
        key=lambda item: next((n for n, mark in enumerate(LONGEST) if item.get_closest_marker(mark)), len(LONGEST))
    )
    begins = next((n for n, item in enumerate(items) if not any(map(item.get_closest_marker, LONGEST))), len(items))
    items[begins:] = spreading.order(items[begins:])


@pytest.fixture
def default_nights(settings: Any) -> None:
    """IBKR restarts at the hours of the defaults; without this fixture IBKR has no nights at any hour."""
    settings.RESET_WINDOWS = []


@pytest.fixture
def now() -> datetime:
    """A fixed moment: time is a parameter."""
    return NOW


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@example.com", "alice's password")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob@example.com", "bob's password")


@pytest.fixture
def charlie(db: None) -> User:
    return User.objects.create_user("charlie@example.com", "charlie's password")


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    """Alice's team, which Bob may only look at."""
    made = teams.found_team(owner=alice, name="Alice's team", now=NOW)
    Membership.objects.create(team=made, user=bob, role=Role.VIEWER, joined_at=NOW)
    return made


@pytest.fixture(scope="session")
def shared_gateway(servers: None) -> Iterator[RunningGateway]:
    """One simulated IBKR for the whole run, on loopback; every test is a username of its own."""
    with running_gateway() as running:
        yield running


@pytest.fixture
def gateway(shared_gateway: RunningGateway, settings: Any) -> Iterator[RunningGateway]:
    """The simulated IBKR, which simulated connections of this test reach; without faults of earlier tests."""
    settings.GATEWAY_URL = shared_gateway.url
    settings.SIM_CONTROL_TOKEN = shared_gateway.token
    shared_gateway.clear_faults()
    shared_gateway.clear_quotes()
    yield shared_gateway
    shared_gateway.clear_faults()
