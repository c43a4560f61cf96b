"""What a schedule is: orders, faults, crashes and pauses in a row, drawn from a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from brokers.tests.soak import faults

Side = Literal["buy", "sell"]
# How an order is priced: at the market, far from it, where the next move of the price fills it, or as a stop there.
Kind = Literal["market", "far", "near", "stop"]


@dataclass(frozen=True)
class Place:
    """One order. `convert` and `cancel` are the seconds after which it becomes a market order, or is canceled."""

    kind: Kind = "market"
    side: Side = "buy"
    quantity: int = 4
    stock: int = 0
    convert: int | None = None
    cancel: int | None = None
    ttl: int = 60


# What is to happen where a stop is missing, as terms of subscriptions say.
Missing = Literal["cancel_entry", "place_stop", "flatten", "alarm"]
# What a connection sends again once it is proven absent.
Resends = Literal["never", "limit", "all"]
# What holds for all of a world: nothing, IBKR's announced restarts, the end of IBKR's day, or restarts of Postgres.
Sky = Literal["calm", "resets", "midnight", "database"]
# As many schedules in a row have one weather.
A_BLOCK = 50
_SKIES: tuple[Sky, ...] = ("calm", "resets", "midnight", "database", "calm")


@dataclass(frozen=True)
class Bracket:
    """An entry with a stop and a take profit, in one request; with several `targets`, one such entry for each."""

    kind: Kind = "market"
    side: Side = "buy"
    quantity: int = 4
    stock: int = 0
    ttl: int = 60
    missing: Missing = "cancel_entry"
    targets: int = 1


@dataclass(frozen=True)
class ByHand:
    """What a person does in TWS: an order of theirs, or a cancel of the newest order or stop that works in a stock."""

    deed: Literal["market", "far", "stop", "cancel", "cancel_stop"] = "market"
    side: Side = "sell"
    quantity: int = 2
    stock: int = 0


@dataclass(frozen=True)
class Flip:
    """Cancel what works in a stock, leave the position, and enter the other side once the exit has filled."""

    side: Side = "sell"
    quantity: int = 4
    stock: int = 0


@dataclass(frozen=True)
class Shrink:
    """Make the n-th order smaller, -1 the newest, and leave a part of the position behind it."""

    order: int = 0
    to: int = 2


@dataclass(frozen=True)
class Cancel:
    """Cancel the n-th order."""

    order: int = 0


@dataclass(frozen=True)
class CancelAll:
    """Cancel all that may still fill."""


@dataclass(frozen=True)
class Fault:
    """Arm a fault, by its name in the table of faults."""

    name: str


@dataclass(frozen=True)
class Crash:
    """Kill the lane or the watch: at once, or at the n-th moment from now at which it asks the database or IBKR."""

    process: Literal["lane", "watch"] = "lane"
    moment: int = 0


@dataclass(frozen=True)
class Move:
    """Move a stock's price, up or down, past what is placed near it."""

    stock: int = 0
    up: bool = True


@dataclass(frozen=True)
class Disturb:
    """Cut the live stream, lose the session, let another login take it, or restart IBKR's servers unannounced."""

    what: Literal["stream", "session", "stolen", "night"] = "stream"


@dataclass(frozen=True)
class Wait:
    """Seconds on the schedule's own clock."""

    seconds: float


Step = Place | Bracket | ByHand | Flip | Shrink | Cancel | CancelAll | Fault | Crash | Move | Disturb | Wait


@dataclass(frozen=True)
class Schedule:
    """Steps in a row. `resends` is what the connection sends again once it is proven absent."""

    steps: tuple[Step, ...]
    resends: Resends = "limit"
    weather: Sky = "calm"
    seed: int | None = None


