"""What a person may say about an order of which Halyard cannot tell whether IBKR has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.domain.orders import Side
from brokers.domain.sentences import grouped


class Choice(StrEnum):
    """`adopt`: an order that IBKR shows is this one. `absent`: IBKR does not have it. `again`: send it as a new order."""

    ADOPT = "adopt"
    ABSENT = "absent"
    AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What must be alike in an order of ours and one of IBKR's that are said to be the same; None: IBKR does not say."""

    conid: int | None
    side: Side | None
    quantity: Decimal | None


def differs(ours: Shape, theirs: Shape) -> str:
    """Why an order that IBKR shows cannot be ours, as a sentence; "" where nothing speaks against it."""
    if theirs.conid is not None and theirs.conid != ours.conid:
        return f"IBKR's order is in another contract ({theirs.conid} instead of {ours.conid})."
    if theirs.side is not None and theirs.side is not ours.side:
        return f"IBKR's order is to {theirs.side}, and this one is to {ours.side}."
    if theirs.quantity is not None and ours.quantity is not None and theirs.quantity != ours.quantity:
        return f"IBKR's order is for {grouped(theirs.quantity)}, and this one is for {grouped(ours.quantity)}."
    return ""
