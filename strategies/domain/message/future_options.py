"""Options on futures in every spelling: ESZ2026 261211C6400, ESZ6 261211C6400, ES 261211C6400, or a future with its parts.

A root alone, ES or ES1!, means the options on whichever month of it the chain has for the day; a month means those on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from brokers.domain.contracts.options import CHAIN, NEW_YORK, is_future
from brokers.domain.tickers import MONTH_CODES
from strategies.domain.message import symbols
from strategies.domain.message.kinds import Kind, form_of
from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.message.symbols import Symbol, behind, check, expired, split_exchange, unreadable
from strategies.domain.message.wishes import RIGHTS, Wish
from strategies.domain.numbers import plain

_MONTH = rf"[A-Z0-9]{{1,5}}?[{MONTH_CODES}](?:\d{{4}}|\d{{1,2}})"
# A day follows a year of one or two digits only behind a blank or an underscore; behind four of them it may follow at once.
_NAME = re.compile(
    rf"(?:([A-Z0-9]{{1,5}}?[{MONTH_CODES}]\d{{4}})( *|_)|({_MONTH}|[A-Z0-9]{{1,5}}(?:[12]!)?)( +|_))"
    r"(\d{6})([CP]?)(\d{1,8}(?:\.\d{1,7})?)"
)


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A name in its parts; `right` is empty where it says neither call nor put."""

    future: str
    day: date
    right: str
    strike: Decimal


def is_name(symbol: str) -> bool:
    """Whether it plainly names one option on a future, and none on a share: its future has a month, or a chart's sign."""
    spelled = _NAME.fullmatch(symbol)
    future = (spelled[1] or spelled[3]) if spelled else ""
    return future.endswith("!") or (bool(future) and re.fullmatch(_MONTH, future) is not None)


def spelled_wish(ticker: str, wish: Wish, now: datetime) -> Wish:
    """The fields of a signal together with what a name without a month says, "ES 261211C6400": raises Refused."""
    name = _spelled(ticker, now)
    if name is None or _month_of(name.future, ticker, now):
        return wish
    right = _right(ticker, name, wish)
    return replace(
        wish, type={"C": "call", "P": "put"}[right], expiration=name.day.isoformat(), strike_price=name.strike
    )


def read(ticker: str, wish: Wish, now: datetime) -> Symbol:
    """One contract, or a future whose chain is to be scanned; raises Refused."""
    exchange, symbol = split_exchange(ticker)
    name = _spelled(ticker, now)
    future = symbol if name is None else name.future
    check(ticker, exchange, future, Kind.FUTURE_OPTION)
    underlying = _underlying(future, ticker, now)
    if name is not None:
        day, right, strike = name.day, _right(ticker, name, wish), name.strike
        if day < now.astimezone(NEW_YORK).date():
            raise expired(symbol, day.isoformat(), now)
    elif RIGHTS.get(wish.type or "") and wish.strike_price is not None and _is_dated(wish):
        assert wish.expiration is not None
        day, right, strike = date.fromisoformat(wish.expiration), RIGHTS[wish.type or ""], wish.strike_price
    else:
        return behind(exchange, future, _chain(underlying))
    if not is_future(underlying):
        return behind(exchange, future, _chain(underlying))
    return behind(exchange, future, _contract(underlying, day, right, strike, now))


def _chain(underlying: str) -> Symbol:
    facts = {"underlying": underlying, "scan": True}
    return Symbol(Kind.FUTURE_OPTION, f"{underlying}{CHAIN}", underlying, facts)


def _contract(underlying: str, day: date, right: str, strike: Decimal, now: datetime) -> Symbol:
    name = f"{underlying} {day:%y%m%d}{right}{plain(strike)}"
    if day < now.astimezone(NEW_YORK).date():
        raise expired(name, day.isoformat(), now)
    facts = {"underlying": underlying, "expiry": f"{day:%Y%m%d}", "right": right, "strike": plain(strike)}
    return Symbol(Kind.FUTURE_OPTION, name, underlying, facts)


def _spelled(ticker: str, now: datetime) -> _Spelled | None:
    _, symbol = split_exchange(ticker)
    match = _NAME.fullmatch(symbol)
    if match is None:
        return None
    with_year, near, other, gap, digits, right, strike = match.groups()
    try:
        day = datetime.strptime(digits, "%m%d%y" if "_" in (near or gap or "") else "%y%m%d").date()  # noqa: DTZ007
    except ValueError:
        raise unreadable(ticker, "", Kind.FUTURE_OPTION, now) from None
    if not Decimal(strike):
        sentence = f"{symbols.shown(ticker)} has no strike. Write it like {form_of(Kind.FUTURE_OPTION, now)}."
        raise invalid("ticker-does-not-exist", sentence, field="ticker")
    return _Spelled(with_year or other, day, right, Decimal(strike))


def _underlying(future: str, ticker: str, now: datetime) -> str:
    """The future with its month in full, or the root of it; raises Refused."""
    parsed = symbols.future(future, now)
    if parsed is None:
        raise unreadable(ticker, future, Kind.FUTURE_OPTION, now)
    if parsed.facts.get("continuous") == 2:
        sentence = (
            f"{symbols.shown(ticker)} is the month behind the chart's, which becomes another one with time. Name the month of "
            f"the future, as in {form_of(Kind.FUTURE, now).rpartition(' ')[2]}, or send {parsed.root} and a day."
        )
        raise invalid("ticker-does-not-exist", sentence, field="ticker")
    return parsed.name


def _month_of(future: str, ticker: str, now: datetime) -> bool:
    return is_future(_underlying(future, ticker, now))


def _right(ticker: str, name: _Spelled, wish: Wish) -> str:
    said = RIGHTS.get(wish.type or "", "")
    right = name.right or said
    if not right:
        raise _contradictory(
            f"{ticker[:40]} says neither call nor put. Add C or P before the strike, or send optionType.", "ticker"
        )
    if name.right and said not in {"", name.right}:
        raise _contradictory(
            f"{ticker[:40]} and optionType {wish.type} contradict each other. Send one of them.", "optionType"
        )
    return right


def _contradictory(sentence: str, field: str) -> Refused:
    return invalid("invalid-ticker-and-option-type", sentence, field=field)


def _is_dated(wish: Wish) -> bool:
    return bool(wish.expiration) and not str(wish.expiration).startswith("+")
