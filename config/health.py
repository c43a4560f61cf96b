"""What a load balancer and `make run` ask: is this process up, and is everything there that it takes to trade?"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
PROCESSES = ("worker", "beat", "stream")
NO_ANSWER = f"no answer within {PATIENCE_SECONDS:.0f} s"
Answers = dict[str, str]


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """This process is up. Asks nobody else."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Every part by name, "ok" or why not; 503 as long as one is missing."""
    parts = look()
    ready = all(answer in {"ok", "off"} for answer in parts.values())
    response = JsonResponse({"status": "ok" if ready else "unavailable", **parts}, status=200 if ready else 503)
    # Whoever asks sees it; asked four times a second, it would fill the log while everything starts.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def look() -> Answers:
    """Ask all parts at the same time, and none of them for longer than our patience."""
    threads = ThreadPoolExecutor(max_workers=len(CHECKS), thread_name_prefix="readyz")
    asked = {threads.submit(check): names for names, check in CHECKS.items()}
    wait(asked, timeout=PATIENCE_SECONDS)
    # Whoever has not answered goes on waiting in its thread, which its own timeout ends; we do not.
    threads.shutdown(wait=False)
    answers: Answers = {}
    for future, names in asked.items():
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
    # A connection of its own: a pool that is merely busy is not a database that is away.
    with psycopg.connect(settings.DATABASE_URL, connect_timeout=2) as connection:
        connection.execute("SELECT 1")
    return {"database": "ok"}


def _redis_and_processes() -> Answers:
    alive = pulse.alive(PROCESSES)
    heard = {True: "ok", False: f"no sign of life for {pulse.FRESH_SECONDS} s"}
    return {"redis": "ok", **{name: heard[alive[name]] for name in PROCESSES}}


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
