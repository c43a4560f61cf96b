"""The one way out to addresses that users named: looked up here, checked at the moment of every dial, never redirected."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateAnswer
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import SimpleNamespace, TracebackType
from typing import Any, Literal, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from brokers.domain.addresses import AddressRefused, Location, Reach
from brokers.names import Names, TooManyNames

Websocket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[True]]"
LOOK_UP_SECONDS = 5.0
# A connection is kept from one tickle to the next: dialling costs as much as the tickle, and TLS several times that.
KEPT_SECONDS = 75.0
_names = Names()
_team: ContextVar[str] = ContextVar("team whose address is dialled", default="")


class DialRefused(OSError):
    """The dial was not made: the address leads where users may not send us."""

    def __init__(self, refusal: AddressRefused) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Redirected(aiohttp.ClientError):
    """The answer sends us somewhere else, and we do not go."""


@contextmanager
def on_behalf_of(team: str) -> Iterator[None]:
    """Names that are looked up meanwhile are this team's."""
    before = _team.set(team)
    try:
        yield
    finally:
        _team.reset(before)


def addresses_of(host: str, port: int) -> Future[list[str]]:
    """The IP addresses of a name, looked up for the team whose address is dialled. Raises TooManyNames."""
    return _names.ask(_team.get(), host, port)


def check(location: Location, reach: Reach) -> None:
    """Refuse a location before it is kept; every dial is checked again. AddressRefused says why."""
    reach.check_port(location.port)
    try:
        addresses = addresses_of(location.host, location.port).result(LOOK_UP_SECONDS)
    except TooManyNames as error:
        raise AddressRefused(str(error), "too-many-names") from error
    except (OSError, UnicodeError, LateAnswer) as error:
        raise AddressRefused(f"No address is known for {location.host}. Check the spelling.", "unknown-host") from error
    for address in addresses:
        if (refusal := reach.refusal(address)) is not None:
            raise refusal


class Resolver(AbstractResolver):
    """Names into addresses, as long as every one of them is within reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                addresses = await asyncio.shield(asyncio.wrap_future(addresses_of(host, port)))
        except (UnicodeError, TimeoutError) as problem:
            raise OSError(f"No address is known for {host}.") from problem
        for address in addresses:
            if (refusal := self._reach.refusal(address)) is not None:
                raise DialRefused(refusal)
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def _sockets(reach: Reach) -> Callable[[Any], socket.socket]:
    """Makes the socket of a dial, or refuses: the last moment before it, with the very address that is dialled."""

    def opened(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, proto, _, (address, port, *_rest) = info
        refusal = reach.refusal(str(address))
        if refusal is None and not reach.allows_port(int(port)):
            refusal = AddressRefused(f"Halyard does not go to port {port}.", "port-not-allowed")
        if refusal is not None:
            raise DialRefused(refusal)
        return socket.socket(family, kind, proto)

    return opened


async def opened(address: str, port: int, reach: Reach) -> socket.socket:
    """A socket that is connected to an IP address within reach. DialRefused where it is not; OSError says the rest."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = _sockets(reach)((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)))
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    redirect.response.close()
    raise Redirected("its address answers with another address")


def _connector(reach: Reach | None, **options: Any) -> aiohttp.TCPConnector:
    if reach is not None:
        options |= {"resolver": Resolver(reach), "socket_factory": _sockets(reach)}
    return aiohttp.TCPConnector(**options)


def _session(connector: aiohttp.TCPConnector, **options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, **options
    )


def _no_redirects() -> aiohttp.TraceConfig:
    redirects = aiohttp.TraceConfig()
    redirects.on_request_redirect.append(_refuse_redirect)
    return redirects


class Way:
    """One way out, without cookies: requests, which are told to follow no redirect, and live streams, which cannot be told
    and are watched. Watching costs a request a fifth more, so requests have a session of their own, on the same
    connections. Without `reach` it leads to an address that is the operator's own; `once` sends nothing a second time.
    """

    def __init__(
        self, reach: Reach | None, *, websockets: type[Websocket] | None = None, once: bool = False, **options: Any
    ) -> None:
        connector = _connector(reach, **options)
        self._requests = _session(connector)
        if once:
            # aiohttp silently sends a DELETE a second time when the connection drops; there is no public switch.
            self._requests._retry_connection = False
        self._streams = _session(
            connector,
            connector_owner=False,
            trace_configs=[_no_redirects()],
            ws_response_class=websockets or aiohttp.ClientWebSocketResponse,
        )

    def request(self, method: str, url: URL, **options: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The answer to a request; one that is a redirect is an answer like any other."""
        return self._requests.request(method, url, allow_redirects=False, **options)

    async def stream(self, url: URL, **options: Any) -> Websocket:
        """An open websocket. Raises Redirected."""
        opened: Websocket = await self._streams.ws_connect(url, **options)
        return opened

    @property
    def closed(self) -> bool:
        return self._requests.closed

    async def close(self) -> None:
        """Close both, with their connections."""
        await self._streams.close()
        await self._requests.close()


class Lines:
    """The ways out of a process: to gateways that users named, and to the one that the operator named. Apart from each
    other, so that no user's address is ever served by a connection that was opened for the operator's. Plain http has a
    way of its own, which ends at this machine."""

    def __init__(self, reach: Reach, *, limit: int = 0, websockets: type[Websocket] | None = None) -> None:
        self.reach = reach
        self.users, self.operators, self.plain = (
            Way(each, websockets=websockets, limit=limit, keepalive_timeout=KEPT_SECONDS)
            for each in (reach, None, replace(reach, only_here=True))
        )

    @property
    def closed(self) -> bool:
        return self.users.closed and self.plain.closed and self.operators.closed

    async def close(self) -> None:
        """Close all of them."""
        await self.users.close()
        await self.plain.close()
        await self.operators.close()

    async def __aenter__(self) -> Lines:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
