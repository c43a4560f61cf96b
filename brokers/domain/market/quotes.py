"""Quotes, and what they are: live, delayed, frozen, halted, or none at all. Only a live one is traded by. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

# Older than this a live quote says nothing about a market any more.
FRESH_FOR = timedelta(minutes=1)


class Availability(StrEnum):
    """What IBKR says of the prices it shows: the first letter of its field 6509, or a halt that the last price tells."""

    LIVE = "live"
    DELAYED = "delayed"
    FROZEN = "frozen"
    FROZEN_DELAYED = "frozen_delayed"
    HALTED = "halted"
    NOT_SUBSCRIBED = "not_subscribed"
    NO_AGREEMENT = "no_agreement"
    NOT_SAID = "not_said"


_BY_LETTER = {
    "R": Availability.LIVE,
    "D": Availability.DELAYED,
    "Z": Availability.FROZEN,
    "Y": Availability.FROZEN_DELAYED,
    "N": Availability.NOT_SUBSCRIBED,
    "O": Availability.NO_AGREEMENT,
}
# Letters in front of a last price.
PRIOR_CLOSE, HALTED = "C", "H"

# What a quote is called where its prices are shown, beside the prices.
NAMES = {
    Availability.LIVE: "",
    Availability.DELAYED: "delayed",
    Availability.FROZEN: "frozen",
    Availability.FROZEN_DELAYED: "frozen and delayed",
    Availability.HALTED: "halted",
    Availability.NOT_SUBSCRIBED: "no longer shown",
    Availability.NO_AGREEMENT: "no longer shown",
    Availability.NOT_SAID: "not proven live",
}
# What happened, and what to do next.
_SENTENCES = {
    Availability.DELAYED: "IBKR's prices of {name} are delayed by about a quarter of an hour, so they are not traded by. "
    "Subscribe to its live market data in Client Portal, or send `price`.",
    Availability.FROZEN: "IBKR's prices of {name} are frozen as they were when its market closed, so they are not traded "
    "by. Send `price`, or wait for the open.",
    Availability.FROZEN_DELAYED: "IBKR's prices of {name} are frozen and delayed, so they are not traded by. "
    "Subscribe to its live market data in Client Portal, or send `price`.",
    Availability.HALTED: "Trading in {name} is halted, so its last prices are not traded by. "
    "Send `price`, or wait until it trades again.",
    Availability.NOT_SUBSCRIBED: "IBKR shows this user no prices of {name}. "
    "Subscribe to its market data in Client Portal, or send `price`.",
    Availability.NO_AGREEMENT: "IBKR shows this user no prices of {name} before its market data agreements are signed. "
    "Sign them in Client Portal, or send `price`.",
    Availability.NOT_SAID: "IBKR did not say whether its prices of {name} are live, so they are not traded by. "
    "Send `price`.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Prices in the instrument's currency; None where the broker shows none.

    `flags` are IBKR's own letters ("RpB": live, consolidated, with a book), `last_flag` the one in front of the last
    price ("C": it is the close of a day before; "H": trading is halted). Decisions take prices from `live` alone.
    """

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    as_of: datetime
    source: str = "broker"
    # Quotes of decisions from before these were kept were taken for live.
    flags: str = "R"
    last_flag: str = ""

    @property
    def mid(self) -> Decimal | None:
        """Halfway between bid and ask, else the last price."""
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return self.last

    @property
    def availability(self) -> Availability:
        """What the prices are. A halt is told by the last price alone."""
        if self.last_flag == HALTED and self.flags[:1] == "R":
            return Availability.HALTED
        return _BY_LETTER.get(self.flags[:1], Availability.NOT_SAID)

    @property
    def name(self) -> str:
        """What to call the prices where they are shown; "" for live ones."""
        return NAMES[self.availability]

    @property
    def is_shown(self) -> bool:
        """Whether there is any price in it."""
        return self.bid is not None or self.ask is not None or self.last is not None

    def live(self, now: datetime) -> Quote | None:
        """The prices that may be traded by: of a live quote, at most a minute away from now, without yesterday's close."""
        if abs(now - self.as_of) > FRESH_FOR or self.availability is not Availability.LIVE:
            return None
        return replace(self, last=None) if self.last_flag == PRIOR_CLOSE else self

    def caution(self, name: str) -> str:
        """Why nobody trades by the prices of this instrument, and what to do; "" where they are live, old ones too."""
        return _SENTENCES.get(self.availability, "").format(name=name)
