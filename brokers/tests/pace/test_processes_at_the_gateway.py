"""Two processes of their own and a gateway that counts: it never has a reason to say that we are too fast."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests.pace.conftest import OwnValkey

pytestmark = [pytest.mark.usefixtures("servers"), pytest.mark.xdist_group("pace")]

# What a process of ours does, as far as the pace is concerned: many requests at once through the adapter.
CLIENT = """
import asyncio, ipaddress, json, sys, time
from brokers import ibkr
from brokers.domain.addresses import Reach
from brokers.domain.brokerage import BrokerError
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.client import Client
from brokers.ibkr.lines.requests import Request

async def main(valkey, address, count, story):
    login = Login(username="PACE1", environment=Environment.PAPER, auth_method=AuthMethod.GATEWAY, base_url=address)
    reach = Reach(networks=(ipaddress.ip_network("127.0.0.0/8"),), ports=((1024, 65535),))
    async with ibkr.new_http(reach) as http, ibkr.EGRESS.sharing(valkey) as shared:
        client = Client(login, http)
        while shared.processes != 2:
            await asyncio.sleep(0.02)
        async def one():
            try:
                return (await client.read(Request("GET", "iserver/accounts"), attempts=1)).status
            except BrokerError as error:
                return error.code
        if story == "late":
            await asyncio.sleep(1.5)
        seen = await asyncio.gather(*(one() for _ in range(count)))
        if story == "early":
            await asyncio.sleep(3)
        await client.close()
    print(json.dumps(seen))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
"""


def processes(valkey: OwnValkey, gateway: RunningGateway, *stories: tuple[int, str]) -> list[list[object]]:
    """What each process was answered."""
    address = gateway.base_url("PACE1")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, valkey.url, address, str(count), story], stdout=subprocess.PIPE, text=True
        )
        for count, story in stories
    ]
    return [json.loads(process.communicate(timeout=60)[0]) for process in running]


@pytest.fixture(scope="module")
def counting() -> Iterator[RunningGateway]:
    with running_gateway() as gateway:
        gateway.sign_in("PACE1")
        gateway.control("POST", "/behaviour", {"pacing": True})
        time.sleep(1.1)
        yield gateway


def test_a_storm_from_two_processes_is_never_too_fast(valkey: OwnValkey, counting: RunningGateway) -> None:
    answers = processes(valkey, counting, (14, "storm"), (14, "storm"))
    assert answers == [[200] * 14, [200] * 14]


def test_what_one_process_is_told_the_other_one_keeps_to(valkey: OwnValkey, counting: RunningGateway) -> None:
    before = len(counting.journal("PACE1"))
    counting.fault(preset="http_429", match={"user": "PACE1"}, times=1)
    first, second = processes(valkey, counting, (1, "early"), (5, "late"))
    assert first == [429]
    assert second == ["too-many-requests"] * 5
    assert len(counting.journal("PACE1")) == before + 1
