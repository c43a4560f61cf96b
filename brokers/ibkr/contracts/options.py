"""Which contract of IBKR an option's name means. Choosing is pure; asking is done through the brokerage's reads.

IBKR names options by underlying, month and strike: `secdef/search` gives the underlying with its months, and only after it
`secdef/strikes` gives the strikes of a month and `secdef/info` the contracts of one strike, of every day on which they end.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import Candidate, the_one
from brokers.domain.contracts.options import (
    INDICES,
    SHARES_OF_A_CONTRACT,
    OptionName,
    business_day_before,
    day,
    named,
    shown,
)
from brokers.domain.orders import Contract, Instrument
from brokers.domain.sentences import all_of, any_of
from brokers.ibkr import cleaning
from brokers.ibkr.cleaning import text
from brokers.ibkr.contracts import stocks
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import number, quantity, whole
from brokers.ibkr.translate import MONTHS, Row, rows
from brokers.rulebook.products.untradable import untradable

# A chain has about twenty months, a month about twenty days, and a day some hundred strikes.
_MOST_MONTHS, _MOST_OF_A_STRIKE, _MOST_STRIKES = 60, 200, 2000
_SHOWN = 3
T = TypeVar("T")
_CLASS = re.compile(r"[A-Z0-9. ]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Underlying:
    """What options are on, by IBKR's number of it, and the months in which they end (the first day of each).

    `symbol` is their own class where it is an index, and the chart's root where it is a future. `search` is what IBKR was asked
    to find it. Of a future `exchange` and `multiplier` tell its options from those of a namesake, and of another size.
    """

    symbol: str
    conid: int
    months: tuple[date, ...]
    search: tuple[tuple[str, str], ...] = ()
    sec_type: str = "OPT"
    exchange: str = ""
    multiplier: Decimal | None = None

    @property
    def question(self) -> dict[str, str]:
        """What every question about its chain begins with."""
        asked = {"conid": str(self.conid), "sectype": self.sec_type}
        return {**asked, "exchange": self.exchange} if self.exchange else asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One option as IBKR lists it."""

    conid: int
    expiry: date
    right: str
    strike: Decimal
    trading_class: str
    multiplier: Decimal
    currency: str
    exchange: str

    def is_of(self, underlying: Underlying) -> bool:
        """Whether it is one of the usual contracts on a share or an index' class, or on a future of this size."""
        if underlying.sec_type == "FOP":
            return underlying.multiplier in {None, self.multiplier}
        return self.is_usual(underlying.symbol)

    def is_usual(self, underlying: str) -> bool:
        """Whether it is the usual contract on a hundred shares: one that a split or a merger changed has another class."""
        return self.trading_class == _class_on(underlying) and self.multiplier == SHARES_OF_A_CONTRACT

    def is_changed(self, underlying: str) -> bool:
        """Whether it is a contract that a split or a merger has changed, of the class AAPL1."""
        return re.fullmatch(f"{re.escape(_class_on(underlying))}[1-9]", self.trading_class) is not None


def meant_by(instrument: Instrument, today: date) -> OptionName:
    """What an option's name says; OrderRefused where it names none, or one that has expired."""
    name = named(instrument.ticker)
    if name is None:
        raise _unknown(f"{instrument} names no option. Send it like SPY {today:%y}1218C600.")
    if name.expiry < today:
        raise OrderRefused(
            f"{name.spoken} expired on {day(name.expiry)}. Name a contract that trades now.", code="contract-expired"
        )
    return name


async def underlying_of(symbol: str, get: Get) -> Underlying:
    """What options of a share or of an index' class are on; raises OrderRefused where IBKR knows none, or none with options."""
    index = INDICES.get(symbol, "")
    at_ibkr = index or symbol.replace(".", " ")
    search = (("symbol", at_ibkr), ("secType", "IND" if index else "STK"))
    found = rows(await get("iserver/secdef/search", dict(search)))
    with_options = [
        (conid, months)
        for row in found
        if text(row.get("symbol"), 20).upper() == at_ibkr and _is_index(row) is bool(index)
        if (conid := whole(row.get("conid"))) is not None and conid > 0 and (months := months_of(row, "OPT"))
    ]
    if not with_options or (index and len(with_options) > 1):
        raise _unknown(_no_options(symbol, found))
    if len(with_options) > 1:
        # Listed in several countries: the one in the US, as for its shares.
        share = await stocks.find(Instrument(ticker=symbol), get)
        with_options = [each for each in with_options if each[0] == share.conid]
        if not with_options:
            raise _unknown(_no_options(symbol, found))
    conid, months = with_options[0]
    return Underlying(symbol=symbol, conid=conid, months=months, search=search)


