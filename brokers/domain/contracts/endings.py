"""How options have ended, told by fills that no order of ours explains: exercised, assigned, paid out or worthless. Pure.

IBKR books the end of an option as a deal of its own: in the option at nothing, and beside it, where shares change hands, in
the shares at the strike, or in the future that it is on; or in the option at what it pays in cash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.contracts.options import NEW_YORK, OptionName, root_of, shown
from brokers.domain.orders import Side
from brokers.domain.sentences import grouped

# Both deals of one end are booked at the same moment.
_TOGETHER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One fill: `name` of an option, else `ticker` is what was dealt in. `ours`: an order of ours explains it."""

    ticker: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
    ours: bool = False
    name: OptionName | None = None


def how_ended(deal: Deal, others: Sequence[Deal]) -> str:
    """What a fill says of an option's end, "Assigned: 100 SPY bought at 640"; empty where it says nothing of one."""
    if deal.ours:
        return ""
    if deal.name is None:
        option = next((each for each in others if _delivers(each, deal)), None)
        return "" if option is None or option.name is None else f"By the {_noun(option)} of {option.name.spoken}"
    if deal.price == 0:
        shares = next((each for each in others if _delivers(deal, each)), None)
        if shares is None:
            return "Ended worthless" if deal.at.astimezone(NEW_YORK).date() >= deal.name.expiry else ""
        way = "bought" if shares.side is Side.BUY else "sold"
        return f"{_word(deal)}: {grouped(shares.quantity)} {shares.ticker} {way} at {shown(shares.price)}"
    settled = deal.name.index and deal.at.astimezone(NEW_YORK).date() >= deal.name.expiry
    return f"Paid out in cash at {shown(deal.price)}" if settled else ""


def _word(option: Deal) -> str:
    # What was held long is sold, at nothing, when its holder exercises it.
    return "Exercised" if option.side is Side.SELL else "Assigned"


def _noun(option: Deal) -> str:
    return "exercise" if option.side is Side.SELL else "assignment"


def _delivers(option: Deal, shares: Deal) -> bool:
    """Whether these shares change hands by the end of this option."""
    name = option.name
    if name is None or option.ours or shares.ours or option.price or shares.name is not None:
        return False
    calls = Side.BUY if option.side is Side.SELL else Side.SELL
    side = calls if name.right == "C" else calls.opposite
    return (
        (shares.ticker in {name.future, name.root} if name.future else root_of(shares.ticker) == name.root)
        and shares.price == name.strike
        and shares.side is side
        and abs(shares.at - option.at) <= _TOGETHER
    )
