"""The cache that limits are counted in."""

from __future__ import annotations

import pickle
import socket
import time
import uuid
from typing import Any

import pytest
import redis
from django.conf import settings as project
from django.core.cache import cache
from django.test import override_settings

from accounts.entrance import counting

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def own(settings: Any) -> str:
    prefix = f"test-{uuid.uuid4()}"
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": prefix}}
    return prefix


@pytest.mark.parametrize("value", [3, True, None, "text", "7", [1.5, 2.25], {"a": [1]}])
def test_it_keeps_values_as_json(own: str, value: object) -> None:
    cache.set("key", value, 60)
    assert cache.get("key", "absent") == value
    raw: Any = redis.Redis.from_url(project.REDIS_URL).get(f"{own}:1:key")
    assert not raw.startswith(b"\x80")


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('run by the cache')",))


def test_a_pickle_that_somebody_put_there_is_never_run(own: str) -> None:
    redis.Redis.from_url(project.REDIS_URL).set(f"{own}:1:key", pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"decode|Expecting|utf"):
        cache.get("key")


def test_without_valkey_it_counts_in_this_process_and_asks_again_later(own: str, settings: Any) -> None:
    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": nowhere}):
        assert cache.add("key", [1.0], 60)
        assert not cache.add("key", [2.0], 60)
        assert cache.get("key") == [1.0]
        assert time.monotonic() < counting._ASK_AGAIN_AT["moment"] <= time.monotonic() + counting.AWAY_SECONDS


def test_a_server_that_hangs_costs_a_second_and_no_more(own: str, settings: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        counting._ASK_AGAIN_AT["moment"] = 0.0
        hanging = {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"}
        began = time.monotonic()
        with override_settings(CACHES={"default": hanging}):
            assert cache.get("key", "absent") == "absent"
            assert cache.add("key", 1, 60)
        assert time.monotonic() - began < 3
