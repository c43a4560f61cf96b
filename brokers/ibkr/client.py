"""HTTP to IBKR: reads may be tried again, a write leaves exactly once.

After a failed write the caller must know one thing: did the request provably never leave (`NotDelivered`), or may it
have arrived (`NoAnswer`)? Everything here serves that distinction.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from brokers.dialing import DialRefused, Lines, Redirected, new_session, on_behalf_of
from brokers.domain.addresses import AddressRefused, Reach, location
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused, Paused
from brokers.domain.calls import (
    Call,
    CallLog,
    CallOutcome,
    NoCallLog,
    Rank,
    about_a_way_out,
    order_of_calls,
    outcome_of,
)
from brokers.domain.redaction import clip
from brokers.domain.sessions import Environment, Login
from brokers.domain.tokens import TokenShelf
from brokers.ibkr import credentials
from brokers.ibkr.auth import method_of
from brokers.ibkr.circuits import Way
from brokers.ibkr.decoding import (
    NOT_JSON,
    ON_THE_LOOP,
    READ,
    WRITE,
    Bounds,
    Nonsense,
    Unpacking,
    decode,
    decode_aside,
    is_page,
)
from brokers.ibkr.lines import silence
from brokers.ibkr.lines.frames import Frames
from brokers.ibkr.pacing import EGRESS, Egress, Pacing, pacing_for

logger = logging.getLogger(__name__)

HEADERS = {"User-Agent": "Halyard/1", "Accept": "application/json", "Accept-Encoding": "identity"}
READ_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5, sock_connect=5)
# IBKR itself gives up after 10 s: waiting longer turns many unknowns into definite answers.
WRITE_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5, sock_connect=5)
# A connection idle for longer may be closed by the other side just as we write to it.
WRITE_IDLE = 2.0
READ_ATTEMPTS = 3
READ_DEADLINE = 12.0
WORTH_ANOTHER_READ = {502, 503, 504}

# Raised before the first byte of the request is written.
_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class NotDelivered(Exception):
    """The request provably never left."""


class Untrusted(NotDelivered):
    """The handshake failed, so nothing was sent. `error` says why, to the owner of the connection."""

    def __init__(self, error: BrokerError) -> None:
        super().__init__("the TLS handshake failed")
        self.error = error


class NotAllowed(NotDelivered):
    """The request was kept from leaving: its address leads where users may not send us."""


class NoAnswer(Exception):
    """The request may have arrived; its answer did not. `error` is why, where more is known than that."""

    def __init__(self, reason: str, error: BrokerError | None = None) -> None:
        super().__init__(reason)
        self.error = error


class Unreadable(NoAnswer):
    """An answer came, and is none that a gateway of IBKR gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """IBKR's answer: `body` is the parsed JSON, or NOT_JSON; `retry_after` is in seconds, `at` the time on IBKR's clock."""

    status: int
    body: Any
    retry_after: float | None = None
    at: datetime | None = None
    size: int = 0
    # When its last byte was there; reading it is our own share of the time.
    arrived_at: float = 0.0
    # What a page in place of an answer says of the line, as a code.
    page_says: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to IBKR. `path` holds {names} that `parts` fill in, `params` go into the query, `body` is sent as JSON and
    `form` as a browser sends a form.

    `proof` stands for what the login shows otherwise.
    """

    method: str
    path: str
    parts: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    body: Any = None
    proof: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None


def new_http(reach: Reach | None = None, *, limit: int = 0) -> Lines:
    """What many logins may share: it keeps no cookies, which would mix two users of one host. `reach` says where users may
    send us beside public addresses.

    Without a limit of its own, because every open stream holds one of its connections.
    """
    return Lines(reach or Reach(), limit=limit)


class Client:
    """Requests of one login. `http` carries the reads; writes go over connections of their own."""

    def __init__(
        self,
        login: Login,
        http: Lines | aiohttp.ClientSession | None = None,
        *,
        egress: Egress = EGRESS,
        pacing: Pacing | None = None,
        shelf: TokenShelf | None = None,
        calls: CallLog | None = None,
    ) -> None:
        if isinstance(http, aiohttp.ClientSession):
            raise ValueError(
                "Pass what brokers.ibkr.new_http() makes: a session's own cookie jar would mix the cookies of two users."
            )
        self.login = login
        # A simulated login goes to the operator's own gateway; everybody else's is checked, written and dialled.
        self._guarded = login.environment is not Environment.SIMULATED
        if self._guarded:
            _check(login.base_url)
        self._auth = method_of(login, shelf)
        self._base = self._auth.base_url
        self._secure = self._base.lower().startswith("https")
        self._lines, self._owns_lines = http, http is None
        self._writes: aiohttp.ClientSession | None = None
        self._egress, self._trust = egress, egress.trust(login)
        self._circuits = (egress.circuit(login), self._trust.circuit)
        self._decoding = asyncio.Lock()
        self._tls = credentials.context(login.secrets)
        self._pace = egress.pace(login, pacing or pacing_for(login))
        self._clock = egress.clock
        self._calls = calls or NoCallLog()
        self._hidden = (login.username, *login.secrets.values())

    def url(self, path: str, parts: Mapping[str, str] | None = None) -> URL:
        """The address of a path whose {parts} are filled in safely."""
        filled = path.format(**{name: quote(part, safe="") for name, part in (parts or {}).items()})
        return URL(f"{self._base}/{filled}", encoded=True)

    @property
    def stream_headers(self) -> dict[str, str]:
        """What the opening of the live stream shows."""
        return {**HEADERS, **self._auth.stream_headers()}

    def stream_url(self) -> URL:
        """The live stream's address."""
        url = self.url("ws").update_query(self._auth.stream_query())
        return url.with_scheme("wss" if url.scheme == "https" else "ws")

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session for reads and for the stream."""
        if self._lines is None:
            self._lines = new_http()
        if not self._guarded:
            return self._lines.operators
        return self._lines.users if self._secure else self._lines.plain

    @property
    def ssl(self) -> ssl.SSLContext | bool:
        """A gateway's self-signed certificate is pinned by its fingerprint, never waved through; a proxy that asks who comes
        is shown the login's own certificate."""
        return self._tls

    async def read(self, request: Request, *, attempts: int = READ_ATTEMPTS) -> Answer:
        """Send a request that may be sent again; raises BrokerUnavailable when nobody answers.

        One whose signature is refused is signed anew, once with the same token and once with a new one.
        """
        await self._prepare()
        answer = await self._read(request, attempts)
        for _ in range(2):
            if not self._auth.is_over(answer):
                break
            await self._prepare()
            answer = await self._read(request, attempts)
        if (refusal := self._auth.refusal(answer)) is not None:
            raise refusal
        return answer

    async def _prepare(self) -> None:
        """See that requests can be signed."""
        await self._auth.prepare(self.post)

    async def post(self, path: str, proof: Mapping[str, str]) -> Answer:
        """Send an empty POST that shows this proof, once."""
        return await self._read(Request("POST", path, proof=proof), attempts=1)

    async def _read(self, request: Request, attempts: int) -> Answer:
        give_up_at = self._clock() + READ_DEADLINE
        for attempt in range(1, attempts + 1):
            last = attempt == attempts or self._clock() >= give_up_at
            try:
                answer = await self._send(request, writing=False)
            except NotAllowed as problem:
                raise LoginRefused(str(problem)) from problem
            except Untrusted as problem:
                # Another try sees the same certificate.
                if last or isinstance(problem.error, LoginRefused):
                    raise problem.error from problem
            except Unreadable as problem:
                sentence = f"IBKR's answer cannot be read: {problem}. Halyard tries again."
                raise BrokerUnavailable(sentence, code="unreadable-answer") from problem
            except (NotDelivered, NoAnswer) as problem:
                if last:
                    raise await self._why(problem) from problem
            else:
                if last or answer.status not in WORTH_ANOTHER_READ:
                    if answer.page_says:
                        raise credentials.no_line(answer.page_says)
                    return answer
            await asyncio.sleep(0.2 * attempt * random.uniform(0.5, 1.5))
        raise AssertionError("the last attempt returns or raises")

    async def _why(self, problem: NotDelivered | NoAnswer) -> BrokerError:
        """Why nothing came back, as exactly as it can be known."""
        if isinstance(problem, NoAnswer) and problem.error is not None:
            return problem.error
        sentence = f"{self.login.peer} cannot be reached: {problem}. Halyard tries again."
        silent = BrokerUnavailable(sentence, code="not-reached")
        if not self._guarded or problem.__cause__ is None:
            return silent
        reach = self._lines.reach if self._lines is not None else Reach()
        return await silence.explain(self._base, reach, self.login.tenant, problem.__cause__, self._tls) or silent

    async def write(self, request: Request) -> Answer:
        """Send once. Raises NotDelivered, NoAnswer, or BrokerUnavailable when the circuit kept it from leaving."""
        try:
            await self._prepare()
        except Paused:
            raise
        except BrokerError as problem:
            raise NotDelivered(f"it could not be signed ({problem})") from problem
        answer = await self._send(request, writing=True)
        # A write leaves once. Where the token is over, the next request gets a new one.
        self._auth.is_over(answer)
        return answer

    async def _send(self, request: Request, *, writing: bool) -> Answer:
        way = way_of(request)
        if way is None:
            self.check()
        asked = self._clock()
        await self._pace.turn(request.path, rank_of(request, writing=writing), way)
        self.check(way)
        began, outcome, answer = self._clock(), CallOutcome.GIVEN_UP, None
        try:
            with on_behalf_of(self.login.tenant):
                answer = await self._exchange(request, way, writing=writing)
            outcome = outcome_of(answer.status, answer.body)
        except _BEFORE_SENDING as problem:
            outcome = CallOutcome.NOT_DELIVERED
            if isinstance(problem, aiohttp.ClientConnectorError) and isinstance(problem.os_error, DialRefused):
                raise NotAllowed(str(problem.os_error)) from problem
            if (refusal := credentials.refusal(problem, secure=self._secure)) is not None:
                raise Untrusted(refusal) from problem
            raise NotDelivered(_say(problem)) from problem
        except Nonsense as problem:
            outcome = CallOutcome.NONSENSE
            self.note_nonsense(str(problem), way)
            raise Unreadable(f"the gateway sent {problem}") from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            outcome = CallOutcome.NO_ANSWER
            if isinstance(problem, aiohttp.ClientResponseError) and not silence.is_alert(problem):
                self.note_nonsense("what is no HTTP", way)
            raise NoAnswer(_say(problem), credentials.late_refusal(problem)) from problem
        finally:
            ended = self._clock()
            # The path is the pattern, without account numbers; bodies are never logged.
            level, what = logging.INFO if writing else logging.DEBUG, answer.status if answer else outcome
            logger.log(level, "%s /%s: %s in %.0f ms", request.method, request.path, what, (ended - began) * 1000)
            self._keep(request, answer, outcome, asked, began, ended)
        return answer

    def _keep(
        self,
        request: Request,
        answer: Answer | None,
        outcome: CallOutcome,
        asked: float,
        began: float,
        ended: float,
    ) -> None:
        """Hand the call to its log. What fails here must not change what is known of a request that left."""
        try:
            if not self.login.connection:
                return
            body = answer.body if answer and answer.body is not NOT_JSON else None
            call = Call(
                connection=self.login.connection,
                method=request.method,
                endpoint=request.path,
                outcome=outcome,
                took=ended - asked,
                # Waiting for our turn before it left, and reading the answer once it was there.
                own=(began - asked) + (ended - answer.arrived_at if answer else 0.0),
                status=answer.status if answer else None,
                size=answer.size if answer else 0,
                order=order_of_calls(),
                pace_left=self._pace.left(),
                parts=dict(request.parts or {}),
                params=dict(request.params or {}),
                request=clip(request.form if request.body is None else request.body),
                answer=clip(body),
                secrets=self._hidden,
            )
            self._calls.add(call)
        except Exception:
            logger.exception("A call is missing from its log")

    async def _exchange(self, request: Request, way: Way | None, *, writing: bool) -> Answer:
        bounds, url = WRITE if writing else READ, self.url(request.path, request.parts)
        proof = request.proof if request.proof is not None else self._auth.headers(request.method, str(url))
        async with (self._write_http() if writing else self.http).request(
            request.method,
            url.update_query(request.params) if request.params else url,
            json=request.body,
            data=request.form,
            headers={**HEADERS, **proof, **_length(request)},
            timeout=WRITE_TIMEOUT if writing else READ_TIMEOUT,
            allow_redirects=False,
            ssl=self.ssl,
        ) as response:
            status, pause, at = response.status, None, _moment(response.headers.get("Date", "")[:40])
            if status == 429:
                pause = self._egress.trip(self.login, response.headers.get("Retry-After"), self._pace.pacing, way)
            unpacking = Unpacking(response.headers.get("Content-Encoding", ""), bounds)
            async for chunk in response.content.iter_any():
                unpacking.feed(chunk)
        arrived_at = self._clock()
        # A write's answer is stored as it is, so it keeps JSON's own numbers.
        body = await self.decoded(unpacking.body, bounds, exact=not writing)
        if body is NOT_JSON and status < 300 and not is_page(unpacking.body):
            self.note_nonsense("what is no JSON", way)
        says = silence.said_by_page(status, unpacking.body) if body is NOT_JSON and self._guarded else ""
        return Answer(status, body, pause, at, len(unpacking.body), arrived_at, says)

    async def decoded(self, data: bytes, bounds: Bounds, *, exact: bool = True) -> Any:
        """What was sent as a value. Of one client, one thing that is long at a time."""
        if len(data) <= ON_THE_LOOP:
            return decode(data, bounds, exact=exact)
        async with self._decoding:
            return await decode_aside(data, bounds, exact=exact)

    def note_nonsense(self, what: str, way: Way | None = None) -> None:
        """Count what no gateway of IBKR sends; too much of it opens a pause for this connection."""
        self._trust.note(what, way)
        logger.warning("The gateway of %s sent %s (%d so far)", self.login.username, what, self._trust.errors)

    def _write_http(self) -> aiohttp.ClientSession:
        if self._writes is None:
            # A new connection proves most: refused means not sent. Only where it costs a TLS handshake is one kept.
            kept: dict[str, Any] = {"keepalive_timeout": WRITE_IDLE} if self._secure else {"force_close": True}
            reach = replace(self._lines.reach if self._lines is not None else Reach(), only_here=not self._secure)
            self._writes = new_session(reach if self._guarded else None, **kept)
            # aiohttp silently sends a DELETE a second time when the connection drops; there is no public switch.
            self._writes._retry_connection = False
        return self._writes

    def check(self, way: Way | None = None) -> None:
        """Raise when nothing of this kind may leave now; otherwise it counts as leaving."""
        if (paused := self.pause(way)) is not None:
            raise paused
        for circuit in self._circuits:
            circuit.check(way)

    def pause(self, way: Way | None = None) -> Paused | None:
        """Why nothing of this kind may leave now; None when it may."""
        longest = max(self._circuits, key=lambda circuit: circuit.wait(way))
        return longest.paused() if longest.wait(way) > 0 else None

    @property
    def distrust(self) -> Paused | None:
        """The pause that follows from too much nonsense, while it lasts."""
        circuit = self._trust.circuit
        return circuit.paused() if circuit.remaining > 0 else None

    def frames(self) -> Frames:
        """Where messages of a stream of this login are noted."""
        return Frames(self.login, self._calls, self._hidden, self._clock)

    async def close(self) -> None:
        """Close the connections that are ours. The brokerage session at IBKR stays."""
        if self._writes is not None:
            await self._writes.close()
        if self._lines is not None and self._owns_lines:
            await self._lines.close()


