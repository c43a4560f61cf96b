"""`python -m brokers.simulator`: the gateway alone, on SQLite, with no other part of the project running."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError


def main() -> int:
    """Serve until stopped; one sentence and a code other than zero when that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m brokers.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5055)
    parser.add_argument("--preset", default=os.environ.get("SIM_PRESET", "demo"))
    parser.add_argument("--database", default="simulator.sqlite3", help="the SQLite file that holds the books")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    _configure(Path(given.database).resolve())
    from brokers.simulator.run import CannotServe, options, serve

    try:
        wanted = options(host=given.host, port=given.port, preset_name=given.preset)
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except DatabaseError as problem:
            raise CannotServe(f"Cannot keep books in {given.database}: {problem}. Choose another file.") from None
        serve(wanted)
    except CannotServe as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def _configure(database: Path) -> None:
    settings.configure(
        INSTALLED_APPS=["brokers.simulator"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(database),
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 10,
                    # Durable at every commit, and readers never block the writer.
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                },
            }
        },
        USE_TZ=True,
        TIME_ZONE="UTC",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


if __name__ == "__main__":
    sys.exit(main())
