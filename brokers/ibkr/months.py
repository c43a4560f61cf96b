"""Which contract month of a future is meant: the one that is named, or the one its chart shows. Choosing is pure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.domain.orders import Contract, Instrument
from brokers.domain.sentences import any_of
from brokers.domain.tickers import MONTH_CODES
from brokers.ibkr.cleaning import text
from brokers.ibkr.numbers import quantity, whole
from brokers.ibkr.translate import MONTHS, Row, rows
from brokers.rulebook.products import futures
from brokers.rulebook.products.futures import Product, code_of

# A path, its query, and the parts of the path.
Get = Callable[..., Awaitable[Any]]

_FUTURE = re.compile(r"^(?P<root>[A-Z0-9]{1,5}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{4}|\d{1,2})$")
_SHOWN_MONTHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One contract month as IBKR lists it: named after `month`, traded until `last`, to be left by `cutoff`."""

    conid: int
    month: date
    last: date
    expires: date
    cutoff: date | None


async def find(instrument: Instrument, get: Get, today: date) -> Contract:
    """IBKR's contract of a future; OrderRefused with a sentence when there is none, or more than one."""
    name, month, nth = parse_future(instrument.ticker, today)
    if futures.is_ambiguous(name):
        raise _ambiguous(name)
    root = futures.chart_root(name)
    listed = await _listing(root, get)
    ends = await _ends(root, listed, get, today)
    return choose_future(instrument, listed, root=root, month=month, today=today, nth=nth, ends=ends)


async def trading_months(root: str, get: Get, today: date) -> tuple[Listed, ...]:
    """The months of a future's root that trade, the first to end first."""
    product, listed = futures.product_of(root), await _listing(root, get)
    ends = await _ends(root, listed, get, today)
    shift = ends if ends is not None else product.ends if product is not None else 0
    return tuple(sorted(_trading(listed, shift, today), key=lambda each: each.last))


def parse_future(ticker: str, today: date) -> tuple[str, date | None, int]:
    """Root and contract month: MNQZ2026, MNQZ26 and MNQZ6 name the month; MNQ and MNQ1! the one the chart shows, MNQ2!
    the one behind it (the third value)."""
    name = ticker.upper()
    if name.endswith(("1!", "2!")):
        return name[:-2], None, int(name[-2])
    match = _FUTURE.match(name)
    if match is None:
        return name, None, 1
    digits, year = match["year"], int(match["year"])
    if len(digits) == 1:
        year += today.year - today.year % 10
        # The digit of a year long gone means the next decade.
        year += 10 if year < today.year - 1 else 0
    elif len(digits) == 2:
        year += 2000
    return match["root"], date(year, MONTH_CODES.index(match["month"]) + 1, 1), 1


async def _listing(root: str, get: Get) -> list[Row]:
    """The rows of all months of one product, and of no other that shares its symbol."""
    product = futures.product_of(root)
    symbols = dict.fromkeys([product.symbol, root] if product is not None else [root])
    for symbol in symbols:
        listed = rows(await get("trsrv/futures", {"symbols": symbol}), symbol)
        if product is not None and (len(futures.sharing(symbol)) > 1 or _overlap(listed)):
            listed = await _of_product(product, listed, get)
        if listed:
            return listed
    return []


def _overlap(listed: Sequence[Row]) -> bool:
    """Whether two contracts end on one day: products of two sizes under one symbol."""
    ends = [row.get("ltd") or row.get("expirationDate") for row in listed]
    return len(set(map(str, ends))) < len(ends)


async def _of_product(product: Product, listed: Sequence[Row], get: Get) -> list[Row]:
    """The rows with the product's own multiplier: IBKR lists FDAX, FDXM and FDXS all as DAX."""
    conids = [conid for row in listed if (conid := whole(row.get("conid"))) is not None]
    if not conids:
        return []
    definition = await get("trsrv/secdef", {"conids": ",".join(map(str, conids))})
    sizes = {whole(row.get("conid")): quantity(row.get("multiplier")) for row in rows(definition, "secdef")}
    return [row for row in listed if sizes.get(whole(row.get("conid"))) == product.multiplier]


async def _ends(root: str, listed: Sequence[Row], get: Get, today: date) -> int | None:
    """How many months before its name a contract ends, by IBKR's own word on the nearest one; None where it has none."""
    nearest = min(_trading(listed, 0, today), key=lambda each: each.last, default=None)
    if nearest is None:
        return None
    try:
        info = await get("iserver/contract/{conid}/info", {}, {"conid": str(nearest.conid)})
    except BrokerUnavailable:
        return None
    named = named_month(info.get("contract_month")) if isinstance(info, dict) else None
    return None if named is None else _index(named) - _index(nearest.last)


