"""ibind, an independent client, unmodified, trades here as it would at the real gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from brokers.simulator.testing import RunningGateway
from brokers.simulator.tests.conftest import until

if TYPE_CHECKING:
    from ibind import IbkrClient

os.environ.setdefault("IBIND_LOG_TO_CONSOLE", "false")
os.environ.setdefault("IBIND_LOG_TO_FILE", "false")
ibind = pytest.importorskip("ibind", reason="ibind, a development dependency, is not installed")


@pytest.fixture
def asking(gateway: RunningGateway) -> Iterator[RunningGateway]:
    gateway.quote("AAPL", bid="200.00", ask="200.02", last="200.01")
    with gateway.behaving(questions=True):
        yield gateway
    gateway.clear_quotes()


@pytest.fixture
def account(asking: RunningGateway, user: str) -> str:
    return asking.sign_in(user)


@pytest.fixture
def client(asking: RunningGateway, user: str, account: str) -> IbkrClient:
    return ibind.IbkrClient(account_id=account, url=f"{asking.base_url(user)}/", auto_register_shutdown=False)


def request(reference: str, account: str, **changes: Any) -> Any:
    base: dict[str, Any] = {
        "conid": 265598,
        "side": "BUY",
        "quantity": 5,
        "order_type": "LMT",
        "price": 199.0,
        "acct_id": account,
        "coid": reference,
        "tif": "DAY",
    }
    return ibind.OrderRequest(**(base | changes))


def answers() -> dict[Any, bool]:
    return dict.fromkeys(ibind.QuestionType, True)


def live(client: IbkrClient, reference: str) -> dict[str, Any]:
    client.live_orders()
    rows = client.live_orders().data["orders"]
    return next(r for r in rows if r.get("order_ref") == reference)


def test_it_is_healthy_and_lists_its_account(client: IbkrClient, account: str) -> None:
    assert client.check_health() is True
    assert client.check_auth_status() is True
    assert client.initialize_brokerage_session().data["established"] is True
    assert client.receive_brokerage_accounts().data["accounts"] == [account]
    assert client.portfolio_accounts().data[0]["accountId"] == account
    assert client.tickle().data["iserver"]["authStatus"]["authenticated"] is True


def test_it_answers_questions_and_places(client: IbkrClient, account: str) -> None:
    placed = client.place_order(request("i-1", account), answers(), account).data
    assert placed["local_order_id"] == "i-1"
    assert live(client, "i-1")["status"] == "Submitted"


def test_it_is_told_that_a_reference_is_taken(client: IbkrClient, account: str) -> None:
    client.place_order(request("i-2", account), answers(), account)
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="already registered"):
        client.place_order(request("i-2", account), answers(), account)


def test_it_changes_and_cancels(client: IbkrClient, account: str) -> None:
    number = client.place_order(request("i-3", account), answers(), account).data["order_id"]
    client.modify_order(number, request("i-3", account, price=198.0), answers(), account)
    assert live(client, "i-3")["price"] == "198.00"
    assert client.cancel_order(number, account).data["msg"] == "Request was submitted"
    assert live(client, "i-3")["status"] == "Cancelled"


def test_it_previews(client: IbkrClient, account: str) -> None:
    body = client.whatif_order(request("i-4", account), account).data
    assert body["amount"]["commission"] == "1 USD"


def test_it_reads_fills_positions_and_balances(client: IbkrClient, account: str) -> None:
    client.place_order(request("i-5", account, order_type="MKT", price=None), answers(), account)
    [trade] = client.trades(days="7", account_id=account).data
    assert (trade["order_ref"], trade["price"]) == ("i-5", 200.02)
    assert client.positions(account).data[0]["position"] == 5.0
    assert client.positions2(account).data[0]["conid"] == "265598"
    assert client.get_ledger(account).data["USD"]["cashbalance"] == 1_000_000 - 5 * 200.02 - 1
    assert client.portfolio_summary(account).data["netliquidation"]["currency"] == "USD"


def test_it_finds_contracts_and_prices(client: IbkrClient) -> None:
    assert client.stock_conid_by_symbol("AAPL").data == {"AAPL": 265598}
    assert client.search_contract_by_symbol("SPY").data[0]["conid"] == "756733"
    assert client.security_future_by_symbol("ES").data["ES"][0]["underlyingConid"] == 510_000_000
    client.live_marketdata_snapshot("265598", ["31", "84", "86"])
    assert client.live_marketdata_snapshot("265598", ["31", "84", "86"]).data[0]["86"] == "200.02"
    bars = client.marketdata_history_by_conid("265598", "1min", period="1h").data["data"]
    assert len(bars) == 60


def test_its_websocket_hears_of_orders_trades_and_the_account(
    asking: RunningGateway, user: str, account: str, client: IbkrClient
) -> None:
    events, topics, sink = ibind.events, ibind.subscriptions, ibind.QueueSink()
    socket = ibind.IbkrWsClient(account_id=account, url=asking.ws_url(user), ibkr_client=client, sink=sink)
    assert socket.start() is True
    try:
        wanted = [
            topics.OrdersSubscription(),
            topics.TradesSubscription(),
            topics.PnlSubscription(),
            topics.MarketDataSubscription(conid="265598", fields=["31", "84", "86"]),
            topics.AccountSummarySubscription(account_id=account),
            topics.AccountLedgerSubscription(account_id=account),
        ]
        handles = [socket.subscribe(one) for one in wanted]
        assert [type(h).__name__ for h in socket.wait_all(handles, timeout_each=8)] == []
        assert all(handle.active for handle in handles)
        client.place_order(request("i-9", account, order_type="MKT", price=None), answers(), account)
        until(lambda: "i-9" in str(sink.get(events.Orders)))
        until(lambda: "i-9" in str(sink.get(events.Trades)))
        assert socket.tic()["alive"] is True
    finally:
        socket.shutdown()


def test_its_websocket_comes_back_after_a_cut(
    asking: RunningGateway, user: str, account: str, client: IbkrClient
) -> None:
    socket = ibind.IbkrWsClient(account_id=account, url=asking.ws_url(user), ibkr_client=client)
    assert socket.start() is True
    try:
        handle = socket.subscribe(ibind.subscriptions.PnlSubscription())
        assert handle.wait(8) is True
        asking.close_sockets(user)
        until(lambda: not socket.is_authenticated())
        until(socket.is_authenticated, timeout=20)
        until(lambda: handle.active, timeout=20)
    finally:
        socket.shutdown()
