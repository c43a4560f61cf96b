"""Which listing of IBKR a stock's ticker means. Choosing is pure; asking is done through the brokerage's reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import MOST, AmbiguousSymbol, Candidate, the_one
from brokers.domain.orders import Contract, Instrument
from brokers.domain.sentences import all_of
from brokers.ibkr import cleaning
from brokers.ibkr.cleaning import mapping, one_line
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import Row, rows
from brokers.rulebook.products.abroad import Abroad, split
from brokers.rulebook.products.futures import product_of
from brokers.rulebook.products.untradable import untradable

_MAIN_EXCHANGES = {"NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "CBOE", "IEX"}
_NO_CONID = 2**53


async def find(instrument: Instrument, get: Get, chosen: int | None = None) -> Contract:
    """The listing of a ticker, or of several the chosen one; AmbiguousSymbol names them with their currencies."""
    abroad, symbol = split(instrument.ticker.upper())
    if abroad is None:
        # IBKR writes classes of US shares with a blank, and those of Toronto and others with the dot.
        symbol = symbol.replace(".", " ")
    companies = rows(await get("trsrv/stocks", {"symbols": symbol}), symbol)
    try:
        found = choose(instrument, companies, chosen)
    except AmbiguousSymbol as several:
        several.candidates = await _described(several.candidates, get)
        raise
    return found


async def _described(candidates: Sequence[Candidate], get: Get) -> tuple[Candidate, ...]:
    """The candidates with the currency that each is priced in, as far as IBKR says."""
    conids = ",".join(str(each.conid) for each in candidates)
    known = {whole(row.get("conid")): row for row in rows(await get("trsrv/secdef", {"conids": conids}), "secdef")}
    return tuple(
        replace(each, currency=cleaning.currency(known.get(each.conid, {}).get("currency"), each.currency))
        for each in candidates
    )


def choose(instrument: Instrument, companies: Sequence[Row], chosen: int | None = None) -> Contract:
    """The US listing, or the one on the exchange abroad that the ticker names.

    Companies that share a symbol are told apart by a main exchange, else by a person.
    """
    abroad, _ = split(instrument.ticker)
    if abroad is not None:
        return _choose_abroad(instrument, abroad, companies, chosen)
    listed = _listed(companies, in_us=True)
    main = [each for each in listed if each.exchange in _MAIN_EXCHANGES] or listed
    if not main:
        raise OrderRefused(_no_stock(instrument.ticker, companies), code="unknown-symbol")
    if chosen is None and len({each.name for each in main}) == 1:
        # One company on several of its home exchanges.
        main = main[:1]
    kept = next((each for each in listed if each.conid == chosen), None)
    meant = kept or the_one(instrument.ticker, "US stocks", main, chosen)
    return Contract(instrument=instrument, conid=meant.conid, name=meant.name, exchange=meant.exchange)


def _choose_abroad(instrument: Instrument, abroad: Abroad, companies: Sequence[Row], chosen: int | None) -> Contract:
    here = [each for each in _listed(companies, in_us=False) if each.exchange in abroad.exchanges]
    if not here:
        elsewhere = sorted({each.exchange for us in (True, False) for each in _listed(companies, in_us=us)})
        others = f" It lists that symbol on {all_of(elsewhere[:5])}, which may be another company." if elsewhere else ""
        raise OrderRefused(
            f"IBKR lists no {instrument} on {abroad.place}.{others} Check the symbol on the chart.",
            code="unknown-symbol",
        )
    here = [replace(each, currency=abroad.currency) for each in here]
    meant = the_one(str(instrument), f"shares on {abroad.place}", here, chosen)
    return Contract(
        instrument=instrument,
        conid=meant.conid,
        name=meant.name,
        exchange=meant.exchange,
        # Until the definition says otherwise, which is refused: never a dollar by default.
        currency=abroad.currency,
    )


def check_currency(contract: Contract) -> None:
    """Refuse a listing abroad in another currency than the chart's: its prices would be of another unit."""
    abroad, _ = split(contract.instrument.ticker)
    if abroad is not None and contract.currency != abroad.currency:
        raise OrderRefused(
            f"IBKR prices {contract.instrument} in {contract.currency}, and its chart counts in {abroad.currency}. "
            "Halyard does not trade one by the prices of the other.",
            code="other-currency",
        )


def in_hundredths(instrument: Instrument) -> bool:
    """Whether the chart of a share counts in hundredths of its currency."""
    abroad, _ = split(instrument.ticker)
    return abroad is not None and abroad.parts > 1


def magnified(contract: Contract, body: Any) -> Contract:
    """The contract of a chart in pence with what a point of it is worth in pounds, by IBKR's rules of the contract.

    OrderRefused where IBKR does not say that it counts in pence too: a limit a hundred times too high fills at once.
    """
    abroad, _ = split(contract.instrument.ticker)
    assert abroad is not None
    if whole(mapping(body, "rules").get("priceMagnifier")) != abroad.parts:
        raise OrderRefused(
            f"The chart of {contract.instrument} counts in {abroad.unit}, and IBKR does not say that its prices do. Nothing is "
            f"ordered, since a price in the wrong unit would be a hundred times off. Trade it in IBKR's own app.",
            code="other-unit",
        )
    return replace(contract, multiplier=Decimal(1) / abroad.parts)


def _listed(companies: Sequence[Row], *, in_us: bool) -> list[Candidate]:
    """The listings at home or abroad, each contract once."""
    found: dict[int, Candidate] = {}
    for company in companies:
        if company.get("assetClass") != "STK":
            continue
        for row in rows(company, "contracts"):
            conid = whole(row.get("conid"))
            if conid is None or not 0 < conid < _NO_CONID or bool(row.get("isUS")) is not in_us:
                continue
            candidate = Candidate(
                conid=conid,
                name=one_line(company.get("name"), 120),
                exchange=cleaning.exchange(row.get("exchange"), 40),
                currency="USD" if in_us else "",
            )
            found.setdefault(conid, candidate)
    return list(found.values())[:MOST]


def _no_stock(symbol: str, companies: Sequence[Row]) -> str:
    """What the symbol is instead, where that is known."""
    if (product := product_of(symbol)) is not None:
        return f"{symbol} is a future ({product.name}), and no US stock. Send it to a strategy for futures."
    if (other := untradable(symbol)) is not None:
        return f"{symbol} is {other.what}, which nobody can buy. {other.instead()}"
    abroad = sorted({each.exchange for each in _listed(companies, in_us=False)})
    if abroad:
        return (
            f"IBKR lists {symbol} on {', '.join(abroad[:5])} and on no US exchange. Send it behind the prefix of its exchange, "
            "such as XETR:SAP, or send a symbol that is listed in the US."
        )
    return f"IBKR knows no US stock with the symbol {symbol}. Check the spelling; class shares are written BRK.B."
