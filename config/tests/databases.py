"""The databases of the tests: migrated once for all workers, and emptied by deleting what a test left."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.creation import BaseDatabaseCreation
from django.test import TransactionTestCase

from config import embedded
from config.embedded.postgres import NAME
from config.tests import tables

TEMPLATE = "template_halyard"
# As the migrations left them, and written by nobody else.
KEPT = {"django_content_type", "auth_permission"}

_migrate_anew = BaseDatabaseCreation.create_test_db


def copy_a_migrated_one(folder: Path) -> None:
    """Let Django's test databases be copies of a template, which the first process to come makes and migrates.

    The server has to be this run's own. `folder` is that of the run; in it the processes find one another.
    """

    def create_test_db(creation: Any, verbosity: int = 1, *_: Any, serialize: bool = True, **__: Any) -> str:
        connection, ready = creation.connection, folder / "template-is-ready"
        name: str = creation._get_test_db_name()
        with _alone(folder / "template.lock"):
            if not ready.exists():
                _make_template(creation, verbosity, embedded.urls(folder).database)
                ready.touch()
            with creation._nodb_cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
        settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = name
        connection.ensure_connection()
        if serialize:
            connection._test_serialized_contents = creation.serialize_db_to_string()
        return name

    BaseDatabaseCreation.create_test_db = create_test_db  # type: ignore[method-assign, assignment]


def _make_template(creation: Any, verbosity: int, database: str) -> None:
    """From the tables of the last run, where no migration is another one since; then only new ones are applied."""
    template = database.replace(f"/{NAME}?", f"/{TEMPLATE}?")
    known = tables.file()
    if is_known := known.exists():
        with creation._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {TEMPLATE}")
        tables.read(template, known)
    options = creation.connection.settings_dict["TEST"]
    name, options["NAME"] = options["NAME"], TEMPLATE
    try:
        _migrate_anew(creation, verbosity, autoclobber=True, serialize=False, keepdb=is_known)
    finally:
        options["NAME"] = name
        # A database that somebody uses cannot be copied.
        creation.connection.close()
        creation.connection.close_pool()
    if not is_known:
        tables.write(template)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def delete_instead_of_truncating() -> None:
    """Let tests with transactions of their own clean up in a few milliseconds.

    Django truncates every table, of which each costs several files, and makes all content types anew. The user has to
    be one that may switch foreign keys off, as that of this run's own server is.
    """
    TransactionTestCase._fixture_teardown = _empty  # type: ignore[attr-defined]


def empty_the_audit_too() -> None:
    """Let Django's own way of cleaning up empty the audit, whose triggers refuse it elsewhere."""
    empty = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def lawfully(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            with connections[alias].cursor() as cursor:
                cursor.execute("SET halyard.audit_removal = 'lawful'")
        empty(case)

    TransactionTestCase._fixture_teardown = lawfully  # type: ignore[attr-defined]


def _empty(case: Any) -> None:
    for alias in case._databases_names(include_mirrors=False):
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(_emptying(alias))


@cache
def _emptying(alias: str) -> str:
    """One statement. It waits, as TRUNCATE does, for transactions under way; no foreign key is looked at meanwhile."""
    introspection = connections[alias].introspection
    tables = sorted(set(introspection.django_table_names(only_existing=True, include_views=False)) - KEPT)
    deletions = "".join(f'DELETE FROM "{table}"; ' for table in tables)
    names = ", ".join(f'"{table}"' for table in tables)
    unchecked = "PERFORM set_config('session_replication_role', 'replica', true);"
    return f"DO $$ BEGIN LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE; {unchecked} {deletions} END $$"