async def asked_twice(ask: Callable[[], Awaitable[list[T]]], underlying: Underlying, get: Get) -> list[T]:
    """What a question about a chain shows. Where that is nothing the share is searched for once more, and it is asked again:
    a session that has not searched for it is shown nothing."""
    shown_first = await ask()
    if shown_first:
        return shown_first
    await get("iserver/secdef/search", dict(underlying.search))
    return await ask()


async def of_strike(underlying: Underlying, month: date, strike: Decimal, right: str, get: Get) -> list[Listed]:
    """The options of one month at one strike, the nearest end first. Only after the underlying was searched for."""
    question = {**underlying.question, "month": _code(month), "strike": shown(strike), "right": right}
    answer = rows(await get("iserver/secdef/info", question))[:_MOST_OF_A_STRIKE]
    known = {each.conid: each for row in answer if (each := _listed(row)) is not None}
    # Only what was asked for: an answer about another strike or right would be another contract.
    fitting = [each for each in known.values() if each.strike == strike and each.right == right]
    return sorted(fitting, key=lambda each: (each.expiry, each.conid))


async def strikes_of(underlying: Underlying, month: date, right: str, get: Get) -> list[Decimal]:
    """The strikes at which options of a month are listed, those of all its days together."""
    answer = await get("iserver/secdef/strikes", {**underlying.question, "month": _code(month)})
    listed = cleaning.mapping(answer).get("call" if right == "C" else "put")
    known = {number(each) for each in listed[:_MOST_STRIKES]} if isinstance(listed, list) else set()
    return sorted(each for each in known if each is not None and each > 0)


def choose(name: OptionName, listed: Sequence[Listed], chosen: int | None = None) -> Listed:
    """The contract of a name among those of its month and strike. Never one of another day."""
    if name.index:
        return _of_class(name, listed)
    of_day = [each for each in listed if each.expiry == name.expiry]
    if not of_day:
        raise _unknown(no_day(name, sorted({each.expiry for each in listed})))
    if name.series:
        return one_of(name, _of_series(name, of_day), chosen)
    usual = [each for each in of_day if each.is_usual(name.underlying)]
    if chosen is None and len(usual) == 1:
        return usual[0]
    if chosen is None and all(each.is_changed(name.underlying) for each in of_day):
        raise _unknown(_only_changed(name, of_day))
    return one_of(name, of_day, chosen)


def _of_series(name: OptionName, of_day: Sequence[Listed]) -> list[Listed]:
    """The contracts of the class that a name with a digit names."""
    found = [each for each in of_day if each.trading_class == f"{_class_on(name.underlying)}{name.series}"]
    if not found:
        raise _unknown(
            f"IBKR lists no option of the class {name.underlying}{name.series} at {shown(name.strike)} that ends on "
            f"{day(name.expiry)}. Look at the position for its name."
        )
    return found


def _only_changed(name: OptionName, of_day: Sequence[Listed]) -> str:
    """That only contracts with other terms are listed, which no signal means that does not name their class."""
    others = sorted({each.trading_class for each in of_day})
    return (
        f"{name.spoken} is listed only as {any_of(others)}, whose terms a split or a merger has changed. To close such a one send "
        f"{others[0]} {name.expiry:%y%m%d}{name.right}{shown(name.strike)}."
    )


def _class_on(underlying: str) -> str:
    return underlying.replace(".", "").replace(" ", "")


def one_of(name: OptionName, listed: Sequence[Listed], chosen: int | None) -> Listed:
    """The contract that a person has chosen among several of a name; refused with all of them where nobody has."""
    candidates = [
        Candidate(
            conid=each.conid,
            name=f"{name.spoken}, class {each.trading_class}, {shown(each.multiplier)} a point",
            exchange=each.exchange,
            currency=each.currency,
        )
        for each in listed
    ]
    meant = the_one(str(name), "options", candidates, chosen)
    return next(each for each in listed if each.conid == meant.conid)


def _of_class(name: OptionName, listed: Sequence[Listed]) -> Listed:
    """The option on an index, of the very class that is named.

    One that settles at an open is named by that day at the clearing house, and by the day before, its last one, at IBKR.
    """
    of_class = [each for each in listed if each.is_usual(name.underlying)]
    for ahead in range(2 if name.underlying == name.index else 1):
        of_day = [each for each in of_class if each.expiry == business_day_before(name.expiry, ahead)]
        if len(of_day) == 1:
            return of_day[0]
    others = sorted({each.trading_class for each in listed if each.expiry == name.expiry} - {name.underlying})
    if others:
        meant = any_of(str(replace(name, underlying=each)) for each in others)
        raise _unknown(f"No option of the class {name.underlying} ends on {day(name.expiry)}. Send {meant}.")
    raise _unknown(no_day(name, sorted({each.expiry for each in of_class})))


