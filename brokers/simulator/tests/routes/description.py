"""What is asked of the gateway to compare it with IBKR's description, and where the description is wrong."""

from __future__ import annotations

from typing import Any

from brokers.simulator.tests.conftest import ticket

ALERT = {
    "alertName": "A price",
    "alertMessage": "Look.",
    "alertRepeatable": 0,
    "outsideRth": 0,
    "sendMessage": 1,
    "showPopup": 1,
    "tif": "GTC",
    "conditions": [
        {"type": 1, "conidex": "265598@SMART", "operator": ">=", "value": "500", "triggerMethod": "0", "logicBind": "n"}
    ],
}
LIMIT = ticket(orderType="LMT", price=1.0)

# What only an advisor may ask, in this order.
ADVISORS: dict[tuple[str, str], Any] = {
    ("GET", "/iserver/account/allocation/accounts"): None,
    ("POST", "/iserver/account/allocation/group"): {"name": "Two", "accounts": "{members}", "default_method": "N"},
    ("PUT", "/iserver/account/allocation/group"): {"name": "Both", "prev_name": "Two", "accounts": "{members}"},
    ("GET", "/iserver/account/allocation/group"): None,
    ("POST", "/iserver/account/allocation/group/single"): {"name": "Both"},
    ("POST", "/iserver/account/allocation/group/delete"): {"name": "Both"},
    ("POST", "/iserver/account/allocation/presets"): {"default_method_for_all": "E"},
    ("GET", "/iserver/account/allocation/presets"): None,
}

# What needs a signature, and is asked for in a test of its own.
SIGNED = (
    ("POST", "/oauth/request_token"),
    ("POST", "/oauth/access_token"),
    ("POST", "/oauth/live_session_token"),
)

