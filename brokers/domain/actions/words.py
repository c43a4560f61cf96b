"""What is said about a split: what IBKR did, what followed, and what a person is asked."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.domain.actions.reading import Held, Ratio
from brokers.domain.contracts.options import named
from brokers.domain.sentences import grouped

# The outcome of a missing stop in a contract of before.
LAPSED_BEFORE = "A split has made another contract of it. Its stop is looked after there."


def happened(ticker: str, ratio: Ratio, before: Held, after: Held, at: datetime, ticker_before: str = "") -> str:
    """A split that is known, in one sentence: "IBKR split AAPL 4 for 1 on 27 November 2026: 100 at 200 became 400 at 50.".

    `ticker_before`: the name that an option had.
    """
    day = f"{at.day} {at:%B %Y}"
    if ticker_before:
        was, now = spoken(ticker_before), spoken(ticker)
        if ratio.is_one:
            return f"A split changed what {was} delivers, on {day}: the {_held(before)} are {now} since, and can be closed."
        of_share = f"A split of {ratio.new} for {ratio.old} on {day}"
        return f"{of_share} made {_held(after)} {now} of {_held(before)} {was}."
    if ratio.is_one:
        return f"IBKR gave {ticker} another contract number on {day}: the {_held(before)} are held under it."
    return f"IBKR split {ticker} {ratio.new} for {ratio.old} on {day}: {_held(before)} became {_held(after)}."


def spoken(ticker: str) -> str:
    """An option as people name it; of anything else its ticker."""
    name = named(ticker)
    return ticker if name is None else name.spoken


def delivers(shares: Decimal | None) -> str:
    """What a contract delivers whose terms a split has changed; None where the split of its share was not seen."""
    if shares is None:
        return "adjusted: IBKR does not tell Halyard how many shares it delivers"
    return f"adjusted: delivers {grouped(shares.quantize(Decimal('0.0001')))} shares"


def in_lieu(fraction: Decimal) -> str:
    """That a fraction of a share was paid in cash; "" where there was none."""
    return f" The fraction of {grouped(abs(fraction))} of a share was paid in cash." if fraction else ""


def asked(ticker: str, before: Held, after: Held, reading: Ratio | None, ticker_before: str = "") -> str:
    """A change that may be a split, with both readings of it."""
    if ticker_before:
        return (
            f"IBKR shows {_held(after)} {spoken(ticker)}, and no more the {_held(before)} {spoken(ticker_before)}; no fill explains "
            "it. Either a split of the share made the one of the other, and what waits changes with it, or they are two holdings, "
            "one gone and one come."
        )
    split = f"a split of {reading.new} for {reading.old}" if reading else "a split by a ratio that Halyard cannot tell"
    return (
        f"IBKR shows {_held(after)} {ticker} where {_held(before)} were held, and no fill explains it. Either it was {split}, "
        "and stops, targets and averages change with it, or shares were transferred, and they stay as they are."
    )


def no_split(ticker: str, before: Held, after: Held, ticker_before: str = "") -> str:
    if ticker_before:
        return f"{_held(before)} {spoken(ticker_before)} are gone and {_held(after)} {spoken(ticker)} have come: nothing was changed here."
    return f"{_held(before)} {ticker} became {_held(after)}, and it was no split: nothing was changed here."


def order_waits(ticker: str, ratio: Ratio, now: str = "") -> str:
    """On an order that IBKR has, from before the split. `now`: the name of an option since."""
    if now not in {"", ticker}:
        return f"A split made {spoken(now)} of {spoken(ticker)} while it worked: IBKR cancels such an order; its word is waited for."
    return (
        f"{ticker} was split {ratio.new} for {ratio.old} while it worked: IBKR cancels such an order, or changes its size and"
        " prices; its word is waited for."
    )


def order_changed(ratio: Ratio, quantity: tuple[Decimal, Decimal], prices: list[tuple[Decimal, Decimal]]) -> str:
    """On an order whose size and prices have changed with the split: what became what."""
    changes = [f"{grouped(was)} became {grouped(now)}" for was, now in (quantity, *prices)]
    return f"Split {ratio.new} for {ratio.old}: {', '.join(changes)}."


def planned_between(ticker: str, ratio: Ratio, now: str = "") -> str:
    """Of an order that was planned while it was split: nobody can tell whether its numbers are of before."""
    if now not in {"", ticker}:
        return (
            f"Not sent: a split made {spoken(now)} of {spoken(ticker)} while this was planned. Look at the position, then send the "
            f"signal again for {now}."
        )
    return (
        f"Not sent: {ticker} was split {ratio.new} for {ratio.old} while this was planned, so its size may be of the shares of "
        "before. Look at the position, then send the signal again."
    )


def opens_changed(ticker: str, now: str) -> str:
    """Of an order that waited to open a contract whose terms a split has changed."""
    return (
        f"Not sent: a split made {spoken(now)} of {spoken(ticker)}, whose terms are its own, and Halyard only closes such a contract. "
        "Name the contract to open by its strike of now."
    )


def combo_waited(ticker: str, leg: str, now: str) -> str:
    """Of an order for a combo that waited while a leg of it became another contract."""
    return (
        f"Not sent: a split made {spoken(now)} of {spoken(leg)}, a leg of {ticker}. Look at the position, then send the signal again "
        "with the legs of now."
    )


def asked_before(ticker: str, ratio: Ratio, now: str = "") -> str:
    """Of a change that waited to leave while the order's contract was split."""
    if now not in {"", ticker}:
        return (
            f"Not changed: a split made {spoken(now)} of {spoken(ticker)} before this could leave. Look at the order, then send the "
            "change again."
        )
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
