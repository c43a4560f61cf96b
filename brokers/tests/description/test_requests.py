"""Whatever the product asks of IBKR fits IBKR's own description: method, path, query and body.

The requests are those that reach the gateway from the real client, which is led through everything it can ask for.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.connections.reach import reach
from brokers.domain.advisors.groups import Group, Member, Method, Shown
from brokers.domain.brokerage import Accepted, BrokerError, Leg, Prompt, Question
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent, OrderType, Role, Side, TimeInForce
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr import IbkrBrokerage, connect, listen, new_http
from brokers.ibkr.auth.access import ACCESS_TOKEN, REQUEST_TOKEN
from brokers.ibkr.auth.keys import group_pem
from brokers.ibkr.client import Client
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.simulator.testing import oauth
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.simulator.tests.conftest import shared_ibkr
from brokers.simulator.tests.routes.openapi import load, objections

ADAPTER = Path(__file__).resolve().parents[2] / "ibkr"
# Where we differ from the description, and why: each is met, or it is no difference any more.
DIFFERS = {
    "GET /portfolio2/{account}/positions: it is not described": "the uncached positions of IBKR's newer pages",
    "POST /iserver/auth/ssodh/init: application/x-www-form-urlencoded is not described": (
        "tried once where JSON opens nothing, since that is what helped others"
    ),
    "GET /iserver/account/orders: the query accountId is not described": (
        "without it the answer of a user with several accounts can be empty though orders work"
    ),
    "POST /iserver/account/allocation/group: the key amount is not described": "IBKR's page of groups describes it",
    "PUT /iserver/account/allocation/group: the key amount is not described": "IBKR's page of groups describes it",
}


def user(gateway: RunningGateway, name: str, environment: Environment = Environment.SIMULATED) -> Login:
    return Login(
        username=name,
        environment=environment,
        auth_method=AuthMethod.GATEWAY,
        base_url=gateway.base_url(name),
        tenant=name,
    )


def leg(reference: str, contract: Contract, **changes: Any) -> Leg:
    values: dict[str, Any] = {
        "role": Role.ENTRY,
        "instrument": contract.instrument,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "limit_price": Decimal(1),
        "quantity": Decimal(5),
        **changes,
    }
    return Leg(intent=OrderIntent(**values), reference=reference, contract=contract)


async def allowed(asked: Awaitable[Any]) -> Any:
    """The answer; what is refused was asked all the same."""
    with contextlib.suppress(BrokerError):
        return await asked
    return None


async def session_of(broker: IbkrBrokerage) -> None:
    await broker.session()
    await broker.open_session()
    await broker.tickle()


async def everything(gateway: RunningGateway) -> None:
    """A user with two accounts signs in, looks at everything and trades."""
    broker = connect(user(gateway, "asks-all"))
    gateway.fault(preset="delayed_established", match={"user": "asks-all"}, action={"delay_established_ms": 200})
    await session_of(broker)
    await broker.suppress(["o163", "o354"])
    await broker.ask_everything()
    accounts = [facts.account_id for facts in await broker.accounts()]
    for account in accounts:
        await broker.summary(account)
        await broker.positions(account)
        await broker.orders(account)
        await broker.executions(account)
    share, future, pair = [
        await broker.contract(each)
        for each in (
            Instrument(ticker="AAPL"),
            Instrument(ticker="ESZ2026", asset_class=AssetClass.FUTURE),
            Instrument(ticker="EURUSD", asset_class=AssetClass.FOREX),
        )
    ]
    await allowed(broker.contract(Instrument(ticker="MNQ1!", asset_class=AssetClass.FUTURE)))
    await allowed(broker.contract(Instrument(ticker="AAPL", asset_class=AssetClass.CFD)))
    for contract in (share, future, pair):
        await broker.quote(contract)
        await broker.rules(contract)
    await broker.rate("EUR", "USD")
    await orders_of(broker, gateway, accounts[-1], share, future)
    await broker.close()


async def orders_of(
    broker: IbkrBrokerage, gateway: RunningGateway, account: str, share: Contract, future: Contract
) -> None:
    await broker.preview(account, leg("asks-0", share))
    accepted = await broker.submit(account, [leg("asks-1", share)])
    assert isinstance(accepted, Accepted)
    number = accepted.acks[0].broker_order_id
    await broker.modify(account, number, leg("asks-1", share, limit_price=Decimal(2)))
    await broker.cancel(account, number)
    await broker.submit(account, [leg("asks-2", future, time_in_force=TimeInForce.GTC)])
    stop = leg("asks-3", share, type=OrderType.STOP, limit_price=None, stop_price=Decimal(1), side=Side.SELL)
    await broker.submit(account, [stop])
    trail = {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_percent": Decimal("1.5"), "side": Side.SELL}
    await broker.submit(account, [leg("asks-4", share, **trail)])
    gateway.fault(match={"user": "asks-all", "path": "/iserver/account/*/orders"}, action={"question": ["o354"]})
    question = await broker.submit(account, [leg("asks-5", share)])
    assert isinstance(question, Question)
    await broker.reply(question, confirmed=True)
    gateway.fault(match={"user": "asks-all", "path": "/iserver/account/*/orders"}, action={"server_prompt": True})
    prompt = await broker.submit(account, [leg("asks-7", share)])
    assert isinstance(prompt, Prompt)
    await broker.choose(prompt, prompt.options[-1])
    gateway.fault(match={"user": "asks-all", "path": "/iserver/account/*/orders"}, action={"inactive": ""})
    await broker.submit(account, [leg("asks-6", share)])


async def by_form(gateway: RunningGateway) -> None:
    """A login whose session opens by the form of a browser only."""
    broker = connect(user(gateway, "asks-by-form"))
    await broker.session()
    await allowed(broker.open_session(form=True))
    await broker.close()


async def old_positions(gateway: RunningGateway) -> None:
    """A server that has no uncached positions."""
    broker = connect(user(gateway, "asks-old"))
    await broker.open_session()
    match = {"user": "asks-old", "path": "/portfolio2/*"}
    gateway.fault(match=match, action={"status": 404, "body": {"error": "Not Found"}}, times=None)
    await broker.positions((await broker.accounts())[0].account_id)
    await broker.close()


async def by_keys(gateway: RunningGateway) -> None:
    """A consumer that signs in by keys, and listens."""
    made, group = oauth.keys(), group_pem(PRIME)
    oauth.register(gateway, "ASKSBYKEY", made, party="first", dh_params=group)
    token, sealed = oauth.grant(gateway, "ASKSBYKEY", "asks-by-key")
    secrets = {
        "consumer_key": "ASKSBYKEY",
        "access_token": token,
        "access_token_secret": sealed,
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": group,
    }
    login = replace(
        user(gateway, "asks-by-key"),
        auth_method=AuthMethod.OAUTH,
        base_url=f"{gateway.url}/v1/api",
        secrets=secrets,
    )
    broker = connect(login)
    await session_of(broker)
    await broker.accounts()
    await broker.close()


async def listening(gateway: RunningGateway) -> None:
    feed = listen(user(gateway, "asks-all"))
    await asyncio.wait_for(anext(feed.events()), 10)
    await feed.close()


async def when_it_trades(gateway: RunningGateway) -> None:
    """A paper user, since the simulated market never closes."""
    async with new_http(reach()) as http:
        broker = connect(user(gateway, "asks-paper", Environment.PAPER), http)
        await broker.open_session()
        await broker.sign_in()
        await broker.hours(Contract(instrument=Instrument(ticker="AAPL"), conid=265598))
        await broker.close()


async def groups_of(gateway: RunningGateway) -> None:
    """An advisor, who makes a group, changes it, looks at it and removes it."""
    gateway.seed("asks-groups", sub_accounts=[{"cash": 1000}] * 2)
    broker = connect(user(gateway, "asks-groups"))
    await broker.open_session()
    clients = [facts.account_id for facts in await broker.accounts() if not facts.is_advisor]
    made = Group(name="Both", method=Method.RATIOS, members=tuple(Member(each, Decimal(1)) for each in clients))
    await broker.save_group(made, new=True)
    assert await broker.groups() == Shown((made,))
    await broker.save_group(replace(made, members=made.members[:1]), new=False)
    await broker.remove_group("Both")
    await broker.close()


USERS = ("asks-all", "asks-paper", "asks-by-form", "asks-old", "asks-by-key", "asks-groups")


@pytest.fixture(scope="module")
def asked(servers: None) -> Iterator[list[dict[str, Any]]]:
    """Every request that reached the gateway."""
    shared_ibkr()

    async def stories() -> None:
        await everything(gateway)
        await groups_of(gateway)
        await listening(gateway)
        await by_form(gateway)
        await old_positions(gateway)
        await by_keys(gateway)
        await when_it_trades(gateway)

    with running_gateway("fast") as gateway:
        gateway.seed("asks-all", sub_accounts=1, positions=[{"symbol": "AAPL", "quantity": 10}])
        asyncio.run(stories())
        yield [entry for name in USERS for entry in gateway.journal(name)]


def template_of(path: str) -> str | None:
    """The described path that this one is an instance of; of several the one that says most."""
    fitting = [each for each in load()["paths"] if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", each), path)]
    return min(fitting, key=lambda each: each.count("{"), default=None)


def pattern_of(path: str) -> str:
    """The path as one that is not described is named."""
    return re.sub(r"/(D?[UF]|SIM)[A-Z]*\d+", "/{account}", path)


def typed(text: str, schema: dict[str, Any]) -> Any:
    """The value of a query as its schema means it: a list is written with commas, a number in digits."""
    if schema.get("type") == "integer":
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if schema.get("type") == "number":
        return float(text) if re.fullmatch(r"-?[\d.]+", text) else text
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, or what it refers to."""
    while "$ref" in part:
        target: Any = load()
        for step in part["$ref"][2:].split("/"):
            target = target[step]
        part = target
    return part