# What is asked: description's path -> our requests to it, with {account} and the like filled in from `Trader.known`.
ASKED: dict[tuple[str, str], list[tuple[str, Any]]] = {
    ("GET", "/contract/trading-schedule"): [("?conid=265598", None)],
    ("POST", "/iserver/account"): [("", {"acctId": "{account}"})],
    ("GET", "/iserver/account/alert/{alertId}"): [("/iserver/account/alert/{alert}?type=Q", None)],
    ("GET", "/iserver/account/mta"): [("", None)],
    ("GET", "/iserver/account/order/status/{orderId}"): [("/iserver/account/order/status/{order}", None)],
    ("GET", "/iserver/account/orders"): [("", None), ("?force=true", None)],
    ("GET", "/iserver/account/pnl/partitioned"): [("", None)],
    ("GET", "/iserver/account/search/{searchPattern}"): [("/iserver/account/search/SIM", None)],
    ("GET", "/iserver/account/trades"): [("?days=7", None)],
    ("POST", "/iserver/account/{accountId}/alert"): [("", ALERT)],
    ("POST", "/iserver/account/{accountId}/alert/activate"): [("", {"alertId": "{alert}", "alertActive": 1})],
    ("DELETE", "/iserver/account/{accountId}/alert/{alertId}"): [("/iserver/account/{account}/alert/{spare}", None)],
    ("GET", "/iserver/account/{accountId}/alerts"): [("", None)],
    ("POST", "/iserver/account/{accountId}/order/{orderId}"): [("/iserver/account/{account}/order/{order}", LIMIT)],
    ("DELETE", "/iserver/account/{accountId}/order/{orderId}"): [
        ("/iserver/account/{account}/order/{old}", None),
        ("/iserver/account/{account}/order/1", None),
    ],
    ("POST", "/iserver/account/{accountId}/orders"): [
        ("", {"orders": [LIMIT]}),
        ("", {"orders": [ticket(tif="NONSENSE")]}),
    ],
    ("POST", "/iserver/account/{accountId}/orders/whatif"): [("", {"orders": [LIMIT]})],
    ("GET", "/iserver/account/{accountId}/summary"): [("", None)],
    ("GET", "/iserver/account/{accountId}/summary/available_funds"): [("", None)],
    ("GET", "/iserver/account/{accountId}/summary/balances"): [("", None)],
    ("GET", "/iserver/account/{accountId}/summary/margins"): [("", None)],
    ("GET", "/iserver/account/{accountId}/summary/market_value"): [("", None)],
    ("GET", "/iserver/accounts"): [("", None)],
    ("POST", "/iserver/auth/ssodh/init"): [("", {"publish": True, "compete": True}), ("", {"publish": False})],
    ("POST", "/iserver/auth/status"): [("", None)],
    ("POST", "/iserver/contract/rules"): [("", {"conid": 265598, "isBuy": True})],
    ("GET", "/iserver/contract/{conid}/algos"): [("?addParams=1&addDescription=1", None)],
    ("GET", "/iserver/contract/{conid}/info"): [("", None)],
    ("GET", "/iserver/contract/{conid}/info-and-rules"): [("", None)],
    ("GET", "/iserver/currency/pairs"): [("?currency=USD", None)],
    ("POST", "/iserver/dynaccount"): [("", {"acctId": "{account}"})],
    ("GET", "/iserver/exchangerate"): [("?source=USD&target=EUR", None)],
    ("GET", "/iserver/marketdata/history"): [("?conid=265598&period=1d&bar=1h", None)],
    ("GET", "/iserver/marketdata/snapshot"): [("?conids=265598&fields=31,84,86", None)],
    ("POST", "/iserver/marketdata/unsubscribe"): [("", {"conid": 265598}), ("", {"conid": 1})],
    ("GET", "/iserver/marketdata/unsubscribeall"): [("", None)],
    ("POST", "/iserver/notification"): [("", {"orderId": 1, "reqId": "1", "text": "Yes"})],
    ("POST", "/iserver/questions/suppress"): [("", {"messageIds": ["o163"]})],
    ("POST", "/iserver/questions/suppress/reset"): [("", None)],
    ("POST", "/iserver/reply/{replyId}"): [("/iserver/reply/{reply}", {"confirmed": True})],
    ("GET", "/iserver/scanner/params"): [("", None)],
    ("POST", "/iserver/scanner/run"): [
        ("", {"instrument": "STK", "location": "STK.US.MAJOR", "type": "TOP_PERC_GAIN"}),
        ("", {"type": "NONSENSE"}),
    ],
    ("POST", "/pa/performance"): [("", {"acctIds": ["{account}"], "period": "1D"})],
    ("GET", "/trsrv/all-conids"): [("?exchange=ARCA", None)],
    ("GET", "/trsrv/secdef/schedule"): [("?assetClass=STK&symbol=AAPL", None), ("?assetClass=OPT&symbol=SPX", None)],
    ("GET", "/iserver/secdef/info"): [("?conid={future}&sectype=FUT&month={month}", None)],
    ("GET", "/iserver/secdef/search"): [("?symbol=SPY", None)],
    ("POST", "/iserver/secdef/search"): [("", {"symbol": "SPY"})],
    ("GET", "/iserver/secdef/strikes"): [("?conid=756733&sectype=OPT&month={month}", None)],
    ("POST", "/logout"): [("", None)],
    ("GET", "/portfolio/accounts"): [("", None)],
    ("GET", "/portfolio/positions/{conid}"): [("", None)],
    ("GET", "/portfolio/subaccounts"): [("", None)],
    ("GET", "/portfolio/{accountId}/allocation"): [("", None)],
    ("GET", "/portfolio/{accountId}/ledger"): [("", None)],
    ("GET", "/portfolio/{accountId}/meta"): [("", None)],
    ("POST", "/portfolio/{accountId}/positions/invalidate"): [("", None)],
    ("GET", "/portfolio/{accountId}/positions/{pageId}"): [("/portfolio/{account}/positions/0", None)],
    ("GET", "/portfolio/{accountId}/summary"): [("", None)],
    ("GET", "/portfolio/{accountid}/position/{conid}"): [("", None)],
    ("GET", "/sso/validate"): [("", None)],
    ("POST", "/tickle"): [("", None)],
    ("GET", "/trsrv/futures"): [("?symbols=ES", None)],
    ("GET", "/trsrv/secdef"): [("?conids=265598,{future}", None)],
    ("GET", "/trsrv/stocks"): [("?symbols=AAPL", None)],
}

