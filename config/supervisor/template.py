"""The template: a process that loads the product once, and forks itself into each process that the supervisor asks for.

Loading takes seconds and some sixty megabytes. Forked, a process starts in a moment and shares what was loaded with the
others for as long as neither writes to it. The template opens no connection, starts no thread and serves nobody.

A request is one packet: JSON `{"number": 1, "name": "web", "words": ["-m", "uvicorn", ...], "environ": {...},
"listener": 5}` with the descriptors of stdout, of stderr and, where `listener` is a number, of the listening socket. The
answer is `{"number": 1, "pid": 4711}`, sent by the new process once signals and groups reach it. The process is no child
of the template but of the supervisor, which is told its end and takes it along when it ends itself.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import re
import runpy
import select
import signal
import socket
import sys
import threading
import warnings
from dataclasses import dataclass

from config.embedded import children

LONGEST_PACKET = 1 << 18
# First what commands need, which may prepare the database meanwhile. Then all the rest before anything else is forked:
# what the template writes while it loads would no longer be shared with those forked earlier. What is missing here is
# imported by each process for itself.
COMMANDS = "django config.supervisor.prepare"
REST = """
uvicorn.main uvloop uvicorn.protocols.http.httptools_impl uvicorn.lifespan.on config.asgi config.urls
accounts.feed.lines websockets.speedups
django.contrib.messages.storage.session django.contrib.messages.storage.cookie
celery.apps.worker celery.worker.consumer celery.worker.loops celery.worker.pidbox
celery.backends celery.backends.base celery.app.routes celery.worker.autoscale celery.worker.heartbeat celery.concurrency.prefork
kombu.transport.redis billiard.popen_fork billiard.sharedctypes
config.celery accounts.tasks brokers.tasks strategies.tasks
brokers.management.commands.stream brokers.management.commands.gateway
"""
PROCESSES = {"stream", "gateway"}  # commands that go on running


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One process to become."""

    number: int
    name: str
    words: list[str]
    environ: dict[str, str]
    listener: int | None
    descriptors: list[int]


def serve(line: socket.socket, supervisor: int) -> Request | None:
    """Load and fork until the supervisor closes the line. In a forked process: the request that it is to become."""
    _load(COMMANDS)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    importlib.import_module("django").setup()
    waiting: list[Request] = []
    while select.select([line], [], [], 0)[0]:
        if (request := _receive(line)) is None:
            return None
        if not _is_command(request):
            waiting.append(request)
        elif (mine := _fork(line, request, supervisor)) is not None:
            return mine
    _load(REST)
    while (request := waiting.pop(0) if waiting else _receive(line)) is not None:
        if (mine := _fork(line, request, supervisor)) is not None:
            return mine
    return None


def _load(modules: str) -> None:
    for module in modules.split():
        importlib.import_module(module)


def _is_command(request: Request) -> bool:
    _, program = warning_options(request.words)
    return program[1] == "config.supervisor.prepare" or (program[0] == "manage.py" and program[1] not in PROCESSES)


def warning_options(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of Python's options `-W`, and the rest."""
    options = []
    while words[0] == "-W":
        options.append(words[1])
        words = words[2:]
    return options, words


def _receive(line: socket.socket) -> Request | None:
    packet, descriptors, _, _ = socket.recv_fds(line, LONGEST_PACKET, 3)
    return Request(**json.loads(packet), descriptors=descriptors) if packet else None


def _fork(line: socket.socket, request: Request, supervisor: int) -> Request | None:
    """Fork twice, so that the new process becomes the supervisor's; in the new process, its request."""
    if threading.active_count() > 1:
        raise RuntimeError("A module has started a thread while it was loaded; a forked process would be without it.")
    gc.collect()
    gc.freeze()  # a look for garbage would write beside everything that is shared
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for descriptor in request.descriptors:
            os.close(descriptor)
        return None
    if os.fork():
        os._exit(0)
    os.setpgid(0, 0)
    while os.getppid() != supervisor:
        if os.getppid() == 1:
            os._exit(1)  # the supervisor has gone
        os.sched_yield()
    children.follow(signal.SIGTERM, supervisor)
    children.rename(request.name)
    line.send(json.dumps({"number": request.number, "pid": os.getpid()}).encode())
    line.close()
    return request


def become(request: Request) -> None:
    """Run the program of the request in this process, as a Python of its own would."""
    _take_over(request)
    os.environ.clear()
    os.environ.update(request.environ)
    options, words = warning_options(request.words)
    for option in options:
        action, _, message = option.partition(":")
        sys.warnoptions.append(option)
        warnings.filterwarnings("ignore" if action == "ignore" else "default", re.escape(message))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    if words[0] == "-m":
        sys.argv = [words[1], *words[2:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def _take_over(request: Request) -> None:
    """Put the descriptors where the program looks for them."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in request.descriptors]
    for descriptor in request.descriptors:
        os.close(descriptor)
    targets = [1, 2, *([] if request.listener is None else [request.listener])]
    for descriptor, target in zip(high, targets, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)


def main() -> None:
    """The command line: the descriptor of the line, and the supervisor's process id."""
    # Ctrl-C is for the supervisor.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # nothing that is loaded is garbage
    line = socket.socket(fileno=int(sys.argv[1]))
    request = serve(line, int(sys.argv[2]))
    if request is not None:
        gc.enable()
        become(request)


if __name__ == "__main__":
    main()
