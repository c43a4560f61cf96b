"""Our answers fit IBKR's own description of its API, except where the description is wrong and something proves it.

Formats (int32 and the like) are notes in OpenAPI, and IBKR's are careless: milliseconds are called int32. They are
not checked; types, required keys and enumerations are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from brokers.simulator import server  # noqa: F401 - registers the routes
from brokers.simulator.testing import RunningGateway
from brokers.simulator.testing_oauth import keys, register
from brokers.simulator.tests.conftest import Client, shared_ibkr, ticket
from brokers.simulator.wire import ROUTES

Request = tuple[str, str, Any]


@cache
def load() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((shared_ibkr() / "openapi.json").read_text())
    return described


@cache
def registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    made: Registry[Any] = empty.with_resource("urn:ibkr", DRAFT4.create_resource(load()))
    return made


def escaped(*parts: str) -> str:
    return "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def problems(method: str, path: str, status: int, body: Any) -> list[str]:
    """What the description objects to, as places without indices; one line for each kind of objection."""
    response: dict[str, Any] | None = load()["paths"][path][method.lower()]["responses"].get(str(status))
    if response is None:
        return [f"status {status}"]
    where = ["paths", path, method.lower(), "responses", str(status)]
    if "$ref" in response:
        where = response["$ref"][2:].split("/")
        response = load()["components"]["responses"][where[-1]]
    [(kind, content)] = response["content"].items()
    if "schema" not in content:
        return []
    schema = {"$ref": f"urn:ibkr#/{escaped(*where, 'content', kind, 'schema')}"}
    found = OAS30Validator(schema, registry=registry()).iter_errors(body)
    return sorted({_line(error) for error in _leaves(found)})


def _leaves(errors: Any) -> Iterator[Any]:
    """The innermost objections: a body that fits none of several shapes is judged by the nearest."""
    for error in errors:
        if error.context:
            nearest = min({e.schema_path[0] for e in error.context}, key=lambda n: _weight(error.context, n))
            yield from _leaves(e for e in error.context if e.schema_path[0] == nearest)
        elif error.validator != "oneOf":
            # "One of" is meant as "any of": no key of these shapes is required, so that most bodies fit several.
            yield error


def _weight(context: Any, number: Any) -> tuple[int, int]:
    of_number = [e for e in context if e.schema_path[0] == number]
    return (max(-len(e.absolute_path) for e in of_number), len(of_number))


def _line(error: Any) -> str:
    where = "".join(f".{'*' if isinstance(part, int) else part}" for part in error.absolute_path)
    kind = type(error.instance).__name__ if error.validator == "type" else ""
    wanted = error.validator_value if error.validator in {"type", "required"} else ""
    return f"{where or '.'} {error.validator} {wanted} {kind}".rstrip()


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


@pytest.fixture(scope="module")
def known(gateway: RunningGateway) -> dict[str, Any]:
    """Carol with holdings, orders, alerts and an open question, by the names the requests use."""
    client = Client(gateway, "carol-described", gateway.sign_in("carol-described"))
    client.place(ticket("Order123", conid=756733, quantity=44))
    order, old = client.place(LIMIT)[0]["order_id"], client.place(LIMIT)[0]["order_id"]
    alert, spare = (client.post(f"/iserver/account/{client.account}/alert", ALERT)["order_id"] for _ in range(2))
    month = client.get("/trsrv/futures?symbols=ES")["ES"][0]
    client.get("/iserver/account/orders")
    client.get("/iserver/marketdata/snapshot?conids=265598")
    return {
        "client": client,
        "account": client.account,
        "accountId": client.account,
        "accountid": client.account,
        "conid": 756733,
        "order": order,
        "old": old,
        "alert": alert,
        "spare": spare,
        "future": month["conid"],
        "month": "DEC26",
    }


def filled(value: Any, known: dict[str, Any]) -> Any:
    """A request with its placeholders filled in."""
    if isinstance(value, str):
        return known[value[1:-1]] if value[1:-1] in known and value == f"{{{value[1:-1]}}}" else value.format(**known)
    if isinstance(value, dict):
        return {name: filled(inner, known) for name, inner in value.items()}
    return [filled(inner, known) for inner in value] if isinstance(value, list) else value


def recorded(name: str) -> tuple[int, Any]:
    held = json.loads((shared_ibkr() / "recordings" / f"{name}.json").read_text())["Response"]
    return held["StatusCode"], held["Body"]


def own_examples(method: str, path: str, status: int) -> list[Any]:
    """The bodies the description itself gives as examples."""
    response = load()["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in response:
        response = load()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    [content] = response["content"].values()
    return [e["value"] for e in content.get("examples", {}).values() if "value" in e]


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


def proves(proof: str, method: str, path: str, pattern: str) -> bool:
    """Whether a proof shows that the real server, or the description's own example, is objected to in the same way."""
    if proof.startswith("recording "):
        bodies = [recorded(proof.removeprefix("recording "))]
    else:
        bodies = [(200, body) for body in own_examples(method, path, 200)]
    lines = {line for status, body in bodies for line in problems(method, path, status, body)}
    return any(fnmatchcase(line, pattern) for line in lines)