# Where the description is wrong: what it objects to, as a pattern, and what proves it wrong: a recording of a real
# answer, an example of the description itself (both are checked here), or a paragraph of our own notes on the API.
NULLS = "* type * NoneType"
FLOATS = "* type integer float"
CODE = ".statusCode type string int"
WRONG: dict[tuple[str, str], dict[str, str]] = {
    ("GET", "/iserver/account/alert/{alertId}"): {
        NULLS: "example",
        ".alert_triggered type integer bool": "example",
        ".conditions.*.condition_logic_bind type boolean str": "example",
        ".conditions.*.condition_trigger_method type integer str": "example",
    },
    ("GET", "/iserver/account/mta"): {
        NULLS: "example",
        ".alert_triggered type integer bool": "example",
        ".conditions.*.condition_logic_bind type boolean str": "example",
    },
    ("GET", "/iserver/account/order/status/{orderId}"): {
        ".conid type string int": "recording Orders/GET-order-status",
        ".sub_type type string NoneType": "recording Orders/GET-order-status",
    },
    ("GET", "/iserver/account/orders"): {
        ".orders.*.conid type string int": "recording Orders/GET-live-orders",
        ".orders.*.filledQuantity type string float": "recording Orders/GET-live-orders",
        ".orders.*.lastExecutionTime_r type string int": "recording Orders/GET-live-orders",
        ".orders.*.remainingQuantity type string float": "recording Orders/GET-live-orders",
        ".orders.*.totalSize type string float": "recording Orders/GET-live-orders",
    },
    ("GET", "/iserver/account/trades"): {
        ".*.conid type string int": "recording Orders/GET-trades",
        ".*.price type string float": "recording Orders/GET-trades",
    },
    ("POST", "/iserver/account/{accountId}/orders/whatif"): {NULLS: "recording Orders/POST-whatif-order"},
    ("GET", "/iserver/account/{accountId}/summary"): {FLOATS: "recording Accounts/GET-account-summary"},
    ("POST", "/iserver/contract/rules"): {FLOATS: "recording Contracts/POST-contract-rules"},
    ("GET", "/iserver/contract/{conid}/info"): {NULLS: "example"},
    ("GET", "/iserver/contract/{conid}/info-and-rules"): {
        NULLS: "example",
        ".rules.* type integer float": "example",
    },
    ("GET", "/iserver/currency/pairs"): {
        ".*.ccyPair type integer str": "recording Contracts/GET-currency-pairs",
    },
    ("GET", "/iserver/scanner/params"): {NULLS: "recording MarketData/GET-scanner-params"},
    ("POST", "/iserver/scanner/run"): {". required *": "notes 2.5: a 400 is an object with an error"},
    ("POST", "/pa/performance"): {FLOATS: "recording Portfolio/POST-pa-performance"},
    ("POST", "/iserver/dynaccount"): {CODE: "notes 2.3"},
    ("POST", "/iserver/marketdata/unsubscribe"): {".success enum": "recording MarketData/POST-unsubscribe"},
    ("GET", "/iserver/marketdata/unsubscribeall"): {".unsubscribed enum": "recording MarketData/GET-unsubscribeall"},
    ("GET", "/portfolio/accounts"): {".*.businessType enum": "recording Portfolio/GET-portfolio-subaccounts"},
    ("GET", "/portfolio/positions/{conid}"): {
        ".* type object list": "recording Portfolio/GET-portfolio-positions-by-conid",
    },
    ("GET", "/portfolio/subaccounts"): {".*.businessType enum": "recording Portfolio/GET-portfolio-subaccounts"},
    ("GET", "/portfolio/{accountId}/meta"): {".businessType enum": "recording Portfolio/GET-portfolio-meta"},
    ("GET", "/portfolio/{accountId}/positions/{pageId}"): {
        ".*.putOrCall enum": "example",
        ".*.putOrCall type string NoneType": "example",
    },
    ("GET", "/portfolio/{accountId}/summary"): {".*.currency type number *": "example"},
    ("GET", "/portfolio/{accountid}/position/{conid}"): {
        ".*.putOrCall enum": "recording Portfolio/GET-portfolio-position-by-conid",
        ".*.putOrCall type string NoneType": "recording Portfolio/GET-portfolio-position-by-conid",
    },
    ("GET", "/sso/validate"): {".QUALIFIED_FOR_MOBILE_AUTH type boolean NoneType": "notes 2.2"},
    ("POST", "/iserver/account/{accountId}/alert"): {NULLS: "example"},
    ("POST", "/iserver/account/{accountId}/alert/activate"): {NULLS: "example"},
    ("DELETE", "/iserver/account/{accountId}/alert/{alertId}"): {NULLS: "example"},
}

# Refusals: what the description says of them, and the paragraph of our notes that says what is answered instead.
REFUSED: list[tuple[str, str, Any, int, list[str], str]] = [
    ("GET", "/iserver/accounts", None, 400, ["status 400"], "notes 8.3: no bridge before the session is opened"),
    ("GET", "/iserver/account/orders", None, 400, ["status 400"], "notes 8.3: no bridge"),
    ("POST", "/iserver/auth/ssodh/init", {"publish": False}, 500, [], ""),
    ("GET", "/portfolio/{accountId}/ledger", None, 401, [". required ['status', 'title', 'type']"], "notes 2.3, 8.3"),
]
