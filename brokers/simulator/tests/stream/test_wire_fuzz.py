"""Nonsense of every kind on the wire: answered in the broker's own words, and the next client is served as before.

Everything is drawn from a fixed seed and bounded in number, so that a run is the same everywhere and never long.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from brokers.simulator.routes.table import ROUTES
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket

SEED = 20_260_402
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    10**30,
    -0.0,
    1e308,
    1.5,
    "",
    " ",
    "x",
    "AAPL",
    "265598",
    "NaN",
    "Infinity",
    "-1",
    "٣",
    "\x00",
    "\ud800",
    "'; --",
    "{}",
    "%s%n",
    "../../x",
    "a" * 5000,
    [],
    [None],
    [[]],
    {},
    {"a": {}},
    [1] * 200,
]
KEYS = [
    "acctId",
    "orders",
    "conid",
    "conidex",
    "conids",
    "side",
    "orderType",
    "quantity",
    "price",
    "auxPrice",
    "tif",
    "cOID",
    "parentId",
    "isSingleGroup",
    "trailingType",
    "trailingAmt",
    "cashQty",
    "symbol",
    "secType",
    "name",
    "messageIds",
    "confirmed",
    "publish",
    "compete",
    "accounts",
    "default_method",
    "alertId",
    "alertActive",
    "conditions",
    "filter",
    "type",
    "acctIds",
    "outsideRTH",
    "strategy",
    "listingExchange",
    "manualIndicator",
    "month",
    "strike",
    "right",
]
QUERIES = [
    "conids",
    "fields",
    "conid",
    "period",
    "bar",
    "symbols",
    "symbol",
    "days",
    "filters",
    "force",
    "accountId",
    "source",
    "target",
    "currency",
    "sectype",
    "month",
    "strike",
    "right",
    "exchange",
    "algos",
    "addParams",
    "page",
    "startTime",
]
PARTS = ["1", "0", "-1", "x", "265598", "%00", "%FF", "%E2%82%AC", "a%2Fb", "..", "9" * 40, "%ED%A0%80", "SIM1", "٣"]


@pytest.fixture(scope="module")
def own(servers: None) -> Iterator[RunningGateway]:
    """A gateway of its own, whose log can be read for traces."""
    with running_gateway("fast") as gateway:
        yield gateway


@pytest.fixture
def trader(own: RunningGateway, user: str) -> Client:
    return Client(own, user, own.sign_in(user))


def exchange(
    gateway: RunningGateway, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=15)
    try:
        link._encode_request = lambda text: text.encode("utf-8", "replace")  # type: ignore[attr-defined]
        link.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            link.putheader(name, value)
        link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        answer = link.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        link.close()


def nonsense(dice: random.Random, depth: int = 0) -> Any:
    if depth < 3 and dice.random() < 0.6:
        inner = {dice.choice(KEYS): nonsense(dice, depth + 1) for _ in range(dice.randrange(6))}
        return [inner] * dice.randrange(1, 4) if dice.random() < 0.3 else inner
    return dice.choice(VALUES)


def spoiled(dice: random.Random, text: bytes) -> bytes:
    """Sometimes cut short, with a byte changed, or in another encoding."""
    match dice.randrange(8):
        case 0:
            return text[: dice.randrange(len(text) + 1)]
        case 1 if text:
            at = dice.randrange(len(text))
            return text[:at] + bytes([dice.randrange(256)]) + text[at + 1 :]
        case 2:
            return text.decode("latin-1").encode("utf-16")
        case 3:
            return b"\xef\xbb\xbf" + text
        case _:
            return text


def request(dice: random.Random, account: str) -> tuple[str, str, bytes]:
    """A request to one of our paths in which something, or everything, is wrong."""
    method, template = dice.choice([r for r in ROUTES.listed() if r[1] != "/logout"])
    parts = [
        (account if part == "{account}" and dice.random() < 0.7 else dice.choice(PARTS))
        if part.startswith("{")
        else part
        for part in template.strip("/").split("/")
    ]
    query = "&".join(f"{dice.choice(QUERIES)}={dice.choice(PARTS)}" for _ in range(dice.randrange(4)))
    body = json.dumps(nonsense(dice)).encode() if dice.random() < 0.8 else dice.randbytes(dice.randrange(200))
    return method, "/" + "/".join(parts) + (f"?{query}" if query else ""), spoiled(dice, body)


def check(answer: tuple[int, str, bytes]) -> None:
    """An answer the broker could have given: known status, JSON, or its few plain texts."""
    status, kind, body = answer
    assert status in {200, 400, 401, 403, 404, 410, 413, 429, 500, 503}
    assert b"Traceback" not in body
    if kind in {"application/json", "application/problem+json"}:
        json.loads(body)
    else:
        # aiohttp refuses what is no HTTP at all before we see it.
        assert (status, body) == (503, b"") or (status == 200 and kind == "text/plain") or status == 400


@pytest.mark.parametrize("round_", range(6))
def test_nonsense_is_answered_in_kind_and_leaves_no_trace(trader: Client, round_: int) -> None:
    dice = random.Random(SEED + round_)
    for _ in range(150):
        method, path, body = request(dice, trader.account)
        check(exchange(trader.gateway, method, f"/u/{trader.user}/v1/api{path}", body, {}))
    assert trader.gateway.output().count("could not be answered") == 0
    assert "Traceback" not in trader.gateway.output()
    trader.gateway.sign_in(trader.user)
    assert trader.place(ticket("after"))[0]["local_order_id"] == "after"


def test_tickets_with_one_field_spoiled_are_refused_or_taken_whole(trader: Client) -> None:
    dice = random.Random(SEED)
    good = ticket("t", orderType="LMT", price=1.0)
    for number in range(300):
        spoilt = good | {"cOID": f"t-{number}"} | {dice.choice([*good, *KEYS]): dice.choice(VALUES)}
        body = json.dumps({"orders": [spoilt]}).encode()
        path = f"/u/{trader.user}/v1/api/iserver/account/{trader.account}/orders"
        status, kind, answer = exchange(trader.gateway, "POST", path, body, {})
        check((status, kind, answer))
        assert status in {200, 400}
    assert trader.gateway.output().count("could not be answered") == 0
    assert "Traceback" not in trader.gateway.output()
    assert all(float(order["totalSize"]) > 0 for order in trader.orders())


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/api/tickle HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/api/tickle HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /v1/api/tickle HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabc",
        b"POST /v1/api/tickle HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /v1/api/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://evil.test/v1/api/tickle HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b'GET /v1/api/tickle HTTP/1.1\r\nHost: a\r\nAuthorization: OAuth \xff\xff="\xfe"\r\n\r\n',
        b"GET /v1/api/tickle HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /v1/api/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/api/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /u/%00/v1/api/tickle HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /sim/v1/faults HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    ],
)
def test_what_is_hardly_http_is_refused_and_the_next_is_served(own: RunningGateway, text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", own.port), timeout=5) as link:
        link.sendall(text)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while part := link.recv(65_536):
            answer += part
    assert answer == b"" or 400 <= int(answer.split(b" ")[1]) < 500 or b'"authStatus"' in answer
    assert b"Traceback" not in answer
    assert own.call("next-client", "POST", "/tickle")[0] == 200
    assert "Traceback" not in own.output()


def test_a_body_of_any_size_is_refused_without_being_kept(own: RunningGateway) -> None:
    for path in ("/v1/api/tickle", "/authorize", "/sim/v1/faults"):
        headers = {"Authorization": f"Bearer {own.token}"}
        status, kind, body = exchange(own, "POST", path, b"x" * 400_000, headers)
        assert (status, kind, json.loads(body)["statusCode"]) == (413, "application/json", 413)


def test_spoiled_signatures_are_refused(own: RunningGateway) -> None:
    dice = random.Random(SEED)
    good = {
        "oauth_consumer_key": "TESTCONS",
        "oauth_nonce": "n",
        "oauth_signature": base64.b64encode(b"x" * 32).decode(),
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": "1700000000",
        "oauth_token": "0" * 20,
        "realm": "test_realm",
    }
    for _ in range(200):
        fields = {name: value for name, value in good.items() if dice.random() < 0.9}
        text = "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
        spoilt = spoiled(dice, text.encode()).replace(b"\r", b"").replace(b"\n", b"").decode("latin-1")
        path = dice.choice(["/tickle", "/oauth/live_session_token", "/oauth/request_token", "/oauth/access_token"])
        status, kind, body = exchange(own, "POST", f"/v1/api{path}", b"", {"Authorization": spoilt})
        signed = spoilt.lower().startswith("oauth") or path.startswith("/oauth")
        if signed and kind == "application/json":
            assert (status, "error" in json.loads(body)) == (401, True)
        check((status, kind, body))
    assert "Traceback" not in own.output()


def test_spoiled_frames_leave_the_socket_useful_or_closed(trader: Client) -> None:
    dice = random.Random(SEED)
    topics = [
        "sor",
        "str",
        "spl",
        "smd",
        "ssd",
        "sld",
        "tic",
        "uor",
        "umd",
        "utr",
        "smh",
        "umh",
        "sbd",
        "ech",
        "zzz",
        "",
    ]
    for _ in range(6):
        # Without a limit, or the client would stop reading what it is told and never see its own farewell answered.
        with connect(trader.gateway.ws_url(trader.user), max_queue=None) as link:
            try:
                for _ in range(100):
                    text = f"{dice.choice(topics)}+{dice.choice(PARTS)}+{json.dumps(nonsense(dice))}"
                    frame = spoiled(dice, text.encode())
                    link.send(frame if dice.random() < 0.2 else frame.decode("utf-8", "replace"))
                link.send("tic")
                while '"tic"' not in str(link.recv(timeout=10)):
                    pass
            except ConnectionClosed:
                pass
    assert trader.gateway.call(trader.user, "POST", "/tickle")[0] == 200
    assert trader.gateway.output().count("could not be answered") == 0
    assert "Traceback" not in trader.gateway.output()