def differences(entry: dict[str, Any]) -> list[str]:
    """What the description objects to in one request."""
    method, template = entry["method"], template_of(entry["path"])
    if template is None:
        return [f"{method} {pattern_of(entry['path'])}: it is not described"]
    request = f"{method} {template}"
    operation = load()["paths"][template].get(method.lower())
    if operation is None:
        return [f"{request}: the method is not described"]
    where = ["paths", template, method.lower()]
    lines = [*_of_the_query(entry["query"], operation, where), *_of_the_body(entry["body"], operation, where)]
    return [f"{request}: {line}" for line in lines]


def _of_the_query(query: dict[str, str], operation: dict[str, Any], where: list[str]) -> Iterator[str]:
    described = {
        resolved(each)["name"]: (number, resolved(each))
        for number, each in enumerate(operation.get("parameters", []))
        if resolved(each)["in"] == "query"
    }
    for name, text in query.items():
        if name not in described:
            yield f"the query {name} is not described"
            continue
        number, parameter = described[name]
        schema = resolved(parameter.get("schema", {}))
        listed = schema.get("type") == "array"
        values = text.split(",") if listed or "," in text else [text]
        one = resolved(schema.get("items", {})) if listed else schema
        place = [*where, "parameters", str(number), "schema", *(["items"] if listed else [])]
        for value in values:
            yield from (f"{name} {line}" for line in objections(place, typed(value, one)))
    yield from (f"{name} is missing" for name, (_, p) in described.items() if p.get("required") and name not in query)


