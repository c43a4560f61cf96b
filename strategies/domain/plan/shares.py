"""Who of an advisor's group gets how many of an order: the rulebook's allocation, before the order leaves.

IBKR divides the order itself when it arrives, by the group as it is then; this is what it is expected to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from brokers.domain.advisors.groups import Client, Group, Member, Method, SeenGroup, amounts_problem
from brokers.domain.orders import OrderIntent
from brokers.domain.sentences import all_of, grouped
from brokers.rulebook import allocation
from brokers.rulebook.errors import BadInput
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Rejection, Share

ZERO = Decimal(0)
# How many accounts a sentence names.
_NAMED = 6
_COMPUTED = {Method.EQUAL_QUANTITY, Method.NET_LIQUIDATION, Method.AVAILABLE_EQUITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """An entry to be divided: whole units, and what one of them needs of an account's funds, None where nobody knows."""

    quantity: Decimal
    unit_margin: Decimal | None = None
    ticker: str = ""


def shares_of(group: SeenGroup, size: Size) -> tuple[Share, ...] | Rejection:
    """Each account's share in the order of the group, or why the order is not sent (B10, B11)."""
    if refused := _not_divisible(group):
        return refused
    try:
        divided = _divided(group, size)
    except BadInput as problem:
        return _refused("group-not-divided", f"{grouped(size.quantity)} cannot be divided: {problem.sentence}")
    if isinstance(divided, Rejection):
        return divided
    shares = tuple(map(_share(size), group.members, divided))
    none = [
        share.account_id for share, client in zip(shares, group.members, strict=True) if _left_out(share, client, group)
    ]
    if none:
        reason = (
            f"{grouped(size.quantity)} {size.ticker} divided by {group.method.label.lower()} among the {len(group.members)} "
            f"accounts of {group.name} leaves nothing for {_named(none)}. Send more, or change the group."
        )
        return _refused("group-below-one", reason)
    if not sum((share.quantity for share in shares), ZERO):
        return _refused("group-no-money", f"No account of {group.name} can pay for its share. Nothing was ordered.")
    return shares


def _refused(code: str, reason: str) -> Rejection:
    return Rejection(rule="B10", code=code, reason=reason)


def _not_divisible(group: SeenGroup) -> Rejection | None:
    if group.problem:
        return _refused(group.problem_code, group.problem)
    if not group.members:
        return _refused("group-empty", f"No account is in group {group.name}. Put accounts into it, then send again.")
    barred = [client.account_id for client in group.members if client.permitted is False]
    if barred:
        reason = f"IBKR does not let {_named(barred)} of {group.name} trade this contract. Take it out of the group, or ask IBKR for the permission."
        return Rejection(rule="B11", code="group-account-not-permitted", reason=reason)
    members = tuple(Member(client.account_id, client.amount) for client in group.members)
    wrong = amounts_problem(Group(name=group.name, method=group.method, members=members))
    return None if wrong is None else _refused(wrong.code, wrong.reason)


def _divided(group: SeenGroup, size: Size) -> Sequence[Decimal] | Rejection:
    match group.method:
        case Method.SHARES:
            total = sum((client.amount or ZERO for client in group.members), ZERO)
            if total != size.quantity:
                reason = (
                    f"The shares of {group.name} sum to {grouped(total)}, and the order is for {grouped(size.quantity)}. "
                    "Send that quantity, or change the group."
                )
                return _refused("group-shares-sum", reason)
            return [client.amount or ZERO for client in group.members]
        case Method.CASH_QUANTITY:
            reason = f"{group.name} divides money, and Halyard orders quantities. Give the group another method."
            return _refused("group-divides-money", reason)
        case Method.PERCENTAGE | Method.RATIOS:
            weights = [Fraction(client.amount or ZERO) for client in group.members]
            return [Decimal(units) for units in allocation.split(size.quantity, weights)]
        case _:
            return _computed(group, size)


def _computed(group: SeenGroup, size: Size) -> Sequence[Decimal] | Rejection:
    of = {Method.NET_LIQUIDATION: lambda c: c.equity, Method.AVAILABLE_EQUITY: lambda c: c.available}
    money: Callable[[Client], Decimal | None] = of.get(group.method, lambda _: ZERO)
    unknown = [client.account_id for client in group.members if money(client) is None]
    if unknown:
        reason = f"IBKR has not shown the money of {_named(unknown)} yet, by which {group.name} is divided. Send again in a moment."
        return _refused("group-money-unknown", reason)
    members = [
        allocation.Member(
            id=client.account_id, net_liquidation=client.equity or ZERO, available_equity=client.available or ZERO
        )
        for client in group.members
    ]
    return list(allocation.allocate(str(group.method), size.quantity, members).shares.values())


def _share(size: Size) -> Callable[[Client, Decimal], Share]:
    """A client's share of so many units, of which it is canceled at IBKR what the client cannot pay for."""

    def share(client: Client, units: Decimal) -> Share:
        if not size.unit_margin or client.available is None:
            return Share(account_id=client.account_id, quantity=units)
        most = max((client.available / size.unit_margin).to_integral_value(ROUND_DOWN), ZERO)
        return Share(account_id=client.account_id, quantity=min(units, most), unpaid=max(units - most, ZERO))

    return share


def _left_out(share: Share, client: Client, group: SeenGroup) -> bool:
    """Whether an account gets nothing although the method weighs it: the order is too small for it."""
    if share.quantity or share.unpaid:
        return False
    if group.method is Method.NET_LIQUIDATION:
        return (client.equity or ZERO) > 0
    return group.method is not Method.AVAILABLE_EQUITY or (client.available or ZERO) > 0


def sentence_of(group: SeenGroup, shares: Sequence[Share]) -> str:
    """ "Divided by equal quantity among family: DU1 67, DU2 66." """
    parts = [f"{share.account_id} {grouped(share.quantity)}" for share in shares[:_NAMED]]
    more = f" and {len(shares) - _NAMED} more" if len(shares) > _NAMED else ""
    unpaid = [f"{grouped(share.unpaid)} of {share.account_id}" for share in shares if share.unpaid]
    cut = f" IBKR cancels what cannot be paid for: {_named(unpaid)}." if unpaid else ""
    return f" Divided by {group.method.label.lower()} among {group.name}: {', '.join(parts)}{more}.{cut}"


def targets_in_words(entry: OrderIntent, shares: Sequence[Share], lot: int) -> str:
    """How several targets of a group's entry are divided, rounded in each account, and who gets too few for all of them; "" where
    there are not several."""
    named, targets = ladder.named_parts(entry), ladder.targets_of(entry)
    if not named and len(targets) < 2:
        return ""
    few = []
    for share in shares:
        lacks = ladder.lacking(entry, share.quantity, Decimal(lot)) if share.quantity else []
        if lacks:
            few.append(f"{share.account_id} none at {all_of(grouped(each.limit_price or ZERO) for each in lacks)}")
    short = f" Too few for each target: {_named(few)}." if few else ""
    return f" Targets, rounded in each account: {named}.{short}"


def _named(words: Sequence[str]) -> str:
    return all_of([*words[:_NAMED], f"{len(words) - _NAMED} more"] if len(words) > _NAMED else words)


__all__ = ["Size", "sentence_of", "shares_of", "targets_in_words"]
