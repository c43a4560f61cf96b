"""`python -m config.worker`: Celery's worker, with the options that Halyard has a use for.

    python -m config.worker [--queues signals,orders,housekeeping] [--concurrency 4]

Celery's own command line loads an interactive shell for commands that nobody here asks for: a hundred and fifty modules,
which each machine keeps in memory. The worker behind it is the same.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

QUEUES = "signals,orders,housekeeping"
# A process of the pool decides or sends in one thread and renders rows for open pages in another. After each trip to the
# database the first would wait for the second for so long; Python's own 5 ms came to a tenth of a second for a decision.
SWITCH_SECONDS = 0.001


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to stop; the exit status. `argv`: the words after the program's name, those of the command line if None."""
    sys.setswitchinterval(SWITCH_SECONDS)  # the processes of the pool inherit it
    parser = argparse.ArgumentParser(prog="python -m config.worker", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--queues", default=QUEUES, help=f"whose tasks it takes (default: all of them, {QUEUES})")
    parser.add_argument("--concurrency", type=int, default=4, help="processes of its pool")
    options = parser.parse_args(argv)
    # `manage.py check` is for whoever deploys, and not for each start. The owner of the process is the operator's choice.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
    warnings.filterwarnings("ignore", "You're running the worker")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import_module("django").setup()
    worker = import_module("config.celery").app.Worker(
        queues=options.queues,
        concurrency=options.concurrency,
        optimization="fair",  # a process that is busy is given no second task
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel=logging.WARNING,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    words = sys.argv[1:]
    # What a worker that is told to begin anew (SIGHUP) puts after the Python.
    sys.argv = ["-m", "config.worker", *words]
    sys.exit(main(words))