def _of_the_body(body: str, operation: dict[str, Any], where: list[str]) -> Iterator[str]:
    described = operation.get("requestBody")
    if not body:
        if described and described.get("required"):
            yield "the body is missing"
        return
    if described is None:
        yield "a body is not described"
        return
    try:
        value = json.loads(body)
    except ValueError:
        yield "application/x-www-form-urlencoded is not described"
        return
    yield from objections([*where, "requestBody", "content", "application/json", "schema"], value)
    schema = resolved(described["content"]["application/json"]["schema"])
    yield from (f"the key {key} is not described" for key in _keys(value) - _described(schema))


def _keys(value: Any) -> set[str]:
    """Every key of a body, those of its lists among them."""
    if isinstance(value, list):
        return set().union(*(_keys(each) for each in value))
    return set(value).union(*(_keys(each) for each in value.values())) if isinstance(value, dict) else set()


def _described(schema: dict[str, Any]) -> set[str]:
    """Every key that a schema knows."""
    schema = resolved(schema)
    parts = [schema.get("items", {}), *schema.get("properties", {}).values()]
    parts += [each for name in ("oneOf", "anyOf", "allOf") for each in schema.get(name, [])]
    return set(schema.get("properties", {})).union(*(_described(each) for each in parts if each))


def test_every_request_fits_the_description(asked: list[dict[str, Any]]) -> None:
    met = {line for entry in asked for line in differences(entry)}
    assert met - set(DIFFERS) == set()
    assert set(DIFFERS) - met == set(), "These are no differences any more: take them out."


