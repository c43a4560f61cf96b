"""How many trips to IBKR stand one behind the other until an option is picked: a trip is counted, and takes no time.

nothing known              the share | its price is subscribed, strikes | price | six strikes | definition
known from an earlier day  the share, its price is subscribed | price, strikes, the strikes of then and their definitions
known today                its price
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.contracts import finding
from brokers.ibkr.contracts.chains import Chains, Desk, chain_of
from brokers.ibkr.contracts.memory import Memory, read, written
from brokers.ibkr.tests.contracts.test_future_options import Gateway as FutureGateway
from brokers.ibkr.tests.test_options import Gateway

T = TypeVar("T")
NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
RULE = Instrument(ticker="SPY C +1 weeks out 2", asset_class=AssetClass.OPTION)
NAME = Instrument(ticker="SPY 261211C630", asset_class=AssetClass.OPTION)
ON_FUTURE = Instrument(ticker="ES C +1 weeks out 2", asset_class=AssetClass.FUTURE_OPTION)


class World:
    """A gateway whose answers come a trip later, and a price that takes two trips until somebody has asked for it."""

    def __init__(self, price: str = "628.35") -> None:
        self.gateway, self.price = Gateway(), Decimal(price)
        self.futures = FutureGateway()
        self.waiting: list[asyncio.Event] = []
        self.asked: list[str] = []
        self.subscribed: set[int] = set()
        self.broken: set[str] = set()

    async def trip(self, name: str) -> None:
        self.asked.append(name)
        answered = asyncio.Event()
        self.waiting.append(answered)
        await answered.wait()
        if name in self.broken:
            raise BrokerUnavailable(f"IBKR does not answer {name}.")

    async def get(self, path: str, params: Mapping[str, str], parts: Any = None) -> Any:
        await self.trip(path.rpartition("/")[2])
        if params.get("sectype") == "FOP" or params.get("symbol") == "ES" or "futures" in path or parts is not None:
            return await self.futures.get(path, params, parts)
        if path != "trsrv/secdef":
            return await self.gateway.get(path, params)
        if any(int(each) >= 1000 for each in params["conids"].split(",")):
            return await self.futures.get(path, params, parts)
        # As IBKR's answers are read: numbers are decimals.
        bands = [{"lowerEdge": Decimal(0), "increment": Decimal("0.01")}]
        defined = {"currency": "USD", "multiplier": Decimal(100), "incrementRules": bands}
        return {"secdef": [{"conid": int(each), **defined} for each in params["conids"].split(",")]}

    async def shown(self, of: Contract) -> Decimal | None:
        for _ in range(1 if of.conid in self.subscribed else 2):
            await self.trip("price")
        self.subscribed.add(of.conid)
        return Decimal(6400) if of.instrument.asset_class is AssetClass.FUTURE else self.price

    def desk(self, chains: Chains | None = None) -> Desk:
        return Desk(self.shown, chains or Chains())

    def pick(self, desk: Desk, instrument: Instrument = RULE, now: datetime = NOW) -> tuple[Contract, int]:
        """The contract of an instrument, and after how many trips."""
        return self.run(finding.find(instrument, self.get, now, desk=desk))

    def run(self, asking: Coroutine[Any, Any, T]) -> tuple[T, int]:
        return asyncio.run(self._run(asking))

    async def _run(self, asking: Coroutine[Any, Any, T]) -> tuple[T, int]:
        task, trips = asyncio.create_task(asking), 0
        while True:
            for _ in range(200):
                await asyncio.sleep(0)
            if task.done():
                return task.result(), trips
            trips += 1
            due, self.waiting = self.waiting, []
            assert due, "somebody waits for what nobody answers"
            for answered in due:
                answered.set()


def warmed(world: World, *rules: Instrument) -> Memory:
    memory = Memory(world.desk(), world.get, lambda: NOW)
    world.run(memory.warm(rules or (RULE,)))
    return memory


def a_day_before(chains: Chains) -> Chains:
    """A day's chains as they are known on the next one."""
    known = Chains(day=chains.day)
    known.add(chains)
    known.begin((chains.day or date.min) + timedelta(days=1))
    return known


def test_an_unknown_chain_takes_five_trips() -> None:
    world = World()
    picked, trips = world.pick(world.desk())
    assert (picked.ticker, trips) == ("SPY 261211C630", 5)
    assert world.asked == ["search", "price", "strikes", "price", *["info"] * 6, "secdef"]


