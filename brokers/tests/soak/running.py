"""How a schedule is run: its steps one by one, then a time without faults in which everything has to come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import connection

from accounts.models import Team
from brokers.domain.doubts.choices import Choice
from brokers.models import Order
from brokers.orders import cancels, undecided
from brokers.tests.soak import asking, clock, faults, invariants
from brokers.tests.soak.schedules import ByHand, Crash, Disturb, Fault, Move, Place, Schedule, Step, Wait
from brokers.tests.soak.tenant import NEAR, Tenant
from brokers.tests.soak.weather import Weather
from brokers.tests.soak.world import World, opened

# Without faults a doubt is over within this: half a minute proves, a minute more is given to what IBKR says it has, and
# nothing proves anything around the end of IBKR's day.
LONGEST = 900.0
# What follows from the last step of all comes to rest within this, where nothing is in doubt (a request whose worker died
# gets its outcome after a minute, and a night of IBKR's lasts one, with twenty seconds before it and a session to be proved
# behind it, in which nothing can be mended); where both books agree, a moment of quiet is enough.
REST, QUIET = 180.0, 8.0
# How many schedules a world plays side by side. One that is over makes room for the next.
AT_ONCE = 60
# How often the one whom no fault meets places an order, in seconds.
EVERY = 9.0
# Counted beside the faults: orders that went to their lane in memory.
HANDED = "handed over in memory"
# How long IBKR is away in a night that no window announces, in seconds.
NIGHT = 20.0


@dataclass(frozen=True)
class Outcome:
    """What did not hold, in sentences: of each schedule, and of one whom no fault met meanwhile.

    `hits`: how often each fault met a call.
    """

    wrong: list[list[str]]
    neighbour: list[str]
    hits: Counter[str] = field(default_factory=Counter)


def run(schedules: Sequence[Schedule], team: Team) -> Outcome:
    """Run schedules of one weather side by side, a connection each, beside one who only places orders."""
    (weather,) = {schedule.weather for schedule in schedules}
    room = asyncio.Semaphore(AT_ONCE)
    hits: Counter[str] = Counter()

    async def one(world: World, number: int) -> list[str]:
        async with room:
            tenant = await world.join(team, number, schedules[number].resends)
            wrong = await played(world, tenant, schedules[number])
            for name, fault in tenant.armed:
                hits[name] += fault.hits
            hits[HANDED] += tenant.handed
            await world.leave(tenant)
            return wrong

    async def story() -> Outcome:
        async with opened(_watch, Weather.of(weather)) as world:
            calm = asyncio.create_task(_undisturbed(world, team, len(schedules)))
            async with asyncio.TaskGroup() as together:
                tasks = [together.create_task(one(world, number)) for number in range(len(schedules))]
            calm.cancel()
            return Outcome([task.result() for task in tasks], await calm, hits)

    # Back to the pool, which notices a session that a restart of Postgres has ended.
    connection.close()
    with _seldom_collecting(), Weather.of(weather).set_up():
        return clock.run(story(), Weather.of(weather).begins)


@contextlib.contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A twelfth of a run would go into looking for garbage."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _undisturbed(world: World, team: Team, number: int) -> list[str]:
    """Place an order every few seconds, until all others are done; what did not hold."""
    tenant = await world.join(team, number, "never", calm=True)
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await take(world, tenant, Place(quantity=1))
            await asyncio.sleep(EVERY)
    late = [] if world.weather.meets_all else await world.db(invariants.left_in_time, tenant)
    return [*tenant.wrong, *late]


async def played(world: World, tenant: Tenant, schedule: Schedule) -> list[str]:
    """Play a schedule to its end, and say what did not hold."""
    await asyncio.sleep(world.weather.pause())
    for step in schedule.steps:
        await take(world, tenant, step)
    world.gateway.faults.clear(tenant.user.name)
    await _rest(world, tenant)
    return [*tenant.wrong, *await world.db(invariants.at_the_end, tenant)]


def _watch(tenant: Tenant) -> None:
    found = [*invariants.at_any_time(tenant), *tenant.guard.look(tenant)]
    tenant.wrong += [each for each in found if each not in tenant.wrong]


async def _rest(world: World, tenant: Tenant) -> None:
    """Wait until nothing is under way; a person decides what is left to a person."""
    quiet, give_up_at = 0.0, asyncio.get_running_loop().time() + LONGEST
    while asyncio.get_running_loop().time() < give_up_at and quiet < REST:
        if world.turning.done():
            world.turning.result()
        under_way = invariants.under_way(tenant)
        if quiet >= QUIET and quiet % QUIET == 0 and not await world.db(invariants.at_the_end, tenant):
            return
        if any(order.status == "needs_attention" for order in under_way):
            await world.db(_decide, tenant)
        if invariants.undecided_seconds(tenant):
            await world.db(_cancel_seconds, tenant)
            quiet = 0.0
        is_hidden = any(tenant.is_hidden(each) for each in tenant.at_ibkr())
        quiet = 0.0 if under_way or is_hidden else quiet + 1.0
        await asyncio.sleep(1.0)


def _decide(tenant: Tenant) -> None:
    """A person looks at IBKR's own pages, and says what they see."""
    shown = {each.reference: each for each in tenant.at_ibkr() if tenant.is_shown(each)}
    for order in Order.objects.filter(connection=tenant.key, status="needs_attention"):
        facts = shown.get(order.reference)
        doubt = order.doubts.filter(closed_at=None).first()
        if doubt is not None and doubt.choice and not doubt.objection:
            continue
        choice, number = (Choice.ADOPT, str(facts.order_id)) if facts is not None else (Choice.ABSENT, "")
        undecided.choose(order=order, choice=choice, number=number, actor=None, now=clock.moment())


def _cancel_seconds(tenant: Tenant) -> None:
    """A person wants one order where IBKR has two for it."""
    for order in invariants.undecided_seconds(tenant):
        cancels.request_cancel(order=order, actor=None, now=clock.moment())


async def take(world: World, tenant: Tenant, step: Step) -> None:
    """Take one step of a schedule."""
    match step:
        case Wait(seconds):
            await asyncio.sleep(seconds)
        case Fault(name):
            tenant.arm(faults.TABLE[name], name)
        case Crash("lane", moment):
            world.worker.fates[tenant.key].die_in(moment)
        case Crash(_, moment):
            world.stream.stations[tenant.key].fate.die_in(moment)
        case Move(stock, up):
            tenant.set_price(stock, tenant.prices[stock] + (2 * NEAR if up else -2 * NEAR))
        case Disturb(what):
            _disturb(tenant, what)
        case ByHand():
            asking.by_hand_at_ibkr(tenant, step)
        case _:
            handed = tenant.handed
            await world.db(asking.ask, tenant, step)
            if handed == tenant.handed:
                world.worker.wake(tenant.key)


def _disturb(tenant: Tenant, what: str) -> None:
    user = tenant.user
    if what == "stream":
        for socket in list(user.sockets):
            socket.drop()
        return
    if what == "night":
        tenant.begin_night(NIGHT)
        return
    user.session.lose()
    user.session.competing = what == "stolen"
    user.tell_status()
