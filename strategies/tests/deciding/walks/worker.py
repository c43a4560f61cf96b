"""`python -m strategies.tests.deciding.walks.worker`: forks a process with the lanes and the drain for each line it reads.

It says the new process's number. What is forked has everything loaded and nothing open, as a worker's own processes.
"""

from __future__ import annotations

import os
import signal
import sys

import django


def main() -> None:
    django.setup()
    from brokers.tasks import work
    from config.celery import app, do_once

    app.loader.import_default_modules()
    do_once()
    # Nobody waits for those that were killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(shard=0)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
