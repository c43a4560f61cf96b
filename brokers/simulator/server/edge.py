"""The HTTP edge: addressing, pacing, faults, the session's gate, and answers that wait until they are durable."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import random
import time
from copy import deepcopy
from email.utils import formatdate
from urllib.parse import parse_qsl

from aiohttp import web

from brokers.simulator.calls import Call, Unreadable
from brokers.simulator.certificates import Certificate
from brokers.simulator.control.control import control
from brokers.simulator.control.oauth import control_oauth
from brokers.simulator.control.tls import control_tls
from brokers.simulator.effects import actions
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import Entry
from brokers.simulator.oauth.oauth import NOBODY, USERNAME
from brokers.simulator.oauth.problems import Unauthorised
from brokers.simulator.orders.tickets import Refused
from brokers.simulator.routes.table import ROUTES
from brokers.simulator.server import callers, sign_in_page
from brokers.simulator.server.gates import Pace, gate
from brokers.simulator.server.responses import as_json, half, in_kind, respond
from brokers.simulator.stream.ws import serve_socket
from brokers.simulator.wire import Answer, error

log = logging.getLogger(__name__)
_BODY_LIMIT = 256 * 1024


class Edge:
    """Turns requests into calls, and answers into responses."""

    def __init__(self, gateway: Gateway, *, control_token: str = "", certificate: Certificate | None = None) -> None:
        self.gateway, self.certificate = gateway, certificate
        self.control_token = control_token
        gateway.keeps_journal = bool(control_token)
        self.dice = random.Random()
        self.pace = Pace()

    def app(self) -> web.Application:
        # Whoever sends what is no HTTP is refused; that is worth no trace in the log.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[in_kind])
        app.router.add_get("/healthz", self._health)
        app.router.add_route("*", "/sim/v1/{tail:.*}", self._control)
        app.router.add_route("*", "/authorize", self._authorize)
        app.router.add_route("*", "/u/{username}/v1/api/{tail:.*}", self._call)
        app.router.add_route("*", "/v1/api/{tail:.*}", self._call)
        app.router.add_route("*", "/{tail:.*}", self._lost)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        return as_json({"status": "ok"})

    async def _lost(self, request: web.Request) -> web.Response:
        self.gateway.unknown[f"{request.method} {request.path}"] += 1
        return as_json({"error": "Not Found", "statusCode": 404}, 404)

    async def _control(self, request: web.Request) -> web.StreamResponse:
        if not self.control_token:
            return await self._lost(request)
        credentials = request.headers.get("Authorization", "")
        if not hmac.compare_digest(credentials.encode("utf-8", "replace"), f"Bearer {self.control_token}".encode()):
            return as_json({"error": "Send the control token: Authorization: Bearer <token>.", "statusCode": 401}, 401)
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            return as_json({"error": "The body is not JSON.", "statusCode": 400}, 400)
        parts = [p for p in request.match_info["tail"].split("/") if p]
        if not isinstance(body, dict):
            return as_json({"error": "The body is a JSON object.", "statusCode": 400}, 400)
        if parts[:1] == ["oauth"]:
            answer = control_oauth(self.gateway, request.method, parts[1:], body)
        elif parts == ["tls"]:
            answer = control_tls(self.certificate, request.method, body)
        else:
            answer = control(self.gateway, request.method, parts, body)
        await self.gateway.store.durable()
        return respond(answer)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """The sign-in page of the three-legged flow; faults find it as /authorize."""
        try:
            raw = (
                (await request.read()).decode("utf-8", "replace") if request.method == "POST" else request.query_string
            )
            fields = dict(parse_qsl(raw, max_num_fields=20))
        except ValueError:
            fields = {}
        token, username = fields.get("oauth_token", ""), fields.get("username", "").strip()
        if request.method != "POST":
            return sign_in_page.show(self.gateway, token)
        now, user = self.gateway.clock(), username or NOBODY
        faults = self.gateway.faults
        for fault in faults.pick(user=user, method="POST", path="/authorize", body=b"", now=now):
            faults.begin(fault, now, user)
        response = sign_in_page.answer(
            self.gateway,
            token,
            username,
            allow=fields.get("choice") == "allow",
            not_paper=faults.held("paper_username_error", user, now) is not None,
            stray=faults.held("stray_callback", user, now) is not None,
        )
        await self.gateway.store.durable()
        return response

    async def _call(self, request: web.Request) -> web.StreamResponse:
        username = request.match_info.get("username")
        if username is not None and not USERNAME.fullmatch(username):
            return await self._lost(request)
        kept = self.gateway.kept_numbers
        path = kept.inward("/" + request.match_info["tail"])
        try:
            if path.rstrip("/") == "/ws":
                name = callers.socket_caller(self.gateway, username, request.query.get("oauth_token"))
                return await serve_socket(self.gateway, self.gateway.user(name), request)
            raw = await request.read()
            presented = callers.presented(request, self.gateway.clock() - self.gateway.ahead_s)
            name, granted = callers.caller(self.gateway, presented, username, path)
        except Unauthorised as problem:
            return respond(self._refuse(request.method, path, problem))
        call = Call(
            gateway=self.gateway,
            user=self.gateway.user(name),
            method=request.method,
            path=path.rstrip("/"),
            query={name: kept.inward(value) for name, value in request.query.items()},
            raw=kept.inward(raw.decode("latin-1")).encode("latin-1"),
            now=self.gateway.clock(),
            address=request.remote or "",
            presented=presented,
            granted=granted,
        )
        entry = self._noted(call, path)
        try:
            answer = await self._answer(call)
            entry.seal(status=answer.status)
        except actions.Dropped:
            entry.seal(status="dropped")
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        finally:
            entry.seal()
        response = respond(answer)
        if isinstance(response.body, bytes):
            response.body = kept.outward(response.body.decode("latin-1")).encode("latin-1")
        if skew := call.effects.get("skew_s"):
            response.headers["Date"] = formatdate(call.now + skew, usegmt=True)
        return await half(request, response) if call.effects.get("truncate") else response

    def _noted(self, call: Call, path: str) -> Entry:
        """The call's entry in the journal, as it was sent, which is kept while there is a control plane to read it."""
        sent = self.gateway.kept_numbers.outward
        entry = Entry(
            {
                "method": call.method,
                "path": sent(path),
                "query": {name: sent(value) for name, value in call.query.items()},
                "body": sent(call.raw.decode("utf-8", "replace")[:20_000]),
                "arrived": time.monotonic(),
                "at": self.gateway.moment(call.now),
                "status": None,
            }
        )
        if self.control_token:
            call.user.journal.append(entry)
        return entry

    def _refuse(self, method: str, path: str, problem: Unauthorised) -> Answer:
        """Note why for the control plane, and answer in the broker's words."""
        self.gateway.oauth.note(method, path, problem.reason, self.gateway.moment(self.gateway.clock()))
        return deepcopy(problem.answer)

    async def _answer(self, call: Call) -> Answer:
        faults = self.gateway.faults.pick(
            user=call.user.name, method=call.method, path=call.path, body=call.raw, now=call.now
        )
        if (cut := await actions.before(call, faults)) is not None:
            return cut
        await self._wait()
        if (paced := self.pace.check(call)) is not None:
            return paced
        call.now = self.gateway.clock()
        answer = actions.amended(call, self._run(call))
        # An answer must stay true after a crash.
        await self.gateway.store.durable()
        answer = await actions.after(call, faults, answer)
        await self.gateway.store.durable()
        return answer

    async def _wait(self) -> None:
        if (wait_s := self.gateway.behaviour.wait_s(self.dice)) > 0:
            await asyncio.sleep(wait_s)

    def _run(self, call: Call) -> Answer:
        """Find the handler and let it answer; nothing here waits, so every call is atomic."""
        route = ROUTES.find(call.method, call.path)
        if route is None:
            self.gateway.unknown[f"{call.method} {call.path}"] += 1
            return error("Not Found", 404)
        handler, call.params = route
        signed_in = call.user.session
        if not self.gateway.behaviour.session_machine:
            signed_in.open_at_once(call.now)
        signed_in.expire(call.now, self.gateway.behaviour)
        refused = gate(signed_in, self.gateway.behaviour, call.path, call.now)
        signed_in.last_request_at = call.now
        if refused is not None:
            return refused
        if (
            self.gateway.behaviour.questions_die_of_other_orders
            and call.method != "GET"
            and call.path.startswith("/iserver/account")
        ):
            # Any other order request ends the question that is still open.
            call.user.pending = None
        try:
            return handler(call)
        except Unauthorised as problem:
            return self._refuse(call.method, call.path, problem)
        except Unreadable:
            return error("Bad Request", 400)
        except Refused as refusal:
            return error(refusal.text, refusal.status, with_code=refusal.text.startswith("Bad Request"))
        except (
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
            ArithmeticError,
            AssertionError,
            RecursionError,
        ) as slip:
            # What cannot be read is refused; the whole trace is for who looks for it.
            detailed = log.isEnabledFor(logging.DEBUG)
            log.warning("%s %s could not be answered: %r", call.method, call.path, slip, exc_info=detailed)
            return error("Bad Request", 400)
