"""Which contract for difference of IBKR a ticker means: the one on a share or a currency pair, found by the share or the pair,
or one on an index or a metal by its own name. Choosing is pure; asking is done through the brokerage's reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import Contract, Instrument
from brokers.ibkr import cleaning
from brokers.ibkr.cleaning import text
from brokers.ibkr.contracts import pairs, stocks
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import Row, rows
from brokers.rulebook.products.abroad import split
from brokers.rulebook.products.cfds import NAMED, pair_of

_CFD = "CFD"


async def find(instrument: Instrument, get: Get, chosen: int | None = None) -> Contract:
    """The CFD of a ticker; OrderRefused with a sentence where there is none, AmbiguousSymbol where several shares may be meant.

    `chosen`: the number of the share that a person chose among several.
    """
    if (named := NAMED.get(instrument.ticker)) is not None:
        found = rows(await get("iserver/secdef/search", {"symbol": named.name}))
        return _contract(instrument, by_name(named.name, found), f"CFD on {named.what}", named.currency)
    if pair_of(instrument.ticker) is not None:
        return await _on_pair(instrument, get)
    share = await stocks.find(Instrument(ticker=instrument.ticker), get, chosen)
    _, symbol = split(instrument.ticker)
    found = rows(await get("iserver/secdef/search", {"symbol": symbol.replace(".", " ")}))
    conid = on_contract(share.conid, found)
    if conid is None:
        raise OrderRefused(
            f"IBKR lists no CFD on {instrument}. Send it to a strategy for stocks, or send a share with a CFD.",
            code="unknown-symbol",
        )
    return _contract(instrument, conid, share.name, share.currency)


async def _on_pair(instrument: Instrument, get: Get) -> Contract:
    """The CFD on a currency pair: it is found by the pair, and moves by the pair's steps."""
    pair = await pairs.find(instrument, get)
    conid = on_contract(pair.conid, rows(await get("iserver/secdef/search", {"symbol": pair.name})))
    if conid is None:
        raise OrderRefused(
            f"IBKR lists no CFD on {instrument} under this login. Send it to a strategy for currency pairs.",
            code="unknown-symbol",
        )
    return replace(_contract(instrument, conid, f"CFD on {pair.name}", pair.currency), tick=pair.tick)


def on_contract(conid: int, found: Iterable[Row]) -> int | None:
    """The number of the CFD on a share or a pair with this number, among the matches of a search; None where it has none.

    OrderRefused where there are several: nobody knows which one is meant.
    """
    numbers = {
        number
        for row in found
        if whole(row.get("conid")) == conid
        for section in rows(row, "sections")
        if text(section.get("secType"), 8) == _CFD
        and (number := whole(section.get("conid"))) is not None
        and 0 < number != conid
    }
    if len(numbers) > 1:
        raise OrderRefused(
            f"IBKR lists several CFDs on its contract {conid}, so nothing is ordered. Send what they are on to a strategy for that.",
            code="unknown-symbol",
        )
    return next(iter(numbers), None)


def by_name(name: str, found: Iterable[Row]) -> int:
    """The number of a CFD on an index or a metal, by its own name."""
    numbers = {
        number
        for row in found
        if text(row.get("symbol"), 20).upper() == name
        if (number := _number(row)) is not None and number > 0
    }
    if len(numbers) != 1:
        raise OrderRefused(
            f"IBKR lists {'no' if not numbers else 'several'} {name} under this login. Send another CFD.",
            code="unknown-symbol",
        )
    return numbers.pop()


def check(contract: Contract, row: Row) -> None:
    """Refuse what IBKR's definition does not call a CFD, or prices in another currency than what the CFD is on."""
    if text(row.get("assetClass"), 8) != _CFD:
        raise OrderRefused(
            f"IBKR does not call its contract {contract.conid} for {contract.instrument} a CFD, so nothing is ordered. "
            "Send the signal again later.",
            code="unknown-symbol",
        )
    if (currency := cleaning.currency(row.get("currency"), contract.currency)) != contract.currency:
        raise OrderRefused(
            f"IBKR prices the CFD on {contract.instrument} in {currency}, and its chart counts in {contract.currency}. "
            "Halyard does not trade one by the prices of the other.",
            code="other-currency",
        )


def _number(row: Row) -> int | None:
    """The number of the CFD of a match: its section's own where the match is what it is on, else the match's; None without one."""
    for section in rows(row, "sections"):
        if text(section.get("secType"), 8) == _CFD:
            own = whole(section.get("conid"))
            return whole(row.get("conid")) if own is None else own
    return None


def _contract(instrument: Instrument, conid: int, name: str, currency: str) -> Contract:
    return Contract(
        instrument=instrument, conid=conid, name=name, exchange="SMART", currency=currency, tick=Decimal("0.01")
    )
