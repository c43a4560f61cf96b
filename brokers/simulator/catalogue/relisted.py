"""Shares as they are listed since a split: at another price, and under another number where the split gave them one; with
the options on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.simulator.catalogue import adjusted, listed, options
from brokers.simulator.catalogue.adjusted import Adjustment
from brokers.simulator.catalogue.instrument import Instrument

_RENUMBERED = 930_000_000
_gone: set[int] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`new` shares for `old` ones of the contract `conid`, which bears the number `becomes` since then (epoch seconds)."""

    number: int
    conid: int
    becomes: int
    new: int
    old: int
    at: float

    @property
    def factor(self) -> Decimal:
        """What a price is multiplied by."""
        return Decimal(self.old) / self.new

    @property
    def is_renumbered(self) -> bool:
        return self.becomes != self.conid


def is_gone(conid: int) -> bool:
    """Whether a split has given the contract another number, so that orders of this one are refused."""
    return conid in _gone or options.is_gone(conid)


def home(symbol: str) -> Instrument:
    """The share of this symbol that can be split; ValueError where none can."""
    found = listed.stock(symbol)
    if found is None:
        raise ValueError("symbol is that of a share of the United States.")
    if not adjusted.has_room(found.symbol):
        raise ValueError("So many shares were split that no numbers are left for options on another one.")
    return found


def next_number(number: int) -> int:
    """A contract number that no share has had before; `number` counts the splits."""
    return _RENUMBERED + number


def apply(split: Split) -> tuple[Instrument, Adjustment]:
    """List the share as it is since the split, and the options on it; returns both. Its walk goes on."""
    before = listed.find(split.conid)
    assert before is not None, "what is split is listed"
    after = replace(
        before,
        conid=split.becomes,
        base_price=before.base_price * split.old / split.new,
        walks=before.walks or ((before.conid, before.volatility),),
    )
    listed.relist(after)
    if split.is_renumbered:
        _gone.add(split.conid)
    return after, adjusted.apply(after.symbol, split.new, split.old)