def test_a_request_that_does_not_fit_is_seen() -> None:
    shared_ibkr()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"method": "GET", "path": "/tickle"}, "GET /tickle: the method is not described"),
        ({"method": "POST", "path": "/iserver/account", "body": '{"acctId": 5}'}, ".acctId type string int"),
        ({"method": "POST", "path": "/iserver/account"}, "the body is missing"),
        ({"method": "POST", "path": "/tickle", "body": "{}"}, "a body is not described"),
        ({"method": "GET", "path": "/iserver/account/trades", "query": {"days": "two"}}, "days . type integer str"),
        ({"method": "GET", "path": "/iserver/exchangerate", "query": {"source": "USD"}}, "target is missing"),
        ({"method": "GET", "path": "/iserver/nowhere"}, "it is not described"),
    ]
    for entry, words in wrong:
        assert words in " ".join(differences({"query": {}, "body": "", **entry})), entry


def paths_in_the_code() -> set[str]:
    """Every path of IBKR's that stands in the adapter."""
    texts = (
        node.value
        for source in [*ADAPTER.glob("*.py"), *(ADAPTER / "auth").glob("*.py"), *(ADAPTER / "advisors").glob("*.py")]
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    begins = {path.split("/")[1] for path in load()["paths"]} | {"portfolio2"}
    paths = {text for text in texts if re.fullmatch(r"[a-z0-9]+(/[\w{}-]+)*", text) and text.split("/")[0] in begins}
    # The opening of the stream, and what comes before there is a user, are looked at below.
    before = {"ws", REQUEST_TOKEN, ACCESS_TOKEN}
    return {path for path in paths if "/" in path or f"/{path}" in load()["paths"]} - before


@pytest.mark.parametrize("path", [REQUEST_TOKEN, ACCESS_TOKEN])
def test_what_comes_before_there_is_a_user_is_an_empty_post(path: str) -> None:
    shared_ibkr()
    assert differences({"method": "POST", "path": f"/{path}", "query": {}, "body": ""}) == []


def test_every_path_that_the_product_knows_was_asked_for(asked: list[dict[str, Any]]) -> None:
    missing = {
        path
        for path in paths_in_the_code()
        if not any(re.fullmatch("/" + re.sub(r"\{[^}]*\}", "[^/]+", path), entry["path"]) for entry in asked)
    }
    assert missing == set(), "Let `everything` ask for these, so that their requests are held against the description."


def test_the_opening_of_the_stream_fits_the_description() -> None:
    shared_ibkr()
    plain = Login(
        username="asks",
        environment=Environment.SIMULATED,
        auth_method=AuthMethod.GATEWAY,
        base_url="https://gateway.example/v1/api",
    )
    secrets = dict.fromkeys(("consumer_key", "access_token", "access_token_secret"), "ASKS")
    names = {each["name"] for each in load()["paths"]["/ws"]["get"]["parameters"] if each["in"] == "query"}
    for login in plain, replace(plain, auth_method=AuthMethod.OAUTH, secrets=secrets):
        with contextlib.suppress(BrokerError):
            assert set(Client(login).wire.stream_url().query) <= names
