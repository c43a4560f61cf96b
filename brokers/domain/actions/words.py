"""What is said about a split: what IBKR did, what followed, and what a person is asked."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.domain.actions.reading import Held, Ratio
from brokers.domain.sentences import grouped


def happened(ticker: str, ratio: Ratio, before: Held, after: Held, at: datetime) -> str:
    """A split that is known, in one sentence: "IBKR split AAPL 4 for 1 on 27 November 2026: 100 at 200 became 400 at 50."."""
    day = f"{at.day} {at:%B %Y}"
    if ratio.is_one:
        return f"IBKR gave {ticker} another contract number on {day}: the {_held(before)} are held under it."
    return f"IBKR split {ticker} {ratio.new} for {ratio.old} on {day}: {_held(before)} became {_held(after)}."


def in_lieu(fraction: Decimal) -> str:
    """That a fraction of a share was paid in cash; "" where there was none."""
    return f" The fraction of {grouped(abs(fraction))} of a share was paid in cash." if fraction else ""


def asked(ticker: str, before: Held, after: Held, reading: Ratio | None) -> str:
    """A change that may be a split, with both readings of it."""
    split = f"a split of {reading.new} for {reading.old}" if reading else "a split by a ratio that Halyard cannot tell"
    return (
        f"IBKR shows {_held(after)} {ticker} where {_held(before)} were held, and no fill explains it. Either it was {split}, "
        "and stops, targets and averages change with it, or shares were transferred, and they stay as they are."
    )


def no_split(ticker: str, before: Held, after: Held) -> str:
    return f"{_held(before)} {ticker} became {_held(after)}, and it was no split: nothing was changed here."


def order_waits(ticker: str, ratio: Ratio) -> str:
    """On an order that IBKR has, from before the split."""
    return (
        f"{ticker} was split {ratio.new} for {ratio.old} while it worked: IBKR cancels such an order, or changes its size and"
        " prices; its word is waited for."
    )


def order_changed(ratio: Ratio, quantity: tuple[Decimal, Decimal], prices: list[tuple[Decimal, Decimal]]) -> str:
    """On an order whose size and prices have changed with the split: what became what."""
    changes = [f"{grouped(was)} became {grouped(now)}" for was, now in (quantity, *prices)]
    return f"Split {ratio.new} for {ratio.old}: {', '.join(changes)}."


def planned_between(ticker: str, ratio: Ratio) -> str:
    """Of an order that was planned while it was split: nobody can tell whether its numbers are of before."""
    return (
        f"Not sent: {ticker} was split {ratio.new} for {ratio.old} while this was planned, so its size may be of the shares of "
        "before. Look at the position, then send the signal again."
    )


def asked_before(ticker: str, ratio: Ratio) -> str:
    """Of a change that waited to leave while the order's contract was split."""
    return (
        f"Not changed: {ticker} was split {ratio.new} for {ratio.old} before this could leave, so it may be of the shares of"
        " before. Look at the order, then send the change again."
    )


def asked_before_an_answer(ticker: str) -> str:
    """Of a change that waited to leave while nobody has said whether the order's contract was split."""
    return (
        f"Not changed: {ticker} may have been split, and nobody has said so yet. Answer the question about it on the page of"
        " the account, then send the change again."
    )


def nothing_left(ticker: str, ratio: Ratio) -> str:
    return (
        f"Not sent: the split of {ticker}, {ratio.new} for {ratio.old}, leaves less than one share of it. Send the signal again"
        " with a size as it is now."
    )


def _held(held: Held) -> str:
    at = "" if held.average is None else f" at {grouped(held.average.quantize(Decimal('0.0001')))}"
    return f"{grouped(held.quantity)}{at}"
