"""How a schedule is run: its steps one by one, then a time without faults in which everything has to come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.doubts.choices import Choice
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    MAY_FILL,
    Instrument,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Resize,
    Role,
    Side,
    TimeInForce,
)
from brokers.models import Order
from brokers.orders import cancels, tickets, undecided
from brokers.tests.soak import clock, faults, invariants
from brokers.tests.soak.schedules import (
    Bracket,
    Cancel,
    CancelAll,
    Crash,
    Disturb,
    Fault,
    Flip,
    Move,
    Place,
    Schedule,
    Shrink,
    Step,
    Wait,
)
from brokers.tests.soak.world import BEGINS, NEAR, PRICE, Tenant, World, opened

FAR = Decimal(30)
# Without faults a doubt is over within this: half a minute proves, a minute more is given to what IBKR says it has.
LONGEST = 300.0
# What follows from the last step of all comes to rest within this, where nothing is in doubt (a request whose worker died
# gets its outcome after a minute); where both books agree,
# a moment of quiet is enough.
REST, QUIET = 75.0, 8.0
# How many schedules a world plays side by side. One that is over makes room for the next.
AT_ONCE = 40
# How often the one whom no fault meets places an order, in seconds.
EVERY = 9.0


@dataclass(frozen=True)
class Outcome:
    """What did not hold, in sentences: of each schedule, and of one whom no fault met meanwhile."""

    wrong: list[list[str]]
    neighbour: list[str]


def run(schedules: Sequence[Schedule], team: Team) -> Outcome:
    """Run schedules side by side, a connection each, beside one who only places orders."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(world: World, number: int) -> list[str]:
        async with room:
            tenant = await world.join(team, number, schedules[number].resends)
            wrong = await played(world, tenant, schedules[number])
            await world.leave(tenant)
            return wrong

    async def story() -> Outcome:
        async with opened(_watch) as world:
            calm = asyncio.create_task(_undisturbed(world, team, len(schedules)))
            async with asyncio.TaskGroup() as together:
                tasks = [together.create_task(one(world, number)) for number in range(len(schedules))]
            calm.cancel()
            return Outcome([task.result() for task in tasks], await calm)

    with _seldom_collecting():
        return clock.run(story(), BEGINS)


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
    tenant = await world.join(team, number, "never")
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await take(world, tenant, Place(quantity=1))
            await asyncio.sleep(EVERY)
    return [*tenant.wrong, *await world.db(invariants.left_in_time, tenant)]


async def played(world: World, tenant: Tenant, schedule: Schedule) -> list[str]:
    """Play a schedule to its end, and say what did not hold."""
    for step in schedule.steps:
        await take(world, tenant, step)
    world.gateway.faults.clear(tenant.user.name)
    await _rest(world, tenant)
    return [*tenant.wrong, *await world.db(invariants.at_the_end, tenant)]


def _watch(tenant: Tenant) -> None:
    tenant.wrong += [each for each in invariants.at_any_time(tenant) if each not in tenant.wrong]


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
        is_hidden = any(tenant.is_hidden(each) for each in tenant.at_ibkr())
        quiet = 0.0 if under_way or is_hidden else quiet + 1.0
        await asyncio.sleep(1.0)


def _decide(tenant: Tenant) -> None:
    """A person looks at IBKR's own pages, and says what they see."""
    shown = {each.reference: each for each in tenant.at_ibkr() if not tenant.is_hidden(each)}
    for order in Order.objects.filter(connection=tenant.key, status="needs_attention"):
        facts = shown.get(order.reference)
        doubt = order.doubts.filter(closed_at=None).first()
        if doubt is not None and doubt.choice and not doubt.objection:
            continue
        choice, number = (Choice.ADOPT, str(facts.order_id)) if facts is not None else (Choice.ABSENT, "")
        undecided.choose(order=order, choice=choice, number=number, actor=None, now=clock.moment())


async def take(world: World, tenant: Tenant, step: Step) -> None:
    """Take one step of a schedule."""
    match step:
        case Wait(seconds):
            await asyncio.sleep(seconds)
        case Fault(name):
            tenant.arm(faults.TABLE[name])
        case Crash("lane", moment):
            world.worker.fates[tenant.key].die_in(moment)
        case Crash(_, moment):
            world.stream.stations[tenant.key].fate.die_in(moment)
        case Move(stock, up):
            tenant.set_price(stock, tenant.prices[stock] + (2 * NEAR if up else -2 * NEAR))
        case Disturb(what):
            _disturb(tenant, what)
        case _:
            await world.db(_asked, tenant, step)
            world.worker.wake(tenant.key)


def _disturb(tenant: Tenant, what: str) -> None:
    user = tenant.user
    if what == "stream":
        for socket in list(user.sockets):
            socket.drop()
        return
    user.session.lose()
    user.session.competing = what == "stolen"
    user.tell_status()


