"""Several targets of one entry: how many units each takes, and the orders that IBKR carries them as.

IBKR cancels whatever else hangs on an order once one of its legs has filled whole, so two targets of one order would end each
other, and the stop with them. An entry with several targets is sent as an entry for each: every target has its own part of
the stop beside it, and the two cancel each other at IBKR, whatever becomes of Halyard meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from brokers.domain.contracts import rungs
from brokers.domain.contracts.rungs import ALL, NOISE, cut
from brokers.domain.orders import DistanceIn, OrderIntent, Role
from brokers.domain.sentences import grouped
from strategies.domain.message.message import Ladder

_CENT = Decimal("0.01")
_FINEST = Decimal("0.000000000001")


def parts(ladder: Ladder, total: Decimal, step: Decimal, *, sent: Decimal | None = None) -> tuple[Decimal, ...] | None:
    """The units that each rung takes of an entry of `total`, the nearest first: whole steps, each rounded down, and where the
    rungs take all of the entry the last of them takes what is left over. None where they take more than there is.

    `sent`: the quantity that the rungs' own were sent beside; None where theirs are of the entry itself. What the terms make
    of the one, they make of the others.
    """
    shares = shares_of(ladder, total if sent is None else sent)
    return None if shares is None else cut(total, shares, step)


def shares_of(ladder: Ladder, of: Decimal) -> list[Fraction] | None:
    """Which part of an entry of so many units each rung takes; None where they take more than there is."""
    said = [
        Fraction(rung.percent) / 100
        if rung.percent is not None
        else None
        if rung.quantity is None
        else Fraction(rung.quantity) / Fraction(of)
        for rung in ladder.rungs
    ]
    rest = ALL - sum(share for share in said if share is not None)
    if rest < -NOISE:
        return None
    silent = said.count(None)
    return [max(rest, Fraction(0)) / silent if share is None else share for share in said]


def with_quantity(entry: OrderIntent, quantity: Decimal, step: Decimal) -> OrderIntent:
    """The entry with so many units and legs of the same size; of several targets each keeps its share, and one that would take
    nothing is left out."""
    return _with_sizes(entry, quantity, cut(quantity, _shares(entry), step))


def among(entry: OrderIntent, amounts: Sequence[Decimal], step: Decimal) -> OrderIntent:
    """The entry of an advisor's group whose accounts get so many units each: each of several targets is rounded in each account
    for itself, and has the sum of that here. One that no account has a unit for is left out."""
    shares = _shares(entry)
    if all(target.share is None for target in targets_of(entry)):
        return entry
    parts = [cut(amount, shares, step) for amount in amounts]
    return _with_sizes(entry, entry.quantity, [sum(sizes, Decimal(0)) for sizes in zip(*parts, strict=True)])


def lacking(entry: OrderIntent, amount: Decimal, step: Decimal) -> list[OrderIntent]:
    """The targets of a group's entry for which an account that gets so many units has none."""
    targets = targets_of(entry)
    sizes = cut(amount, _shares(entry), step)
    return [target for target, size in zip(targets, sizes, strict=True) if not size]


def _shares(entry: OrderIntent) -> list[Fraction]:
    return [
        Fraction(target.quantity) / Fraction(entry.quantity) if target.share is None else Fraction(target.share)
        for target in targets_of(entry)
    ]


def _with_sizes(entry: OrderIntent, quantity: Decimal, sizes: Sequence[Decimal]) -> OrderIntent:
    """The entry with so many units, and targets of these sizes."""
    left = iter(rungs.kept(_shares(entry), sizes))
    of_target, many = iter(sizes), sum(size > 0 for size in sizes)
    legs = []
    for leg in entry.then:
        if leg.role is not Role.TAKE_PROFIT:
            legs.append(replace(_with_rule_for(leg, many), quantity=quantity))
        elif size := next(of_target):
            share = as_kept(next(left)) if leg.share is not None else None
            legs.append(replace(_with_rule_for(leg, many), quantity=size, share=share))
    return replace(entry, quantity=quantity, then=tuple(legs))


def as_kept(share: Fraction) -> Decimal:
    """A share as a plan keeps it."""
    return (Decimal(share.numerator) / Decimal(share.denominator)).quantize(_FINEST)


def _with_rule_for(leg: OrderIntent, targets: int) -> OrderIntent:
    """The leg without a rule that waits for more targets than there are."""
    return replace(leg, moves=None) if leg.moves is not None and leg.moves.after > targets else leg


def named_parts(entry: OrderIntent) -> str:
    """How the entry is divided among its targets: "3 at 105, 3 at 110, 4 without one"; "" where it is not."""
    targets = targets_of(entry)
    if all(target.quantity == entry.quantity for target in targets):
        return ""
    named = [f"{grouped(each.quantity)} at {grouped(each.limit_price or Decimal(0))}" for each in targets]
    rest = entry.quantity - sum((each.quantity for each in targets), Decimal(0))
    return ", ".join([*named, f"{grouped(rest)} without one"] if rest else named)


def targets_of(entry: OrderIntent) -> list[OrderIntent]:
    """The take profits that an entry takes along, the nearest first."""
    return [leg for leg in entry.then if leg.role is Role.TAKE_PROFIT]


def as_sent(intents: Sequence[OrderIntent]) -> tuple[OrderIntent, ...]:
    """The orders of a plan as they leave: an entry with several targets as an entry for each, with its part of the stop, and
    one more for what has no target."""
    return tuple(sent for intent in intents for sent in _sent(intent))


def _sent(intent: OrderIntent) -> tuple[OrderIntent, ...]:
    if not intent.then:
        return (intent,)
    if intent.role is not Role.ENTRY:
        return (replace(intent, then=as_sent(intent.then)),)
    return split(intent)


def split(entry: OrderIntent) -> tuple[OrderIntent, ...]:
    """An entry as IBKR carries it: by itself where all of it has one target or none, else a part for each. That of an advisor's
    group is one order: its targets are parted in each account, by what that got."""
    targets = targets_of(entry)
    if any(target.share is not None for target in targets) or all(
        target.quantity == entry.quantity for target in targets
    ):
        return (entry,)
    rest = entry.quantity - sum((target.quantity for target in targets), Decimal(0))
    others = [leg for leg in entry.then if leg.role is not Role.TAKE_PROFIT]
    cuts: list[tuple[Decimal, tuple[OrderIntent, ...]]] = [(target.quantity, (target,)) for target in targets]
    if rest > 0:
        cuts.append((rest, ()))
    return tuple(
        replace(
            entry,
            quantity=size,
            estimated_fee=_part(entry.estimated_fee, size, entry.quantity),
            then=(*(_part_of_leg(leg, size) for leg in others), *target),
        )
        for size, target in cuts
    )


def _part_of_leg(leg: OrderIntent, size: Decimal) -> OrderIntent:
    """A stop over so many of its units; a loss in money that is counted from the fill is that of the part."""
    far = leg.from_fill
    if far is not None and far.counts is DistanceIn.PNL:
        far = replace(far, value=far.value * size / leg.quantity)
    return replace(leg, quantity=size, from_fill=far)


def _part(fee: Decimal | None, size: Decimal, whole: Decimal) -> Decimal | None:
    return None if fee is None else (fee * size / whole).quantize(_CENT)