def choose_future(
    instrument: Instrument,
    listed: Sequence[Row],
    *,
    root: str,
    month: date | None,
    today: date,
    nth: int = 1,
    ends: int | None = None,
) -> Contract:
    """The month asked for; else the nth that a continuous chart shows. `ends` is IBKR's word, if it gave one."""
    product = futures.product_of(root)
    shift = ends if ends is not None else product.ends if product is not None else 0
    trading = sorted(_trading(listed, shift, today), key=lambda each: each.last)
    if not trading:
        raise _unknown(nothing_listed(root, today))
    if month is not None:
        chosen = next((each for each in trading if each.month == month.replace(day=1)), None)
        if chosen is None:
            raise _unknown(f"IBKR lists no {root} future for {month:%B %Y}. {choose_month(root, trading)}")
    elif product is None:
        # Which months its chart passes over, and when it goes on, is not known of every product.
        raise OrderRefused(
            f"Which month of {root} a chart shows is not known here, and a wrong one is not guessed. "
            f"{choose_month(root, trading)}",
            code="contract-month-needed",
        )
    else:
        shown = [each for each in trading if product.is_liquid(each.month) and today < _rolls_on(product, each)]
        if len(shown) < nth:
            raise _unknown(f"IBKR lists no further {root} future to roll into. {choose_month(root, trading)}")
        chosen = shown[nth - 1]
    name = f"{root} {chosen.month:%b %Y}"
    return Contract(
        instrument=instrument, conid=chosen.conid, name=name, exchange="", ticker=code_of(root, chosen.month)
    )


def _rolls_on(product: Product, listed: Listed) -> date:
    """By the product's own rule, and never later than IBKR wants positions closed."""
    by_rule = product.rolls_on(listed.month, listed.expires)
    # IBKR gives the last trading day as the cutoff of what is settled in cash: that is the end, not a deadline.
    early = listed.cutoff is not None and listed.cutoff < listed.last
    return min(by_rule, listed.cutoff) if early and listed.cutoff is not None else by_rule


def _trading(listed: Iterable[Row], ends: int, today: date) -> Iterable[Listed]:
    for row in listed:
        last = _day(row.get("ltd") or row.get("expirationDate"))
        conid = whole(row.get("conid"))
        if last is None or conid is None or last < today:
            continue
        cutoffs = [day for key in ("longFuturesCutOff", "shortFuturesCutOff") if (day := _day(row.get(key)))]
        yield Listed(
            conid=conid,
            month=_month_at(_index(last) + ends),
            last=last,
            expires=_day(row.get("expirationDate")) or last,
            cutoff=min(cutoffs, default=None),
        )


def choose_month(root: str, trading: Sequence[Listed]) -> str:
    codes = list(dict.fromkeys(code_of(root, each.month) for each in trading))[:_SHOWN_MONTHS]
    return f"Name one that is listed: {any_of(codes)}."


def nothing_listed(root: str, today: date) -> str:
    example = code_of("MNQ", _month_at(_index(today) // 3 * 3 + 5))
    return (
        f"IBKR lists no future with the root {root}. A future is written root, month code and year, like {example}; "
        "a stock, a pair or an option goes to a strategy of its own class."
    )


def _ambiguous(name: str) -> OrderRefused:
    ways = ", ".join(
        f"{each.root} ({each.multiplier.normalize():f} {each.currency} a point)" for each in futures.sharing(name)
    )
    return OrderRefused(
        f"{name} is IBKR's name of several futures: {ways}. Send one of these.", code="ambiguous-symbol"
    )


def named_month(value: Any) -> date | None:
    """202612, or DEC26."""
    spelled = text(value, 16).strip().upper()
    if re.fullmatch(r"[0-9]{6}", spelled) and 1 <= int(spelled[4:]) <= 12 and int(spelled[:4]) > 0:
        return date(int(spelled[:4]), int(spelled[4:]), 1)
    match = re.fullmatch(r"([A-Z]{3})\s?(?:20)?([0-9]{2})", spelled)
    return date(2000 + int(match[2]), MONTHS.index(match[1]) + 1, 1) if match and match[1] in MONTHS else None


def _index(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_at(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def _day(value: Any) -> date | None:
    digits = str(whole(value) or "")
    if len(digits) != 8:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