def test_a_share_that_was_looked_up_spares_one_of_them() -> None:
    world = World()
    desk = world.desk()
    memory = Memory(desk, world.get, lambda: NOW)
    memory.hint("SPY", 756733)
    picked, trips = world.pick(desk)
    assert (picked.ticker, trips) == ("SPY 261211C630", 4)
    said = memory.written("SPY")
    assert said is not None
    # What was said counts more than a hint.
    memory.hint("SPY", 1)
    assert world.pick(desk)[1] == 1


@pytest.mark.parametrize("price", ["628.35", "629.20", "627.10"])
def test_a_chain_of_an_earlier_day_takes_two_and_is_picked_from_what_is_said_today(price: str) -> None:
    first = World()
    desk = first.desk()
    first.pick(desk)
    world = World(price)
    # Each strike that a rule may need: those of then, and one more on each side.
    first.run(Memory(desk, first.get, lambda: NOW).warm([RULE]))
    picked, trips = world.pick(world.desk(a_day_before(desk.chains)), now=NOW + timedelta(days=1))
    assert trips == 2
    assert picked.ticker == f"SPY 261211C{int(Decimal(price)) + 2}"
    assert picked.increments == ((Decimal(0), Decimal("0.01")),)
    assert sorted(world.asked) == sorted(["search", "strikes", "price", "price", *["info"] * 8, "secdef"])


def test_what_an_earlier_day_says_is_never_taken_for_an_answer() -> None:
    first = World()
    desk = first.desk()
    first.pick(desk)
    world = World()
    # The strike that would be meant is listed no more, and another number has the one behind it.
    world.gateway.rows = [
        {**each, "conid": each["conid"] + 500} for each in world.gateway.rows if each["strike"] != 630.0
    ]
    picked, _ = world.pick(world.desk(a_day_before(desk.chains)), now=NOW + timedelta(days=1))
    meant = next(
        each
        for each in world.gateway.rows
        if (each["strike"], each["right"], each["maturityDate"]) == (631.0, "C", "20261211")
    )
    assert (picked.ticker, picked.conid) == ("SPY 261211C631", meant["conid"])


def test_another_number_of_the_share_asks_for_its_price_anew() -> None:
    first = World()
    desk = first.desk()
    first.pick(desk)
    world, seen = World(), []
    world.gateway.search[0]["conid"] = "4711"
    shown = world.shown

    async def noted(of: Contract) -> Decimal | None:
        seen.append(of.conid)
        return await shown(of)

    picked, _ = world.pick(Desk(noted, a_day_before(desk.chains)), now=NOW + timedelta(days=1))
    assert (picked.ticker, seen) == ("SPY 261211C630", [756733, 4711])


@pytest.mark.parametrize("price", ["628.35", "634.90", "621.10"])
def test_a_chain_that_was_asked_ahead_takes_the_price_alone(price: str) -> None:
    world = World()
    memory = warmed(world)
    said = memory.written("SPY")
    assert said is not None
    # Another lane: nothing of it is at hand but the row.
    later = World(price)
    desk = later.desk()
    another = Memory(desk, later.get, lambda: NOW)
    another.recall("SPY", said, of_today=True)
    picked, trips = later.pick(desk)
    assert picked.ticker == f"SPY 261211C{int(Decimal(price)) + 2}"
    assert (trips, later.asked) == (2, ["price", "price"])
    assert later.pick(desk)[1] == 1
    assert another.written("SPY") is None


def test_what_is_asked_ahead_is_asked_two_at_a_time_and_is_bounded() -> None:
    world, most = World(), 0
    trip = world.trip

    async def counted(name: str) -> None:
        nonlocal most
        most = max(most, sum(not each.is_set() for each in world.waiting) + 1)
        await trip(name)

    world.trip = counted  # type: ignore[method-assign]
    warmed(world)
    assert (most, world.asked.count("info"), world.asked.count("secdef")) == (2, 24, 2)
    many = [Instrument(ticker=f"SPY C +1 weeks out {n}", asset_class=AssetClass.OPTION) for n in range(1, 9)]
    again = World()
    warmed(again, *many)
    # Rules of one side share what was asked.
    assert (again.asked.count("info"), again.asked.count("search")) == (24, 1)


def test_what_was_asked_ahead_before_it_was_broken_off_is_not_asked_again() -> None:
    world = World()
    memory = Memory(world.desk(), world.get, lambda: NOW)

    async def broken_off() -> None:
        warming = asyncio.create_task(memory.warm([RULE]))
        while world.asked.count("info") < 12:
            await asyncio.sleep(0)
            if world.waiting:
                world.waiting.pop(0).set()
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        world.waiting.clear()

    asyncio.run(broken_off())
    assert memory.written("SPY") is None
    before = world.asked.count("info")
    world.run(memory.warm([RULE]))
    # Two were under way.
    assert world.asked.count("info") <= 26
    assert before >= 12
    assert memory.written("SPY") is not None


