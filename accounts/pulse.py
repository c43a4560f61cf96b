"""Signs of life of our processes, kept in Redis for as long as they are fresh. `/readyz` reads them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)
FRESH_SECONDS = 15


def beat(name: str, seconds: int = FRESH_SECONDS) -> bool:
    """Record that the process `name` is alive, for `seconds`. False when Redis did not take it."""
    try:
        return bool(client().set(_key(name), 1, ex=seconds))
    except redis.RedisError as error:
        # A pulse that Redis missed shows as its absence; the process must not stop for it.
        log.debug("The pulse of %s was not recorded: %s", name, error)
        return False


def renew(name: str, seconds: int) -> bool:
    """Record that `name` is alive, for `seconds`; whether its last sign of life was still fresh. Raises redis.RedisError."""
    return client().set(_key(name), 1, ex=seconds, get=True) is not None


def client() -> redis.Redis:
    """Valkey, with a second's patience each way."""
    return _redis(settings.REDIS_URL)


def alive(names: Iterable[str]) -> dict[str, bool]:
    """Whether each name gave a sign of life that is still fresh. Raises redis.RedisError when Redis does not answer."""
    ordered = list(names)
    values = client().mget([_key(name) for name in ordered])
    assert isinstance(values, list)
    return {name: value is not None for name, value in zip(ordered, values, strict=True)}


def _key(name: str) -> str:
    return f"halyard:pulse:{name}"


@functools.cache
def _redis(url: str) -> redis.Redis:
    # One second each way: `/readyz` rather answers than waits. The client's pool survives forks.
    never = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=never)
