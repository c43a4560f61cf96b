#!/usr/bin/env python
"""Django's command line; it finds the embedded database by itself and says so when it is not running."""

from __future__ import annotations

import os
import sys

NOT_INSTALLED = "Halyard's libraries are not installed for this Python. Run `make run`, then use .venv/bin/python."
NOT_RUNNING = "Halyard's database is not running. Start everything with `make run`, or set DATABASE_URL."


def main() -> None:
    """Run a command; what a person can mend is one sentence and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.conf import settings
        from django.core.management import execute_from_command_line
        from django.db import OperationalError

        from config import embedded, env
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "config":
            raise
        sys.exit(NOT_INSTALLED)

    try:
        folder = embedded.data_folder()
        running = embedded.is_running(folder)
        if running:
            # Addresses we print are those of the run, not of the defaults.
            run = embedded.read_run(folder)
            for name in ("HOST", "PORT"):
                os.environ.setdefault(name, str(run.get(name.lower(), "")))
        offline = not running and embedded.resolve().database == embedded.urls(folder).database
        if offline:
            # Commands that need no database work all the same; the others fail at once, not after the pool's patience.
            settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
        execute_from_command_line(sys.argv)
    except (embedded.EmbeddedError, env.SettingError) as error:
        sys.exit(str(error))
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) is not None:
            raise  # the server answered: not a question of reaching it
        sys.exit(
            NOT_RUNNING if offline else f"Halyard cannot reach its database: {_first_line(error)} See DATABASE_URL."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") + "."


if __name__ == "__main__":
    main()
