"""Whatever arrives, the gateway answers in kind and goes on."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.tests.conftest import Client, ticket

_POSTS = (
    "/iserver/account",
    "/iserver/account/{a}/orders",
    "/iserver/account/{a}/orders/whatif",
    "/iserver/account/{a}/order/1",
    "/iserver/reply/x",
    "/iserver/questions/suppress",
    "/iserver/contract/rules",
    "/iserver/secdef/search",
    "/iserver/marketdata/unsubscribe",
    "/portfolio/allocation",
)
_BODIES = ("", "{", "[]", "null", '"x"', "1", '{"orders":1}', '{"orders":[null]}', '{"conid":"x"}', "\x00", "[" * 5000)


def raw(gateway: RunningGateway, user: str, method: str, path: str, body: bytes) -> int:
    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        link.request(method, f"/u/{user}/v1/api{path}", body)
        answer = link.getresponse()
        answer.read()
        return answer.status
    finally:
        link.close()


@pytest.mark.parametrize("path", _POSTS)
def test_no_body_makes_it_stumble(client: Client, path: str) -> None:
    statuses = {
        raw(client.gateway, client.user, "POST", path.format(a=client.account), body.encode()) for body in _BODIES
    }
    # 500 is the broker's own word for an unknown account and an unknown subscription.
    assert statuses <= {200, 400, 500 if path in {"/iserver/account", "/iserver/marketdata/unsubscribe"} else 400}
    assert client.place(ticket("after"))[0]["local_order_id"] == "after"


def test_an_oversized_body_is_refused(client: Client) -> None:
    path = f"/iserver/account/{client.account}/orders"
    assert raw(client.gateway, client.user, "POST", path, b"x" * 300_000) == 413


@pytest.mark.parametrize(
    "path",
    [
        "/iserver/marketdata/snapshot?conids=x,,999999999999999999999&fields=",
        "/iserver/marketdata/snapshot",
        "/iserver/marketdata/history?conid=265598&bar=0min&period=-5d",
        "/iserver/account/trades?days=x",
        "/iserver/account/order/status/x",
        "/trsrv/stocks",
        "/trsrv/futures?symbols=,,",
        "/trsrv/secdef?conids=x",
        "/iserver/secdef/search",
        "/iserver/contract/x/info",
        "/portfolio/positions/x",
        "/iserver/exchangerate?source=&target=",
    ],
)
def test_no_query_makes_it_stumble(client: Client, path: str) -> None:
    status, _ = client.gateway.call(client.user, "GET", path)
    assert status in {200, 400, 500, 503}
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-0", "1e-30"])
def test_strange_numbers_never_become_orders(client: Client, number: str) -> None:
    body: dict[str, Any] = {"orders": [ticket("n", quantity=number)]}
    answer = client.post(f"/iserver/account/{client.account}/orders", body)
    assert "error" in answer
    assert client.orders() == []


def test_ten_thousand_frames_are_read(client: Client) -> None:
    with client.socket() as socket:
        for number in range(10_000):
            socket.send(f"smd+{number}+{{}}")
        socket.send("tic")
        while '"tic"' not in str(socket.recv(timeout=10)):
            pass
