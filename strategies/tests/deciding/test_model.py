"""Random streams of signals through the whole way, against a model of a few numbers: position, stops, working orders.

    HALYARD_MODEL_SECONDS=600 HALYARD_MODEL_SEED=7 pytest strategies/tests/deciding/test_model.py

Every stream follows from its seed, which a failure prints with the story that led there; how long the streams go on
depends on the time given.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import sessions, user_accounts
from brokers.domain.sessions import AuthStatus
from brokers.models import BrokerageAccount
from brokers.postgres.notices import ORDERS_CHANNEL, STOP, notify
from brokers.postgres.threads import Threads
from brokers.processes.lanes import Lanes
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Strategy
from strategies.tests import rows
from strategies.tests.deciding.model_reference import Follower, SentSignal
from strategies.tests.deciding.model_world import CRASH, DIP, PEAK, PRICE, SOAR, World, terms

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = float(os.environ.get("HALYARD_MODEL_SECONDS", "12"))
SEED = int(os.environ.get("HALYARD_MODEL_SEED", "1"))
STEPS = 40  # signals of one stream, before its account makes room for another
TICKERS = ("AAPL", "MSFT", "NVDA", "TSLA")
_PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
_CANCEL = {"method": "DELETE", "path": "/iserver/account/*/order/*"}
# After these the table's promise holds to the letter; after the others a plan may have been kept from leaving.
HARMLESS: tuple[dict[str, Any], ...] = (
    {"match": _PLACE, "action": {"delay_ms": 300}},
    {"match": _PLACE, "action": {"drop_connection": True}, "phase": "after"},
    {"match": _PLACE, "action": {"status": 503, "body": ""}, "phase": "after"},
    {"match": _CANCEL, "action": {"drop_connection": True}, "phase": "after"},
)
HARMFUL: tuple[dict[str, Any], ...] = (
    {"match": _CANCEL, "action": {"status": 400, "body": {"error": "OrderID doesn't exist"}}},
    {"match": _PLACE, "action": {"reject": "We cannot accept this order."}},
    {"match": _PLACE, "action": {"drop_connection": True}},
)


@pytest.fixture(scope="module", params=[None, 3], ids=["whole fills", "fills in parts of three"])
def market(request: Any) -> Iterator[RunningGateway]:
    """A simulated IBKR of its own, as every order of the streams moves its prices."""
    behaviour = {"fill_slice": request.param, "fill_delay_ms": 30.0} if request.param else {}
    with running_gateway(behaviour=behaviour) as running:
        yield running


def dealt(dice: random.Random) -> list[Follower]:
    """One to three subscriptions of one account. What rests is told apart by whose it is, so several keep to the market."""
    count = dice.choice([1, 1, 1, 2, 3])
    return [
        Follower(
            name=f"follower {number}",
            size=dice.randint(1, 9),
            sides=dice.choice(["both", "both", "bullish", "bearish"]),
            swap=dice.random() < 0.6,
            subtract=dice.random() < 0.3,
            adds=dice.random() < 0.5,
            protects=dice.random() < 0.7,
        )
        for number in range(count)
    ]


def next_signal(dice: random.Random, world: World) -> SentSignal:
    """The next signal, any the contract knows; a limit only where it could rest."""
    action = dice.choices(["buy", "sell", "exit", "add", "reverse", "cancel", "target"], weights=[6, 6, 4, 2, 2, 1, 2])[
        0
    ]
    quantity = dice.choice([None, *range(1, 12)])
    if action == "target":
        return SentSignal(action=dice.choice(["buy", "sell"]), target=dice.randint(-9, 9))
    if action == "exit":
        percent = dice.choice([None, None, 50, 100])
        rests = len(world.followers) == 1 and dice.random() < 0.25
        limit = (105 if world.believed.position > 0 else 95) if rests else None
        return SentSignal(action=action, percent=percent, quantity=None if percent else quantity, limit=limit)
    if action in {"reverse", "add"}:
        return SentSignal(action=action, quantity=quantity)
    if action == "cancel":
        return SentSignal(action=action)
    sentiment = dice.choice([None, None, None, "bullish", "bearish", "flat"])
    side = 1 if action == "buy" else -1
    rests = len(world.followers) == 1 and world.believed.position * side >= 0 and dice.random() < 0.3
    limit = (95 if side > 0 else 105) if rests else None
    return SentSignal(action=action, quantity=quantity, sentiment=sentiment, limit=limit)


async def tell(dice: random.Random, world: World, *, together: bool = False) -> None:
    sent, number = next_signal(dice, world), dice.randrange(len(world.followers))
    sent = replace(sent, limit=None if together else sent.limit)
    world.believed.hear(sent, world.followers[number][0])
    await world.signal(sent, number)


async def step(dice: random.Random, world: World) -> None:
    """A signal, some signals in one second, a move of the market, or a signal under a fault; then all is compared."""
    exactly = True
    match dice.choices(
        ["one", "burst", "come", "crash", "harmless", "harmful"],
        weights=[10, 4, 3, 1, 3, 2],
    )[0]:
        case "burst":
            for _ in range(dice.randint(2, 3)):
                await tell(dice, world, together=True)
        case "come":
            direction = dice.choice([1, -1])
            world.believed.come(direction)
            await there_and_back(world, DIP if direction > 0 else PEAK)
        case "crash" if not world.believed.resting and not world.believed.leaving:
            world.believed.crash()
            await there_and_back(world, dice.choice([CRASH, SOAR]))
        case "harmless":
            await world.fault(**dice.choice(HARMLESS))
            await tell(dice, world)
        case "harmful":
            exactly = False
            await world.fault(**dice.choice(HARMFUL))
            await tell(dice, world)
        case _:
            await tell(dice, world)
    books = await world.settled()
    await world.well_again()
    await world.check(books, exactly=exactly)


async def there_and_back(world: World, price: str) -> None:
    await world.market(price)
    await world.settled()
    await world.market(PRICE)


async def stream(world: World, seed: str, deadline: float) -> int:
    dice = random.Random(seed)
    done = 0
    try:
        await world.market(PRICE)
        while time.monotonic() < deadline and done < STEPS:
            await step(dice, world)
            done += 1
    except AssertionError as wrong:
        raise AssertionError(f"Stream {seed}, step {done + 1}: {wrong}") from None
    return done


@contextlib.asynccontextmanager
async def at_work(threads: Threads) -> AsyncIterator[None]:
    """The product's processes as tasks: the stream, the lanes and the drain."""
    ended = asyncio.Event()

    async def decide_all() -> None:
        while not ended.is_set():
            if not await threads.run(settle.settle_waiting, timezone.now()):
                await asyncio.sleep(0.02)

    async def carry() -> None:
        async with ibkr.new_http() as http:
            while not ended.is_set():
                await Lanes(lambda login: ibkr.connect(login, http), linger=3600).run()

    async with lab.watching():
        tasks = [asyncio.create_task(decide_all()), asyncio.create_task(carry())]
        try:
            yield
        finally:
            ended.set()
            await threads.run(notify, ORDERS_CHANNEL, f"{STOP}{os.getppid()}")
            await asyncio.gather(*tasks)


