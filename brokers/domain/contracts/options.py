"""What the name of an option says, "SPY 261218C640": of which underlying, until when, call or put, at which strike.

An option on an index is named by its trading class, "SPXW 261211C6400"; that on a share by the share; that on a future by the
future it becomes, "ESZ2026 261211C6400". One whose terms a split has changed is named by its class, "AAPL1 261218C320".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from brokers.domain.orders import AssetClass
from brokers.domain.tickers import MONTH_CODES

# A future with its month in full, as options on it are named by.
FUTURE = rf"[A-Z0-9]{{1,5}}?[{MONTH_CODES}][0-9]{{4}}"
# Our one spelling of a contract; what signals may write beside it is read in `strategies.domain.message.options`. Strikes of
# shares have three decimals at most, of currencies seven.
NAME = re.compile(
    rf"(?:([A-Z]{{1,6}}(?:\.[A-Z]{{1,2}})?)([1-9]?) (\d{{6}})([CP])(\d{{1,7}}(?:\.\d{{1,3}})?)"
    rf"|({FUTURE}) (\d{{6}})([CP])(\d{{1,7}}(?:\.\d{{1,7}})?))"
)
# As PostgreSQL reads it: a name, or a rule by which one is picked (`picking.Rule`).
NAME_OR_RULE = r"^[A-Z]{1,6}(\.[A-Z]{1,2})?([1-9]? [0-9]{6}[CP][0-9]+(\.[0-9]+)?| [CP] [+0-9].*)$"
# The same of options on futures: a name has its future, a rule the root of it alone or that future.
NAME_OR_RULE_ON_FUTURE = (
    rf"^([A-Z0-9]{{1,5}}[{MONTH_CODES}][0-9]{{4}} [0-9]{{6}}[CP][0-9]+(\.[0-9]+)?"
    rf"|[A-Z0-9]{{1,5}}([{MONTH_CODES}][0-9]{{4}})? [CP] [+0-9].*)$"
)
# As PostgreSQL tells a rule from a name.
RULE = r"^[A-Z0-9.]+ [CP] "
_FUTURE = re.compile(FUTURE)
# Behind the future whose chain a signal by parts is about: "ES options" is no future, and no option either.
CHAIN = " options"
SHARES_OF_A_CONTRACT = Decimal(100)
# Classes of options on indices, by which they are named, and the index. Those of an index's own name settle at the open of
# the day after their last one, the others at its close; all are settled in cash.
INDICES = {
    "SPX": "SPX",
    "SPXW": "SPX",
    "XSP": "XSP",
    "NDX": "NDX",
    "NDXP": "NDX",
    "XND": "XND",
    "RUT": "RUT",
    "RUTW": "RUT",
    "MRUT": "MRUT",
    "VIX": "VIX",
    "VIXW": "VIX",
    "DJX": "DJX",
    "OEX": "OEX",
    "XEO": "OEX",
}
# Those that end on the day before they settle, at an open. IBKR's lists of positions name them by the day of settling.
SETTLED_AT_OPEN = frozenset({"SPX", "NDX", "RUT", "VIX", "DJX"})
MONDAY = 0
NEW_YORK, CLOSE = ZoneInfo("America/New_York"), time(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionName:
    """One contract: `right` is C or P, `expiry` its last day of trading. `series`: the digit of its class, 1 of AAPL1, where a
    split has changed how many shares it delivers."""

    underlying: str
    expiry: date
    right: str
    strike: Decimal
    series: str = ""

    def __str__(self) -> str:
        return f"{self.underlying}{self.series} {self.expiry:%y%m%d}{self.right}{shown(self.strike)}"

    @property
    def root(self) -> str:
        """What it is on, as the clearing house spells it: BRKB for options on BRK.B."""
        return root_of(self.underlying)

    @property
    def spoken(self) -> str:
        """As people name it: "SPY 18 Dec 2026 640 C"."""
        return f"{self.underlying}{self.series} {day(self.expiry)} {shown(self.strike)} {self.right}"

    @property
    def index(self) -> str:
        """The index that it is on; empty for an option on a share."""
        return INDICES.get(self.underlying, "")

    @property
    def future(self) -> str:
        """The future that it is on and becomes, "ESZ2026"; empty for an option on a share or an index."""
        return self.underlying if is_future(self.underlying) else ""

    def days_left(self, today: date) -> int:
        """Days until its last one; below zero once it has expired. `today` is the exchange's."""
        return (self.expiry - today).days


