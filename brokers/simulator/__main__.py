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

ROOT = Path(__file__).resolve().parents[2]
# The product takes over a data folder whose first file is this one, and refuses any other that is not empty.
_MARKER = "halyard-data"


def main() -> int:
    """Serve until stopped; one sentence and a code other than zero when that cannot be."""
    arguments = _arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    _configure(arguments.database or data_folder() / "simulator.sqlite3")
    from brokers.simulator.certificates import FILE
    from brokers.simulator.run import CannotServe, options, over_tls, serve

    try:
        chosen = options(host=arguments.host, port=arguments.port, preset_name=arguments.preset)
        database = settings.DATABASES["default"]["NAME"]
        try:
            if not arguments.database:
                make(data_folder())
            call_command("migrate", verbosity=0, interactive=False)
        except (DatabaseError, OSError) as problem:
            raise CannotServe(f"Cannot keep books in {database}: {problem}. Choose another file.") from None
        # Beside the books, so that it is the same one after a restart.
        serve(over_tls(chosen, Path(database).parent / FILE) if arguments.tls else chosen)
    except CannotServe as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m brokers.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5055)
    parser.add_argument("--preset", default=os.environ.get("SIM_PRESET", "demo"))
    parser.add_argument(
        "--database",
        type=lambda text: Path(text).resolve(),
        help="the SQLite file that holds the books; simulator.sqlite3 in the data folder otherwise",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="speak https and wss, with a certificate that signs itself; it is made once and kept beside the books",
    )
    return parser.parse_args()


def data_folder() -> Path:
    """The folder of all local state, the product's as well: HALYARD_DATA, else `.halyard` beside manage.py."""
    named = os.environ.get("HALYARD_DATA", "").strip()
    return Path(os.path.abspath(os.path.expanduser(named))) if named else ROOT / ".halyard"


def make(folder: Path) -> None:
    """Make the data folder where there is none, so that the product takes it over later."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.listdir(folder):
        (folder / _MARKER).write_text("This folder holds Halyard's local data: its database, sockets, keys and logs.\n")


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
