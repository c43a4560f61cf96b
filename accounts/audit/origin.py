"""Where an action comes from: the client's address, and the page, token, command or task that does it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.http import HttpRequest, HttpResponse

from accounts.entrance.sign_in import client_of

LONGEST = 120
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_task: ContextVar[str] = ContextVar("task", default="")
_token: ContextVar[str] = ContextVar("token", default="")


@dataclass(frozen=True, slots=True)
class Origin:
    """`address` is empty where nobody called from outside."""

    address: str
    by: str


def current() -> Origin:
    """The origin of what happens now, in this thread or asyncio task."""
    request = _request.get()
    if request is not None:
        address = client_of(request)
        return Origin("" if address == "unknown" else address, _page(request)[:LONGEST])
    if task := _task.get():
        return Origin("", f"task {task}"[:LONGEST])
    return Origin("", _process()[:LONGEST])


class Origins:
    """Keeps the request at hand for the entries that are written while it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        held, named = _request.set(request), _token.set("")
        try:
            return self.get_response(request)
        finally:
            _request.reset(held)
            _token.reset(named)


def by_token(name: str) -> None:
    """Say that the request came in with the API token of this name."""
    _token.set(name)


def _page(request: HttpRequest) -> str:
    if token := _token.get():
        return f"API token {token}"
    # The name of the page, not its address: addresses hold secrets.
    match = request.resolver_match
    return f"page {match.view_name}" if match and match.view_name else "page"


def _process() -> str:
    program = Path(sys.argv[0]).name
    if program == "manage.py" and len(sys.argv) > 1:
        return f"command {sys.argv[1]}"
    return f"process {program}"


# Celery runs one task at a time in a thread, and each thread has variables of its own.
@task_prerun.connect
def _begin(task: Any, **_: Any) -> None:
    _task.set(str(task.name))


@task_postrun.connect
def _end(**_: Any) -> None:
    _task.set("")
