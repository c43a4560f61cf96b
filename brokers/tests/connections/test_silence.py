"""Where nobody answers, the sentence names who it is: the user's gateway, the simulated IBKR, or IBKR itself."""

from __future__ import annotations

import socket

import pytest

from brokers.domain import addresses
from brokers.domain.addresses import Reach
from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr import connect, new_http

LOOPBACK = Reach(networks=addresses.networks(["127.0.0.0/8"]), ports=((1, 65535),))


@pytest.mark.parametrize(
    ("environment", "method", "peer"),
    [
        (Environment.SIMULATED, AuthMethod.GATEWAY, "The simulated IBKR"),
        (Environment.PAPER, AuthMethod.GATEWAY, "The gateway"),
        (Environment.LIVE, AuthMethod.GATEWAY, "The gateway"),
        (Environment.PAPER, AuthMethod.OAUTH, "IBKR"),
        (Environment.LIVE, AuthMethod.OPERATOR, "IBKR"),
    ],
)
def test_a_login_knows_who_answers_it(environment: Environment, method: AuthMethod, peer: str) -> None:
    login = Login(username="a", environment=environment, auth_method=method, base_url="http://127.0.0.1/v1/api")
    assert login.peer == peer


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize(
    ("environment", "peer"), [(Environment.SIMULATED, "The simulated IBKR"), (Environment.PAPER, "The gateway")]
)
async def test_an_address_without_anybody_says_who_is_missing(environment: Environment, peer: str) -> None:
    with socket.socket() as nobody:
        # Bound and not listening: nobody else gets this port, and it refuses.
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/api"
        login = Login(username="a", environment=environment, auth_method=AuthMethod.GATEWAY, base_url=address)
        http = new_http(LOOPBACK)
        brokerage = connect(login, http)
        with pytest.raises(BrokerUnavailable) as read:
            await brokerage.accounts()
        with pytest.raises(BrokerUnavailable) as canceled:
            await brokerage.cancel("DU1", "1")
        await brokerage.close()
        await http.close()
    assert str(read.value) == f"{peer} cannot be reached: the connection was refused. Halyard tries again."
    assert str(canceled.value) == (
        f"{peer} cannot be reached: the connection was refused. The cancel was not sent; Halyard sends it when it is back."
    )