def test_warming_that_fails_leaves_what_was_known() -> None:
    world = World()
    desk = world.desk()
    world.pick(desk)
    memory = Memory(desk, world.get, lambda: NOW)
    world.broken = {"strikes"}
    with pytest.raises(BrokerUnavailable):
        world.run(memory.warm([RULE]))
    world.broken.clear()
    asked = len(world.asked)
    assert world.pick(desk)[1] == 1
    assert world.asked[asked:] == ["price"]


def test_a_rule_that_nothing_fits_keeps_no_other_from_being_asked_ahead() -> None:
    world = World()
    never = Instrument(ticker="SPY C +2 years out 1", asset_class=AssetClass.OPTION)
    memory = warmed(world, never, RULE)
    said = memory.written("SPY")
    assert said is not None
    assert len(said["listed"]) >= 24


def test_a_name_of_an_earlier_day_takes_two_trips_and_an_unknown_one_four() -> None:
    first = World()
    desk = first.desk()
    assert first.pick(desk, NAME)[1] == 4
    world = World()
    picked, trips = world.pick(world.desk(a_day_before(desk.chains)), NAME, NOW + timedelta(days=1))
    assert (picked.ticker, trips) == (NAME.ticker, 2)


def test_options_on_a_future_that_were_asked_ahead_take_the_price_alone() -> None:
    world = World()
    memory = warmed(world, ON_FUTURE)
    said = memory.written("ES!")
    assert said is not None
    later = World()
    desk = later.desk()
    Memory(desk, later.get, lambda: NOW).recall("ES!", said, of_today=True)
    picked, trips = later.pick(desk, ON_FUTURE)
    assert picked.ticker == "ESZ2026 261211C6410"
    assert (trips, set(later.asked)) == (2, {"price"})


def test_what_is_written_of_a_chain_is_read_back_as_it_was() -> None:
    world = World()
    for rule, name in ((RULE, "SPY"), (ON_FUTURE, "ES!")):
        desk = world.desk()
        world.pick(desk, rule)
        said = written(desk.chains, name)
        known = read(name, said)
        assert known is not None
        assert written(known, name) == said == json.loads(json.dumps(said))
        assert (known.listed, known.strikes, known.futures) == (
            desk.chains.listed,
            desk.chains.strikes,
            desk.chains.futures,
        )


@pytest.mark.parametrize(
    "said", [{}, {"underlying": None}, {"underlying": {"symbol": "SPY", "conid": "x"}}, {"day": 5}]
)
def test_what_another_release_has_written_is_none(said: dict[str, Any]) -> None:
    world = World()
    desk = world.desk()
    memory = Memory(desk, world.get, lambda: NOW)
    memory.recall("SPY", said, of_today=True)
    assert not memory.knows("SPY")
    assert world.pick(desk)[1] == 5


def test_what_was_said_of_another_day_only_tells_what_to_ask() -> None:
    world = World()
    said = warmed(world).written("SPY")
    assert said is not None
    later = World()
    desk = later.desk()
    memory = Memory(desk, later.get, lambda: NOW + timedelta(days=1))
    # Whoever keeps the rows has the day wrong.
    memory.recall("SPY", said, of_today=True)
    assert later.pick(desk, now=NOW + timedelta(days=1))[1] == 2


@pytest.mark.parametrize(
    ("instrument", "chain"),
    [
        (RULE, "SPY"),
        (NAME, "SPY"),
        (Instrument(ticker="SPXW 261211C6400", asset_class=AssetClass.OPTION), "SPXW"),
        (ON_FUTURE, "ES!"),
        (Instrument(ticker="ESZ2026 261211C6400", asset_class=AssetClass.FUTURE_OPTION), "ES!"),
        (Instrument(ticker="AAPL"), None),
        (Instrument(ticker="ESZ2026", asset_class=AssetClass.FUTURE), None),
    ],
)
def test_a_chain_is_kept_under_one_name(instrument: Instrument, chain: str | None) -> None:
    assert chain_of(instrument) == chain


def test_no_price_is_no_pick_also_of_a_chain_that_is_known() -> None:
    world = World()
    said = warmed(world).written("SPY")
    assert said is not None

    async def none(of: Contract) -> Decimal | None:
        return None

    desk = Desk(none)
    Memory(desk, world.get, lambda: NOW).recall("SPY", said, of_today=True)
    with pytest.raises(OrderRefused, match="shows no live price"):
        world.pick(desk)
