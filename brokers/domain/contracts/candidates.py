"""Contracts of which a symbol may mean each, until a person says which one is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from brokers.domain.brokerage import OrderRefused
from brokers.domain.sentences import all_of, cut

AMBIGUOUS = "ambiguous-symbol"
CHOICE_GONE = "chosen-contract-gone"
# Refusals that the page of symbols ends.
TO_CHOOSE = frozenset({AMBIGUOUS, CHOICE_GONE})
# A symbol has a handful of listings; a gateway that names more cannot fill the table.
MOST = 20
# How many a sentence names, and how much of each company's name.
_NAMED, _SPOKEN = 3, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One contract that a symbol may mean: the company, the exchange it is listed on, and the currency of its prices."""

    conid: int
    name: str
    exchange: str
    currency: str = ""

    @property
    def spoken(self) -> str:
        """The company with its place: "BANCO SANTANDER SA (BM, EUR)"."""
        place = ", ".join(part for part in (self.exchange, self.currency) if part)
        name = cut(self.name, _SPOKEN) or str(self.conid)
        return f"{name} ({place})" if place else name

    def as_json(self) -> dict[str, Any]:
        """For a row."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Candidate:
        """As `as_json` wrote it."""
        return cls(**row)


class AmbiguousSymbol(OrderRefused):
    """A symbol that may mean several contracts, or another one than the person chose."""

    def __init__(self, reason: str, candidates: Iterable[Candidate], code: str = AMBIGUOUS) -> None:
        super().__init__(reason, code)
        self.candidates = tuple(candidates)[:MOST]


def the_one(symbol: str, what: str, candidates: Sequence[Candidate], chosen: int | None) -> Candidate:
    """The candidate that is meant; raises AmbiguousSymbol where only a person can say.

    `chosen` is the number that a person chose before. Where it is not among the candidates any more, not even a single
    one is taken in its place: it may be another company. `what` they are in the plural: "US stocks".
    """
    if chosen is not None:
        kept = next((each for each in candidates if each.conid == chosen), None)
        if kept is not None:
            return kept
        raise AmbiguousSymbol(_gone(symbol, candidates, chosen), candidates, CHOICE_GONE)
    if len(candidates) == 1:
        return candidates[0]
    raise AmbiguousSymbol(
        f"The symbol {symbol} belongs to several {what}: {_named(candidates)}. "
        "Choose one of them on the page Symbols, then send the signal again.",
        candidates,
    )


def _gone(symbol: str, candidates: Sequence[Candidate], chosen: int) -> str:
    return (
        f"The contract that your team chose for {symbol} ({chosen}) is not listed by IBKR any more. It lists "
        f"{_named(candidates)}. Choose on the page Symbols, then send the signal again."
    )


def _named(candidates: Sequence[Candidate]) -> str:
    named = sorted(each.spoken for each in candidates[:_NAMED])
    rest = len(candidates) - len(named)
    return all_of([*named, f"{rest} more"] if rest > 0 else named)
