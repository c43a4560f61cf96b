"""The port of the web process, taken before anything starts, and ports that are free."""

from __future__ import annotations

import errno
import ipaddress
import socket


class PortError(Exception):
    """The address cannot be used; the message says why and what to do."""


BACKLOG = 2048  # connections that wait while no process accepts them


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on this address; PortError with a sentence when there can be none."""
    try:
        return _bind(host, port)
    except socket.gaierror:
        raise PortError(f"HOST is {host!r}, which is no address of this machine. Use 127.0.0.1 or 0.0.0.0.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = (
                f"Port {port} is in use. Stop the program that uses it, or choose another: make run PORT={port + 1}"
            )
        elif error.errno == errno.EACCES:
            sentence = f"Port {port} is reserved for the administrator. Choose one above 1023: make run PORT=8000"
        elif error.errno == errno.EADDRNOTAVAIL:
            sentence = f"HOST is {host!r}, which is no address of this machine. Use 127.0.0.1 or 0.0.0.0."
        else:
            sentence = f"Nothing can listen on {host}:{port}: {error.strerror}. Choose another with HOST and PORT."
        raise PortError(sentence) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def free(host: str, preferred: int) -> int:
    """The preferred port if it is free, else one that the system picks."""
    try:
        probe = _bind(host, preferred)
    except OSError:
        probe = _bind(host, 0)
    with probe:
        return int(probe.getsockname()[1])


def _bind(host: str, port: int) -> socket.socket:
    # IPv4 first: of the two addresses of `localhost` it is the one that everything can reach.
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = min(places, key=lambda place: place[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # As servers do, so that a port whose last connections are fading counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # binding alone succeeds beside a listener of another process
    except BaseException:
        listener.close()
        raise
    return listener