def unexplained(method: str, path: str, lines: Iterable[str]) -> list[str]:
    patterns = WRONG.get((method, path), {})
    return [line for line in lines if not any(fnmatchcase(line, pattern) for pattern in patterns)]


def question(client: Client) -> str:
    """An order that waits for a confirmation; returns the id to answer."""
    client.gateway.fault(
        match={"user": client.user, "path": "/iserver/account/*/orders"}, action={"question": ["o354"]}
    )
    return str(client.place(LIMIT)[0]["id"])


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_our_answer_fits_the_description(method: str, path: str, known: dict[str, Any]) -> None:
    client: Client = known["client"]
    for where, body in ASKED[method, path]:
        if "{reply}" in where:
            known["reply"] = question(client)
        url = filled(where if where.startswith("/") and not where.startswith("/?") else path + where, known)
        status, answer = client.gateway.call(client.user, method, url, filled(body, known) if body else None)
        if path == "/logout":
            client.gateway.sign_in(client.user)
        assert unexplained(method, path, problems(method, path, status, answer)) == []


@pytest.fixture(scope="module")
def advisor(gateway: RunningGateway) -> dict[str, Any]:
    gateway.seed("dave-described", sub_accounts=2)
    gateway.sign_in("dave-described")
    accounts = gateway.call("dave-described", "GET", "/iserver/account/allocation/accounts")[1]["accounts"]
    return {"members": [{"name": a["name"]} for a in accounts]}


def test_the_answers_for_advisors_fit_the_description(gateway: RunningGateway, advisor: dict[str, Any]) -> None:
    for (method, path), body in ADVISORS.items():
        status, answer = gateway.call("dave-described", method, path, filled(body, advisor) if body else None)
        assert (status, unexplained(method, path, problems(method, path, status, answer))) == (200, []), path


def test_the_answers_to_signatures_fit_the_description(gateway: RunningGateway) -> None:
    oauth = pytest.importorskip("brokers.simulator.tests.oauth_program", reason="ibind[oauth] is not installed")
    register(gateway, "DESCRIBED", keys())
    vendor = oauth.Program(gateway, "DESCRIBED", keys())
    answers = [vendor.ask()]
    token = answers[0][1]["oauth_token"]
    answers.append(vendor.exchange(token, oauth.verifier_of(oauth.authorize(gateway, token, "erin-described"))))
    vendor.token, vendor.sealed = answers[1][1]["oauth_token"], answers[1][1]["oauth_token_secret"]
    answers.append(vendor.sign_in())
    for (method, path), (status, body) in zip(SIGNED, answers, strict=True):
        assert (status, problems(method, path, status, body)) == (200, [])
    gateway.control("POST", "/oauth/expire", {})
    status, body = vendor.call("GET", "/iserver/accounts")
    assert (status, problems("GET", "/iserver/accounts", status, body)) == (401, [])


# Refusals: what the description says of them, and the paragraph of our notes that says what is answered instead.
REFUSED: list[tuple[str, str, Any, int, list[str], str]] = [
    ("GET", "/iserver/accounts", None, 400, ["status 400"], "notes 8.3: no bridge before the session is opened"),
    ("GET", "/iserver/account/orders", None, 400, ["status 400"], "notes 8.3: no bridge"),
    ("POST", "/iserver/auth/ssodh/init", {"publish": False}, 500, [], ""),
    ("GET", "/portfolio/{accountId}/ledger", None, 401, [". required ['status', 'title', 'type']"], "notes 2.3, 8.3"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "lines", "proof"), REFUSED)
def test_a_refusal_is_shaped_as_our_notes_say(
    gateway: RunningGateway, method: str, path: str, body: Any, status: int, lines: list[str], proof: str
) -> None:
    user = "frank-described"
    found, answer = gateway.call(user, method, path.replace("{accountId}", "SIM1"), body)
    assert (found, problems(method, path, found, answer)) == (status, lines)
    assert bool(proof) is bool(lines)


def test_every_described_path_we_serve_is_asked() -> None:
    described = {(m.upper(), p) for p, methods in load()["paths"].items() for m in methods if m != "parameters"}
    ours = {(method, sample(path)) for method, path in ROUTES.listed()}
    served = {(m, p) for m, p in described if (m, sample(p)) in ours}
    assert served - set(ASKED) - set(ADVISORS) - set(SIGNED) == set()


def sample(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@pytest.mark.parametrize(("method", "path"), WRONG)
def test_what_we_call_wrong_is_proven_wrong(method: str, path: str) -> None:
    unproven = [
        (pattern, proof)
        for pattern, proof in WRONG[method, path].items()
        if not proof.startswith("notes ") and not proves(proof, method, path, pattern)
    ]
    assert unproven == []
