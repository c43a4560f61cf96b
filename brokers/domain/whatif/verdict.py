"""Whether an entry may leave after IBKR's preview of it. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from brokers.domain.sentences import cut, ended
from brokers.domain.whatif.figures import OrderPreview


class Verdict(StrEnum):
    """asked: IBKR has not answered. goes: by its preview the entry may leave. stays: it is not sent, and a reason says why."""

    ASKED = "asked"
    GOES = "goes"
    STAYS = "stays"


class Why(NamedTuple):
    """Why an entry is not sent: a sentence, and a code that never changes."""

    reason: str
    code: str


def why_not(preview: OrderPreview, currency: str) -> Why | None:
    """Why an entry must not leave by what IBKR's preview says of it; None where IBKR would take it.

    A preview that refuses, that tells no margin, or after which the account would be worth less than its margin.
    `currency`: the account's, which the figures are in.
    """
    if preview.refusal:
        return Why(f'Not sent: IBKR\'s preview would refuse it. IBKR: "{cut(preview.refusal, 220)}"', "preview-refused")
    if not preview.says_something:
        return Why(unanswered("It told no figures."), "preview-without-figures")
    worth = preview.equity.after
    if worth is not None and worth < 0:
        return Why(
            f"Not sent: by IBKR's preview the account would be worth {worth:,.2f} {currency}. Order less, or add funds.",
            "preview-short",
        )
    if preview.beyond_worth is not None:
        name, margin = preview.beyond_worth
        held = "" if worth is None else f" of {worth:,.2f} that the account would be worth"
        return Why(
            f"Not sent: by IBKR's preview it needs {name} margin of {margin:,.2f} {currency}{held}. "
            "Order less, or add funds.",
            "preview-short",
        )
    return None


def unanswered(reason: str) -> str:
    """The sentence of an entry that IBKR did not preview."""
    return (
        f"Not sent: its terms ask for IBKR's preview first, and there was none. {ended(cut(reason, 160))} "
        "Send the signal again, or ask for no preview in the terms."
    )
