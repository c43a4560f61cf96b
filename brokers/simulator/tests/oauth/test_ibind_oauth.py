"""ibind signs in with OAuth 1.0a, unmodified, and trades and listens (number 10 of the conformance suite)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import grant, keys, register
from brokers.simulator.tests.conftest import until

os.environ.setdefault("IBIND_LOG_TO_CONSOLE", "false")
os.environ.setdefault("IBIND_LOG_TO_FILE", "false")
ibind = pytest.importorskip("ibind", reason="ibind, a development dependency, is not installed")
oauth1a = pytest.importorskip("ibind.oauth.oauth1a", reason="ibind's oauth extra is not installed")


@pytest.fixture
def config(gateway: RunningGateway, user: str, tmp_path: Path) -> Any:
    """What the owner of a first-party consumer configures: two key files, a prime, a token and its secret."""
    consumer_key = f"C-{user}"[:64]
    register(gateway, consumer_key, keys(), party="first")
    token, secret = grant(gateway, consumer_key, user)
    (tmp_path / "signature.pem").write_text(keys().signature)
    (tmp_path / "encryption.pem").write_text(keys().encryption)
    return oauth1a.OAuth1aConfig(
        oauth_rest_url=f"{gateway.url}/v1/api/",
        access_token=token,
        access_token_secret=secret,
        consumer_key=consumer_key,
        dh_prime=keys().dh_prime,
        signature_key_fp=str(tmp_path / "signature.pem"),
        encryption_key_fp=str(tmp_path / "encryption.pem"),
        maintain_oauth=False,
    )


@pytest.fixture
def client(config: Any) -> Iterator[Any]:
    signed_in = ibind.IbkrClient(use_oauth=True, oauth_config=config, auto_register_shutdown=False)
    yield signed_in
    signed_in.close()


def test_it_verifies_its_live_session_token_and_signs_every_call(client: Any) -> None:
    assert client.live_session_token_expires_ms == pytest.approx((time.time() + 86_400) * 1000, abs=60_000)
    assert client.check_health() is True
    account = client.receive_brokerage_accounts().data["selectedAccount"]
    client.portfolio_accounts()
    order = ibind.OrderRequest(
        conid=265598, side="BUY", quantity=5, order_type="MKT", acct_id=account, coid="o-1", tif="DAY"
    )
    assert client.place_order(order, {}, account).data["local_order_id"] == "o-1"
    assert client.trades(days="7", account_id=account).data[0]["order_ref"] == "o-1"
    assert client.stock_conid_by_symbol("AAPL").data == {"AAPL": 265598}


def test_it_is_told_that_its_consumer_is_not_active_yet(gateway: RunningGateway, config: Any) -> None:
    gateway.control("POST", f"/oauth/consumers/{config.consumer_key}", {"state": "pending"})
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="id: 39687, error: invalid consumer"):
        ibind.IbkrClient(use_oauth=True, oauth_config=config, auto_register_shutdown=False)


def test_it_gets_a_new_live_session_token_when_the_old_one_ended(
    gateway: RunningGateway, client: Any, user: str
) -> None:
    gateway.control("POST", "/oauth/expire", {"username": user})
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="Access token expired"):
        client.receive_brokerage_accounts()
    client.generate_live_session_token()
    assert client.initialize_brokerage_session().data["authenticated"] is True
    assert client.receive_brokerage_accounts().data["isPaper"] is True


def test_its_websocket_names_the_access_token(gateway: RunningGateway, client: Any, config: Any) -> None:
    account = client.receive_brokerage_accounts().data["selectedAccount"]
    socket = ibind.IbkrWsClient(
        account_id=account,
        url=f"{gateway.url.replace('http', 'ws', 1)}/v1/api/ws",
        ibkr_client=client,
        use_oauth=True,
        access_token=config.access_token,
    )
    assert socket.start() is True
    try:
        handle = socket.subscribe(ibind.subscriptions.PnlSubscription())
        assert handle.wait(8) is True
        until(lambda: handle.active)
    finally:
        socket.shutdown()
