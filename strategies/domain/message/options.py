"""Options in every spelling: SPY 250520C582.5, SPY250520C00582500, SPY_052025C582.5, or an underlying with its parts."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from brokers.domain.contracts.options import CHAIN, chain_of, is_future
from brokers.domain.orders import OPTIONS, AssetClass
from brokers.domain.tickers import MONTH_CODES, OPTION, UNDERLYING
from strategies.domain.message import classes, future_options, symbols
from strategies.domain.message.kinds import form_of
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.symbols import Kind, Symbol, behind, check, expired, split_exchange, unreadable
from strategies.domain.message.wishes import RIGHTS, Wish
from strategies.domain.numbers import plain

NEW_YORK = ZoneInfo("America/New_York")

_CLASS_OR_MONTH = re.compile(rf"[A-Z]{{1,5}}[{MONTH_CODES}]([1-9])[ _]")
# Options on futures that end later than in so many years are not listed.
_FURTHEST_FUTURE = 3
_RELATIVE = re.compile(r"\+ ?(\d{1,4}) ?(day|week|month|year)s?", re.IGNORECASE)


class SaidOfOption(NamedTuple):
    """What a signal says of the option that it means: its right (C or P), last day (YYYYMMDD) and strike, and the future with
    its month; empty for what it leaves open."""

    right: str = ""
    expiry: str = ""
    strike: str = ""
    future: str = ""


def said_of_option(reading: dict[str, Any]) -> SaidOfOption | None:
    """The same of a reading, as far as it tells what is held of a chain; None where it is about no option."""
    facts, wish = reading.get("instrument", {}), reading.get("option", {})
    if facts.get("class") not in OPTIONS:
        return None
    underlying = facts.get("underlying", "")
    relative = str(wish.get("expiration", "+")).startswith("+")
    return SaidOfOption(
        facts.get("right") or RIGHTS.get(wish.get("type"), ""),
        facts.get("expiry") or ("" if relative else wish["expiration"].replace("-", "")),
        facts.get("strike") or wish.get("strike_price") or "",
        underlying if is_future(underlying) else "",
    )


def may_be_one(one: SaidOfOption | None, other: SaidOfOption | None) -> bool:
    """Whether two signals that stand in one line may mean one contract: nothing that both say is different."""
    if one is None or other is None:
        return True
    return all(not mine or not theirs or mine == theirs for mine, theirs in zip(one, other, strict=True))


def in_line_as(ticker: str) -> str:
    """Under which name a signal of this ticker stands in line: all options on one share or future together, since a signal by
    parts may mean any of them (as `Message.place`)."""
    underlying, _, rest = ticker.partition(" ")
    on_future = f" {rest}" == CHAIN or (rest and is_future(underlying))
    if on_future:
        return chain_of(underlying, AssetClass.FUTURE_OPTION)
    # A class that a split has changed stands in line with the usual one.
    return (underlying.rstrip("123456789") if rest else underlying).replace(".", "")


def symbol_of(ticker: str, kind: Kind, wish: Wish, now: datetime) -> Symbol:
    """What a ticker names in a strategy of any kind; raises Refused."""
    if kind is Kind.FUTURE_OPTION:
        return future_options.read(ticker, wish, now)
    return read(ticker, wish, now) if kind is Kind.OPTION else symbols.read(ticker, kind, now)


def wish_of(ticker: str, kind: Kind, wish: Wish, now: datetime) -> Wish:
    """The option fields of a signal with what a name adds that leaves the month of its future open; raises Refused."""
    on_future = kind is Kind.FUTURE_OPTION or (kind is Kind.OPTION and _is_on_future(split_exchange(ticker)[1], now))
    return future_options.spelled_wish(ticker, wish, now) if on_future else wish


def read(ticker: str, wish: Wish, now: datetime) -> Symbol:
    """One contract, or an underlying whose chain is to be scanned; raises Refused.

    An option on a future is read as one here too where it is plainly that: by a name with a future, or a chart of a future
    with the type of an option.
    """
    exchange, symbol = split_exchange(ticker)
    if _is_on_future(symbol, now) or (wish.type is not None and classes.is_future(symbol)):
        return future_options.read(ticker, wish, now)
    check(ticker, exchange, symbol, Kind.OPTION)
    if match := OPTION.fullmatch(symbol):
        contract = _spelled_out(ticker, match, wish, now)
    elif UNDERLYING.fullmatch(symbol):
        contract = _by_parts(symbol.replace("/", ".").replace("-", "."), wish, now)
    else:
        raise unreadable(ticker, symbol, Kind.OPTION, now)
    return behind(exchange, symbol, contract)


def _is_on_future(symbol: str, now: datetime) -> bool:
    """Whether a name is plainly that of an option on a future.

    CLX1 is crude oil of November, and the class of Clorox that a split has changed: what would be a future of more than three
    years ahead is the class.
    """
    if not future_options.is_name(symbol):
        return False
    digit = _CLASS_OR_MONTH.match(symbol)
    return digit is None or (int(digit[1]) - now.year) % 10 <= _FURTHEST_FUTURE


def expiration(value: object) -> str | None:
    """An expiration as a date or `+N days|weeks|months|years`; None when it is neither."""
    text = value.strip() if isinstance(value, str) else ""
    if match := _RELATIVE.fullmatch(text):
        return f"+{int(match[1])} {match[2].lower()}s"
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _spelled_out(ticker: str, match: re.Match[str], wish: Wish, now: datetime) -> Symbol:
    underlying, gap, digits, letter, strike = match.groups()
    try:
        day = datetime.strptime(digits, "%m%d%y" if gap == "_" else "%y%m%d").date()  # noqa: DTZ007
    except ValueError:
        raise unreadable(ticker, "", Kind.OPTION, now) from None
    right = letter or _right_of(wish)
    if not right:
        raise invalid(
            "invalid-ticker-and-option-type",
            f"{ticker[:40]} says neither call nor put. Add C or P before the strike, or send optionType.",
            field="ticker",
        )
    if letter and wish.type and _right_of(wish) not in {"", letter}:
        raise invalid(
            "invalid-ticker-and-option-type",
            f"{ticker[:40]} and optionType {wish.type} contradict each other. Send one of them.",
            field="optionType",
        )
    # Eight digits are the OSI spelling, in thousandths.
    price = Decimal(strike) / 1000 if len(strike) == 8 and "." not in strike else Decimal(strike)
    return _contract(underlying, day, right, price, now)


def _by_parts(underlying: str, wish: Wish, now: datetime) -> Symbol:
    right = _right_of(wish)
    if right and wish.strike_price is not None and wish.expiration and not wish.expiration.startswith("+"):
        return _contract(underlying, date.fromisoformat(wish.expiration), right, wish.strike_price, now)
    return Symbol(Kind.OPTION, underlying, underlying, {"underlying": underlying, "scan": True})


def _contract(underlying: str, day: date, right: str, strike: Decimal, now: datetime) -> Symbol:
    name = f"{underlying} {day:%y%m%d}{right}{plain(strike)}"
    share = underlying.rstrip("123456789")
    if strike <= 0:
        raise _no_strike(name, now)
    if day < now.astimezone(NEW_YORK).date():
        raise expired(name, day.isoformat(), now)
    facts = {"underlying": share, "expiry": f"{day:%Y%m%d}", "right": right, "strike": plain(strike)}
    series = underlying.removeprefix(share)
    return Symbol(Kind.OPTION, name, share, {**facts, "series": series} if series else facts)


def _no_strike(name: str, now: datetime) -> Refused:
    sentence = f"{name} has no strike. Write it like {form_of(Kind.OPTION, now)}."
    return invalid("ticker-does-not-exist", sentence, field="ticker")


def _right_of(wish: Wish) -> str:
    return RIGHTS.get(wish.type or "", "")
