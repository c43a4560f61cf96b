"""Whose an order is by its reference, and what a person may say of one that bears ours and is in no row."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from brokers.domain.orders import STOPS, Role, Side

# What each reference of ours begins with.
REFERENCE_PREFIX = "hy"
_MARK = f"{REFERENCE_PREFIX}-"


class Choice(StrEnum):
    """What a person says of an order with our reference that no row knows."""

    ADOPT = "adopt"
    CANCEL = "cancel"
    LEAVE = "leave"


# What may be said of one that has filled: there is nothing left to cancel.
DECIDED_BY = (Choice.ADOPT, Choice.LEAVE)


def is_ours(reference: str | None) -> bool:
    """Whether Halyard gave this reference: this installation, or another one that trades for the same IBKR user."""
    return bool(reference) and str(reference).startswith(_MARK) and len(str(reference)) > len(_MARK)


def role_of(side: Side, order_type: str, position: Decimal) -> Role:
    """What an order is for that is known by IBKR's row alone: against what is held it is a way out, else an entry."""
    if position * side.sign >= 0:
        return Role.ENTRY
    return Role.STOP_LOSS if order_type in STOPS else Role.EXIT
