"""The prices of a day in the units of their contracts: what was written before a unit was known may be in pounds, not pence."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence
from decimal import Decimal
from typing import NamedTuple

from brokers.book import day_rows
from brokers.domain.dayresult import in_units_of
from brokers.models import BrokerageAccount, OpeningPosition, Position
from brokers.rulebook.products.abroad import CURRENCIES_IN_PARTS


class Unit(NamedTuple):
    """What one point of a contract is worth, in which currency, and the last price IBKR quoted of it."""

    multiplier: Decimal
    currency: str
    quoted: Decimal | None


def load(accounts: list[BrokerageAccount], known: Mapping[int, Decimal]) -> dict[int, Unit]:
    """The units of those contracts whose prices are in parts of their currency; seldom any."""
    in_parts = sorted(conid for conid, multiplier in known.items() if multiplier < 1)
    units = dict[int, Unit]()
    if in_parts:
        connections = sorted({account.connection_id for account in accounts})
        for conid, currency, *prices in day_rows.quoted(connections, in_parts):
            # A point of a future may be worth less than one, too: it is in no other unit anywhere.
            if currency in CURRENCIES_IN_PARTS:
                quoted = next((price for price in prices if price is not None), None)
                units[conid] = Unit(known[conid], currency, quoted)
    return units


def bring(
    opening: list[OpeningPosition],
    fills: MutableSequence[day_rows.Dealt],
    held: list[Position],
    multipliers: MutableMapping[int, Decimal],
    units: Mapping[int, Unit],
) -> None:
    """Bring an account's opening prices and fills to their contracts' units, by a price that is in them for certain.

    What fits in neither unit leaves the day without a result: an opening has no price then, and a fill's contract no multiplier.
    """
    here = {row.conid for row in opening} | {fill.conid for fill in fills}
    for conid in here & units.keys():
        unit = units[conid]
        like = _certain(conid, fills, held, unit)
        for row in opening:
            if row.conid == conid and row.price is not None:
                row.price = in_units_of(unit.multiplier, row.price, like)
        for at, fill in enumerate(fills):
            if fill.conid != conid:
                continue
            price = in_units_of(unit.multiplier, fill.price, like)
            if price is None:
                multipliers.pop(conid, None)
            else:
                fills[at] = fill._replace(price=price, currency=unit.currency)


def _certain(conid: int, fills: MutableSequence[day_rows.Dealt], held: list[Position], unit: Unit) -> Decimal | None:
    """A price of the contract in its units: of what is held as it was read, of our own orders' fills, or as quoted."""
    marks = [each.market_price for each in held if each.conid == conid]
    ours = [fill.price for fill in fills if fill.conid == conid and fill.order_id is not None]
    return next((price for price in [*marks, *reversed(ours), unit.quoted] if price is not None), None)
