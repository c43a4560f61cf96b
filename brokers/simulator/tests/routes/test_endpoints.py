"""Every endpoint the specification asks for exists (its section 8.2), and nothing else does."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from brokers.simulator import routes
from brokers.simulator.calls import Routes
from brokers.simulator.routes.table import ROUTES
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.wire import Answer

MUST = """
    POST /iserver/auth/status
    POST /iserver/auth/ssodh/init
    POST /iserver/reauthenticate
    POST /tickle
    GET  /tickle
    GET  /sso/validate
    POST /logout
    POST /iserver/questions/suppress
    POST /iserver/questions/suppress/reset
    GET  /iserver/accounts
    POST /iserver/account
    POST /iserver/dynaccount
    GET  /iserver/account/search/{pattern}
    GET  /iserver/account/{account}/summary
    GET  /iserver/account/{account}/summary/{part}
    GET  /iserver/account/pnl/partitioned
    GET  /portfolio/accounts
    GET  /portfolio/subaccounts
    GET  /portfolio/subaccounts2
    GET  /portfolio/{account}/meta
    GET  /portfolio/{account}/summary
    GET  /portfolio/{account}/ledger
    GET  /portfolio/{account}/allocation
    GET  /portfolio/{account}/positions/{page}
    POST /portfolio/{account}/positions/invalidate
    GET  /portfolio2/{account}/positions
    GET  /portfolio/{account}/position/{conid}
    GET  /portfolio/positions/{conid}
    GET  /portfolio/{account}/combo/positions
    GET  /trsrv/stocks
    GET  /trsrv/futures
    GET  /trsrv/secdef
    GET  /iserver/secdef/search
    POST /iserver/secdef/search
    GET  /iserver/secdef/strikes
    GET  /iserver/secdef/info
    POST /iserver/contract/rules
    GET  /iserver/contract/{conid}/info
    GET  /iserver/contract/{conid}/info-and-rules
    GET  /contract/trading-schedule
    GET  /iserver/currency/pairs
    POST /iserver/account/{account}/orders
    POST /iserver/account/{account}/orders/whatif
    POST /iserver/reply/{reply}
    POST /iserver/account/{account}/order/{order}
    DELETE /iserver/account/{account}/order/{order}
    GET  /iserver/account/orders
    GET  /iserver/account/order/status/{order}
    GET  /iserver/account/trades
    POST /iserver/notification
    GET  /iserver/marketdata/snapshot
    GET  /iserver/marketdata/history
    POST /iserver/marketdata/unsubscribe
    GET  /iserver/marketdata/unsubscribeall
"""
SECOND = """
    GET  /iserver/account/allocation/accounts
    GET  /iserver/account/allocation/group
    POST /iserver/account/allocation/group
    PUT  /iserver/account/allocation/group
    POST /iserver/account/allocation/group/single
    POST /iserver/account/allocation/group/delete
    GET  /iserver/account/allocation/presets
    POST /iserver/account/allocation/presets
    GET  /iserver/account/{account}/alerts
    GET  /iserver/account/alert/{alert}
    POST /iserver/account/{account}/alert
    POST /iserver/account/{account}/alert/activate
    DELETE /iserver/account/{account}/alert/{alert}
    GET  /iserver/account/mta
    GET  /iserver/contract/{conid}/algos
    GET  /iserver/exchangerate
    POST /oauth/request_token
    POST /oauth/access_token
    POST /oauth/live_session_token
"""


def table(text: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in text.splitlines() if line.strip()]


def sample(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_module_of_the_room_is_served() -> None:
    served = ROUTES.listed()
    topics = {module.name for module in pkgutil.iter_modules(routes.__path__)} - {"table"}
    assert len(topics) >= 12
    for topic in sorted(topics):
        own = importlib.import_module(f"{routes.__name__}.{topic}").ROUTES.listed()
        assert own, topic
        assert [path for path in own if path not in served] == [], topic


def test_two_handlers_for_one_path_are_refused() -> None:
    first, second = Routes(), Routes()
    for each in (first, second):
        each.add("GET", "/tickle")(lambda call: Answer())
    with pytest.raises(ValueError, match="tickle"):
        Routes.joined(first, second)


@pytest.mark.parametrize(("method", "path"), table(MUST + SECOND))
def test_the_endpoint_is_served(method: str, path: str) -> None:
    assert ROUTES.find(method, sample(path).replace("{}", "1")) is not None
    assert (method, sample(path)) in {(m, sample(p)) for m, p in ROUTES.listed()}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/iserver/marketdata/regsnapshot"),
        ("PATCH", "/iserver/accounts"),
        ("DELETE", "/tickle"),
        ("GET", "/iserver/account/a/b/c/d/e"),
        ("GET", "/"),
        ("GET", "/fyi/notifications"),
    ],
)
def test_any_other_path_is_not_found_and_counted(gateway: RunningGateway, user: str, method: str, path: str) -> None:
    counted = f"{method} {path.rstrip('/') or ''}"
    before = gateway.control("GET", "/counters")["unknown_paths"].get(counted, 0)
    assert gateway.call(user, method, path) == (404, {"error": "Not Found", "statusCode": 404})
    assert gateway.control("GET", "/counters")["unknown_paths"][counted] == before + 1


def test_a_path_outside_the_api_is_not_found_and_counted(gateway: RunningGateway) -> None:
    assert gateway.request("GET", "/v2/api/tickle") == (404, {"error": "Not Found", "statusCode": 404})
    assert gateway.control("GET", "/counters")["unknown_paths"]["GET /v2/api/tickle"] >= 1
