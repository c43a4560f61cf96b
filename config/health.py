"""Answers for a load balancer and for `make run`: this process is up; every part that trading needs answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import pulse

PATIENCE_SECONDS = 1.0
PROCESSES = ("worker", "stream")
NO_ANSWER = f"no answer within {PATIENCE_SECONDS:.0f} s"
FRESH_SECONDS = 2.0
Answers = dict[str, str]

_LOOKING = threading.Lock()
_LAST: dict[str, Any] = {"until": 0.0, "answers": {}}


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that this process is up, without asking any other part."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Name every part with "ok" or the reason why not; the status is 503 as long as one is missing."""
    parts = look()
    ready = all(answer in {"ok", "off"} for answer in parts.values())
    response = JsonResponse({"status": "ok" if ready else "unavailable", **parts}, status=200 if ready else 503)
    # The caller reads the answer; called four times a second, it would fill the log while everything starts.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def look() -> Answers:
    """The parts as they were at most FRESH_SECONDS ago: whoever asks more often costs no connection more."""
    with _LOOKING:
        if time.monotonic() >= _LAST["until"]:
            _LAST["answers"], _LAST["until"] = check(), time.monotonic() + FRESH_SECONDS
        answers: Answers = dict(_LAST["answers"])
    return answers


def check() -> Answers:
    """Check all parts at the same time, for at most PATIENCE_SECONDS."""
    threads = ThreadPoolExecutor(max_workers=len(CHECKS), thread_name_prefix="readyz")
    futures = {threads.submit(check): names for names, check in CHECKS.items()}
    wait(futures, timeout=PATIENCE_SECONDS)
    # A check that has not answered goes on in its thread until its own timeout; the answer does not wait for it.
    threads.shutdown(wait=False)
    answers: Answers = {}
    for future, names in futures.items():
        answers |= _answer(future, names)
    return answers


def _answer(future: Future[Answers], names: tuple[str, ...]) -> Answers:
    if not future.done():
        return dict.fromkeys(names, NO_ANSWER)
    try:
        return future.result()
    except (psycopg.Error, redis.RedisError, OSError, http.client.HTTPException) as error:
        # The kind only: messages of drivers name hosts and users, and this page is public.
        return {names[0]: f"not reachable ({type(error).__name__})"} | dict.fromkeys(names[1:], f"{names[0]} is away")


def _database() -> Answers:
    # A new connection: a busy pool does not mean that the database is away.
    with psycopg.connect(settings.DATABASE_URL, connect_timeout=2) as connection:
        connection.execute("SELECT 1")
    return {"database": "ok"}


def _redis_and_processes() -> Answers:
    alive = pulse.alive(PROCESSES)
    words = {True: "ok", False: f"no sign of life for {pulse.FRESH_SECONDS} s"}
    return {"redis": "ok", **{name: words[alive[name]] for name in PROCESSES}}


def _gateway() -> Answers:
    if not settings.SIMULATOR:
        return {"gateway": "off"}
    parts = urlsplit(settings.GATEWAY_URL)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", f"{parts.path}/healthz")
        status = connection.getresponse().status
    finally:
        connection.close()
    return {"gateway": "ok" if status == 200 else f"answered {status}"}


CHECKS: Mapping[tuple[str, ...], Callable[[], Answers]] = {
    ("database",): _database,
    ("redis", *PROCESSES): _redis_and_processes,
    ("gateway",): _gateway,
}