@lru_cache(maxsize=4096)
def named(ticker: str) -> OptionName | None:
    """The contract of a name; None where it names none."""
    match = NAME.fullmatch(ticker)
    if match is None:
        return None
    share, series, *of_share = match.groups()[:5]
    underlying, digits, right, strike = (share, *of_share) if share else match.groups()[5:]
    if series and share in INDICES:
        # No company splits an index.
        return None
    try:
        expiry = datetime.strptime(digits, "%y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    return (
        OptionName(underlying=underlying, expiry=expiry, right=right, strike=Decimal(strike), series=series or "")
        if Decimal(strike)
        else None
    )


def alike(ticker: str) -> str:
    """The one spelling of an option's name, by which two names of one contract are found to be: BRKB of options on BRK.B."""
    name = named(ticker)
    return ticker if name is None or name.future else str(replace(name, underlying=name.root))


def is_on_index(ticker: str) -> bool:
    """Whether a ticker is the name of an option on an index."""
    name = named(ticker)
    return name is not None and name.index != ""


def is_future(underlying: str) -> bool:
    """Whether an underlying is a future with its month in full."""
    return _FUTURE.fullmatch(underlying) is not None


def root_of(underlying: str) -> str:
    """The one spelling of an underlying by which its options belong together: brokers' lists leave out the point, and options
    on all months of a future belong together by its root."""
    return underlying[:-5] if is_future(underlying) else underlying.replace(".", "")


def chain_of(underlying: str, asset_class: str) -> str:
    """The chain that a name or an underlying belongs to: ES of options on Eversource, ES! of those on the future of that root."""
    root = root_of(underlying)
    return f"{root}!" if asset_class == AssetClass.FUTURE_OPTION else root


def business_day_before(value: date, count: int) -> date:
    """So many days from Monday to Friday before a day; holidays are not known here."""
    for _ in range(count):
        value -= timedelta(days=3 if value.weekday() == MONDAY else 1)
    return value


def last_day_as_listed(name: OptionName) -> date:
    """The last day of trade of a position as IBKR lists it."""
    return business_day_before(name.expiry, 1) if name.underlying in SETTLED_AT_OPEN else name.expiry


def days_of_trade_left(last: date, today: date) -> int | None:
    """0 on the last day, 1 on the day from Monday to Friday before; None on others."""
    if last == today:
        return 0
    return 1 if today < last and business_day_before(last, 1) <= today else None


def first_day(now: datetime, close: datetime | None) -> date:
    """The first day on whose options there is still trade: from their close on it is the next one. `close`: that of today,
    None where there is none; then a day passes at four in New York, as others do."""
    local = now.astimezone(NEW_YORK)
    is_over = local.time() >= CLOSE if close is None else now >= close
    return local.date() + timedelta(days=1) if is_over else local.date()


def on_any_tick(price: Decimal) -> Decimal:
    """A price of an option to a tick that every class has: a nickel, and a dime from three dollars on."""
    tick = Decimal("0.1") if price >= 3 else Decimal("0.05")
    return max((price / tick).to_integral_value() * tick, tick)


def day(value: date) -> str:
    """A day of expiry for a sentence: "18 Dec 2026"."""
    return f"{value.day} {value:%b %Y}"


def shown(strike: Decimal) -> str:
    """A strike without zeros behind its point: 640, 582.5."""
    return f"{strike.normalize():f}"
