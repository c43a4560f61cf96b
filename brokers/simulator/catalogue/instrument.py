"""One contract of any class."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

MONTH_CODES = "FGHJKMNQUVXZ"
DERIVATIVES = frozenset({"OPT", "FOP"})
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One contract of the catalogue; `increment` is its usual tick, `bands` say from which price another one counts.

    `expiry` is the last day of trading, `month` the first of the month the contract is named after, `notice` the first
    day on which its delivery may be announced, if that comes before the end. An option names
    its `underlying_conid`, and in `underlying_type` what that is: STK, IND or FUT.
    """

    conid: int
    symbol: str
    name: str
    sec_type: str
    exchange: str
    listing: str
    currency: str
    base_price: float
    increment: Decimal
    volatility: float
    multiplier: Decimal = Decimal(1)
    kind: str = "COMMON"
    underlying_conid: int = 0
    underlying_type: str = ""
    expiry: date | None = None
    month: date | None = None
    notice: date | None = None
    right: str = ""
    strike: Decimal = _NOTHING
    trading_class: str = ""
    style: str = "american"
    settlement: str = "physical"
    bands: tuple[tuple[Decimal, Decimal], ...] = ()
    tradable: bool = True
    # How many shares make a lot where it trades in lots.
    lot: int = 1
    # What moves the price, each with its weight, where it is not a walk of its own; and the yearly cost of waiting.
    walks: tuple[tuple[int, float], ...] = ()
    carry: float = 0.0
    # How many shares an option delivers whose terms a split has changed; its price and strike count in its multiplier still.
    delivers: Decimal | None = None

    def __hash__(self) -> int:
        # The number says it all, and this is asked for at every fill.
        return self.conid

    @property
    def is_option(self) -> bool:
        return self.sec_type in DERIVATIVES

    @property
    def units(self) -> Decimal:
        """How many of what an option is on its price and strike stand against: one, but for those that a split has changed."""
        return Decimal(1) if self.delivers is None else self.delivers / self.multiplier

    @property
    def magnifier(self) -> int | None:
        """How many units of its price make one of its currency, where that is not one: a hundred pence a pound."""
        return int(1 / self.multiplier) if self.multiplier < 1 else None

    @property
    def shown_at(self) -> Decimal:
        """What a unit of its price is where holdings are shown, which is in the currency also where prices are not."""
        return Decimal(1) if self.magnifier is None else self.multiplier

    @property
    def digits(self) -> int:
        exponent = self.increment.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    def digits_at(self, price: Decimal) -> int:
        """The digits that prices of a band are shown with."""
        exponent = self.tick(price).normalize().as_tuple().exponent
        return max(self.digits, -int(exponent))

    def tick(self, price: Decimal) -> Decimal:
        """The increment that counts at a price."""
        tick = self.increment
        for edge, increment in self.bands:
            if price >= edge:
                tick = increment
        return tick

    def has_expired(self, today: date) -> bool:
        """Whether its last day of trading is over; `today` is the exchange's own day."""
        return self.expiry is not None and self.expiry < today

    @property
    def local_symbol(self) -> str:
        """The exchange's own spelling; options of shares and indices are spelled as their clearing house does."""
        if self.expiry is None:
            return f"{self.symbol}.{self.currency}" if "CASH" in {self.sec_type, self.underlying_type} else self.symbol
        if self.sec_type == "FUT":
            return f"{self.symbol} {self.month or self.expiry:%b%Y}".upper()
        if self.sec_type == "FOP":
            assert self.month is not None
            code = f"{MONTH_CODES[self.month.month - 1]}{self.month.year % 10}"
            return f"{self.trading_class}{code} {self.right}{self.strike.normalize():f}"
        return f"{self.trading_class:<6}{self.expiry:%y%m%d}{self.right}{int(self.strike * 1000):08d}"

    @property
    def described(self) -> str:
        """The contract in a line, as positions and orders show it."""
        if not self.is_option or self.expiry is None:
            return self.local_symbol
        head = f"{self.symbol} {self.month or self.expiry:%b%Y} {self.strike.normalize():f} {self.right}".upper()
        return f"{head} [{self.local_symbol} {self.multiplier:f}]"
