"""How the quantity of an advisor's group order is split among its accounts, in exact fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from brokers.rulebook import rulesets, tables
from brokers.rulebook.answers import Denied
from brokers.rulebook.errors import BadInput, UnknownWord
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ZERO
from brokers.rulebook.words import Side

_METHODS = tables.read("models")["allocation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One account of a group; `affordable` is how much of its share it can pay for, without it all."""

    id: str
    net_liquidation: Decimal = ZERO
    available_equity: Decimal = ZERO
    position: Decimal = ZERO
    affordable: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """An allocation method with the name IBKR takes on the wire."""

    name: str
    weight: str
    wire: str
    needs_quantity: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Shares in group order; what an account cannot afford is canceled, never handed to another."""

    shares: dict[str, Decimal]
    canceled: Decimal

    @property
    def filled(self) -> Decimal:
        return sum(self.shares.values(), ZERO)


def method(name: str) -> Method:
    """The method by our name; UnknownWord for another."""
    row = _METHODS.get(name)
    if row is None:
        raise UnknownWord(name, kind="allocation method", known=", ".join(_METHODS))
    return Method(name=name, **row)


def known_methods() -> tuple[str, ...]:
    return tuple(_METHODS)


def allocation_denied(
    method_name: str, group: str, members: Sequence[str], quantity: Decimal | None, rules: Ruleset | None = None
) -> Denied | None:
    """Why a group order cannot be split, or None."""
    rules = rules or rulesets.load()
    if method_name not in _METHODS:
        return rules.deny("fa_method_not_supported", method=method_name)
    if not members:
        return rules.deny("fa_group_empty", group=group)
    if not quantity and method(method_name).needs_quantity:
        return rules.deny("fa_quantity_required", method=method_name)
    return None


def allocate(method_name: str, quantity: Decimal, members: Sequence[Member]) -> Allocation:
    """Splits a whole quantity by equal shares, net liquidation or available equity; the sign is kept.

    BadInput for a fraction, a group without accounts, an account named twice, or a method in percent.
    """
    chosen = method(method_name)
    if chosen.weight == "percent_change":
        raise BadInput("method", problem="a percent change has no quantity to split; use allocate_percent")
    _check_members(members)
    sign = -1 if quantity < 0 else 1
    shares = split(abs(quantity), [_weight(chosen.weight, member) for member in members])
    return _limited(members, shares, sign)


def allocate_percent(side: str, percentage: Decimal, members: Sequence[Member]) -> Allocation:
    """Shares in units without a sign: each account's position times `percentage`, cut to whole units.

    Buy grows longs (above zero) or covers shorts (below), sell grows shorts or cuts longs; other accounts get nothing.
    """
    _check_members(members)
    longs = (side == Side.BUY) == (percentage > 0)
    shares = [
        _truncated(abs(member.position) * abs(percentage) / 100)
        if (member.position > 0 if longs else member.position < 0)
        else 0
        for member in members
    ]
    return _limited(members, shares, 1)


def allocate_equalizing(side: str, quantity: Decimal, members: Sequence[Member]) -> Allocation:
    """Shares that bring the positions after the trade as close together as the quantity allows."""
    _check_members(members)
    sign = 1 if side == Side.BUY else -1
    held = [Fraction(member.position) * sign for member in members]
    level = _level(held, Fraction(abs(quantity)))
    desired = [max(level - position, Fraction(0)) for position in held]
    return _limited(members, _rounded(int(abs(quantity)), desired), 1)


def split(quantity: Decimal, weights: Sequence[Fraction]) -> list[int]:
    """Whole units by weight: the floor of each exact share, then the rest unit by unit to the account furthest behind."""
    if quantity != quantity.to_integral_value():
        raise BadInput("quantity", problem="only whole units can be split")
    counted = [max(weight, Fraction(0)) for weight in weights]
    total = sum(counted, Fraction(0))
    if total == 0:
        return [0] * len(counted)
    return _rounded(int(quantity), [int(quantity) * weight / total for weight in counted])


def _rounded(quantity: int, desired: Sequence[Fraction]) -> list[int]:
    shares = [share.numerator // share.denominator for share in desired]
    for _ in range(quantity - sum(shares)):
        # Ties go to the first account of the group, so that the same order always splits the same way.
        behind = min((i for i, share in enumerate(desired) if share > 0), key=lambda i: shares[i] / desired[i])
        shares[behind] += 1
    return shares


def _level(held: Sequence[Fraction], quantity: Fraction) -> Fraction:
    """The common position that this quantity lifts the lowest accounts to."""
    ordered = sorted(held)
    for count in range(len(ordered), 0, -1):
        level = (sum(ordered[:count], Fraction(0)) + quantity) / count
        if level >= ordered[count - 1]:
            return level
    raise BadInput("members", problem="a group needs at least one account")


def _weight(kind: str, member: Member) -> Fraction:
    if kind == "equal":
        return Fraction(1)
    return Fraction(member.net_liquidation if kind == "net_liquidation" else member.available_equity)


def _limited(members: Sequence[Member], shares: Sequence[int], sign: int) -> Allocation:
    kept: dict[str, Decimal] = {}
    canceled = ZERO
    for member, share in zip(members, shares, strict=True):
        units = Decimal(share)
        paid = units if member.affordable is None else min(units, max(member.affordable, ZERO))
        paid = paid.to_integral_value(ROUND_DOWN)
        kept[member.id] = paid * sign
        canceled += (units - paid) * sign
    return Allocation(shares=kept, canceled=canceled)


def _truncated(quantity: Decimal) -> int:
    return int(quantity.to_integral_value(ROUND_DOWN))


def _check_members(members: Sequence[Member]) -> None:
    if not members:
        raise BadInput("members", problem="a group needs at least one account")
    if len({member.id for member in members}) < len(members):
        raise BadInput("members", problem="each account may be in the group once")
