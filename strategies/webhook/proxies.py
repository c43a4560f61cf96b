"""Who sends: the peer's address, or what a reverse proxy we trust says about it."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks as the settings write them."""
    return tuple(ipaddress.ip_network(word, strict=False) for word in words)


def address(peer: str | None, forwarded_for: str, trusted: Sequence[Network]) -> str | None:
    """The sender's address. X-Forwarded-For counts only from trusted peers, and only up to the first untrusted hop."""
    found = _normal(peer or "")
    for hop in reversed(forwarded_for.split(",") if forwarded_for else []):
        if found is None or not any(ipaddress.ip_address(found) in network for network in trusted):
            break
        claimed = _normal(hop.strip())
        if claimed is None:
            break
        found = claimed
    return found


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether what this peer says about others is believed."""
    found = _normal(peer or "")
    return found is not None and any(ipaddress.ip_address(found) in network for network in trusted)


@functools.lru_cache(maxsize=10_000)
def _normal(text: str) -> str | None:
    """An address as Postgres takes it: no zone, no IPv4 in IPv6 clothing."""
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
