"""Charts and books on the websocket."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from brokers.simulator.tests.conftest import Client, messages

AAPL = 265598


def ask(socket: ClientConnection, text: str, topic: str) -> dict[str, Any]:
    """Send a line and return the first message of the topic."""
    socket.send(text)
    return heard(socket, topic)


def heard(socket: ClientConnection, topic: str) -> dict[str, Any]:
    return messages(socket, topic, timeout=15)[0]


def test_a_chart_is_sent_once_with_the_letters_that_were_asked_for(client: Client) -> None:
    with client.socket() as socket:
        body = ask(socket, f'smh+{AAPL}+{{"period":"1h","bar":"5min","format":"%o/%c"}}', f"smh+{AAPL}")
        assert len(body["data"]) == 12
        assert set(body["data"][0]) == {"o", "c", "t"}
        assert (body["symbol"], body["barLength"], body["points"]) == ("AAPL", 300, 11)


def test_five_charts_may_be_open(client: Client) -> None:
    with client.socket() as socket:
        asked, topic = f'smh+{AAPL}+{{"period":"1h","bar":"5min"}}', f"smh+{AAPL}"
        servers = [ask(socket, asked, topic)["serverId"] for _ in range(5)]
        assert len(set(servers)) == 5
        assert "Too many" in ask(socket, asked, topic)["error"]
        socket.send(f"umh+{servers[0]}")
        assert "data" in ask(socket, asked, topic)


def test_a_book_lies_around_the_quote_and_follows_it(client: Client) -> None:
    client.gateway.quote(AAPL, bid="229.99", ask="230.01", last="230.00", ttl_s=60)
    topic = f"sbd+{client.account}+{AAPL}"
    with client.socket() as socket:
        rows = ask(socket, f"sbd+{client.account}+{AAPL}+SMART", topic)["data"]
        assert [row["row"] for row in rows] == list(range(10))
        prices = [float(row["price"]) for row in rows]
        assert prices == sorted(prices, reverse=True)
        assert (rows[4]["price"], rows[5]["price"]) == ("230.01", "229.99")
        assert all(row["ask"] for row in rows[:5])
        assert all(row["bid"] for row in rows[5:])
        client.gateway.quote(AAPL, bid="231.99", ask="232.01", last="232.00", ttl_s=60)
        assert heard(socket, topic)["data"][4]["price"] == "232.01"
        socket.send(f"ubd+{client.account}")
    client.gateway.clear_quotes()


@pytest.mark.parametrize(
    "text",
    ["smh+x", "smh+1", "smh+265598+[]", 'smh+265598+{"bar":"x"}', "sbd", "sbd+NOBODY+265598", "sbd+{a}+1", "sbd+{a}"],
)
def test_what_makes_no_sense_is_told_so(client: Client, text: str) -> None:
    with client.socket() as socket:
        assert "cannot read" in ask(socket, text.replace("{a}", client.account), "error")["error"]
