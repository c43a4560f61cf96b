"""Where this installation is: its folders and servers, its secrets, its addresses, and the cookies that go with them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from config import embedded, env

BASE_DIR = Path(__file__).resolve().parents[2]
DATA = embedded.data_folder(os.environ)
urls = embedded.resolve(os.environ)
DATABASE_URL, REDIS_URL = urls.database, urls.redis
# The way past a pooler that DATABASE_URL leads to, for what needs a database session of its own; empty where none stands between.
DATABASE_DIRECT_URL = env.text("DATABASE_DIRECT_URL", "")
# An installation that brings its own database is somebody's own machine: it may make its own secrets and show a demo.
SELF_CONTAINED = embedded.urls(DATA).database == DATABASE_URL or env.flag("HALYARD_SELF_CONTAINED", False)
_own_secrets = embedded.secrets(DATA) if SELF_CONTAINED else {}


def _secret(name: str) -> str:
    return env.text(name, _own_secrets.get(name))


DEBUG = env.flag("HALYARD_DEBUG", False)
SECRET_KEY = env.strong("SECRET_KEY", _secret("SECRET_KEY"))
# Newest first. Webhook passwords are HMACs under these; secrets at rest are encrypted under those.
SERVER_KEYS = [env.strong("HALYARD_SERVER_KEYS", key) for key in env.keys("HALYARD_SERVER_KEYS", _own_secrets)]
ENCRYPTION_KEYS = [
    env.fernet_key("HALYARD_ENCRYPTION_KEYS", key) for key in env.keys("HALYARD_ENCRYPTION_KEYS", _own_secrets)
]

HOST = env.text("HOST", "127.0.0.1")
PORT = env.number("PORT", 8000, low=1, high=65535)
_everywhere = {"127.0.0.1", "0.0.0.0", "::"}  # noqa: S104  read, not bound to
_own_name = f"[{HOST}]" if ":" in HOST else HOST
PUBLIC_URL = env.text(
    "HALYARD_PUBLIC_URL", f"http://{'localhost' if HOST in _everywhere else _own_name}:{PORT}"
).rstrip("/")
public = urlsplit(PUBLIC_URL)
HTTPS = public.scheme == "https"
# Names that lead to this machine and to nobody else's. Any other name could be a stranger's page that points at us.
_own_hosts = ["localhost", "127.0.0.1", "[::1]", public.netloc.rpartition("@")[2].removesuffix(f":{public.port}")]
ALLOWED_HOSTS = env.words("HALYARD_ALLOWED_HOSTS") or [*_own_hosts, *([] if HOST in _everywhere else [_own_name])]
CSRF_TRUSTED_ORIGINS = [f"{public.scheme}://{public.netloc}"]
# Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto we believe.
TRUSTED_PROXIES = env.networks("HALYARD_TRUSTED_PROXIES")
# The header in which such a proxy hands on the subject of a client certificate that it has verified.
CERTIFICATE_HEADER = env.text("HALYARD_CERTIFICATE_HEADER", "")

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Two installations on one machine differ by port only, and cookies ignore ports.
SESSION_COOKIE_NAME = f"halyard_session_{PORT}"
CSRF_COOKIE_NAME = f"halyard_csrf_{PORT}"
DEVICE_COOKIE_NAME = f"halyard_device_{PORT}"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
