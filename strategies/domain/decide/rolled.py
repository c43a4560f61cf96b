"""After a roll: which month a continuous name means for an account that still has something in another one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.sentences import any_of, grouped
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Rejection

_REDUCES = frozenset({Action.EXIT, Action.CANCEL, Action.REVERSE, Action.BREAKEVEN, Action.MODIFY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month the account holds or works something in. `is_past`: the chart has left it."""

    ticker: str
    quantity: Decimal
    works: bool
    is_past: bool

    @property
    def sentence(self) -> str:
        """ "2 MNQU2026 (long)", or an order that works in it."""
        if not self.quantity:
            return f"an order in {self.ticker}"
        return f"{grouped(abs(self.quantity))} {self.ticker} ({'long' if self.quantity > 0 else 'short'})"

    @property
    def way_out(self) -> str:
        action = "exit" if self.quantity else "cancel"
        return f'{{"ticker": "{self.ticker}", "action": "{action}"}}'


def is_continuous(message: Message) -> bool:
    return "continuous" in message.symbol.facts


def month_meant(message: Message, months: Sequence[Month]) -> Month | Rejection | None:
    """The month to decide on, where the one on the chart is flat; None for that one.

    `months` are the others. One that the chart has left is meant by whatever follows the signal that opened it; in one
    ahead of the chart, or where several could be meant, nothing is closed on a guess.
    """
    if not is_continuous(message) or not months:
        return None
    past = [month for month in months if month.is_past]
    if len(past) == 1 and message.symbol.facts["continuous"] == 1:
        return past[0]
    if not _reduces(message) and not (past and message.symbol.facts["continuous"] == 1):
        return None
    return _name_them(message, months)


def _reduces(message: Message) -> bool:
    return message.action in _REDUCES or message.sentiment == "flat" or message.target_quantity == 0


def _name_them(message: Message, months: Sequence[Month]) -> Rejection:
    held = ", ".join(month.sentence for month in months[:3])
    ways = any_of(month.way_out for month in months[:3])
    reason = (
        f"The month that {message.symbol.name} stands for is flat, and the account has {held}. Name the month: {ways}."
    )
    return Rejection(rule="B03", code="other-month-held", reason=reason)
