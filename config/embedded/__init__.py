"""The embedded PostgreSQL and Valkey, which run where no variable names a server."""

from config.embedded.servers import EmbeddedError
from config.embedded.services import (
    BASE_DIR,
    Services,
    Urls,
    data_folder,
    gateway_url,
    is_running,
    read_run,
    resolve,
    secrets,
    start,
    urls,
)

__all__ = [
    "BASE_DIR",
    "EmbeddedError",
    "Services",
    "Urls",
    "data_folder",
    "gateway_url",
    "is_running",
    "read_run",
    "resolve",
    "secrets",
    "start",
    "urls",
]
