"""A combo at IBKR: found by its two legs, named by them in an order (`conidex`), and quoted by them.

IBKR lists no contract of a combo. What an order names is the number that stands for spreads in its currency, and behind it
each leg with how many of it are bought, or sold below zero.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from decimal import Decimal

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.combos import ComboName, legs_of, number_of
from brokers.domain.contracts.rules import ContractTerms
from brokers.domain.market.quotes import Availability, Quote
from brokers.domain.orders import AssetClass, Contract, Instrument

# For spreads in dollars; those of other currencies are not documented.
SPREAD = 28812380
_CURRENCY = "USD"
_TWO_LEGS = re.compile(rf"{SPREAD}(?:@[A-Z0-9.]+)?;;;(\d{{1,10}})/(-?1),(\d{{1,10}})/(-?1)")

Find = Callable[[Instrument], Awaitable[Contract]]


def conidex(number: int) -> str:
    """How an order names the combo of this number: one of the long leg, and one of the short leg sold."""
    legs = legs_of(number)
    assert legs is not None, "a single contract has no such name"
    return f"{SPREAD};;;{legs[0]}/1,{legs[1]}/-1"


def number_in(spelled: str) -> int | None:
    """The number of a combo as IBKR spells it; None where it spells none of one to one.

    The legs of what somebody else has ordered may be the other way round than ours; they are taken as they stand.
    """
    match = _TWO_LEGS.fullmatch(spelled)
    if match is None or {match[2], match[4]} != {"1", "-1"}:
        return None
    long, short = (match[1], match[3]) if match[2] == "1" else (match[3], match[1])
    try:
        return number_of(int(long), int(short))
    except ValueError:
        return None


async def find(instrument: Instrument, name: ComboName, leg: Find) -> Contract:
    """The combo of a name; OrderRefused where a leg is none of IBKR's, or the two are not traded together.

    `leg` finds an option by its name, with its ticks.
    """
    long, short = [await leg(_option(str(each))) for each in name.legs]
    if long.currency != _CURRENCY or short.currency != _CURRENCY:
        raise OrderRefused(
            f"{instrument} is traded in {long.currency}, and IBKR names combos in {_CURRENCY} alone. Send each leg as an "
            "order of its own.",
            code="combo-in-other-currency",
        )
    if long.multiplier != short.multiplier or long.conid == short.conid:
        raise OrderRefused(
            f"The legs of {instrument} are not two contracts of one size, so they make no combo of one to one. Send each leg as "
            "an order of its own.",
            code="legs-make-no-combo",
        )
    try:
        number = number_of(long.conid, short.conid)
    except ValueError:
        raise OrderRefused(
            f"IBKR's numbers of the legs of {instrument} cannot be read.", code="unknown-symbol"
        ) from None
    return Contract(
        instrument=instrument,
        conid=number,
        name=name.spoken,
        exchange=long.exchange,
        currency=_CURRENCY,
        multiplier=long.multiplier,
        # The net price of two legs is as fine as the finer one of them.
        tick=min(_finest(long), _finest(short)),
        ticker=str(instrument),
    )


def of_leg(contract: Contract, conid: int) -> Contract:
    """A leg as a contract of its own, for what is asked by its number."""
    return Contract(instrument=Instrument(ticker=str(conid), asset_class=AssetClass.OPTION), conid=conid)


def _finest(contract: Contract) -> Decimal:
    return min([contract.tick, *(tick for _, tick in contract.increments)])


def _option(ticker: str) -> Instrument:
    return Instrument(ticker=ticker, asset_class=AssetClass.OPTION)


def net_quote(long: Quote | None, short: Quote | None) -> Quote | None:
    """What a combo is bought and sold at, leg by leg; None where a leg shows no price. It is as good as the worse leg."""
    if long is None or short is None:
        return None
    worse = short if long.availability is Availability.LIVE else long
    bid, ask = _less(long.bid, short.ask), _less(long.ask, short.bid)
    return Quote(
        # Nobody is paid for taking a combo that is worth something.
        bid=bid if bid is not None and bid > 0 else None,
        ask=ask if ask is not None and ask > 0 else None,
        # The last prices of two legs are of two moments.
        last=None,
        as_of=min(long.as_of, short.as_of),
        source=worse.source,
        flags=worse.flags,
        last_flag=worse.last_flag,
    )


def terms(long: ContractTerms, short: ContractTerms) -> ContractTerms:
    """Who may trade both legs; None where IBKR says it of neither. Its rules of a single option are none of a combo."""
    said = [each.permitted for each in (long, short) if each.permitted is not None]
    if not said:
        return ContractTerms()
    return ContractTerms(permitted=tuple(account for account in said[0] if all(account in each for each in said)))


def _less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other
