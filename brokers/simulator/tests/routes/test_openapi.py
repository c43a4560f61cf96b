"""Our answers fit IBKR's own description of its API, except where the description is wrong and something proves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from brokers.simulator.routes.table import ROUTES
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import keys, register
from brokers.simulator.tests.conftest import Client, shared_ibkr, ticket
from brokers.simulator.tests.routes.description import ADVISORS, ALERT, ASKED, LIMIT, REFUSED, SIGNED, WRONG
from brokers.simulator.tests.routes.openapi import load, objections

Request = tuple[str, str, Any]


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
    return objections([*where, "content", kind, "schema"], body)


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
    oauth = pytest.importorskip("brokers.simulator.tests.oauth.oauth_program", reason="ibind[oauth] is not installed")
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


@pytest.mark.parametrize(("method", "path", "body", "status", "lines", "proof"), REFUSED)
def test_a_refusal_is_shaped_as_our_notes_say(
    gateway: RunningGateway, method: str, path: str, body: Any, status: int, lines: list[str], proof: str
) -> None:
    user = "frank-described"
    answered, answer = gateway.call(user, method, path.replace("{accountId}", "SIM1"), body)
    assert (answered, problems(method, path, answered, answer)) == (status, lines)
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
