"""What was answered survives a killed process, once."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, ticket

SENDERS = 8


class Sender(threading.Thread):
    """Places orders one after the other until the gateway is gone, and remembers what it was told."""

    def __init__(self, gateway: RunningGateway, user: str) -> None:
        super().__init__(daemon=True)
        self.client = Client(gateway, user, gateway.sign_in(user))
        self.sent: list[str] = []
        self.answered: dict[str, str] = {}

    def run(self) -> None:
        while True:
            reference = f"{self.client.user}-{len(self.sent)}"
            self.sent.append(reference)
            side = "BUY" if len(self.sent) % 3 else "SELL"
            try:
                [row] = self.client.place(ticket(reference, side=side, quantity=1))
            except (OSError, http.client.HTTPException):
                return
            self.answered[reference] = row["order_id"]


def _trade_until_killed(gateway: RunningGateway) -> list[Sender]:
    senders = [Sender(gateway, f"user{i}") for i in range(SENDERS)]
    for sender in senders:
        sender.start()
    time.sleep(1.5)
    gateway.kill()
    for sender in senders:
        sender.join(timeout=10)
    return senders


def _check(sender: Sender) -> None:
    """Everything answered is there once; nothing is there twice; the books add up."""
    client = sender.client
    assert client.gateway.sign_in(client.user) == client.account
    shown = client.orders()
    by_reference = {o["order_ref"]: o for o in shown}
    assert len(by_reference) == len(shown)
    assert {r: str(by_reference[r]["orderId"]) for r in sender.answered} == sender.answered
    assert set(by_reference) <= set(sender.sent)
    assert {o["status"] for o in shown} == {"Filled"}
    trades = client.trades()
    assert Counter(t["order_ref"] for t in trades) == Counter(list(by_reference))
    held = sum(t["size"] if t["side"] == "B" else -t["size"] for t in trades)
    assert client.positions().get("AAPL", 0.0) == held
    spent = sum((t["net_amount"] if t["side"] == "B" else -t["net_amount"]) + float(t["commission"]) for t in trades)
    cash = client.get(f"/portfolio/{client.account}/ledger")["USD"]["cashbalance"]
    assert cash == pytest.approx(1_000_000 - spent, abs=1e-6)


def _repeat(sender: Sender) -> None:
    """The order in doubt is sent again under its reference: it counts once, whatever had happened."""
    client, doubtful = sender.client, sender.sent[-1]
    before = {o.get("order_ref") for o in client.orders()}
    answer: Any = client.place(ticket(doubtful, quantity=1))
    if doubtful in before:
        assert answer == {"error": f"Order couldn't be submitted: Local order ID={doubtful} is already registered."}
    else:
        assert answer[0]["local_order_id"] == doubtful
    assert sum(o.get("order_ref") == doubtful for o in client.orders()) == 1


def _prove(gateway: RunningGateway) -> None:
    senders = _trade_until_killed(gateway)
    assert all(s.answered for s in senders)
    gateway.restart()
    for sender in senders:
        _check(sender)
        _repeat(sender)


@pytest.mark.usefixtures("servers")
def test_a_killed_gateway_loses_and_doubles_nothing_it_answered() -> None:
    with running_gateway("fast") as gateway:
        _prove(gateway)


@pytest.mark.django_db(transaction=True)
def test_a_killed_gateway_loses_and_doubles_nothing_on_postgres() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("The test database is not PostgreSQL.")
    with running_gateway("fast", database=database_url()) as gateway:
        _prove(gateway)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_is_waited_for() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("The test database is not PostgreSQL.")
    with running_gateway("fast", database=database_url()) as gateway:
        senders = [Sender(gateway, f"user{i}") for i in range(3)]
        for sender in senders:
            sender.start()
        for _ in range(3):
            time.sleep(0.3)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'gateway'"
                )
                assert cursor.rowcount >= 1
        time.sleep(0.3)
        gateway.kill()
        for sender in senders:
            sender.join(timeout=10)
        gateway.restart()
        for sender in senders:
            assert sender.answered
            _check(sender)


@pytest.mark.django_db(transaction=True)
def test_two_gateways_never_share_their_books() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("The test database is not PostgreSQL.")
    with running_gateway("fast", database=database_url()):
        second = running_gateway("fast", database=database_url())
        with pytest.raises(RuntimeError, match="Another gateway already trades on this database"):
            second.__enter__()


@pytest.mark.usefixtures("servers")
def test_a_working_order_goes_on_after_a_crash() -> None:
    with running_gateway("fast") as gateway:
        gateway.quote("AAPL", bid="200.00", ask="200.02", last="200.01")
        client = Client(gateway, "alice", gateway.sign_in("alice"))
        client.place(
            ticket("P", orderType="LMT", price=190.0, tif="GTC"),
            ticket("S", side="SELL", orderType="STP", price=180.0, tif="GTC", parentId="P"),
        )
        gateway.kill()
        gateway.restart()
        gateway.sign_in("alice")
        assert client.order("P")["status"] == "Submitted"
        gateway.quote("AAPL", bid="189.00", ask="189.02", last="189.01")
        gateway.quote("AAPL", bid="179.00", ask="179.02", last="179.01")
        assert [o["status"] for o in client.orders()] == ["Filled", "Filled"]
        assert client.positions() == {}


@pytest.mark.usefixtures("servers")
def test_asked_to_stop_it_stops_cleanly_with_everything_written() -> None:
    with running_gateway("fast") as gateway:
        client = Client(gateway, "alice", gateway.sign_in("alice"))
        client.place(ticket("s-1"))
        with client.socket():
            gateway.stop()
        assert gateway.exit_code == 0
        assert "Traceback" not in gateway.output()
        gateway.start()
        gateway.sign_in("alice")
        assert client.order("s-1")["status"] == "Filled"


@pytest.mark.usefixtures("servers")
def test_a_posted_price_outlives_the_process() -> None:
    with running_gateway("fast") as gateway:
        gateway.quote("AAPL", bid="123.00", ask="123.02", last="123.01")
        gateway.kill()
        gateway.restart()
        client = Client(gateway, "alice", gateway.sign_in("alice"))
        client.place(ticket("p-1"))
        assert client.order("p-1")["avgPrice"] == "123.02"


def database_url() -> str:
    """The test database as a URL for another process."""
    known = connection.settings_dict
    host, port = quote(str(known["HOST"]), safe=""), known["PORT"] or 5432
    login = quote(str(known["USER"]), safe="") + (f":{quote(known['PASSWORD'], safe='')}" if known["PASSWORD"] else "")
    name = quote(str(known["NAME"]), safe="")
    if str(known["HOST"]).startswith("/"):
        return f"postgresql://{login}@/{name}?host={host}&port={port}&application_name=gateway"
    return f"postgresql://{login}@{host}:{port}/{name}?application_name=gateway"