def way_of(request: Request) -> Way | None:
    """The way that a request has through an open circuit: a cancel takes risk away, a tickle keeps the session."""
    if request.method == "DELETE":
        return Way.CANCEL
    return Way.TICKLE if request.path == "tickle" else None


def rank_of(request: Request, *, writing: bool) -> Rank:
    """Who leaves first where few may: what takes risk away and what keeps the session, then orders, then questions."""
    if about_a_way_out() or way_of(request) is not None:
        return Rank.FIRST
    # A request about the session comes before what the session is for.
    return Rank.ORDER if writing or request.path.startswith("iserver/auth/") else Rank.READ


def _length(request: Request) -> dict[str, str]:
    """Some of IBKR's servers hang on a POST that does not say it is empty."""
    return (
        {}
        if request.body is not None or request.form is not None or request.method == "GET"
        else {"Content-Length": "0"}
    )


@lru_cache(maxsize=16)
def _moment(header: str) -> datetime | None:
    """The time that an answer says it was sent at; what comes in the same second says the same."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _check(base_url: str) -> None:
    """Refuse an address that was kept before we knew better."""
    try:
        location(base_url)
    except AddressRefused as refusal:
        raise LoginRefused(f"{refusal} Make the connection again with the right one.") from refusal


def _say(problem: BaseException) -> str:
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