def contract_of(instrument: Instrument, listed: Listed, name: OptionName, how: str = "") -> Contract:
    """The contract of a listed option. `how` says why it was taken, where it was not named."""
    return Contract(
        instrument=instrument,
        conid=listed.conid,
        name=f"{name.spoken}: {how}" if how else name.spoken,
        exchange=listed.exchange,
        currency=listed.currency,
        multiplier=listed.multiplier,
        tick=Decimal("0.05"),
        ticker=str(replace(name, expiry=listed.expiry)),
    )


def _listed(row: Row) -> Listed | None:
    """A row of `secdef/info`; None where it lacks what an order needs: a multiplier is never taken for granted."""
    conid, expiry = whole(row.get("conid")), day_of(row.get("maturityDate"))
    strike, multiplier = number(row.get("strike")), quantity(row.get("multiplier"))
    right, trading_class = text(row.get("right"), 4).upper(), text(row.get("tradingClass"), 12).upper()
    if conid is None or conid <= 0 or expiry is None or strike is None or strike <= 0 or not multiplier:
        return None
    if multiplier < 0 or right not in {"C", "P"} or not _CLASS.fullmatch(trading_class):
        return None
    return Listed(
        conid=conid,
        expiry=expiry,
        right=right,
        strike=strike,
        trading_class=trading_class,
        multiplier=multiplier,
        currency=cleaning.currency(row.get("currency")),
        exchange=cleaning.exchange(row.get("exchange"), 40),
    )


def _is_index(row: Row) -> bool:
    return any(text(section.get("secType"), 8) == "IND" for section in rows(row, "sections"))


def months_of(row: Row, sec_type: str) -> tuple[date, ...]:
    """The months of a match's options, nearest first: "DEC26;JAN27"."""
    options = [section for section in rows(row, "sections") if text(section.get("secType"), 8) == sec_type]
    codes = [code for section in options for code in text(section.get("months"), 1000).split(";")[:_MOST_MONTHS]]
    return tuple(sorted({month for code in codes if (month := _month(code)) is not None}))


def _month(code: str) -> date | None:
    letters, digits = code.strip()[:3].upper(), code.strip()[3:]
    if letters not in MONTHS or not re.fullmatch(r"[0-9]{2}", digits):
        return None
    return date(2000 + int(digits), MONTHS.index(letters) + 1, 1)


def _code(month: date) -> str:
    return f"{MONTHS[month.month - 1]}{month:%y}"


def day_of(value: object) -> date | None:
    """A day as IBKR writes it, 20261218; None where it is none."""
    digits = text(value, 8)
    if not re.fullmatch(r"[0-9]{8}", digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _no_options(symbol: str, found: Iterable[Row]) -> str:
    if symbol in INDICES:
        return f"IBKR lists no options of the class {symbol} on the index {INDICES[symbol]} to this login now."
    traded = f"on which Halyard trades no options; of indices it trades those of {all_of(sorted(INDICES))}."
    if (other := untradable(symbol)) is not None:
        return f"{symbol} is {other.what}, {traded} {other.instead()}"
    if any(_is_index(row) for row in found if text(row.get("symbol"), 20).upper() == symbol):
        return f"{symbol} is an index {traded} Send an option on a fund that follows it."
    return f"IBKR lists no options on a US share {symbol}. Check the symbol; class shares are written BRK.B."


def no_month(name: OptionName, underlying: Underlying) -> OrderRefused:
    """Why a month is refused, with those nearest to it that are listed."""
    listed = [f"{month:%b %Y}" for month in underlying.months]
    # Those around the month that was asked for tell more than the first ones.
    near = sorted(underlying.months, key=lambda month: abs((month - name.expiry).days))[:_SHOWN]
    told = all_of(f"{month:%b %Y}" for month in sorted(near)) if listed else "none"
    return _unknown(
        f"IBKR lists no options on {name.underlying} that end in {name.expiry:%b %Y}. The months nearest to it are {told}."
    )


def no_day(name: OptionName, days: Sequence[date]) -> str:
    """Why a day is refused, with those nearest to it on which options end."""
    near = sorted(sorted(days, key=lambda each: abs((each - name.expiry).days))[:_SHOWN])
    told = (
        f"The nearest days are {all_of(map(day, near))}. Send one of them." if near else "Send another day or strike."
    )
    return (
        f"No option on {name.underlying} at {shown(name.strike)} ends on {day(name.expiry)}, a {name.expiry:%A}. {told}"
    )


def no_strike(name: OptionName, strikes: Sequence[Decimal]) -> OrderRefused:
    """Why a strike is refused, with those beside it that are listed."""
    kind = "calls" if name.right == "C" else "puts"
    said = f"IBKR lists no {kind} on {name.underlying} at {shown(name.strike)} in {name.expiry:%b %Y}."
    below = [each for each in strikes if each < name.strike][-1:]
    above = [each for each in strikes if each > name.strike][:1]
    if not below and not above:
        return _unknown(f"{said} Check the strike.")
    return _unknown(f"{said} The nearest strikes are {any_of(map(shown, (*below, *above)))}. Send one of them.")


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
