"""How fast we may speak."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest

from brokers.domain.brokerage import SLOW_DOWN, BrokerUnavailable, Paused
from brokers.domain.calls import Rank
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.circuits import Circuit, Way
from brokers.ibkr.pacing import NO_PACING, Egress, Pace, Pacing, pacing_for


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
    assert clock.slept == [5.05, 5.05]


async def test_it_does_not_make_one_endpoint_wait_for_another(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    await pace.turn("iserver/account/orders")
    await pace.turn("iserver/account/trades")
    assert clock.slept == []


@pytest.mark.parametrize(("rank", "at_once"), [(Rank.FIRST, 10), (Rank.ORDER, 8), (Rank.READ, 6)])
async def test_no_second_has_more_than_ten_requests_and_the_last_ones_are_kept(
    clock: Clock, rank: Rank, at_once: int
) -> None:
    pace = Pace(Pacing(), clock)
    for _ in range(at_once + 2):
        await pace.turn("trsrv/stocks", rank)
    assert clock.slept == [1.05]
    for _ in range(at_once - 2):
        await pace.turn("trsrv/stocks", rank)
    assert clock.slept == [1.05]


async def test_a_way_out_and_a_tickle_leave_while_questions_wait(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    for _ in range(6):
        await pace.turn("trsrv/stocks", Rank.READ)
    await pace.turn("iserver/account/{account}/orders", Rank.ORDER)
    await pace.turn("iserver/account/{account}/orders", Rank.FIRST)
    await pace.turn("tickle", Rank.FIRST, Way.TICKLE)
    assert (clock.slept, pace.left()) == ([], 1)


@pytest.mark.parametrize(
    ("endpoint", "count", "seconds"),
    [
        ("iserver/account/trades", 1, 5.05),
        ("iserver/account/pnl/partitioned", 1, 5.05),
        ("portfolio/accounts", 1, 5.05),
        ("portfolio/subaccounts", 1, 5.05),
        ("iserver/scanner/run", 1, 1.05),
        ("tickle", 1, 1.05),
        ("sso/validate", 1, 60.05),
        ("iserver/scanner/params", 1, 900.05),
        ("pa/performance", 1, 900.05),
        ("pa/transactions", 1, 900.05),
        ("fyi/unreadnumber", 1, 1.05),
        ("iserver/marketdata/history", 5, 10.05),
    ],
)
async def test_each_endpoint_has_its_own_limit(clock: Clock, endpoint: str, count: int, seconds: float) -> None:
    pace = Pace(Pacing(), clock)
    for _ in range(count):
        await pace.turn(endpoint, Rank.FIRST)
    assert clock.slept == []
    await pace.turn(endpoint, Rank.FIRST)
    assert round(sum(clock.slept), 3) == seconds


async def test_what_lies_below_one_path_shares_its_limit(clock: Clock) -> None:
    pace = Pace(Pacing(), clock)
    await pace.turn("fyi/settings")
    await pace.turn("fyi/notifications")
    assert clock.slept == [1.05]


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


HERE, THERE = "https://gateway.example:5000/v1/api", "https://other.example:5000/v1/api"


def test_one_gateway_silences_no_other(clock: Clock) -> None:
    egress = Egress(clock)
    ours, theirs = login("A", Environment.LIVE, HERE), login("B", Environment.PAPER, THERE)
    assert egress.trip(theirs, "999999999", Pacing(), None) == 900
    egress.circuit(ours).check()
    assert egress.circuit(theirs).remaining == 900


@pytest.mark.parametrize(
    "address",
    [
        "https://gateway.example:5001/v1/api",
        "http://gateway.example:5000/v1/api",
        "https://gateway.example:5000/b/v1/api",
    ],
)
def test_another_port_scheme_or_path_is_another_gateway(clock: Clock, address: str) -> None:
    egress = Egress(clock)
    egress.trip(login("A", Environment.LIVE, HERE), None, Pacing(), None)
    egress.circuit(login("A", Environment.LIVE, address)).check()


def test_users_of_one_gateway_share_its_circuit_however_its_address_is_written(clock: Clock) -> None:
    egress = Egress(clock)
    first = egress.circuit(login("A", Environment.LIVE, "https://gateway.example/v1/api"))
    assert first is egress.circuit(login("B", Environment.PAPER, "https://GATEWAY.example:443/v1/api/"))


def test_a_team_that_names_the_gateway_of_another_shares_nothing_with_it(clock: Clock) -> None:
    egress = Egress(clock)
    ours = replace(login("A", Environment.LIVE, HERE), tenant="1")
    theirs = replace(login("A", Environment.PAPER, HERE), tenant="2")
    egress.trip(theirs, None, Pacing(), None)
    egress.circuit(ours).check()
    assert egress.pace(ours, Pacing()) is not egress.pace(theirs, Pacing())


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        (None, 900),
        ("", 900),
        ("30", 30),
        ("2.5", 2.5),
        ("0", 900),
        ("999999999", 900),
        ("9" * 400, 900),
        ("inf", 900),
        ("Infinity", 900),
        ("nan", 900),
        ("-1", 900),
        ("1e308", 900),
        ("\u0663\u0660", 900),
        ("30\n", 900),
        ("Sat, 28 Nov 2099 10:00:00 GMT", 900),
    ],
)
def test_a_gateway_never_asks_for_more_than_ibkrs_penalty(header: str | None, waits: float) -> None:
    assert Pacing().pause(header) == waits
    assert 0 < NO_PACING.pause(header) <= NO_PACING.penalty


def test_a_pause_outlives_the_clients_that_met_it(clock: Clock) -> None:
    egress, user = Egress(clock), login("A", Environment.LIVE, HERE)
    egress.trip(user, None, Pacing(), None)
    gc.collect()
    assert egress.circuit(user).remaining == 900
    clock.now += 901
    egress.circuit(user).check()
    gc.collect()
    assert not egress._open


def test_a_cancel_and_a_tickle_have_a_way_through(clock: Clock) -> None:
    circuit = Circuit(clock)
    circuit.trip(900)
    circuit.check(Way.CANCEL)
    circuit.check(Way.TICKLE)
    for way, again in ((Way.CANCEL, 1), (Way.TICKLE, 50)):
        assert circuit.wait(way) == again
        with pytest.raises(Paused):
            circuit.check(way)
    clock.now += 1
    circuit.check(Way.CANCEL)
    assert (circuit.wait(Way.TICKLE), circuit.wait()) == (49, 899)


def test_what_is_refused_on_its_way_through_leaves_ever_more_seldom_and_makes_nothing_longer(clock: Clock) -> None:
    circuit = Circuit(clock)
    circuit.trip(900)
    asked = []
    for _ in range(8):
        clock.now += circuit.wait(Way.CANCEL)
        circuit.check(Way.CANCEL)
        circuit.trip(900, way=Way.CANCEL)
        asked.append(circuit.wait(Way.CANCEL))
    assert asked == [2, 4, 8, 16, 32, 60, 60, 60]
    assert circuit.remaining == 900 - sum(asked[:-1])


def test_the_sentence_of_a_pause_stays_the_same_while_it_lasts(clock: Clock) -> None:
    circuit = Circuit(clock)
    circuit.trip(900)
    first = str(circuit.paused())
    clock.now += 60
    assert str(circuit.paused()) == first
    # Another answer that begins or lengthens it says the same.
    circuit.trip(600)
    assert str(circuit.paused()) == first == SLOW_DOWN


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
