"""An advisor's groups: who gets how much of an order, and of each fill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

from brokers.rulebook.allocation import Member, allocate, split
from brokers.simulator.exchange.records import ZERO, Group

# The broker's letters for the methods the rulebook computes; for every other method the group names the amounts.
COMPUTED = {"E": "EqualQuantity", "N": "NetLiq", "A": "AvailableEquity"}
BY_AMOUNT = frozenset({"P", "R", "S"})
METHODS = frozenset(COMPUTED) | BY_AMOUNT | {"C"}

MemberOf = Callable[[str], Member]
Affordable = Callable[[str, Decimal], Decimal]


class CannotAllocate(Exception):
    """Why a group order cannot be divided."""


def shares_of(
    group: Group, method: str, quantity: Decimal, member_of: MemberOf, affordable: Affordable
) -> tuple[dict[str, Decimal], Decimal]:
    """Whole units for each account, and what is canceled because an account cannot carry its share."""
    if method in COMPUTED:
        members = [member_of(account_id) for account_id, _ in group.members]
        allocated = dict(allocate(COMPUTED[method], quantity, members).shares)
    elif method in BY_AMOUNT:
        weights = [Fraction(amount or ZERO) for _, amount in group.members]
        allocated = {
            account_id: Decimal(units)
            for (account_id, _), units in zip(group.members, split(quantity, weights), strict=True)
        }
    else:
        raise CannotAllocate("a cash quantity divides money, and this order has a quantity")
    shares = {a: min(units, affordable(a, units)) for a, units in allocated.items() if units > 0}
    return {a: units for a, units in shares.items() if units > 0}, quantity - sum(shares.values(), ZERO)


def parts_of(quantity: Decimal, shares: Mapping[str, Decimal], dealt: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """How one fill is divided: by what each account still waits for, and never more than that."""
    left = {account_id: share - dealt.get(account_id, ZERO) for account_id, share in shares.items()}
    units = split(quantity, [Fraction(each) for each in left.values()])
    return {a: Decimal(n) for a, n in zip(left, units, strict=True) if n}
