"""Addresses that people paste for a chat or a program: where they lead. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from brokers.domain.addresses import AddressRefused, Location

_LONGEST = 400


def location_of(url: str) -> Location:
    """The host and port that an address leads to. AddressRefused says what is wrong with it.

    Unlike a gateway's it may hold a path and a query of any kind, which are secrets mostly. It names no user, and plain http
    leads to this machine alone (`reach_of`).
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _LONGEST:
        raise _wrong()
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _wrong() from error
    if (
        parts.scheme not in {"https", "http"}
        or not host
        or parts.username
        or parts.password
        or parts.fragment
        or "\\" in url
    ):
        raise _wrong()
    secure = parts.scheme == "https"
    return Location(secure=secure, host=host, port=port or (443 if secure else 80))


def _wrong() -> AddressRefused:
    return AddressRefused("This is no address that Halyard can go to. It begins with https:// and is pasted whole.")
