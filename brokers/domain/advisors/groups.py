"""An advisor's groups: which accounts an order is divided among, and by what. Pure.

Methods bear the names of IBKR's order forms; its letters stand in `brokers.ibkr.words`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.sentences import all_of, grouped

MOST_GROUPS = 200
MOST_CLIENTS = 200
NAME_LENGTH = 64
MOST_AMOUNT = Decimal(10) ** 12
_WHOLE = Decimal(100)


class Method(StrEnum):
    """What an order of a group is divided by. The first three IBKR computes; the others take an amount for each account."""

    EQUAL_QUANTITY = "EqualQuantity"
    NET_LIQUIDATION = "NetLiq"
    AVAILABLE_EQUITY = "AvailableEquity"
    PERCENTAGE = "Percentage"
    RATIOS = "Ratios"
    SHARES = "Shares"
    CASH_QUANTITY = "CashQuantity"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def takes_amounts(self) -> bool:
        return self in _AMOUNTS


_LABELS = {
    Method.EQUAL_QUANTITY: "Equal quantity",
    Method.NET_LIQUIDATION: "Net liquidation value",
    Method.AVAILABLE_EQUITY: "Available equity",
    Method.PERCENTAGE: "Percent of each order",
    Method.RATIOS: "Ratios",
    Method.SHARES: "Shares of each account",
    Method.CASH_QUANTITY: "Money of each account",
}
_AMOUNTS = {
    Method.PERCENTAGE: "percent",
    Method.RATIOS: "ratio",
    Method.SHARES: "shares",
    Method.CASH_QUANTITY: "money",
}


@dataclass(frozen=True, slots=True)
class Member:
    """An account of a group, by its number; `amount` in the method's own unit, None where IBKR computes the shares."""

    account_id: str
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group with its default method, its accounts in IBKR's order."""

    name: str
    method: Method
    members: tuple[Member, ...]
    # Whether this is all of it: IBKR showed no account that could not be read, and no more than are kept.
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """All groups that IBKR showed. `unread`: names of those that it lists, and of which nothing could be made out."""

    groups: tuple[Group, ...] = ()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a group from being one: a stable code and a sentence."""

    code: str
    reason: str


def problem_of(group: Group, known: Collection[str]) -> Problem | None:
    """Why IBKR could not divide an order by this group; `known` are the accounts that the advisor's user has."""
    return _name_problem(group, known) or _members_problem(group, known) or amounts_problem(group)


def _name_problem(group: Group, known: Collection[str]) -> Problem | None:
    name = group.name
    if not name.strip() or name != name.strip() or len(name) > NAME_LENGTH or not name.isprintable() or "/" in name:
        return Problem("group-name", f"Give the group a name of 1 to {NAME_LENGTH} characters, without a slash.")
    if name in known or name.lower() == "all":
        return Problem("group-name-taken", f"{name} is the name of an account. Give the group another name.")
    return None


def _members_problem(group: Group, known: Collection[str]) -> Problem | None:
    numbers = [member.account_id for member in group.members]
    if not numbers:
        return Problem("group-empty", "A group needs at least one account. Mark who is in.")
    if len(numbers) > MOST_CLIENTS:
        return Problem("group-too-large", f"A group has at most {MOST_CLIENTS} accounts here.")
    if unknown := [number for number in numbers if number not in known]:
        reason = f"{all_of(unknown[:3])} is not among the accounts of this user. Take it out of the group."
        return Problem("group-account-unknown", reason)
    if len(set(numbers)) < len(numbers):
        return Problem("group-account-twice", "Each account may be in a group once.")
    return None


def amounts_problem(group: Group) -> Problem | None:
    """Why the amounts of a group do not fit its method."""
    word = _AMOUNTS.get(group.method)
    if word is None:
        return None
    missing = [m.account_id for m in group.members if m.amount is None or not 0 < m.amount < MOST_AMOUNT]
    if missing:
        reason = (
            f"{all_of(missing[:3])} needs {_article(word)} above zero: {group.method.label} takes one for each account."
        )
        return Problem("group-amount-missing", reason)
    total = sum((member.amount or Decimal(0) for member in group.members), Decimal(0))
    if group.method is Method.PERCENTAGE and total != _WHOLE:
        reason = f"The percentages of {group.name} sum to {grouped(total)}, not to 100. Change them on the page of its groups."
        return Problem("group-percentages", reason)
    return None


def _article(word: str) -> str:
    return word if word in {"money", "shares"} else f"a {word}"


def members_json(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Members as plain JSON values, amounts as text."""
    return [
        {"account": member.account_id, "amount": None if member.amount is None else f"{member.amount:f}"}
        for member in members
    ]


def members_from_json(values: Sequence[Mapping[str, Any]]) -> tuple[Member, ...]:
    """The inverse of `members_json`."""
    return tuple(
        Member(str(row["account"]), None if row.get("amount") is None else Decimal(str(row["amount"])))
        for row in values
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One account of a group as a decision sees it. `position` is signed; money is in `currency`, None where IBKR has not
    shown it. `permitted`: whether IBKR lets it trade the contract, None where it did not say. `orders`: references of its
    working orders; `leaving`: those that are ways out, with what remains of each. `former`: it has left the group, and still holds what the group bought."""

    account_id: str
    position: Decimal = Decimal(0)
    equity: Decimal | None = None
    available: Decimal | None = None
    currency: str = "USD"
    amount: Decimal | None = None
    permitted: bool | None = None
    orders: tuple[str, ...] = ()
    leaving: tuple[tuple[str, Decimal], ...] = ()
    former: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenGroup:
    """The group that an order is for, as a decision sees it. `problem` with its code: why no order may be divided by it."""

    name: str
    method: Method
    clients: tuple[Client, ...] = ()
    problem: str = ""
    problem_code: str = ""

    @property
    def members(self) -> tuple[Client, ...]:
        """Its accounts of today, among which an entry is divided."""
        return tuple(client for client in self.clients if not client.former)
