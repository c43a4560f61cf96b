"""OAuth 1.0a: the text of a request that is signed, its signature, and the header that carries it. Pure.

IBKR departs from RFC 5849: names and values are joined before they are encoded, a query is left out, and the text that
asks for a live session token begins with the secret of the access token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
import threading
from collections.abc import Mapping
from urllib.parse import quote_plus

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

RSA, HMAC = "RSA-SHA256", "HMAC-SHA256"
_LETTERS = string.ascii_letters + string.digits
# IBKR takes no time that is further from its own: what was stamped further ahead was never taken either.
_AHEAD = 300


def base_string(method: str, url: str, parameters: Mapping[str, str], *, prepend: str = "") -> str:
    """The text that is signed. `url` is without its query; `prepend` is the access token's secret in hex, or nothing."""
    joined = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return f"{prepend}{method}&{quote_plus(url)}&{quote_plus(joined)}"


def rsa_signature(text: str, key: rsa.RSAPrivateKey) -> str:
    """RSA-SHA256, as the header wants it."""
    return _in_a_header(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


def hmac_signature(text: str, token: bytes) -> str:
    """HMAC-SHA256 with a live session token, as the header wants it."""
    return _in_a_header(hmac.new(token, text.encode(), hashlib.sha256).digest())


def _in_a_header(signature: bytes) -> str:
    return quote_plus(base64.b64encode(signature).decode())


def header(parameters: Mapping[str, str], *, realm: str) -> str:
    """The Authorization header."""
    return f'OAuth realm="{realm}", ' + ", ".join(f'{name}="{value}"' for name, value in sorted(parameters.items()))


def new_nonce() -> str:
    """Something that no request had before."""
    return "".join(secrets.choice(_LETTERS) for _ in range(16))


class Stamps:
    """The timestamps of a process. They never go back, even when the clock does: IBKR refuses one that is older than the last."""

    def __init__(self) -> None:
        self._latest: dict[str, int] = {}
        self._lock = threading.Lock()

    def passed(self, consumer_key: str, at: float) -> None:
        """Some process has stamped a request of the consumer with this time."""
        with self._lock:
            self._latest[consumer_key] = max(int(at), self._latest.get(consumer_key, 0))

    def stamp(self, consumer_key: str, now: float) -> str:
        """The time of a request in seconds, never before that of the consumer's last one."""
        with self._lock:
            latest = self._latest.get(consumer_key, 0)
            self._latest[consumer_key] = stamp = latest if int(now) < latest <= now + _AHEAD else int(now)
        return str(stamp)
