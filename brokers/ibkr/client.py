"""HTTP to IBKR: reads may be tried again, a write leaves exactly once.

After a failed write the caller must know one thing: did the request provably never leave (`NotDelivered`), or may it
have arrived (`NoAnswer`)? Everything here serves that distinction.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import aiohttp

from brokers.dialing import DialRefused, Lines, on_behalf_of
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, Gate, LoginRefused, Paused
from brokers.domain.calls import (
    Call,
    CallLog,
    CallOutcome,
    NoCallLog,
    Rank,
    gate_of_writes,
    order_of_calls,
    outcome_of,
)
from brokers.domain.redaction import clip
from brokers.domain.sessions import Login
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
    decode,
    decode_aside,
    is_page,
)
from brokers.ibkr.lines import silence
from brokers.ibkr.lines.frames import Frames
from brokers.ibkr.lines.requests import (
    Answer,
    KeptBack,
    NoAnswer,
    NotAllowed,
    NotDelivered,
    Request,
    Unreadable,
    Untrusted,
    rank_of,
    way_of,
)
from brokers.ibkr.lines.tickles import Tickles
from brokers.ibkr.lines.wire import BEFORE_SENDING, Wire, say
from brokers.ibkr.pacing import EGRESS, Egress, Pacing, pacing_for

# Answered in words: "Success".
_IN_WORDS = frozenset({"iserver/notification"})

logger = logging.getLogger(__name__)

READ_ATTEMPTS = 3
READ_DEADLINE = 12.0
# Between two looks at the gate of a write that waits for its turn.
LOOK_SECONDS = 0.25
WORTH_ANOTHER_READ = {502, 503, 504}


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
        self.login = login
        self._auth = method_of(login, shelf)
        self._wire = Wire(login, http, self._auth)
        self._egress, self._trust = egress, egress.trust(login)
        self._circuits = (egress.circuit(login), self._trust.circuit)
        self._decoding = asyncio.Lock()
        self._pace = egress.pace(login, pacing or pacing_for(login))
        self._clock = egress.clock
        self._calls = calls or NoCallLog()
        self._tickles = Tickles(self._clock)
        self._hidden = (login.username, *login.secrets.values())

    @property
    def wire(self) -> Wire:
        """What carries requests and the stream."""
        return self._wire

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
        if not self._wire.guarded or problem.__cause__ is None:
            return silent
        wire = self._wire
        why = await silence.explain(wire.base, wire.reach, self.login.tenant, problem.__cause__, wire.ssl)
        return why or silent

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
        await self._turn(request, way, gate_of_writes() if writing else None, rank_of(request, writing=writing))
        self.check(way)
        began, outcome, answer = self._clock(), CallOutcome.GIVEN_UP, None
        try:
            with on_behalf_of(self.login.tenant):
                answer = await self._exchange(request, way, writing=writing)
            outcome = outcome_of(answer.status, answer.body)
        except BEFORE_SENDING as problem:
            outcome = CallOutcome.NOT_DELIVERED
            if isinstance(problem, aiohttp.ClientConnectorError) and isinstance(problem.os_error, DialRefused):
                raise NotAllowed(str(problem.os_error)) from problem
            if (refusal := credentials.refusal(problem, secure=self._wire.secure)) is not None:
                raise Untrusted(refusal) from problem
            raise NotDelivered(say(problem)) from problem
        except Nonsense as problem:
            outcome = CallOutcome.NONSENSE
            self.note_nonsense(str(problem), way)
            raise Unreadable(f"the gateway sent {problem}") from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            outcome = CallOutcome.NO_ANSWER
            if isinstance(problem, aiohttp.ClientResponseError) and not silence.is_alert(problem):
                self.note_nonsense("what is no HTTP", way)
            raise NoAnswer(say(problem), credentials.late_refusal(problem)) from problem
        finally:
            ended = self._clock()
            # The path is the pattern, without account numbers; bodies are never logged.
            level, what = logging.INFO if writing else logging.DEBUG, answer.status if answer else outcome
            logger.log(level, "%s /%s: %s in %.0f ms", request.method, request.path, what, (ended - began) * 1000)
            self._keep(request, answer, outcome, asked, began, ended)
        return answer

    async def _turn(self, request: Request, way: Way | None, gate: Gate | None, rank: Rank) -> None:
        """Wait until the pace lets it leave. Raises KeptBack where the gate is shut by then, or while it waits."""
        if gate is None:
            return await self._pace.turn(request.path, rank, way)
        turn = asyncio.create_task(self._pace.turn(request.path, rank, way))
        try:
            while not turn.done():
                await asyncio.wait({turn}, timeout=LOOK_SECONDS)
                if not turn.done():
                    await gate.look()
                if (outcome := gate.shut()) is not None:
                    raise KeptBack(outcome)
            return turn.result()
        finally:
            # Its place is for those behind it; a turn that was just given is lost.
            turn.cancel()

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
            params = dict(request.params or {})
            if request.path == "tickle":
                if self._tickles.leaves_out(outcome, body, ended - asked):
                    return
                params = self._tickles.taken()
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
                params=params,
                request=clip(request.form if request.body is None else request.body),
                answer=clip(body),
                secrets=self._hidden,
            )
            self._calls.add(call)
        except Exception:
            logger.exception("A call is missing from its log")

    async def _exchange(self, request: Request, way: Way | None, *, writing: bool) -> Answer:
        pause: float | None = None

        def slow_down(header: str | None) -> None:
            nonlocal pause
            pause = self._egress.trip(self.login, header, self._pace.pacing, way)

        reply = await self._wire.exchange(request, slow_down, writing=writing)
        arrived_at = self._clock()
        # A write's answer is stored as it is, so it keeps JSON's own numbers.
        body = await self.decoded(reply.body, WRITE if writing else READ, exact=not writing)
        if body is NOT_JSON and reply.status < 300 and request.path not in _IN_WORDS and not is_page(reply.body):
            self.note_nonsense("what is no JSON", way)
        says = silence.said_by_page(reply.status, reply.body) if body is NOT_JSON and self._wire.guarded else ""
        return Answer(reply.status, body, pause, _moment(reply.date[:40]), len(reply.body), arrived_at, says)

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
        await self._wire.close()


@lru_cache(maxsize=16)
def _moment(header: str) -> datetime | None:
    """The time that an answer says it was sent at; what comes in the same second says the same."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
