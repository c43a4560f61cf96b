"""The cache that limits are counted in: Valkey, and while that is away, the memory of this process."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

log = logging.getLogger(__name__)

# How long this process counts by itself before it asks an absent server again.
AWAY_SECONDS = 5.0
_ASK_AGAIN_AT = {"moment": 0.0}


class JsonSerializer:
    """Values as JSON. A pickle would let an intruder who writes to Valkey run code in this process."""

    def dumps(self, value: Any) -> int | bytes:
        # Whole numbers stay bare, so that the server itself can add to them.
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(stored)


class CountingCache(RedisCache):
    """Django's cache in Valkey. Without Valkey limits still hold, counted in each process: slower, and not closed."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        options = {name: value for name, value in params.items() if name != "OPTIONS"}
        self._memory = LocMemCache("counting", options)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._ask("get", key, default, version)

    def set(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask("set", key, value, timeout, version)

    def add(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("add", key, value, timeout, version))

    def touch(self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("touch", key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._ask("delete", key, version))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return bool(self._ask("has_key", key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return int(self._ask("incr", key, delta, version))

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        return dict(self._ask("get_many", keys, version))

    def set_many(self, data: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> list[Any]:
        return list(self._ask("set_many", data, timeout, version))

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        self._ask("delete_many", keys, version)

    def clear(self) -> None:
        self._ask("clear")

    def _ask(self, method: str, *arguments: Any) -> Any:
        if time.monotonic() >= _ASK_AGAIN_AT["moment"]:
            try:
                return getattr(super(), method)(*arguments)
            except redis.RedisError as error:
                _ASK_AGAIN_AT["moment"] = time.monotonic() + AWAY_SECONDS
                log.warning("Limits are counted in this process, since Valkey is away: %s", type(error).__name__)
        return getattr(self._memory, method)(*arguments)
