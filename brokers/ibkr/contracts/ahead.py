"""What is asked of a chain before it is known to be wanted, so that trips to IBKR stand side by side or behind nobody.

What was said earlier tells what to ask, and is no answer: whatever is picked was listed by IBKR today.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName
from brokers.domain.contracts.picking import NothingFits, Rule, rule_of
from brokers.domain.orders import Contract, Instrument
from brokers.ibkr.contracts.chains import Chains, Desk, OneMonth, define
from brokers.ibkr.contracts.options import Listed
from brokers.ibkr.months import Get

# A pick asks about so many strikes from the money on, which hold one of every step.
AT_ONCE = 6
# The price has gone on since it was last picked by: so many more on each side.
_BEYOND = 1
# Warmed ahead: the strikes nearest to the money, so many of them together.
AROUND, _TOGETHER = 24, 2
# Picks an instrument at a desk, asking by the third.
Pick = Callable[[Instrument, Desk, Get], Awaitable[Contract]]


def number_of(chains: Chains, name: str) -> int | None:
    """The number that the underlying of a chain had when it was last searched for; None where it never was."""
    earlier = chains.earlier.get(name)
    return None if earlier is None else earlier.underlyings[name].conid


def worth_asking(rule: Rule, strikes: Sequence[Decimal], price: Decimal | None) -> list[Decimal]:
    """Which of the strikes that were listed earlier a rule is likely to need, at about this price. Pure."""
    if rule.strike is not None:
        return [rule.strike] if rule.strike in strikes else []
    if price is None:
        return []
    near = sorted(strikes, key=lambda each: abs(each - price))
    if not rule.away:
        return near[: AT_ONCE + 2 * _BEYOND]
    counted = picking.strikes_between(rule, strikes, price)
    others = [each for each in near if each not in counted]
    return counted[: max(AT_ONCE, rule.away) + _BEYOND] + others[:_BEYOND]


async def ask(rule: Rule, today: date, chain: OneMonth, name: str) -> None:
    """Ask about the strikes that a rule is likely to need, and for the definitions of their options, all at once."""
    chains = chain.chains
    earlier, side = chains.earlier.get(name), (chain.underlying.conid, chain.month, chain.right)
    if earlier is None or side in chains.strikes:
        # What was asked for once today is looked at as it is needed.
        return
    strikes = worth_asking(rule, earlier.strikes.get(side, ()), earlier.prices.get(chain.underlying.conid))
    listed = [each for strike in strikes for each in earlier.listed.get((*side, strike), ())]
    with contextlib.suppress(NothingFits):
        last = picking.day_of(rule, [each.expiry for each in listed], today)
        listed = [each for each in listed if each.expiry == last]
    conids = [each.conid for each in listed]
    await asyncio.gather(chain.ask_ahead(strikes), define(conids, chains, chain.get), return_exceptions=True)


async def ask_named(name: OptionName, chain: OneMonth) -> None:
    """Ask about the strike of a name beside those of its month, and for its definition, where IBKR has listed it earlier."""
    earlier = chain.chains.earlier.get(name.underlying)
    key = (chain.underlying.conid, chain.month, chain.right, name.strike)
    if earlier is None or not (listed := earlier.listed.get(key)):
        return
    conids = [each.conid for each in listed if each.expiry == name.expiry]
    defined = define(conids, chain.chains, chain.get)
    await asyncio.gather(chain.ask_ahead([name.strike]), defined, return_exceptions=True)


def afresh(chains: Chains, name: str) -> Chains:
    """What a chain is warmed in: nothing is believed in it but what its underlying cost last, by which nothing is decided."""
    known = chains.of(name) if name in chains.underlyings else chains.earlier.get(name)
    return Chains(day=chains.day, prices={} if known is None else dict(known.prices))


async def warm(rules: Sequence[Instrument], name: str, desk: Desk, fresh: Chains, get: Get, pick: Pick) -> None:
    """Ask anew for what picks by these rules of a chain need, some strikes around the money with it, a few at a time.

    `fresh` holds what was said until somebody broke it off.
    """
    turns = asyncio.Semaphore(_TOGETHER)

    async def gently(*path: Any, **params: Any) -> Any:
        async with turns:
            return await get(*path, **params)

    async def price(of: Contract) -> Decimal | None:
        live = await desk.price(of)
        return live if live is not None else next(iter(fresh.prices.values()), None)

    for instrument in rules:
        # What nothing fits, or has no price now, is the signal's to be told.
        with contextlib.suppress(OrderRefused):
            await _warm_one(instrument, name, Desk(price, fresh), gently, pick)
    if name in fresh.underlyings and fresh.day is not None:
        desk.chains.begin(fresh.day)
        desk.chains.replace(name, fresh.of(name))


async def _warm_one(instrument: Instrument, name: str, desk: Desk, get: Get, pick: Pick) -> None:
    rule, chains = rule_of(instrument.ticker), desk.chains
    found = await pick(instrument, desk, get)
    underlying = chains.underlyings[name]
    price = chains.prices.get(underlying.conid)
    if rule is None or rule.strike is not None or price is None:
        return
    month, one = _where(found.conid, chains)
    chain = OneMonth(chains, underlying, month, rule.right, get)
    around = sorted(await chain.strikes(), key=lambda each: abs(each - price))[:AROUND]
    for begin in range(0, len(around), _TOGETHER):
        await chain.ask_ahead(around[begin : begin + _TOGETHER])
    side = (underlying.conid, month, rule.right)
    listed = [each for strike in around for each in chains.listed.get((*side, strike), ())]
    alike = [each.conid for each in listed if (each.expiry, each.trading_class) == (one.expiry, one.trading_class)]
    await define(alike, chains, get)


def _where(conid: int, chains: Chains) -> tuple[date, Listed]:
    """The month under which an option was found, and the option."""
    return next(
        (month, each) for (_, month, _, _), listed in chains.listed.items() for each in listed if each.conid == conid
    )