def made(team: Team, gateway: RunningGateway, threads: Threads, ticker: str, seed: str) -> World:
    """An account of a connection of its own, with the subscriptions that the seed deals."""
    link = broker_rows.connection(team)
    facts = asyncio.run(lab._sign_in(link))
    account: BrokerageAccount = user_accounts.save_accounts(connection=link, facts=facts, now=timezone.now())[0]
    ready = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
    sessions.kept(link, ready, timezone.now())
    followers: list[tuple[Follower, Strategy]] = []
    for follower in dealt(random.Random(f"{seed} followers")):
        strategy = rows.strategy(team, timezone.now(), name=f"{follower.name} {seed}")
        rows.subscription(strategy, account, timezone.now(), **terms(follower))
        followers.append((follower, strategy))
    connection.close()
    return World(gateway=gateway, threads=threads, connection=link, account=account, ticker=ticker, followers=followers)


def test_broker_tables_and_model_tell_one_story(
    team: Team, market: RunningGateway, settings: Any, record_property: Callable[[str, object], None]
) -> None:
    settings.GATEWAY_URL, settings.SIM_CONTROL_TOKEN = market.url, market.token
    settings.BOOK_FRESH_SECONDS = 3600
    deadline, number, done = time.monotonic() + SECONDS, SEED, 0
    while time.monotonic() < deadline:
        threads = Threads(size=6)
        seeds = [f"{number} {ticker}" for ticker in TICKERS]
        worlds = [made(team, market, threads, *each) for each in zip(TICKERS, seeds, strict=True)]

        async def story(worlds: list[World] = worlds, seeds: list[str] = seeds, threads: Threads = threads) -> int:
            async with at_work(threads):
                return sum(await asyncio.gather(*(stream(*each, deadline) for each in zip(worlds, seeds, strict=True))))

        try:
            done += asyncio.run(story())
        finally:
            threads.close()
        number += 1
    record_property("steps", f"{done} of the seeds {SEED} to {number - 1}")
    assert done > SECONDS / 5, "hardly anything was tried: the machine is too slow to tell"
