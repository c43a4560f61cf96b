"""The wire of one login: requests as bytes of HTTP, and bytes as they come back. Nothing here is sent a second time."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from brokers.dialing import Lines, Redirected, Way
from brokers.domain.addresses import AddressRefused, Reach, location
from brokers.domain.brokerage import LoginRefused
from brokers.domain.sessions import Environment, Login
from brokers.ibkr import credentials
from brokers.ibkr.auth import AuthMethod
from brokers.ibkr.decoding import READ, WRITE, Unpacking
from brokers.ibkr.lines.beats import Socket
from brokers.ibkr.lines.requests import Request

HEADERS = {"User-Agent": "Halyard/1", "Accept": "application/json", "Accept-Encoding": "identity"}
READ_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5, sock_connect=5)
# IBKR itself gives up after 10 s: waiting longer turns many unknowns into definite answers.
WRITE_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5, sock_connect=5)
# A connection idle for longer may be closed by the other side just as we write to it.
WRITE_IDLE = 2.0

# Raised before the first byte of the request is written.
BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `body` unpacked and not read yet, `date` as its header has it."""

    status: int
    body: bytes
    date: str = ""


def new_http(reach: Reach | None = None, *, limit: int = 0) -> Lines:
    """What many logins may share: it keeps no cookies, which would mix two users of one host. `reach` says where users may
    send us beside public addresses.

    Without a limit of its own, because every open stream holds one of its connections.
    """
    return Lines(reach or Reach(), limit=limit, websockets=Socket)


class Wire:
    """The lines of one login: reads and the stream go by those that logins share, writes over connections of its own."""

    def __init__(self, login: Login, lines: Lines | aiohttp.ClientSession | None, auth: AuthMethod) -> None:
        if isinstance(lines, aiohttp.ClientSession):
            raise ValueError(
                "Pass what brokers.ibkr.new_http() makes: a session's own cookie jar would mix the cookies of two users."
            )
        # A simulated login goes to the operator's own gateway; everybody else's is checked, written and dialled.
        self.guarded = login.environment is not Environment.SIMULATED
        if self.guarded:
            _check(login.base_url)
        self._auth = auth
        self.base = auth.base_url
        self.secure = self.base.lower().startswith("https")
        self._urls: dict[str, URL] = {}
        self._lines, self._owns_lines = lines, lines is None
        self._writes: Way | None = None
        self._tls = credentials.context(login.secrets)

    def url(self, path: str, parts: Mapping[str, str] | None = None) -> URL:
        """The address of a path whose {parts} are filled in safely."""
        if not parts:
            # A few dozen paths, and one of them every minute.
            return self._urls.get(path) or self._urls.setdefault(path, URL(f"{self.base}/{path}", encoded=True))
        filled = path.format(**{name: quote(part, safe="") for name, part in parts.items()})
        return URL(f"{self.base}/{filled}", encoded=True)

    @property
    def stream_headers(self) -> dict[str, str]:
        """What the opening of the live stream shows."""
        return {**HEADERS, **self._auth.stream_headers()}

    def stream_url(self) -> URL:
        """The live stream's address."""
        url = self.url("ws").update_query(self._auth.stream_query())
        return url.with_scheme("wss" if url.scheme == "https" else "ws")

    @property
    def way(self) -> Way:
        """The way out of reads and of the stream."""
        if self._lines is None:
            self._lines = new_http()
        if not self.guarded:
            return self._lines.operators
        return self._lines.users if self.secure else self._lines.plain

    @property
    def ssl(self) -> ssl.SSLContext | bool:
        """A gateway's self-signed certificate is pinned by its fingerprint, never waved through; a proxy that asks who comes
        is shown the login's own certificate."""
        return self._tls

    @property
    def reach(self) -> Reach:
        """Where users may send us."""
        return self._lines.reach if self._lines is not None else Reach()

    async def exchange(self, request: Request, slow_down: Callable[[str | None], None], *, writing: bool) -> Reply:
        """Send a request once and take its answer, within bounds. Raises what aiohttp raises, and Nonsense.

        `slow_down` hears of a 429 as soon as it is read, with its `Retry-After`.
        """
        bounds, url = WRITE if writing else READ, self.url(request.path, request.parts)
        proof = request.proof if request.proof is not None else self._auth.headers(request.method, str(url))
        async with (self._write_way() if writing else self.way).request(
            request.method,
            url.update_query(request.params) if request.params else url,
            json=request.body,
            data=request.form,
            headers={**HEADERS, **proof, **_length(request)},
            timeout=WRITE_TIMEOUT if writing else READ_TIMEOUT,
            ssl=self.ssl,
        ) as response:
            headers = response.headers
            if response.status == 429:
                slow_down(headers.get("Retry-After"))
            unpacking = Unpacking(headers.get("Content-Encoding", ""), bounds)
            async for chunk in response.content.iter_any():
                unpacking.feed(chunk)
        return Reply(response.status, unpacking.body, headers.get("Date", ""))

    def _write_way(self) -> Way:
        if self._writes is None:
            # A new connection proves most: refused means not sent. Only where it costs a TLS handshake is one kept.
            kept: dict[str, Any] = {"keepalive_timeout": WRITE_IDLE} if self.secure else {"force_close": True}
            reach = replace(self.reach, only_here=not self.secure)
            self._writes = Way(reach if self.guarded else None, once=True, **kept)
        return self._writes

    async def close(self) -> None:
        """Close the connections that are ours. The brokerage session at IBKR stays."""
        if self._writes is not None:
            await self._writes.close()
        if self._lines is not None and self._owns_lines:
            await self._lines.close()


def _length(request: Request) -> dict[str, str]:
    """Some of IBKR's servers hang on a POST that does not say it is empty."""
    return (
        {}
        if request.body is not None or request.form is not None or request.method == "GET"
        else {"Content-Length": "0"}
    )


def _check(base_url: str) -> None:
    """Refuse an address that was kept before we knew better."""
    try:
        location(base_url)
    except AddressRefused as refusal:
        raise LoginRefused(f"{refusal} Make the connection again with the right one.") from refusal


def say(problem: BaseException) -> str:
    """The problem in words, without addresses."""
    match problem:
        case Redirected():
            return "its address answers with another address, which Halyard does not follow"
        case aiohttp.ClientConnectorDNSError():
            return "its address is unknown"
        case aiohttp.ConnectionTimeoutError():
            return "no connection within 5 seconds"
        case aiohttp.ClientConnectorError():
            return "the connection was refused"
        case aiohttp.InvalidURL():
            return "its address is not valid"
        case TimeoutError():
            return "no answer in time"
        case _:
            return "the connection was lost"
