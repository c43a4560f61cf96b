"""What trades are made of: fills and splits of one contract in one account, as values."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from brokers.domain.actions.reading import Ratio

ZERO, ONE = Decimal(0), Decimal(1)

# Who a trade belongs to: a subscription, people who trade by hand here, or whoever trades elsewhere.
Owner = Hashable


class Effect(StrEnum):
    """What a fill may do to a position.

    opens: an entry. It closes what its own owner holds on the other side, and opens for that owner.
    closes: an exit, a stop or a target. It closes what its owner holds, then what others hold, and opens nothing.
    either: nobody said. It closes what its owner holds, then what others hold, and opens with what is left.
    """

    OPENS = "opens"
    CLOSES = "closes"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of the contract's currency was in the account's, and when that was so."""

    value: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One fill: `quantity` signed, `price` per unit in the contract's currency, `fee` in it too; None where it is not known yet.

    `execution_id` is the broker's without its revision: of several with one id the highest `revision` counts.
    `rate`: None where the account's currency is another one and no rate is known.
    """

    execution_id: str
    revision: int = 1
    conid: int
    owner: Owner
    effect: Effect = Effect.EITHER
    quantity: Decimal
    price: Decimal
    fee: Decimal | None = None
    at: datetime
    signal_price: Decimal | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split that fills up to `at` were before; `conid_before` is the contract's number then. Fractions are paid in cash."""

    conid_before: int
    conid: int
    at: datetime
    ratio: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was held of the contract when the account was looked at first: `quantity` signed. Fills up to `at` are in it."""

    quantity: Decimal
    at: datetime


def as_corrected(fills: Iterable[Fill]) -> list[Fill]:
    """Each fill once, as its last correction has it, in the order in which they were dealt."""
    last: dict[str, Fill] = {}
    for fill in fills:
        known = last.get(fill.execution_id)
        if known is None or fill.revision >= known.revision:
            last[fill.execution_id] = fill
    return sorted(last.values(), key=lambda fill: fill.at)
