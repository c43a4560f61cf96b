"""The control plane: closed without its token, and what it tells and changes with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import Client, messages, ticket

PATHS = [
    ("GET", "/sim/v1/faults"),
    ("POST", "/sim/v1/faults"),
    ("DELETE", "/sim/v1/faults"),
    ("GET", "/sim/v1/presets"),
    ("POST", "/sim/v1/behaviour"),
    ("POST", "/sim/v1/clock"),
    ("POST", "/sim/v1/quote"),
    ("GET", "/sim/v1/counters"),
    ("GET", "/sim/v1/alice/journal"),
    ("GET", "/sim/v1/alice/orders"),
    ("POST", "/sim/v1/alice/reset"),
    ("POST", "/sim/v1/alice/seed"),
    ("POST", "/sim/v1/alice/steal"),
    ("POST", "/sim/v1/alice/lose"),
    ("POST", "/sim/v1/alice/daily_reset"),
    ("GET", "/sim/v1/alice/faults"),
    ("GET", "/sim/v1"),
    ("GET", "/sim/v1/x/y/z"),
]


@pytest.fixture(scope="module")
def bare(servers: None) -> Iterator[RunningGateway]:
    with running_gateway(token="") as running:
        yield running


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("token", ["", "guess", "control-of-the-simulated-marke"])
def test_it_is_closed_without_its_token(gateway: RunningGateway, method: str, path: str, token: str) -> None:
    honest, gateway.token = gateway.token, token
    try:
        assert gateway.request(method, path, {"advance_s": 86_400})[0] in {401, 404 if path == "/sim/v1" else 401}
    finally:
        gateway.token = honest
    assert gateway.control("GET", "/clock")["ahead_s"] < 86_400


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_it_does_not_exist_when_no_token_is_set(bare: RunningGateway, method: str, path: str) -> None:
    for token in ("", "None", "control-of-the-simulated-market"):
        bare.token = token
        assert bare.request(method, path) == (404, {"error": "Not Found", "statusCode": 404})


def test_the_journal_tells_requests_and_events_in_order(client: Client) -> None:
    with client.socket() as socket:
        socket.send("sor+{}")
        messages(socket, "sor")
        client.place(ticket("told"))
        messages(socket, "sor", 2)
    entries = client.gateway.control("GET", f"/{client.user}/journal")
    arrived = [entry["arrived"] for entry in entries]
    assert arrived == sorted(arrived)
    assert {entry["kind"] for entry in entries} == {"request", "event"}
    statuses = [e["args"][0]["status"] for e in client.gateway.events(client.user, "sor") if e["args"]]
    assert statuses == ["Submitted", "Filled"]
    client.gateway.control("DELETE", f"/{client.user}/journal")
    assert client.gateway.control("GET", f"/{client.user}/journal") == []


def test_orders_are_told_as_the_books_have_them(client: Client) -> None:
    client.place(ticket("done"))
    client.place(ticket("rests", orderType="LMT", price=50.0, tif="GTC"))
    books = client.gateway.books(client.user)
    assert [(o["status"], o["filled"], o["type"], o["tif"]) for o in books.values()] == [
        ("Filled", "5", "MKT", "DAY"),
        ("Submitted", "0", "LMT", "GTC"),
    ]


def test_the_clock_is_everybodys(client: Client) -> None:
    before = client.gateway.control("GET", "/clock")["ahead_s"]
    client.gateway.control("POST", f"/{client.user}/clock", {"advance_s": 1})
    assert client.gateway.control("GET", "/clock")["ahead_s"] == before + 1


def test_seeding_gives_cash_and_holdings_and_nothing_else(client: Client) -> None:
    client.place(ticket("old"))
    seeded = client.gateway.seed(
        client.user,
        cash={"USD": 5000},
        positions=[{"symbol": "AAPL", "quantity": 10, "average_price": "150.5"}, {"conid": 8314, "quantity": -3}],
    )
    assert seeded["cash"] == {"USD": "5000"}
    client.gateway.sign_in(client.user)
    assert client.positions() == {"AAPL": 10.0, "IBM": -3.0}
    [apple] = [p for p in client.get(f"/portfolio2/{client.account}/positions") if p["description"] == "AAPL"]
    assert apple["avgPrice"] == 150.5
    assert client.gateway.books(client.user) == {}


@pytest.mark.usefixtures("servers")
def test_a_seed_survives_a_restart() -> None:
    with running_gateway() as running:
        running.seed("alice", cash={"USD": 77}, positions=[{"symbol": "AAPL", "quantity": 2}])
        running.kill()
        running.start()
        account = running.sign_in("alice")
        [held] = running.call("alice", "GET", f"/portfolio2/{account}/positions")[1]
        assert (held["description"], held["position"]) == ("AAPL", 2.0)
        assert running.call("alice", "GET", f"/iserver/account/{account}/summary")[1]["totalCashValue"] == 77.0


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ({"cash": {"USD": "much"}}, "cash is a number."),
        ({"cash": {"USD": "Infinity"}}, "cash is a number below a million million."),
        ({"positions": [{"symbol": "NOSUCHTHING", "quantity": 1}]}, "names a contract"),
        ({"positions": [{"symbol": "AAPL"}]}, "quantity is a number."),
    ],
)
def test_a_wrong_seed_is_refused_and_changes_nothing(client: Client, seed: dict[str, object], words: str) -> None:
    client.place(ticket("stays"))
    status, body = client.gateway.request("POST", f"/sim/v1/{client.user}/seed", seed)
    assert (status, words in body["error"]) == (400, True)
    assert set(client.gateway.books(client.user)) == {"stays"}


def test_a_users_faults_are_that_users_alone(client: Client) -> None:
    other = f"{client.user}-2"
    fault = {"match": {"user": "*"}, "action": {"status": 500}, "times": 2, "name": "mine"}
    client.gateway.control("POST", f"/{client.user}/faults", fault)
    client.gateway.control("POST", f"/{other}/faults", {"action": {"status": 500}})
    assert [f["name"] for f in client.gateway.control("GET", f"/{client.user}/faults")] == ["mine"]
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 500
    [fault] = client.gateway.control("GET", f"/{client.user}/faults")
    assert (fault["match"], fault["hits"], fault["times"], fault["state"]) == ({"user": client.user}, 1, 2, "armed")
    assert client.gateway.control("DELETE", f"/{client.user}/faults") == {"cleared": 1}
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 200
    assert client.gateway.call(other, "POST", "/tickle")[0] == 500


def test_a_fault_that_was_met_is_remembered_as_spent(client: Client) -> None:
    client.gateway.control("POST", f"/{client.user}/faults", {"action": {"status": 500}})
    client.post("/tickle")
    [fault] = client.gateway.control("GET", f"/{client.user}/faults")
    assert (fault["state"], fault["hits"]) == ("spent", 1)


@pytest.mark.parametrize("number", [-1, 366 * 86_400])
def test_the_clock_moves_within_a_year(gateway: RunningGateway, number: int) -> None:
    assert gateway.request("POST", "/sim/v1/clock", {"advance_s": number})[0] == 400


@pytest.mark.parametrize("body", ["[]", '"text"', "{", "\x00"])
def test_a_body_that_is_no_object_is_refused(gateway: RunningGateway, body: str) -> None:
    import http.client

    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    link.request("POST", "/sim/v1/faults", body, {"Authorization": f"Bearer {gateway.token}"})
    assert link.getresponse().status == 400
    link.close()
