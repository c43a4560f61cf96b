"""ibind, an independent client, unmodified, trades here as it would at the real gateway.

The numbers are those of the conformance suite: 1 health and accounts, 2 placing and questions, 3 duplicates,
4 changing and cancelling, 5 previews, 6 quotes and bars, 7 contracts, 8 the book, 9 the websocket. Number 10, OAuth,
is in `test_ibind_oauth.py`. Where ibind itself is wrong the test says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from brokers.simulator.testing.gateway import RunningGateway
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


# -- 1 -----------------------------------------------------------------------------------------------------------


def test_it_is_healthy_and_lists_its_account(client: IbkrClient, account: str) -> None:
    assert client.check_health() is True
    assert client.check_auth_status() is True
    assert client.initialize_brokerage_session().data["established"] is True
    assert client.receive_brokerage_accounts().data["accounts"] == [account]
    assert client.portfolio_accounts().data[0]["accountId"] == account
    assert client.tickle().data["iserver"]["authStatus"]["authenticated"] is True


def test_it_is_told_what_to_do_when_there_is_no_session(asking: RunningGateway, user: str) -> None:
    fresh = ibind.IbkrClient(url=f"{asking.base_url(user + '-n')}/", auto_register_shutdown=False)
    assert fresh.check_health() is False
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="initialize_brokerage_session"):
        fresh.receive_brokerage_accounts()


def test_it_signs_out_and_in_again(client: IbkrClient, account: str) -> None:
    assert client.logout().data == {"status": True}
    assert client.check_auth_status() is False
    assert client.initialize_brokerage_session().data["authenticated"] is True
    assert client.receive_brokerage_accounts().data["selectedAccount"] == account


# -- 2 -----------------------------------------------------------------------------------------------------------


def test_it_answers_questions_and_places(client: IbkrClient, account: str) -> None:
    placed = client.place_order(request("i-1", account), answers(), account).data
    assert placed["local_order_id"] == "i-1"
    assert live(client, "i-1")["status"] == "Submitted"


def test_it_answers_a_chain_of_questions(asking: RunningGateway, client: IbkrClient, account: str, user: str) -> None:
    order = request("i-chain", account, order_type="MKT", price=None, quantity=600)
    assert client.place_order(order, answers(), account).data["local_order_id"] == "i-chain"
    replies = asking.journal(user, method="POST", path="/iserver/reply/")
    assert len(replies) >= 3
    assert {r["body"] for r in replies} == {'{"confirmed": true}'}


def test_it_places_a_bracket(client: IbkrClient, account: str) -> None:
    parent = request("i-p", account)
    stop = request("i-s", account, side="SELL", order_type="STP", price=150.0, parent_id="i-p")
    target = request("i-t", account, side="SELL", price=250.0, parent_id="i-p")
    assert len(client.place_order([parent, stop, target], answers(), account).data) == 3


def test_it_suppresses_questions(asking: RunningGateway, client: IbkrClient, account: str, user: str) -> None:
    assert client.suppress_messages(["o354", "o10151", "o10153"]).data == {"status": "submitted"}
    client.place_order(request("i-q", account, order_type="MKT", price=None), {}, account)
    assert asking.journal(user, path="/iserver/reply/") == []
    assert client.reset_suppressed_messages().data == {"status": "submitted"}


NOT_RAISED = pytest.fail.Exception


@pytest.mark.xfail(
    strict=True, raises=NOT_RAISED, reason="ibind looks at no row's status: an order that failed is returned as placed"
)
def test_it_notices_a_failed_row(asking: RunningGateway, client: IbkrClient, account: str, user: str) -> None:
    client.suppress_messages(["o354"])
    asking.fault(match={"user": user, "path": "/iserver/account/*/orders"}, action={"failed_rows": [0]})
    with pytest.raises(ibind.support.errors.ExternalBrokerError):
        client.place_order(request("i-failed", account, price=200.0), answers(), account)


@pytest.mark.xfail(
    strict=True, reason="ibind knows no server prompt: it calls one unknown data instead of answering it"
)
def test_it_answers_a_server_prompt(asking: RunningGateway, client: IbkrClient, account: str, user: str) -> None:
    client.suppress_messages(["o354"])
    asking.fault(match={"user": user, "path": "/iserver/account/*/orders"}, action={"server_prompt": True})
    client.place_order(request("i-prompt", account, price=200.0), answers(), account)


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="ibind gives up on a declined question without telling the broker so"
)
def test_it_declines_a_question(asking: RunningGateway, client: IbkrClient, account: str, user: str) -> None:
    with pytest.raises(RuntimeError, match="positive reply"):
        client.place_order(request("i-no", account, price=100.0), dict.fromkeys(ibind.QuestionType, False), account)
    assert asking.journal(user, path="/iserver/reply/") != []


def test_it_sends_an_order_again_after_a_timeout_which_is_why_it_never_places_ours(
    asking: RunningGateway, user: str, account: str
) -> None:
    hasty = ibind.IbkrClient(
        account_id=account, url=f"{asking.base_url(user)}/", auto_register_shutdown=False, timeout=0.5, max_retries=1
    )
    hasty.suppress_messages(["o354"])
    asking.fault(
        match={"user": user, "path": "/iserver/account/*/orders"}, action={"delay_ms": 1500}, phase="after", times=1
    )
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="already registered"):
        hasty.place_order(request("i-twice", account, price=200.0), {}, account)
    assert len(asking.journal(user, method="POST", path="/orders")) == 2


# -- 3 -----------------------------------------------------------------------------------------------------------


def test_it_is_told_that_a_reference_is_taken(client: IbkrClient, account: str) -> None:
    client.place_order(request("i-2", account), answers(), account)
    with pytest.raises(ibind.support.errors.ExternalBrokerError, match="already registered"):
        client.place_order(request("i-2", account), answers(), account)


# -- 4 and 5 -----------------------------------------------------------------------------------------------------


def test_it_changes_and_cancels(client: IbkrClient, account: str) -> None:
    number = client.place_order(request("i-3", account), answers(), account).data["order_id"]
    client.modify_order(number, request("i-3", account, price=198.0), answers(), account)
    assert live(client, "i-3")["price"] == "198.00"
    assert client.cancel_order(number, account).data["msg"] == "Request was submitted"
    assert live(client, "i-3")["status"] == "Cancelled"


def test_it_previews(client: IbkrClient, account: str) -> None:
    body = client.whatif_order(request("i-4", account), account).data
    assert body["amount"]["commission"] == "1 USD"


def test_it_reads_live_orders_with_filters_and_by_force(client: IbkrClient, account: str) -> None:
    number = client.place_order(request("i-6", account), answers(), account).data["order_id"]
    assert client.order_status(number).data["order_status"] == "Submitted"
    client.live_orders()
    orders = client.live_orders(filters=["submitted", "filled"], account_id=account).data["orders"]
    assert [o["order_ref"] for o in orders] == ["i-6"]
    assert client.live_orders(force=True).data == {"orders": [], "snapshot": False}


# -- 8 -----------------------------------------------------------------------------------------------------------


def test_it_reads_fills_positions_and_balances(client: IbkrClient, account: str) -> None:
    client.place_order(request("i-5", account, order_type="MKT", price=None), answers(), account)
    [trade] = client.trades(days="7", account_id=account).data
    assert (trade["order_ref"], trade["price"]) == ("i-5", 200.02)
    assert client.positions(account).data[0]["position"] == 5.0
    assert client.positions2(account).data[0]["conid"] == "265598"
    assert client.get_ledger(account).data["USD"]["cashbalance"] == 1_000_000 - 5 * 200.02 - 1
    assert client.portfolio_summary(account).data["netliquidation"]["currency"] == "USD"


def test_it_reads_the_rest_of_the_book(client: IbkrClient, account: str) -> None:
    assert client.account_summary(account).data["netLiquidationValue"] == 1_000_000
    assert client.account_profit_and_loss().data == {"upnl": {}}
    assert client.switch_account(account).data == {"success": "Account already set"}
    assert client.portfolio_subaccounts().data[0]["accountId"] == account
    assert client.portfolio_account_information(account).data["accountId"] == account
    assert "assetClass" in client.portfolio_account_allocation(account).data
    assert client.combination_positions(account).data == []
    assert client.positions_by_conid(account, "265598").data == []
    assert client.invalidate_backend_portfolio_cache(account).data == {"message": "success"}


@pytest.mark.xfail(
    strict=True,
    raises=ibind.support.errors.ExternalBrokerError,
    reason="ibind asks for /portfolio/allocation with GET; the recording of the real server is of a POST",
)
def test_it_reads_the_allocation_of_several_accounts(client: IbkrClient, account: str) -> None:
    assert "assetClass" in client.portfolio_account_allocations([account]).data


# -- 6 and 7 -----------------------------------------------------------------------------------------------------


def test_it_finds_contracts_and_prices(client: IbkrClient) -> None:
    assert client.stock_conid_by_symbol("AAPL").data == {"AAPL": 265598}
    assert client.search_contract_by_symbol("SPY").data[0]["conid"] == "756733"
    assert client.security_future_by_symbol("ES").data["ES"][0]["underlyingConid"] == 510_000_000
    client.live_marketdata_snapshot("265598", ["31", "84", "86"])
    assert client.live_marketdata_snapshot("265598", ["31", "84", "86"]).data[0]["86"] == "200.02"
    bars = client.marketdata_history_by_conid("265598", "1min", period="1h").data["data"]
    assert len(bars) == 60


def test_it_reads_definitions_rules_and_algorithms(client: IbkrClient) -> None:
    assert client.security_definition_by_conid(["265598"]).data["secdef"][0]["ticker"] == "AAPL"
    assert client.contract_information_by_conid("265598").data["symbol"] == "AAPL"
    assert client.info_and_rules_by_conid("265598", is_buy=True).data["rules"]["increment"] == 0.01
    assert client.search_contract_rules("265598").data["incrementDigits"] == 2
    assert client.algo_params_by_conid("265598", algos=["Adaptive"], add_params=1).data["algos"][0]["parameters"]
    assert client.currency_pairs("USD").data["USD"]
    assert client.currency_exchange_rate("USD", "EUR").data["rate"] > 0
    month = client.search_contract_by_symbol("SPY").data[0]["sections"]
    option = next(section for section in month if section["secType"] == "OPT")["months"].split(";")[0]
    strikes = client.search_strikes_by_conid("756733", "OPT", option).data
    assert strikes["call"] == sorted(strikes["call"])
    strike = str(strikes["call"][len(strikes["call"]) // 2])
    rows = client.search_secdef_info_by_conid("756733", "OPT", option, strike=strike, right="C").data
    assert rows[0]["right"] == "C"


def test_it_stops_listening_to_prices(client: IbkrClient) -> None:
    client.live_marketdata_snapshot("265598", ["31"])
    assert client.marketdata_unsubscribe(["265598"])["265598"].data == {"success": True}
    assert client.marketdata_unsubscribe_all().data == {"unsubscribed": True}


# -- 9 -----------------------------------------------------------------------------------------------------------


def test_its_websocket_hears_of_orders_trades_and_the_account(
    asking: RunningGateway, user: str, account: str, client: IbkrClient
) -> None:
    events, topics, sink = ibind.events, ibind.subscriptions, ibind.QueueSink()
    socket = ibind.IbkrWsClient(account_id=account, url=asking.ws_url(user), ibkr_client=client, sink=sink)
    assert socket.start() is True
    try:
        subscriptions = [
            topics.OrdersSubscription(),
            topics.TradesSubscription(),
            topics.PnlSubscription(),
            topics.MarketDataSubscription(conid="265598", fields=["31", "84", "86"]),
            topics.AccountSummarySubscription(account_id=account),
            topics.AccountLedgerSubscription(account_id=account),
        ]
        handles = [socket.subscribe(one) for one in subscriptions]
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
