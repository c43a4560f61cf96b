"""What options on futures are called that IBKR shows among holdings: its texts name their class and month, and not their day.

One question tells the day, the strike and the future of all of them, and one of each future its month. What IBKR does not tell
keeps IBKR's own text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.contracts.options import NAME, OptionName
from brokers.ibkr import months
from brokers.ibkr.cleaning import mapping, text
from brokers.ibkr.contracts import options
from brokers.ibkr.months import Get
from brokers.ibkr.numbers import number, quantity, whole
from brokers.ibkr.translate import Row, chart_root, rows
from brokers.rulebook.products.futures import code_of

# Of a holding of more the rest keep IBKR's text until the next reading.
_MOST, _MOST_FUTURES = 100, 40
_OF_FUTURES = "FOP"


@dataclass(frozen=True, slots=True)
class _Parts:
    """An option as its definition has it."""

    future: int
    expiry: date
    right: str
    strike: Decimal
    multiplier: Decimal | None


def nameless(held: Iterable[Row], known: Collection[int]) -> list[int]:
    """The numbers of the options on futures among holdings that nobody has named yet."""
    shown = [row for row in held if text(row.get("assetClass") or row.get("secType"), 8) == _OF_FUTURES]
    conids = [conid for row in shown if (conid := whole(row.get("conid"))) is not None and conid > 0]
    return [conid for conid in dict.fromkeys(conids) if conid not in known][:_MOST]


async def names_of(conids: Collection[int], get: Get) -> dict[int, str]:
    """Their names, "ESZ2026 261211C6400", by number; without those of which IBKR does not tell enough."""
    if not conids:
        return {}
    try:
        answer = await get("trsrv/secdef", {"conids": ",".join(map(str, conids))})
        parts = dict(each for row in rows(answer, "secdef")[:_MOST] if (each := _parts(row, conids)) is not None)
        futures = sorted({each.future for each in parts.values()})[:_MOST_FUTURES]
    except BrokerUnavailable:
        return {}
    told = dict(zip(futures, await asyncio.gather(*(_told(each, get) for each in futures)), strict=True))
    named = {conid: _name(each, told.get(each.future, {})) for conid, each in parts.items()}
    return {conid: name for conid, name in named.items() if name}


async def _told(future: int, get: Get) -> Row:
    """What IBKR says of a future; nothing where it fails, which keeps no other from its name."""
    try:
        return mapping(await get("iserver/contract/{conid}/info", {}, {"conid": str(future)}))
    except BrokerUnavailable:
        return {}


def _parts(row: Row, conids: Collection[int]) -> tuple[int, _Parts] | None:
    conid, future = whole(row.get("conid")), whole(row.get("undConid"))
    expiry, strike = options.day_of(row.get("expiry") or row.get("lastTradingDay")), number(row.get("strike"))
    right = text(row.get("putOrCall"), 4).upper()[:1]
    if conid is None or conid not in conids or not future or future <= 0 or expiry is None or right not in {"C", "P"}:
        return None
    if strike is None or strike <= 0:
        return None
    return conid, _Parts(future, expiry, right, strike, quantity(row.get("multiplier")))


def _name(parts: _Parts, future: Row) -> str:
    month, symbol = months.named_month(future.get("contract_month")), text(future.get("symbol"), 20).strip().upper()
    if month is None or not symbol:
        return ""
    size = quantity(future.get("multiplier")) or parts.multiplier
    name = str(
        OptionName(
            underlying=code_of(chart_root(symbol, size), month),
            expiry=parts.expiry,
            right=parts.right,
            strike=parts.strike,
        )
    )
    return name if NAME.fullmatch(name) else ""
