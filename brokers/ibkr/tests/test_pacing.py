"""How fast we may speak."""

from __future__ import annotations

import asyncio

import pytest

from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.pacing import NO_PACING, Circuit, Egress, Pace, Pacing, pacing_for


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    return made


def login(username: str, environment: Environment, base_url: str = "https://gateway.example/v1/api") -> Login:
    return Login(username=username, environment=environment, auth_method=AuthMethod.GATEWAY, base_url=base_url)


async def test_it_reads_orders_once_in_five_seconds(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    for _ in range(3):
        await pace.turn("iserver/account/orders")
    assert clock.slept == [5.0, 5.0]


async def test_it_does_not_make_one_endpoint_wait_for_another(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    await pace.turn("iserver/account/orders")
    await pace.turn("iserver/account/trades")
    assert clock.slept == []


async def test_it_sends_ten_requests_at_once_and_then_one_each_tenth_of_a_second(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    for _ in range(12):
        await pace.turn("trsrv/stocks")
    assert clock.slept == [0.1, 0.1]


async def test_a_simulated_login_is_not_paced(clock: Clock) -> None:
    pacing = pacing_for(login("A", Environment.SIMULATED))
    assert pacing is NO_PACING
    pace = Pace(pacing, clock)
    for _ in range(100):
        await pace.turn("iserver/account/orders")
    assert clock.slept == []


def test_the_circuit_keeps_everybody_back_until_the_penalty_is_over(clock: Clock) -> None:
    circuit = Circuit(clock)
    circuit.check()
    circuit.trip(900)
    with pytest.raises(BrokerUnavailable) as refusal:
        circuit.check()
    assert refusal.value.retry_after == 900
    clock.now += 901
    circuit.check()


def test_real_logins_share_one_circuit_and_a_simulated_one_never_touches_it(clock: Clock) -> None:
    egress = Egress(clock)
    live, paper = login("A", Environment.LIVE), login("B", Environment.PAPER, "https://other.example/v1/api")
    simulated = login("C", Environment.SIMULATED)
    assert egress.circuit(live) is egress.circuit(paper)
    assert egress.circuit(simulated) is not egress.circuit(live)


def test_a_429_of_one_simulated_login_silences_no_other(clock: Clock) -> None:
    """They share a gateway; whose team presses "answer 429" must not be felt next door."""
    egress = Egress(clock)
    ours = login("A", Environment.SIMULATED, "http://127.0.0.1:5055/u/A/v1/api")
    theirs = login("B", Environment.SIMULATED, "http://127.0.0.1:5055/u/B/v1/api")
    egress.circuit(ours).trip(900)
    egress.circuit(theirs).check()
    assert egress.circuit(ours).remaining == 900


def test_clients_of_one_user_take_turns_together(clock: Clock) -> None:
    egress = Egress(clock)
    first, second = (egress.pace(login("A", Environment.LIVE), Pacing()) for _ in range(2))
    assert first is second
    assert egress.pace(login("B", Environment.LIVE), Pacing()) is not first
