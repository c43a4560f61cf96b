"""Addresses of gateways that people name: how one is written, and where our server may be sent by it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from accounts.refusals import Refusal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What an operator's own network consists of; link-local addresses and what clouds tell about themselves are not in it.
PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    ]
)
# Where clouds hand out credentials: allowed only where the operator names exactly this address.
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_LONGEST = 300
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?\Z"
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
# Pages of the gateway that a browser shows: its login, and what stands there afterwards.
_BROWSERS = re.compile(
    r"(?P<before>([A-Za-z0-9._~-]+/)*?)(sso/|demo/|v1/portal\b|v1/api/(?=[A-Za-z])).*\Z", re.IGNORECASE
)
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?\Z")


class AddressRefused(Refusal):
    """The address is not one that we go to; the message is a sentence, `code` is stable."""

    def __init__(self, reason: str, code: str = "invalid-address") -> None:
        super().__init__(reason, code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a gateway's address leads: a host and a port, over TLS or not."""

    secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where users may send our server: public addresses, and private networks that the operator allows."""

    networks: tuple[Network, ...] = ()
    ports: tuple[tuple[int, int], ...] = ((443, 443), (5000, 5099), (8443, 8443))
    # Of what goes over plain http: to this machine itself and no further.
    only_here: bool = False

    def refusal(self, address: str) -> AddressRefused | None:
        """Why we do not go to an IP address; None where we do."""
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return _elsewhere()
        meant = _meant(known)
        if meant.is_unspecified or meant.is_multicast or str(meant) == "255.255.255.255":
            return _elsewhere()
        if meant in _METADATA:
            return None if any(n.num_addresses == 1 and meant in n for n in self.networks) else _elsewhere()
        allowed = any(meant in network for network in self.networks if network.version == meant.version)
        if not allowed and (meant.is_reserved or not meant.is_global):
            return _private()
        return not_encrypted() if self.only_here and not meant.is_loopback else None

    def allows_port(self, port: int) -> bool:
        """Whether the operator lets gateways listen there."""
        return any(low <= port <= high for low, high in self.ports)

    def check_port(self, port: int) -> None:
        """Raise where the operator does not let gateways listen."""
        if not self.allows_port(port):
            shown = ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in self.ports)
            raise AddressRefused(
                f"Halyard does not go to port {port}. Let the gateway, or the proxy before it, listen on one of these: "
                f"{shown}. The operator of this installation may allow others in HALYARD_GATEWAY_PORTS.",
                "port-not-allowed",
            )


def completed(text: str) -> str:
    """A gateway's address as people type or paste it, with what it lacks: https:// before it, /v1/api at its end."""
    url = text.strip()
    if not url or not url.isascii():
        return url
    if "://" not in url:
        url = f"https://{url}"
    begin, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    # What the address bar shows after a login at the gateway's own page.
    page = _BROWSERS.match(path)
    path = page["before"] if page else path
    if "?" in path or "#" in path:
        return url
    parts = [part for part in path.split("/") if part]
    if parts[-2:] != ["v1", "api"]:
        parts = [*parts[: -1 if parts[-1:] == ["v1"] else None], "v1", "api"]
    return "/".join((f"{begin.lower()}://{host}", *parts)) if host else url


def login_page(base_url: str) -> str:
    """Where a person logs in at the gateway of this address; "" where it is none that a link may lead to."""
    try:
        location(base_url)
    except AddressRefused:
        return ""
    return base_url.removesuffix("/").removesuffix("/v1/api") + "/"


def location(url: str) -> Location:
    """Read a gateway's address; AddressRefused says what is wrong with it."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise _misspelled()
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _misspelled() from None
    if parts.scheme not in {"http", "https"} or not host or len(url) > _LONGEST:
        raise _misspelled()
    if "@" in parts.netloc:
        raise AddressRefused(
            "Leave the user name and the password out of the gateway's address. A proxy before the gateway may ask for "
            "a header or a certificate instead."
        )
    if "?" in url or "#" in url or "\\" in url:
        raise AddressRefused("The gateway's address ends with its path. Leave out what begins with ? or #.")
    if not _PATH.match(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise AddressRefused(
            "The path of the gateway's address has letters, digits, dots and dashes only, like /v1/api at its end."
        )
    _check_host(host, parts.netloc)
    secure = parts.scheme == "https"
    return Location(secure=secure, host=host, port=port if port is not None else 443 if secure else 80)


def _check_host(host: str, netloc: str) -> None:
    """A name, or an IP address in its one usual spelling: 2130706433, 0x7f.1 and 0177.0.0.1 are other ways to say 127.0.0.1."""
    try:
        # With a zone behind it, an address is one of this machine's own links.
        ipaddress.ip_address(host if "%" not in host else "")
    except ValueError:
        numeric = _NUMERIC.match(host.rstrip(".").rpartition(".")[2])
        if numeric or "[" in netloc or "%" in host:
            raise AddressRefused(
                "Write the gateway's host as a name, or as an IP address in the usual way, like 203.0.113.7 or [2001:db8::7].",
                "numeric-host",
            ) from None
        if not _HOST.match(host):
            raise _misspelled() from None


def networks(words: Iterable[str]) -> tuple[Network, ...]:
    """Networks as an operator writes them; ValueError names the one that is none."""
    return tuple(ipaddress.ip_network(word) for word in words)


def ports(words: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Ports as an operator writes them, `443` or `5000-5099`; ValueError names the one that is none."""
    ranges = []
    for word in words:
        low, _, high = word.partition("-")
        if not (low.isdecimal() and (high or low).isdecimal() and 0 < int(low) <= int(high or low) <= 65535):
            raise ValueError(f"{word!r} is no port and no range of ports")
        ranges.append((int(low), int(high or low)))
    return tuple(ranges)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _misspelled() -> AddressRefused:
    return AddressRefused("The gateway's address must look like https://host:5000/v1/api, without a user name in it.")


def not_encrypted() -> AddressRefused:
    """Why plain http goes nowhere but to this machine."""
    return AddressRefused(
        "Plain http is for a gateway on this very machine: on the way to any other, whoever listens can read and change "
        "orders. Begin the address with https://, and accept the gateway's certificate.",
        "address-not-encrypted",
    )


def _private() -> AddressRefused:
    return AddressRefused(
        "This address lies in a private network. Halyard reaches gateways on public addresses only, unless its operator "
        "allows the network in HALYARD_GATEWAY_RANGES.",
        "private-address",
    )


def _elsewhere() -> AddressRefused:
    return AddressRefused(
        "No gateway can listen at this address. Give the address of the machine that runs the gateway.",
        "private-address",
    )
