"""What a login shows the proxy before its gateway: a client certificate, and a header with a secret."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping

CERTIFICATE, KEY = "client_certificate", "client_key"
HEADER, SECRET = "proxy_header", "proxy_secret"


def headers(secrets: Mapping[str, str]) -> dict[str, str]:
    """The header that the proxy asks for, if it does."""
    name, value = secrets.get(HEADER), secrets.get(SECRET)
    return {name: value} if name and value else {}


def context(secrets: Mapping[str, str]) -> ssl.SSLContext | None:
    """TLS with the login's own certificate; None where it has none. The other side is verified as always."""
    if not secrets.get(CERTIFICATE):
        return None
    made = ssl.create_default_context()
    # OpenSSL reads a certificate from a file only: one that nobody else can open, and that is gone at once.
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:  # noqa: S108
        file.write(f"{secrets[CERTIFICATE]}\n{secrets.get(KEY, '')}\n".encode())
        file.flush()
        made.load_cert_chain(file.name)
    return made
