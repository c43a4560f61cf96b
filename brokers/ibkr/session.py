"""The brokerage session of one IBKR user: asked about, kept alive, opened, and which questions are asked in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthStatus, Environment, SignIn
from brokers.ibkr import credentials
from brokers.ibkr.answers import demand, session_status, word_of
from brokers.ibkr.cleaning import mapping, text
from brokers.ibkr.client import Client
from brokers.ibkr.lines.requests import Request
from brokers.ibkr.numbers import moment

READY_WITHIN = 20.0
SETTLES_IN = 3.0


class Session:
    """Its methods of one name with the port's do and raise what that says."""

    def __init__(self, client: Client, *, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        # Names the websocket's session; IBKR gives it in the answer to a tickle.
        self.token = ""
        self._machine = ""
        # The code of who it is that answers 403.
        self._forbids = credentials.forbidding(client.login)

    async def status(self) -> AuthStatus:
        """Ask whether orders may be sent."""
        answer = await self._client.read(Request("POST", "iserver/auth/status"))
        # "id|MAC" of the gateway's machine, which it wants to see again in a sign-in by form.
        self._machine = text(mapping(answer.body).get("hardware_info"), 200, self._machine)
        return session_status(answer, forbids=self._forbids)

    async def tickle(self) -> AuthStatus:
        """Keep the session alive, and learn its state on the way."""
        answer = await self._client.read(Request("POST", "tickle"))
        body = mapping(answer.body)
        self.token = text(body.get("session"), 256, self.token)
        # {"error": "no session"} comes with 200 and no status, which reads as signed out.
        return session_status(answer, mapping(mapping(body, "iserver"), "authStatus"), forbids=self._forbids)

    async def sign_in(self) -> SignIn:
        """What IBKR says of the login itself; once a minute at the most."""
        body = mapping(demand(await self._client.read(Request("GET", "sso/validate"), attempts=1)))
        return SignIn(place=text(body.get("region"), 20, ""), signed_in_at=moment(body.get("AUTH_TIME")))

    async def open(self, *, compete: bool, form: bool) -> AuthStatus:
        """Open it: the status once it is open, or as it is when it does not open. `compete` and `form` as of `open_session`."""
        path = "iserver/auth/ssodh/init"
        request = Request("POST", path, body={"publish": True, "compete": compete})
        if form:
            machine, _, mac = self._machine.partition("|")
            fields = {"publish": "true", "compete": "true" if compete else "false", "machineId": machine, "mac": mac}
            request = Request("POST", path, form={name: value for name, value in fields.items() if value})
        # Sent once: repeating it would throw out the session that is being opened.
        answer = await self._client.read(request, attempts=1)
        if answer.status == 500 and self._client.login.environment is Environment.PAPER:
            raise BrokerUnavailable(
                "IBKR opens no API session for this paper user yet; a new paper account can take days. "
                "Log in to it once on IBKR's website. Halyard tries again.",
                code="paper-user-not-ready",
            )
        return await self._opened(session_status(answer, forbids=self._forbids))

    async def _opened(self, status: AuthStatus) -> AuthStatus:
        """The status once the session is open; or as it is when it does not open."""
        give_up_at, pause = self._clock() + READY_WITHIN, 0.1
        # A 200 that says authenticated:false is a failed sign-in, or IBKR asks to be waited for: the caller looks again.
        while status.authenticated and not status.ready and not status.competing and self._clock() < give_up_at:
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)
            status = await self.status()
        if status.ready and status.established is None:
            # Servers that do not say when the session is established need a moment after the sign-in.
            await asyncio.sleep(SETTLES_IN)
            status = await self.status()
        return status

    async def suppress(self, message_ids: Sequence[str]) -> str:
        """Let these questions not be asked for the rest of the session, 51 at the most; IBKR's word for it."""
        request = Request("POST", "iserver/questions/suppress", body={"messageIds": list(message_ids)})
        return word_of(await self._client.read(request, attempts=1))

    async def ask_everything(self) -> str:
        """Let IBKR ask all of its questions again; IBKR's word for it."""
        return word_of(await self._client.read(Request("POST", "iserver/questions/suppress/reset"), attempts=1))
