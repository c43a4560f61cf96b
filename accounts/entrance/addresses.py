"""The client's address: the peer's own, or the one that a trusted reverse proxy reports. Every door asks here."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A household or a host has a whole /64 of IPv6, and may take another address of it for each attempt.
IPV6_PREFIX = 64
# What a reverse proxy adds. A request with one of them comes from another machine, even if its address is near.
# `accounts.middleware.ClientAddress` puts the mark, before it drops some of these headers.
PROXY_HEADERS = frozenset(
    f"HTTP_{name}"
    for name in (
        "FORWARDED",
        "X_FORWARDED_FOR",
        "X_FORWARDED_HOST",
        "X_FORWARDED_PROTO",
        "X_REAL_IP",
        "VIA",
        "CF_CONNECTING_IP",
    )
)
BY_PROXY = "halyard.by_proxy"


def client_address(peer: str | None, forwarded_for: str, trusted: Sequence[str]) -> str | None:
    """The client's address. X-Forwarded-For counts only from trusted peers, and only up to the first untrusted hop."""
    networks = _networks(tuple(trusted))
    client = _normal(peer or "")
    for hop in reversed(forwarded_for.split(",") if forwarded_for else []):
        if not _is_within(client, networks):
            break
        claimed = _normal(hop.strip())
        if claimed is None:
            break
        client = claimed
    return client


def is_trusted(peer: str | None, trusted: Sequence[str]) -> bool:
    """Whether this peer is a proxy whose headers count."""
    return _is_within(_normal(peer or ""), _networks(tuple(trusted)))


def is_private(peer: str | None) -> bool:
    """Whether this peer is near us, as a reverse proxy is: on this machine or in a private network."""
    host = _normal(peer or "")
    return host is not None and ipaddress.ip_address(host).is_private


def of_request(request: HttpRequest) -> str | None:
    """The client's address, as a row keeps it; None where a request has none, as through a socket of the machine."""
    return _normal(request.META.get("REMOTE_ADDR") or "")


def bucket(address: str | None) -> str:
    """The addresses that are counted as one client: an IPv4 address, or the /64 of an IPv6 one."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/{IPV6_PREFIX}", strict=False).network_address)


@functools.lru_cache(maxsize=100)
def _networks(words: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word, strict=False) for word in words)


def _is_within(host: str | None, networks: Sequence[Network]) -> bool:
    return host is not None and any(ipaddress.ip_address(host) in network for network in networks)


@functools.lru_cache(maxsize=10_000)
def _normal(text: str) -> str | None:
    """An address as Postgres takes it: without a port or zone, and IPv4 where IPv6 maps it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        host = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host)
