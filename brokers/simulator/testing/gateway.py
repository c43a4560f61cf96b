"""A real gateway for tests: a process of its own on a free loopback port, to be stopped, killed and restarted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "control-of-the-simulated-market"  # noqa: S105 - a test's own token, for a loopback port
_START_S = 60.0


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningGateway:
    """One gateway process and the handles a test needs."""

    def __init__(self, *, preset: str, token: str, env: Mapping[str, str], command: list[str], port: int) -> None:
        # Whoever holds the process knows its certificate; what is tested is whoever else dials it.
        self.tls = "--tls" in command
        self.preset = preset
        self.token = token
        self.env = dict(env)
        self.command = command
        self.port = port
        # A name, as its certificate has one.
        self.url = f"https://localhost:{port}" if self.tls else f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object

    # -- the process ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process and return once it answers."""
        environment = os.environ | {"SIM_CONTROL_TOKEN": self.token, "PYTHONUNBUFFERED": "1"} | self.env
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*self.command, "--port", str(self.port), "--preset", self.preset],
            cwd=ROOT,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/healthz")[0] == 200:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"The gateway did not start: {self.output()}")

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it the hard way, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same port and the same books."""
        if self.process is not None:
            self.stop()
        self.start()

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        self.exit_code = self.process.wait(timeout=_START_S)
        self.process = None

    def output(self) -> str:
        """What the process wrote so far."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    # -- the wire ------------------------------------------------------------------------------------------------

    def base_url(self, user: str) -> str:
        """Where this user's Web API begins."""
        return f"{self.url}/u/{quote(user)}/v1/api"

    def ws_url(self, user: str) -> str:
        return f"{self.base_url(user).replace('http', 'ws', 1)}/ws"

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; returns the status and the JSON body (or the text)."""
        parts = urlsplit(self.url)
        link = self._link(parts.hostname or "", parts.port or 0)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            link.request(method, path, json.dumps(body) if body is not None else "", headers)
            answer = link.getresponse()
            text = answer.read().decode()
        finally:
            link.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def _link(self, host: str, port: int) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(host, port, timeout=15)
        return http.client.HTTPSConnection(host, port, timeout=15, context=ssl._create_unverified_context())  # noqa: S323

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the certificate it shows now, with colons."""
        return str(self.control("GET", "/tls")["sha256"])

    def renew_certificate(self, **terms: Any) -> str:
        """Let it show another certificate from now on, of `days` that begin `begins_in_days`; its fingerprint."""
        return str(self.control("POST", "/tls", terms)["sha256"])

    def call(self, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One Web API request of a user."""
        return self.request(method, f"/u/{quote(user)}/v1/api{path}", body)

    def sign_in(self, user: str) -> str:
        """Open a user's brokerage session; returns the account id."""
        self.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        for _ in range(200):
            if self.call(user, "POST", "/iserver/auth/status")[1].get("established"):
                break
            time.sleep(0.05)
        accounts = self.call(user, "GET", "/iserver/accounts")[1]["accounts"]
        self.call(user, "GET", "/portfolio/accounts")
        return str(accounts[0])

    # -- the control plane ---------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control request below /sim/v1; anything but success is an error."""
        status, answer = self.request(method, f"/sim/v1{path}", body)
        if status >= 400:
            raise RuntimeError(f"{method} /sim/v1{path} answered {status}: {answer}")
        return answer

    def fault(
        self,
        *,
        action: Mapping[str, Any] | None = None,
        preset: str | None = None,
        match: Mapping[str, Any] | None = None,
        phase: str = "",
        times: int | None = 1,
        ttl_s: float = 60,
    ) -> dict[str, Any]:
        """Arm a fault: an action of your own, or one of the presets with changes, narrowed by `match`."""
        body: dict[str, Any] = {"match": dict(match or {}), "times": times, "ttl_s": ttl_s}
        if preset:
            body |= {"preset": preset} | ({"action": dict(action)} if action else {})
        else:
            body |= {"action": dict(action or {})}
        if phase:
            body["phase"] = phase
        armed: dict[str, Any] = self.control("POST", "/faults", body)
        return armed

    def faults(self) -> list[dict[str, Any]]:
        """The armed faults with how often each hit."""
        armed: list[dict[str, Any]] = self.control("GET", "/faults")
        return armed

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def journal(self, user: str, *, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """Every request of a user in order of arrival, narrowed to a method or a part of the path."""
        entries = [e for e in self._journal(user) if e["kind"] == "request"]
        return [e for e in entries if method in (None, e["method"]) and (path is None or path in e["path"])]

    def events(self, user: str, topic: str | None = None) -> list[dict[str, Any]]:
        """Every message that left on a websocket of the user, narrowed to a topic."""
        messages: list[dict[str, Any]] = [e["message"] for e in self._journal(user) if e["kind"] == "event"]
        return [message for message in messages if topic in (None, message.get("topic"))]

    def _journal(self, user: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.control("GET", f"/{quote(user)}/journal")
        return entries

    def books(self, user: str) -> dict[str, dict[str, Any]]:
        """The user's orders by reference, from the books and not from what faults let its reads show."""
        return {order["reference"]: order for order in self.control("GET", f"/{quote(user)}/orders")}

    @contextlib.contextmanager
    def behaving(self, **changes: Any) -> Iterator[None]:
        """Change switches of the behaviour for a while: `with gateway.behaving(questions=True): ...`."""
        before = self.control("GET", "/behaviour")
        self.control("POST", "/behaviour", changes)
        try:
            yield
        finally:
            self.control("POST", "/behaviour", {name: before[name] for name in changes})

    def seed(self, user: str, **books: Any) -> dict[str, Any]:
        """Fresh books with `cash={"USD": 5000}` and `positions=[{"symbol": "AAPL", "quantity": 10}]`, and of a kind:
        `type="cash"`, `currency="EUR"`, `sub_accounts=4`.
        """
        seeded: dict[str, Any] = self.control("POST", f"/{quote(user)}/seed", books)
        return seeded

    def by_hand(self, user: str, **order: Any) -> dict[str, Any]:
        """Place an order as a person does in TWS: `symbol` or `conid`, `quantity`, `side`, `type`, prices, `reference`."""
        placed: dict[str, Any] = self.control("POST", f"/{quote(user)}/orders", order)
        return placed

    def move_by_hand(self, user: str, order_id: str, **prices: Any) -> None:
        """Give a working order another `limit_price`, `stop_price` or both, as a person does in TWS."""
        self.control("POST", f"/{quote(user)}/moves", {"order_id": order_id, **prices})

    def fill_without_order(self, user: str, **order: Any) -> dict[str, Any]:
        """The same, as an order that no list ever shows: its fills do."""
        placed: dict[str, Any] = self.control("POST", f"/{quote(user)}/fills", order)
        return placed

    def hold(self, user: str, **holding: Any) -> None:
        """Book a holding in, without an order or a fill: `symbol` or `conid`, and `quantity`."""
        self.control("POST", f"/{quote(user)}/positions", holding)

    def split(self, symbol: str, new: int, old: int = 1, **how: Any) -> dict[str, Any]:
        """Split a share for everybody: `renumbers=True` gives it another number, `orders="adjust"` keeps its orders."""
        done: dict[str, Any] = self.control("POST", "/split", {"symbol": symbol, "new": new, "old": old, **how})
        return done

    def reset(self, user: str) -> None:
        """Fresh books for a user: no orders, no holdings, a million dollars."""
        self.control("POST", f"/{quote(user)}/reset")

    def steal(self, user: str) -> None:
        """Let somebody else take the user's session."""
        self.control("POST", f"/{quote(user)}/steal")

    def lose(self, user: str) -> None:
        """End the user's brokerage session."""
        self.control("POST", f"/{quote(user)}/lose")

    def tws(self, user: str, *, insists_s: float | None = None) -> None:
        """Let a person at TWS take the user's session, and take it again so many seconds after losing it."""
        self.control("POST", f"/{quote(user)}/tws", {} if insists_s is None else {"insists_s": insists_s})

    def leave(self, user: str) -> None:
        """Let the other login go away."""
        self.control("POST", f"/{quote(user)}/leave")

    def sign_out(self, user: str) -> None:
        """End the user's login itself: a person must sign in again."""
        self.control("POST", f"/{quote(user)}/sign_out")

    def person_signs_in(self, user: str) -> None:
        """Let the person sign in at the gateway's page."""
        self.control("POST", f"/{quote(user)}/sign_in")

    def session(self, user: str) -> dict[str, Any]:
        """What is true of the user's session."""
        truth: dict[str, Any] = self.control("GET", f"/{quote(user)}/session")
        return truth

    def close_sockets(self, user: str) -> None:
        """Cut the user's websockets."""
        self.control("POST", f"/{quote(user)}/close_sockets")

    def quote(self, symbol: str | int, **prices: Any) -> None:
        """Pin the price of a symbol or conid: bid, ask, last."""
        name = "conid" if isinstance(symbol, int) else "symbol"
        self.control("POST", "/quote", {name: symbol} | {k: str(v) for k, v in prices.items()})

    def shortable(self, symbol: str, shares: int | None) -> None:
        """How many shares of a symbol can be borrowed from now on; None: as many as anybody wants."""
        self.control("POST", "/shortable", {"symbol": symbol, "shares": shares})

    def advance(self, seconds: float) -> None:
        """Move the gateway's clock ahead; a restart puts it back."""
        self.control("POST", "/clock", {"advance_s": seconds})

    def put_clock_back(self) -> None:
        """Start again where the clock was moved ahead: a start is a second of the processor."""
        if self.control("GET", "/clock")["ahead_s"]:
            self.restart()

    def clear_quotes(self) -> None:
        """Let every price follow the generated market again."""
        self.control("DELETE", "/quote")


@contextlib.contextmanager
def running_gateway(
    preset: str = "fast",
    token: str = TOKEN,
    env: Mapping[str, str] | None = None,
    *,
    behaviour: Mapping[str, Any] | None = None,
    database: str = "",
    port: int = 0,
    tls: bool = False,
) -> Iterator[RunningGateway]:
    """Run a gateway for the duration of a test.

    Its books are a SQLite file of its own, so that several gateways and a test's own tables never meet. With
    `database` (a Postgres URL) it runs as `manage.py gateway` on that database instead. With `tls` it has a certificate
    of its own.
    """
    extra = dict(env or {})
    if behaviour:
        extra["SIM_BEHAVIOUR"] = json.dumps(dict(behaviour))
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        if database:
            extra["DATABASE_URL"] = database
            command = [sys.executable, "manage.py", "gateway"]
        else:
            command = [sys.executable, "-m", "brokers.simulator", "--database", f"{folder}/books.sqlite3"]
            command += ["--tls"] * tls
        gateway = RunningGateway(preset=preset, token=token, env=extra, command=command, port=port or free_port())
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()
