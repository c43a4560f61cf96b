"""IBKR's live stream for one login: orders, executions, money and quotes as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection

import aiohttp

from brokers.dialing import Lines, Redirected, on_behalf_of
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.calls import CallLog
from brokers.domain.session.feed import FeedEvent
from brokers.domain.sessions import Login
from brokers.domain.tokens import TokenShelf
from brokers.ibkr import credentials
from brokers.ibkr.cleaning import mapping, text
from brokers.ibkr.client import Client
from brokers.ibkr.decoding import FRAME, NOT_JSON, Nonsense
from brokers.ibkr.lines.beats import BEAT, LONGEST, Socket
from brokers.ibkr.lines.quiet import Silence
from brokers.ibkr.lines.requests import Request
from brokers.ibkr.pacing import EGRESS, Egress, Pacing
from brokers.ibkr.topics.reader import Reader
from brokers.ibkr.topics.wanted import ALWAYS, Wanted
from brokers.ibkr.trust import Flow

logger = logging.getLogger(__name__)

# IBKR's heart beats every 10 s; two missed beats and a half mean that the line is dead.
SILENCE = 25.0
# It forgets a socket that says nothing for a minute.
TIC_EVERY = 45.0
CONNECT_WITHIN = 10.0
# Beats that come faster than this are messages like any others, and counted as such.
BEATS_APART = 5.0


def listen(
    login: Login,
    http: Lines | aiohttp.ClientSession | None = None,
    *,
    egress: Egress = EGRESS,
    pacing: Pacing | None = None,
    silence: float = SILENCE,
    shelf: TokenShelf | None = None,
    calls: CallLog | None = None,
) -> IbkrFeed:
    """A feed for this login; the socket opens when its events are first asked for."""
    client = Client(login, http, egress=egress, pacing=pacing, shelf=shelf, calls=calls)
    return IbkrFeed(client, egress=egress, silence=silence)


class IbkrFeed:
    """Implements `domain.session.feed.Feed`: iterating raises BrokerUnavailable when the socket cannot open, ends when it closes."""

    def __init__(self, client: Client, *, egress: Egress, silence: float) -> None:
        self._client, self._egress, self._silence = client, egress, silence
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._ending: asyncio.Task[bool] | None = None
        self._wanted = Wanted()
        self._reader, self._frames = Reader(self._wanted), client.frames()
        self._heard: Callable[[], bool] | None = None
        self._beat_at = self._tic_at = 0.0
        self._messages = 0

    def on_beat(self, heard: Callable[[], bool]) -> None:
        """Ask `heard` at each beat: where it says True, the beat is no event."""
        self._heard = heard

    def want(self, accounts: Collection[str], conids: Collection[int]) -> None:
        """Money of these accounts and quotes of these contracts, and no others; asked for with the next sign of life."""
        self._wanted.want(accounts, conids)

    async def ask_for_life(self) -> None:
        """Send what IBKR sends back as it came. Its own heart beats every ten seconds, too seldom to decide by."""
        if self._socket is not None and not self._socket.closed and self._reader.subscribed:
            for message in (*self._wanted.due(time.monotonic()), "ech+hb"):
                await self._say(self._socket, message)

    async def events(self) -> AsyncGenerator[FeedEvent, None]:
        """IBKR's messages as events, until the socket closes or falls silent."""
        async with await self._open() as socket:
            self._socket = socket
            self._tic_at, flow = time.monotonic() + TIC_EVERY, Flow(time.monotonic)
            with Silence(self._silence, self._hang_up) as silence:
                self._take_beats(socket, silence)
                while (data := await self._next(socket, flow, silence)) is not None:
                    event = await self._read(data)
                    if self._reader.wants_subscriptions:
                        self._reader.wants_subscriptions = False
                        self._wanted.forget()
                        for subscription in (*ALWAYS, *self._wanted.due(time.monotonic())):
                            await self._say(socket, subscription)
                    if time.monotonic() >= self._tic_at:
                        await self._say(socket, "tic")
                        self._tic_at = time.monotonic() + TIC_EVERY
                    if event is not None:
                        yield event
                    if self._reader.turned_away:
                        # The subscriptions would be lost: open a new socket when the session is there.
                        return

    def _take_beats(self, socket: aiohttp.ClientWebSocketResponse, silence: Silence) -> None:
        """Take beats as they arrive, those that say nothing but that the line is alive to somebody who needs no more."""
        if not isinstance(socket, Socket) or (beats := socket.beats) is None:
            return

        def taken(beat: bytes) -> bool:
            now = time.monotonic()
            if now < self._beat_at + BEATS_APART or now >= self._tic_at or not self._reader.subscribed:
                return False
            if self._heard is None or not silence.waits or beats.messages != self._messages:
                # Something that came before it is not read yet.
                return False
            if self._client.distrust is not None or not self._heard():
                return False
            self._beat_at = now
            silence.begins()
            self._frames.beat(beat)
            return True

        beats.taken = taken

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, message: str) -> None:
        # A line that closes meanwhile ends by its next message, as any other does.
        with contextlib.suppress(aiohttp.ClientConnectionResetError):
            await socket.send_str(message)
            self._frames.sent(message)

    async def _read(self, data: bytes) -> FeedEvent | None:
        """The event of a message. Nonsense is passed over, until there is too much of it."""
        if len(data) < LONGEST and BEAT.fullmatch(data):
            self._frames.beat(data)
            self._check_trust()
            return self._reader.beat()
        what = "what is no JSON"
        try:
            message = await self._client.decoded(data, FRAME)
        except Nonsense as problem:
            what, message = str(problem), NOT_JSON
        nonsense = message is NOT_JSON
        self._frames.received(what if nonsense else message, len(data), nonsense=nonsense)
        if nonsense:
            self._client.note_nonsense(what)
        self._check_trust()
        return None if message is NOT_JSON else self._reader.take(message)

    def _check_trust(self) -> None:
        """Raise once there was too much nonsense."""
        if (distrust := self._client.distrust) is not None:
            raise distrust

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        self._check_trust()
        answer = await self._client.read(Request("POST", "tickle"))
        token = text(mapping(answer.body).get("session"), 256)
        if not token:
            raise BrokerUnavailable("IBKR has no session for this user yet, so there is nothing to listen to.")
        cookie = "api=" + json.dumps({"session": token})
        try:
            with on_behalf_of(self._client.login.tenant):
                async with asyncio.timeout(CONNECT_WITHIN):
                    return await self._client.wire.way.stream(
                        self._client.wire.stream_url(),
                        headers={**self._client.wire.stream_headers, "Cookie": cookie},
                        timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                        autoping=False,
                        max_msg_size=FRAME.size,
                        ssl=self._client.wire.ssl,
                    )
        except Redirected as problem:
            raise BrokerUnavailable(
                "The gateway sends the live stream to another address, which Halyard does not follow. "
                "Give the connection the address that answers by itself."
            ) from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            if (refusal := credentials.refusal(problem)) is not None:
                raise refusal from problem
            raise BrokerUnavailable("IBKR's live stream does not open. Halyard tries again.") from problem

    async def _next(self, socket: aiohttp.ClientWebSocketResponse, flow: Flow, silence: Silence) -> bytes | None:
        """The next message; None when there will be none."""
        silence.begins()
        try:
            return await self._received(socket, flow)
        finally:
            silence.ends()

    async def _received(self, socket: aiohttp.ClientWebSocketResponse, flow: Flow) -> bytes | None:
        while True:
            message = await socket.receive()
            self._messages += 1
            await flow.passed(len(message.data) if isinstance(message.data, str | bytes) else 0)
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    return str(message.data).encode(errors="replace")
                case aiohttp.WSMsgType.BINARY:
                    return bytes(message.data)
                case aiohttp.WSMsgType.PING:
                    # Says that somebody is there, and nothing of what we wait for.
                    await socket.pong(message.data)
                case aiohttp.WSMsgType.PONG:
                    pass
                case aiohttp.WSMsgType.ERROR:
                    self._client.note_nonsense(_what_is_wrong(message.data))
                    self._check_trust()
                    return None
                case _:
                    return None

    def _hang_up(self) -> None:
        logger.warning("IBKR's stream was silent for %.0f s; closing it", self._silence)
        if self._socket is not None:
            # Whoever waits for a message hears at once that there will be none.
            self._ending = asyncio.create_task(self._socket.close())

    async def close(self) -> None:
        """Close the socket; the iteration ends by itself."""
        if self._socket is not None:
            await self._socket.close()
        await self._client.close()


def _what_is_wrong(problem: object) -> str:
    too_long = isinstance(problem, aiohttp.WebSocketError) and problem.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    return f"a message of more than {FRAME.size // 1024} kilobytes" if too_long else "what is no message of a websocket"
