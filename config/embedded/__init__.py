"""A real PostgreSQL and a real Valkey of our own, where no server is named."""

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
