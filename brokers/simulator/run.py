"""Running a gateway: one process, one event loop, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from brokers.simulator.behaviour import Behaviour, changed, preset
from brokers.simulator.books.load import load
from brokers.simulator.books.lock import only_gateway
from brokers.simulator.books.store import Store
from brokers.simulator.certificates import Certificate
from brokers.simulator.control.prices import configure
from brokers.simulator.gateway.clockwork import Clockwork
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.server.edge import Edge

log = logging.getLogger(__name__)
DEFAULT_PORT = 5055


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve."""

    host: str
    port: int
    behaviour: Behaviour
    control_token: str
    seed: int
    feeds: Path | None = None
    # Over TLS, with this certificate.
    certificate: Certificate | None = None


class CannotServe(Exception):
    """Why the gateway does not start, in one sentence."""


def options(*, host: str, port: int, preset_name: str, control_token: str | None = None) -> Options:
    """Options from the command line, completed from the environment."""
    try:
        behaviour = preset(preset_name, os.environ.get("SIM_BEHAVIOUR", ""))
        if prices := os.environ.get("SIM_PRICES", ""):
            behaviour = changed(behaviour, {"prices": prices})
    except ValueError as problem:
        raise CannotServe(str(problem)) from None
    try:
        seed = int(os.environ.get("SIM_SEED", "1"))
    except ValueError:
        raise CannotServe("SIM_SEED is a whole number.") from None
    return Options(
        host=host,
        port=port,
        behaviour=behaviour,
        control_token=os.environ.get("SIM_CONTROL_TOKEN", "") if control_token is None else control_token,
        seed=seed,
        feeds=_feeds(os.environ.get("SIM_FEEDS", "")),
    )


def over_tls(chosen: Options, file: Path) -> Options:
    """The same over TLS, with the certificate that is kept in the file; made where there is none."""
    try:
        return replace(chosen, certificate=Certificate(file))
    except (OSError, ValueError) as problem:
        raise CannotServe(f"The certificate in {file} cannot be used: {problem}. Remove the file.") from None


def _feeds(folder: str) -> Path | None:
    """The folder of recorded prices, when one is named."""
    if folder and not Path(folder).is_dir():
        raise CannotServe(f"SIM_FEEDS names no folder: {folder}")
    return Path(folder) if folder else None


def serve(chosen: Options) -> None:
    """Load the books and serve until SIGTERM or SIGINT."""
    # The port is taken first: with two gateways on one port the second must not touch the books.
    listener = _listen(chosen.host, chosen.port)
    # The writer's thread makes many short calls; at the usual 5 ms it would wait that long to get back after each.
    sys.setswitchinterval(0.0005)
    with only_gateway() as mine:
        if not mine:
            raise CannotServe("Another gateway already trades on this database. Stop it, or give this one its own.")
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_serve(chosen, listener))


def _new_loop() -> asyncio.AbstractEventLoop:
    """The faster loop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as problem:
        raise CannotServe(f"Cannot listen on {host}:{port}: {problem.strerror}. Choose another port.") from None
    return listener


async def _serve(chosen: Options, listener: socket.socket) -> None:
    import time

    books = await asyncio.to_thread(load, time.time())
    gateway = Gateway(chosen.behaviour, Store(), books, seed=chosen.seed)
    if chosen.feeds is not None:
        try:
            configure(gateway, chosen.feeds)
        except (OSError, ValueError) as problem:
            raise CannotServe(f"The prices in {chosen.feeds} cannot be read: {problem}") from None
    tls = chosen.certificate
    edge = Edge(gateway, control_token=chosen.control_token, certificate=tls)
    runner = web.AppRunner(edge.app(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=4096, ssl_context=tls.context if tls else None).start()
    clockwork = Clockwork(gateway)
    clockwork.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    port = listener.getsockname()[1]
    scheme = "https" if tls else "http"
    sys.stdout.write(f"The simulated broker listens on {scheme}://{chosen.host}:{port} ({chosen.behaviour.name}).\n")
    if tls:
        sys.stdout.write(f"The SHA-256 fingerprint of its certificate is {tls.describe()['sha256']}.\n")
    sys.stdout.flush()
    await stopped.wait()
    for user in gateway.users.values():
        for open_socket in list(user.sockets):
            open_socket.drop()
    await runner.cleanup()
    await clockwork.stop()
    await gateway.store.close()