def drawn(seed: int) -> Schedule:
    """The schedule of a seed."""
    dice = random.Random(seed)
    steps: list[Step] = []
    for _ in range(dice.randint(1, 4)):
        steps += _episode(dice)
    resends: Resends = dice.choice(["limit", "limit", "all", "never"])
    return Schedule(tuple(steps), resends=resends, weather=_SKIES[seed // A_BLOCK % len(_SKIES)], seed=seed)


def _episode(dice: random.Random) -> list[Step]:
    """Something asked for, and what goes wrong about it."""
    deed = _deed(dice)
    rests: list[Step] = []
    if isinstance(deed, Shrink) and dice.random() < 0.8:
        # What is changed rests at IBKR, by which a change may be taken as another order.
        resting = Place("far", dice.choice(["buy", "sell"]), dice.randint(5, 9), dice.choice([0, 0, 1]), ttl=600)
        rests, deed = [resting, Wait(2.0)], replace(deed, order=-1)
    before: list[Step] = [Fault(dice.choice(_fitting(deed)))] if dice.random() < 0.6 else []
    if dice.random() < 0.25:
        before.append(Fault(dice.choice(sorted(faults.TABLE))))
    if dice.random() < 0.25:
        before.append(Crash("lane", dice.randint(1, 30)))
    after: list[Step] = [Wait(_pause(dice))]
    for _ in range(dice.choice([0, 0, 1, 1, 2])):
        after += [_trouble(dice), Wait(_pause(dice))]
    return [*rests, *before, deed, *after]


def _deed(dice: random.Random) -> Step:
    side: Side = dice.choice(["buy", "sell"])
    stock, quantity = dice.choice([0, 0, 0, 1]), dice.randint(1, 9)
    kind: Kind = dice.choice(["market", "far", "near", "near", "stop"])
    match dice.choice(
        ["place"] * 4 + ["bracket"] * 5 + ["flip"] * 2 + ["shrink"] * 2 + ["cancel"] * 2 + ["all", "hand"]
    ):
        case "bracket":
            entry: Kind = dice.choice(["market", "market", "near", "far"])
            missing: Missing = dice.choice(["cancel_entry", "place_stop", "flatten", "alarm"])
            targets = dice.choice([1, 1, 2, 3])
            return Bracket(entry, side, max(quantity, targets), stock, dice.choice([60, 60, 600]), missing, targets)
        case "hand":
            return _by_hand(dice)
        case "flip":
            return Flip(side, quantity, stock)
        case "shrink":
            return Shrink(dice.randrange(6), dice.randint(1, 4))
        case "cancel":
            return Cancel(dice.randrange(6))
        case "all":
            return CancelAll()
    convert = dice.choice([None, None, None, 5]) if kind in {"far", "near"} else None
    cancel = dice.choice([None, None, None, 8]) if kind != "market" else None
    return Place(kind, side, quantity, stock, convert, cancel, ttl=dice.choice([15, 60, 60, 600]))


def _by_hand(dice: random.Random) -> ByHand:
    deed: Literal["market", "far", "stop", "cancel", "cancel_stop"] = dice.choice(
        ["market", "far", "stop", "cancel", "cancel_stop"]
    )
    return ByHand(deed, dice.choice(["buy", "sell"]), dice.randint(1, 6), dice.choice([0, 0, 0, 1]))


def _fitting(deed: Step) -> list[str]:
    """The faults that meet what is asked for."""
    match deed:
        case Bracket():
            return faults.of("place") + 5 * faults.of("stop")
        case Cancel() | CancelAll():
            return faults.of("cancel")
        case Shrink():
            return faults.of("modify") + 4 * ["modify_leaves_two", "modify_leaves_two_unnamed"]
        case Flip():
            return faults.of("place") + faults.of("cancel")
        case Place(convert=int()):
            return faults.of("modify") + faults.of("place")
    return faults.of("place")


def _trouble(dice: random.Random) -> Step:
    match dice.choice(["crash", "crash", "crash", "move", "move", "disturb", "fault", "cancel", "hand"]):
        case "hand":
            return _by_hand(dice)
        case "crash":
            return Crash(dice.choice(["lane", "lane", "watch"]), dice.choice([0, dice.randint(1, 30)]))
        case "move":
            return Move(dice.choice([0, 0, 1]), dice.random() < 0.5)
        case "disturb":
            return Disturb(dice.choice(["stream", "stream", "session", "stolen", "night"]))
        case "fault":
            return Fault(dice.choice(sorted(faults.TABLE)))
    return Cancel(dice.randrange(6))


def _pause(dice: random.Random) -> float:
    return dice.choice([0.0, 0.02, 0.1, 0.4, round(dice.uniform(0.5, 3), 1), round(dice.uniform(3, 15), 1), 35.0])


def smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules with less in them that may fail in the same way, the smallest first."""
    steps = schedule.steps
    size = len(steps) // 2
    while size:
        for at in range(0, len(steps), size):
            yield replace(schedule, steps=steps[:at] + steps[at + size :])
        size //= 2
    for at, step in enumerate(steps):
        if isinstance(step, Wait) and step.seconds > 0:
            yield replace(schedule, steps=(*steps[:at], Wait(0.0), *steps[at + 1 :]))


def as_code(schedule: Schedule) -> str:
    """The schedule as a case can be kept."""
    steps = "".join(f"\n    {step!r}," for step in schedule.steps)
    return f"Schedule(({steps}\n  ), resends={schedule.resends!r}, weather={schedule.weather!r})"