def _asked(tenant: Tenant, step: Step) -> None:
    """What people and signals ask for."""
    match step:
        case Place():
            values = {"convert_after": step.convert, "cancel_after": step.cancel}
            _open(tenant, step.stock, (_intent(tenant, step, Role.ENTRY, **values),), ttl=step.ttl)
        case Bracket():
            _open(tenant, step.stock, (_bracket(tenant, step),), ttl=step.ttl)
        case Flip():
            _flip(tenant, step)
        case Shrink(number, to):
            _shrink(tenant, number, Decimal(to))
        case Cancel(number):
            if (order := _nth(tenant, number)) is not None:
                cancels.request_cancel(order=order, actor=None, now=timezone.now())
        case CancelAll():
            every = Order.objects.filter(connection=tenant.key)
            cancels.cancel_all(every, actor=None, cause="All orders are to be canceled.", now=timezone.now())


def _nth(tenant: Tenant, number: int) -> Order | None:
    orders = list(Order.objects.filter(connection=tenant.key).order_by("pk"))
    return orders[number % len(orders)] if orders else None


def _open(
    tenant: Tenant,
    stock: int,
    intents: tuple[OrderIntent, ...],
    *,
    cancels: tuple[str, ...] = (),
    resizes: tuple[Resize, ...] = (),
    ttl: int = 60,
) -> None:
    now = timezone.now()
    draft = tickets.Draft(
        account=tenant.account,
        key=uuid.uuid4(),
        conid=tenant.stocks[stock],
        currency="USD",
        multiplier=Decimal(1),
        intents=intents,
        cancels=cancels,
        resizes=resizes,
        expires_at=now + timedelta(seconds=ttl),
    )
    with transaction.atomic():
        tickets.open_tickets([draft], now)


def _intent(tenant: Tenant, step: Place | Bracket, role: Role, **values: object) -> OrderIntent:
    side, price = Side(step.side), tenant.prices[step.stock]
    against = -side.sign
    prices: dict[str, dict[str, object]] = {
        "market": {"type": OrderType.MARKET},
        "far": {"type": OrderType.LIMIT, "limit_price": PRICE + against * FAR},
        "near": {"type": OrderType.LIMIT, "limit_price": price + against * NEAR},
        "stop": {"type": OrderType.STOP, "stop_price": price - against * NEAR},
    }
    quantity = Decimal(step.quantity)
    return _of(tenant, step.stock, role, side, quantity, **prices[step.kind], **values)


def _of(tenant: Tenant, stock: int, role: Role, side: Side, quantity: Decimal, **values: object) -> OrderIntent:
    instrument = Instrument(ticker=tenant.symbol(stock))
    return OrderIntent(role=role, instrument=instrument, side=side, quantity=quantity, **values)  # type: ignore[arg-type]


def _bracket(tenant: Tenant, step: Bracket) -> OrderIntent:
    side, price = Side(step.side), tenant.prices[step.stock]
    legs = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC}
    quantity, way = Decimal(step.quantity), side.opposite
    loss, gain = price - side.sign * 3 * NEAR, price + side.sign * 3 * NEAR
    stop = _of(tenant, step.stock, Role.STOP_LOSS, way, quantity, type=OrderType.STOP, stop_price=loss, **legs)
    profit = _of(tenant, step.stock, Role.TAKE_PROFIT, way, quantity, type=OrderType.LIMIT, limit_price=gain, **legs)
    return _intent(tenant, step, Role.ENTRY, then=(stop, profit))


def _flip(tenant: Tenant, step: Flip) -> None:
    working = Order.objects.filter(
        connection=tenant.key, conid=tenant.stocks[step.stock], status__in=[str(each) for each in MAY_FILL]
    )
    side, quantity = Side(step.side), Decimal(step.quantity)
    market = {"type": OrderType.MARKET}
    entry = _of(tenant, step.stock, Role.ENTRY, side, quantity, release=Release.AFTER_PARENT_FILLS, **market)
    leave = _of(tenant, step.stock, Role.EXIT, side, quantity, then=(entry,), **market)
    references = tuple(working.order_by("pk").values_list("reference", flat=True))
    _open(tenant, step.stock, (leave,), cancels=references)


def _shrink(tenant: Tenant, number: int, to: Decimal) -> None:
    order = _nth(tenant, number)
    if order is None or OrderStatus(order.status) not in CHANGED_IN_PLACE or order.quantity <= to:
        return
    stock = tenant.stocks.index(order.conid)
    part = _of(tenant, stock, Role.EXIT, Side(order.side), order.quantity - to, type=OrderType.MARKET)
    _open(tenant, stock, (part,), resizes=(Resize(reference=order.reference, quantity=to),))
