"""Combos whose legs a split of their share has renamed, under the names of now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import add
from typing import Any

from brokers.domain.actions.reading import State
from brokers.domain.contracts.combos import NotACombo, combo_named, combo_of, legs_of, number_of
from brokers.domain.contracts.options import alike, named
from brokers.models.accounts import Position
from brokers.models.actions.splits import CorporateAction

ZERO = Decimal(0)
# So many splits in a row of the legs of a combo are followed.
_MOST_SPLITS = 5
# An account and the number of a contract.
Place = tuple[int, int]
Steps = dict[Place, list[CorporateAction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """What splits have made of a combo: its number and name of now, and how many it is for one of before."""

    number: int
    ticker: str
    units: Decimal


def became(account_pk: int, number: int, ticker: str) -> Became | None:
    """What a combo has become where splits have renamed both of its legs; None where it is what it was, or no combo any more."""
    (row,) = carried([(account_pk, number, ticker, Decimal(1), *[ZERO] * 5)])
    return None if row[1:3] == (number, ticker) else Became(number=row[1], ticker=row[2], units=row[3])


def renamed_legs(account_pk: int, number: int, ticker: str, since: datetime) -> int:
    """How many legs of a combo by this name a split has renamed that was seen since."""
    row = (account_pk, number, ticker)
    return sum(step is not None and step.seen_at >= since for step in _of_legs(row, _steps([row])))


def carried(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of `combos.sums` with combos whose legs a split of their share has renamed under the names of now.

    Where both legs have become others by one ratio the combo is of those. A contract whose terms a split has changed (AAPL1) is
    in no combo: each is closed by itself.
    """
    found = list(rows)
    for _ in range(_MOST_SPLITS):
        steps = _steps(found)
        after = [_after(row, steps) for row in found] if steps else found
        if after == found:
            break
        found = _summed(after)
    return found


def _steps(rows: Iterable[tuple[Any, ...]]) -> Steps:
    """By account and contract of before, what splits have made of the legs of these combos, the latest last."""
    legs = {leg for row in rows for leg in legs_of(row[1]) or ()}
    found: Steps = defaultdict(list)
    if legs:
        known = CorporateAction.objects.filter(
            account__in={row[0] for row in rows},
            conid_before__in=legs,
            state__in=[str(State.KNOWN), str(State.SAID)],
        ).exclude(ticker_before="")
        for each in known.order_by("pk"):
            found[each.account_id, each.conid_before].append(each)
    return found


def _of_legs(row: tuple[Any, ...], steps: Steps) -> tuple[CorporateAction | None, CorporateAction | None]:
    """What a split has made of the long and of the short leg of a combo of `combos.sums`. A gateway that gives an option another
    number names it by that alone; where the number stays, what the combo is called tells whether it is of before."""
    combo = combo_named(row[2])
    names = ("", "") if combo is None else tuple(alike(str(leg)) for leg in combo.legs)
    long, short = (
        next(
            (
                step
                for step in reversed(steps.get((row[0], leg), ()))
                if step.conid != step.conid_before or alike(step.ticker_before) == name
            ),
            None,
        )
        for leg, name in zip(legs_of(row[1]) or (0, 0), names, strict=True)
    )
    return long, short


def _after(row: tuple[Any, ...], steps: Steps) -> tuple[Any, ...]:
    """A row of `combos.sums` after the splits of its legs; as it was where not both have become usual contracts by one ratio."""
    account_pk, _number, _ticker, net, works, *_ = row
    long, short = _of_legs(row, steps)
    if long is None or short is None or long.ratio is None or long.ratio != short.ratio:
        return row
    name = _combo(long.ticker, short.ticker)
    if name is None:
        return row
    listed = dict(
        Position.objects.filter(account=account_pk, conid__in=[long.conid, short.conid]).values_list(
            "conid", "quantity"
        )
    )
    try:
        becomes = number_of(long.conid, short.conid)
    except ValueError:
        # A gateway's number that no combo has.
        return row
    return (
        account_pk,
        becomes,
        name,
        long.ratio.exact(net),
        works,
        listed.get(long.conid, ZERO),
        listed.get(short.conid, ZERO),
        # What single orders have dealt was of the contracts of before.
        ZERO,
        ZERO,
    )


def _combo(long: str, short: str) -> str | None:
    """The name of the combo of two options; None where it has none, or is the other way round."""
    legs = named(long), named(short)
    if legs[0] is None or legs[1] is None:
        return None
    try:
        name, turned = combo_of(legs[0], legs[1])
    except NotACombo:
        return None
    return None if turned or combo_named(str(name)) is None else str(name)


def _summed(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One row for each combo: those of before and those of now are of one."""
    found: dict[tuple[int, int, str], tuple[Any, ...]] = {}
    for account_pk, number, ticker, net, works, long, short, *alone in rows:
        known = found.get((account_pk, number, ticker))
        summed = (net, works, long, short, *alone)
        if known is not None:
            summed = (net + known[3], works + known[4], long, short, *map(add, alone, known[7:]))
        found[account_pk, number, ticker] = (account_pk, number, ticker, *summed)
    return list(found.values())
