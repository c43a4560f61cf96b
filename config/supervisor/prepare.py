"""`python -m config.supervisor.prepare`: bring the database up to date, and say who is in it.

Prints a JSON list of people's e-mail addresses. Where nothing is to be done it takes a moment: Django's `migrate` reads
every migration there ever was to find out the same.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
import sys
from importlib import import_module, util
from pathlib import Path

import psycopg

from config import embedded

NOTE = "prepared.json"


def main() -> None:
    """The command line; exit status 1 with lines on stderr when the database could not be prepared."""
    folder, url = embedded.data_folder(), embedded.resolve().database
    names = migrations()
    if not is_prepared(folder, url, names):
        import_module("django.core.management").call_command(
            "migrate", verbosity=0, skip_checks=True, interactive=False
        )
        (folder / NOTE).write_text(note(names))
    print(json.dumps(emails(url)))  # noqa: T201


def migrations() -> set[tuple[str, str]]:
    """Every migration of the installed apps, by app and name, as the files say."""
    found: set[tuple[str, str]] = set()
    for app in import_module("django.apps").apps.get_app_configs():
        spec = util.find_spec(f"{app.name}.migrations") if util.find_spec(app.name) else None
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found |= {
                (app.label, module.name) for module in pkgutil.iter_modules([place]) if module.name[0] not in "_~"
            }
    return found


def fingerprint(names: set[tuple[str, str]]) -> str:
    """A short text for a set of migrations."""
    return hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()


def note(names: set[tuple[str, str]]) -> str:
    """What is written down once all of these migrations, and what follows them, have been done."""
    return json.dumps({"migrations": fingerprint(names)}) + "\n"


def is_prepared(folder: Path, url: str, names: set[tuple[str, str]]) -> bool:
    """Whether each of these migrations has run in this database, and what follows migrations as well.

    Two witnesses: the note is written when all is done (rights are given after the last migration), and the rows are of
    this very database, which a restore may have taken back to an older day.
    """
    try:
        noted = json.loads((folder / NOTE).read_text())["migrations"]
    except (OSError, ValueError, KeyError):
        return False
    if noted != fingerprint(names):
        return False
    try:
        with psycopg.connect(url) as session:
            done = {(app, name) for app, name in session.execute("SELECT app, name FROM django_migrations")}
    except psycopg.Error:
        return False  # `migrate` says what is wrong with it
    return names <= done


def emails(url: str) -> list[str]:
    """The e-mail addresses of people, a thousand at most."""
    with psycopg.connect(url) as session:
        return [row[0] for row in session.execute("SELECT email FROM accounts_user LIMIT 1000")]


if __name__ == "__main__":
    try:
        import_module("django").setup()
        main()
    except psycopg.Error as error:
        sys.exit(str(error))
