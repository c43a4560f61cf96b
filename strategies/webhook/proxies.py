"""The sender's address: the peer's own, or the one that a trusted reverse proxy reports."""

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
    sender = _normal(peer or "")
    for hop in reversed(forwarded_for.split(",") if forwarded_for else []):
        if not _is_within(sender, trusted):
            break
        claimed = _normal(hop.strip())
        if claimed is None:
            break
        sender = claimed
    return sender


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether this peer is a proxy whose headers count."""
    return _is_within(_normal(peer or ""), trusted)


def _is_within(host: str | None, networks: Sequence[Network]) -> bool:
    return host is not None and any(ipaddress.ip_address(host) in network for network in networks)


@functools.lru_cache(maxsize=10_000)
def _normal(text: str) -> str | None:
    """An address as Postgres takes it: without a zone, and IPv4 where IPv6 maps it."""
    try:
        host = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host)
