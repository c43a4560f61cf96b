"""What is kept where: PostgreSQL, Valkey with its cache and channels, and the queues of Celery."""

from __future__ import annotations

from typing import Any

from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import env
from config.settings.installation import DATABASE_DIRECT_URL, DATABASE_URL, REDIS_URL, urls


def _database(url: str) -> dict[str, Any]:
    """Django's settings for a libpq URL; psycopg itself does the reading."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    known = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {name: parts.pop(part, "") for name, part in known.items()}
    # A pool per process: ASGI serves pages from many threads, and one connection each would outgrow the server.
    pool = {"min_size": 1, "max_size": env.number("HALYARD_DATABASE_POOL", 12, low=1, high=200), "timeout": 10}
    # Parameters bound by the server, so that statements are planned once a connection and not once a call: planning
    # costs more than running what a signal needs. A pooler may hand the next statement to another connection.
    pooled = bool(DATABASE_DIRECT_URL)
    prepare = env.flag("HALYARD_PREPARE", not pooled)
    prepared = {"server_side_binding": True, "prepare_threshold": 3} if prepare else {}
    return {
        **settings,
        "DISABLE_SERVER_SIDE_CURSORS": pooled,
        # Django's own, with a look at connections of the pool that costs no trip to the server.
        "ENGINE": "config.database",
        "OPTIONS": {**parts, **prepared, "pool": pool},
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer: the list-based one collapses at a thousand groups.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "halyard"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "accounts.entrance.counting.CountingCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "halyard-cache",
        "OPTIONS": {
            "serializer": "accounts.entrance.counting.JsonSerializer",
            # Nobody who signs in waits longer than this for a server that is away or hangs.
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
            "retry": Retry(NoBackoff(), 0),
        },
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CELERY = {
    "broker_url": urls.broker,
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 1,
    # A process that has held the lanes keeps what they needed; they move on each ten minutes, until each process has it.
    "worker_max_tasks_per_child": 1000,
    "worker_send_task_events": False,
    "worker_hijack_root_logger": False,
    # Redis may be away when a process starts or while it runs; the rows wait, and so do we.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        "visibility_timeout": 3600,
        "socket_keepalive": not REDIS_URL.startswith("unix"),
        "retry_on_timeout": True,
    },
    "timezone": "UTC",
    "task_default_queue": "housekeeping",
    # What moves money waits behind no housekeeping.
    "task_routes": {"brokers.work": {"queue": "orders"}, "strategies.decide": {"queue": "signals"}},
}
