from __future__ import annotations

import time

from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.tests.conftest import Client

NO_BRIDGE = (400, {"error": "Bad Request: no bridge", "statusCode": 400})


def test_the_gateway_says_that_it_is_up(gateway: RunningGateway) -> None:
    assert gateway.request("GET", "/healthz") == (200, {"status": "ok"})


def test_an_unknown_path_is_not_found_and_counted(gateway: RunningGateway, user: str) -> None:
    assert gateway.call(user, "GET", "/iserver/nonsense") == (404, {"error": "Not Found", "statusCode": 404})
    assert gateway.control("GET", "/counters")["unknown_paths"]["GET /iserver/nonsense"] == 1


def test_a_new_username_gets_an_account_of_its_own(gateway: RunningGateway, user: str) -> None:
    account = gateway.sign_in(user)
    body = gateway.call(user, "GET", "/iserver/accounts")[1]
    assert account.startswith("SIM")
    assert len(account) == 10
    assert body["isPaper"] is True
    assert body["selectedAccount"] == account
    assert gateway.call(user, "GET", f"/iserver/account/{account}/summary")[1]["netLiquidationValue"] == 1_000_000
    assert gateway.sign_in(f"{user}-other") != account


def test_an_unmodified_client_is_served_without_a_username(gateway: RunningGateway) -> None:
    status, body = gateway.request("POST", "/v1/api/tickle")
    assert (status, body["iserver"]["authStatus"]["connected"]) == (200, True)


def test_a_username_with_odd_letters_is_not_found(gateway: RunningGateway) -> None:
    assert gateway.request("GET", "/u/a%20b/v1/api/tickle")[0] == 404


def test_nothing_of_the_brokerage_works_before_init(gateway: RunningGateway, user: str) -> None:
    assert gateway.call(user, "GET", "/iserver/accounts") == NO_BRIDGE
    assert gateway.call(user, "GET", "/iserver/account/orders") == NO_BRIDGE
    assert gateway.call(user, "POST", "/tickle")[1]["iserver"]["authStatus"]["authenticated"] is False


def test_orders_before_accounts_are_refused(gateway: RunningGateway, user: str) -> None:
    gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    refused = (400, {"error": "Bad Request: Please query /accounts first", "statusCode": 400})
    assert gateway.call(user, "GET", "/iserver/account/orders") == refused
    assert gateway.call(user, "POST", "/iserver/account/SIM1/orders", {"orders": []}) == refused
    assert gateway.call(user, "GET", "/iserver/marketdata/snapshot?conids=265598") == refused


def test_the_portfolio_asks_for_its_accounts_first(gateway: RunningGateway, user: str) -> None:
    gateway.call(user, "POST", "/tickle")
    assert gateway.call(user, "GET", "/portfolio/SIM1/ledger")[0] == 401
    gateway.call(user, "GET", "/portfolio/accounts")
    assert gateway.call(user, "GET", "/portfolio/SIM1/ledger")[0] == 400


def test_init_without_publish_is_an_error(gateway: RunningGateway, user: str) -> None:
    assert gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": False})[0] == 500


def test_a_stolen_session_refuses_until_init_competes(client: Client) -> None:
    gateway, user = client.gateway, client.user
    gateway.steal(user)
    status = gateway.call(user, "POST", "/iserver/auth/status")[1]
    assert (status["authenticated"], status["competing"]) == (False, True)
    assert gateway.call(user, "GET", "/iserver/accounts") == (401, {"error": "not authenticated", "statusCode": 401})
    peaceful = gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": False})[1]
    assert peaceful["fail"] == "Force compete capability must be used together with compete flag"
    assert gateway.sign_in(user) == client.account


def test_after_logout_the_login_is_gone_until_init(client: Client) -> None:
    assert client.post("/logout") == {"status": True}
    assert client.gateway.call(client.user, "POST", "/tickle")[0] == 401
    assert client.gateway.sign_in(client.user) == client.account


def test_the_session_token_is_stable(client: Client) -> None:
    assert client.post("/tickle")["session"] == client.get("/tickle")["session"]


def test_sso_validate_says_paper(client: Client) -> None:
    body = client.get("/sso/validate")
    assert (body["USER_NAME"], body["LOGIN_TYPE"], body["RESULT"]) == (client.user, 2, True)


def test_switching_to_the_same_account_says_so(client: Client) -> None:
    assert client.post("/iserver/account", {"acctId": client.account}) == {"success": "Account already set"}
    wrong = client.gateway.call(client.user, "POST", "/iserver/account", {"acctId": "U1"})
    assert wrong == (500, {"error": "Invalid account ID"})


def test_signing_in_can_take_its_time(gateway: RunningGateway, user: str) -> None:
    with gateway.behaving(init_delay_ms=1000):
        body = gateway.call(user, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})[1]
        assert (body["authenticated"], body["established"]) == (True, False)
        assert gateway.call(user, "GET", "/iserver/accounts") == NO_BRIDGE
        gateway.sign_in(user)
        assert gateway.call(user, "POST", "/iserver/auth/status")[1]["established"] is True


def test_a_silent_session_is_lost_and_nothing_is_read_from_it(client: Client) -> None:
    with client.gateway.behaving(idle_ttl_s=0.05):
        time.sleep(0.1)
        lost = client.gateway.call(client.user, "GET", "/iserver/accounts")
    assert lost == (401, {"error": "not authenticated", "statusCode": 401})
    assert client.gateway.sign_in(client.user) == client.account


def test_too_many_requests_end_in_the_penalty_box(gateway: RunningGateway, user: str) -> None:
    with gateway.behaving(pacing=True, requests_per_second=3, penalty_box_s=1.5):
        answers = [gateway.call(user, "GET", "/trsrv/stocks?symbols=AAPL")[0] for _ in range(6)]
        assert answers == [200, 200, 200, 429, 429, 429]
        assert gateway.call(f"{user}-2", "GET", "/trsrv/stocks?symbols=AAPL")[0] == 429
        time.sleep(1.6)
        assert gateway.call(f"{user}-2", "GET", "/trsrv/stocks?symbols=AAPL")[0] == 200


def test_slow_paths_have_a_pace_of_their_own(client: Client) -> None:
    with client.gateway.behaving(pacing=True, requests_per_second=100):
        answers = [client.gateway.call(client.user, "GET", "/iserver/account/orders")[0] for _ in range(2)]
    assert answers == [200, 429]
