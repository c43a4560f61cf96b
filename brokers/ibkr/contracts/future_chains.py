"""The chain of a future at IBKR: where its options are found, and on which month of it each of them is.

IBKR finds them by the product, with the months that they are named after, and wants its exchange with each question. On which
month of the future an option is, it says of a contract alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.options import NEW_YORK, root_of
from brokers.domain.sentences import any_of
from brokers.ibkr import months
from brokers.ibkr.cleaning import text
from brokers.ibkr.contracts import options
from brokers.ibkr.contracts.chains import Chains
from brokers.ibkr.contracts.options import Listed, Underlying
from brokers.ibkr.months import Get
from brokers.ibkr.months import Listed as Month
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import Row, rows
from brokers.rulebook.products import futures, option_ends
from brokers.rulebook.products.futures import code_of, read_code

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chain:
    """A future's chain: where its options are found, its months that trade, and the one that is named, if any."""

    root: str
    underlying: Underlying
    months: tuple[Month, ...]
    named: Month | None

    @property
    def ahead(self) -> int:
        """How many months before the one that they are named after options end at most. Those on an index or a currency end in
        it; what is delivered is left before."""
        product = futures.product_of(self.root)
        if product is None:
            return 1
        return max(1, product.ends) if product.ends or product.notice is not None else 0

    def code(self, future: Month) -> str:
        return code_of(self.root, future.month)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a question is asked with: on which day, and at which moment."""

    get: Get
    now: datetime
    today: date
    chains: Chains


async def chain_of(underlying: str, asking: Asking, wanted: date | None = None) -> Chain:
    """The chain of a root, or of a future with its month. `wanted`: a month that was found, or is searched for once more."""
    code = read_code(underlying)
    root = futures.chart_root(root_of(underlying))
    if futures.is_ambiguous(root):
        ways = any_of(each.root for each in futures.sharing(root))
        raise OrderRefused(f"{root} is IBKR's name of several futures. Send {ways} instead.", code="ambiguous-symbol")
    chains, key = asking.chains, f"{root}!"
    known, trading = chains.underlyings.get(key), chains.futures.get(root)
    if known is not None and wanted is not None and wanted not in known.months:
        known = None
    found, months_found = await asyncio.gather(
        _found(known) if known is not None else _search(root, asking.get),
        _found(trading) if trading else months.trading_months(root, asking.get, asking.today),
    )
    if not months_found:
        raise _unknown(months.nothing_listed(root, asking.today))
    if found is None:
        raise _unknown(f"IBKR lists no options on the future {root} to this login now. Check the root.")
    chains.underlyings[key], chains.futures[root] = found, months_found
    named = None
    if code is not None:
        named = next((each for each in months_found if each.month == code[1]), None)
        if named is None:
            told = months.choose_month(root, months_found)
            raise _unknown(f"IBKR lists no {root} future for {code[1]:%B %Y}. {told}")
    return Chain(root, found, months_found, named)


async def _found(value: T) -> T:
    return value


async def _search(root: str, get: Get) -> Underlying | None:
    """The product of a root with the months of its options; None where IBKR shows none, or several that nothing tells apart."""
    product = futures.product_of(root)
    search = (("symbol", root if product is None else product.symbol),)
    found = []
    for row in rows(await get("iserver/secdef/search", dict(search))):
        conid, listed = whole(row.get("conid")), options.months_of(row, "FOP")
        if conid is None or conid <= 0 or not listed or text(row.get("symbol"), 20).upper() != search[0][1]:
            continue
        found += [
            Underlying(
                symbol=root,
                conid=conid,
                months=listed,
                search=search,
                sec_type="FOP",
                exchange=exchange,
                # Where products of several sizes share IBKR's symbol, so do their options.
                multiplier=product.multiplier if product and len(futures.sharing(product.symbol)) > 1 else None,
            )
            for exchange in _exchanges(row)
            if product is None or exchange == product.venue
        ]
    return found[0] if len({each.conid for each in found}) == 1 else None


def _exchanges(row: Row) -> list[str]:
    sections = [each for each in rows(row, "sections") if text(each.get("secType"), 8) == "FOP"]
    named = [text(each.get("exchange"), 200).upper() for each in sections]
    return [word for each in named for word in each.split(";") if word]


def named_after(product: Chain, month: date) -> list[date]:
    """The months of IBKR's in which options may stand that end in this one: many are named after their future's month, which
    comes later."""
    last = _later(month, product.ahead)
    return [each for each in product.underlying.months if month <= each <= last]


async def futures_of(listed: Sequence[Listed], product: Chain, asking: Asking) -> dict[int, Month]:
    """By the number of an option the month of the future that it is on; without those of which IBKR does not say it, or which
    are on none that trades. All options of one class and day are on one future, so one of them is asked about."""
    known, conid = asking.chains.on_futures, product.underlying.conid
    keys = {each.conid: (conid, each.trading_class, each.expiry) for each in listed}
    unknown = {key: option for option, key in keys.items() if key not in known}
    if unknown:
        definition = await asking.get("trsrv/secdef", {"conids": ",".join(map(str, sorted(unknown.values())))})
        on = {whole(row.get("conid")): whole(row.get("undConid")) for row in rows(definition, "secdef")}
        for key, option in unknown.items():
            if (future := on.get(option)) is not None:
                known[key] = future
    by_conid = {each.conid: each for each in product.months}
    found = {option: by_conid.get(known[key]) for option, key in keys.items() if key in known}
    return {option: future for option, future in found.items() if future is not None}


def is_over(option: Listed, future: Month, chain: Chain, asking: Asking) -> bool:
    """Whether trade in an option of this day has ended: with its future, or at its product's own time."""
    local = asking.now.astimezone(NEW_YORK)
    if option.expiry != local.date():
        return False
    ends = option_ends.of_root(chain.root, option.expiry, with_future=option.expiry == future.last)
    return ends is not None and local.time() >= ends


def _later(month: date, count: int) -> date:
    """The first day of so many months later."""
    years, number = divmod(month.month - 1 + count, 12)
    return date(month.year + years, number + 1, 1)


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
