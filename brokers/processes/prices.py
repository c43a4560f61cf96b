"""Questions to IBKR that decisions wait for: contracts, quotes and exchange rates; and one that none waits for, of borrowing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from brokers.book import choices, contracts, quotes, rates, trading_hours
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, OrderRefused, Paused
from brokers.domain.market.borrowing import Borrow
from brokers.domain.orders import Contract
from brokers.domain.trading_hours import TradingHours
from brokers.models import ContractLookup, ExchangeRate
from brokers.processes import agenda
from brokers.processes.between import gives_way
from brokers.processes.options import chains
from brokers.processes.previews import comes_first, makes_way
from brokers.processes.wire import Wire

T = TypeVar("T")

BORROW_SECONDS = 2.5

# How long a question about a contract rests after each answer that is none: together a minute, as long as an entry waits.
RESTS = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16, 30))


async def answer_lookups(wire: Wire) -> bool:
    """Ask which contracts tickers mean, one after the other, with a first quote and who may trade each.

    False where it broke off for something that is to leave. One is always asked. A question that IBKR cannot
    answer rests, longer each time, while the others have their turn; in the end the lane gives it up and tells the decisions
    that wait for it.
    """
    now = wire.clock()
    resting = [pk for pk, (_, until) in wire.unanswered.items() if now < until]
    for number, lookup in enumerate(await wire.db(contracts.wanted_of, wire.connection_pk, resting)):
        if number and await gives_way(wire):
            return False
        try:
            await _answer_lookup(wire, lookup)
        except Paused:
            raise
        except BrokerUnavailable as error:
            if not await _given_up(wire, lookup, error):
                raise
        wire.unanswered.pop(lookup.pk, None)
    return True


async def _given_up(wire: Wire, lookup: ContractLookup, error: BrokerUnavailable) -> bool:
    """Note that IBKR could not answer; whether that was the last time that it is asked for now."""
    times, _ = wire.unanswered.get(lookup.pk, (0, None))
    if times < len(RESTS):
        wire.unanswered[lookup.pk] = (times + 1, wire.clock() + RESTS[times])
        return False
    refusal = OrderRefused(contracts.not_told(lookup, times + 1, str(error)), code=contracts.NOT_TOLD)
    chosen = await wire.db(choices.chosen_for, lookup)
    await wire.db(contracts.answer, lookup, now=wire.clock(), refusal=refusal, chosen=chosen)
    return True


async def _answer_lookup(wire: Wire, lookup: ContractLookup) -> None:
    chosen, instrument = await wire.db(choices.chosen_for, lookup), contracts.instrument_of(lookup)
    chain = await chains.take_up(wire, instrument)
    try:
        contract = await wire.broker.contract(instrument, chosen)
    except OrderRefused as refusal:
        await wire.db(contracts.answer, lookup, now=wire.clock(), refusal=refusal, chosen=chosen)
        await chains.keep(wire, chain)
        return
    quote, terms, hours = await asyncio.gather(
        _or_none(wire.broker.quote(contract)),
        _or_none(wire.broker.rules(contract)),
        _hours(wire, contract),
    )
    await wire.db(
        contracts.answer,
        lookup,
        now=wire.clock(),
        contract=contract,
        quote=quote,
        terms=terms,
        hours=hours,
        chosen=chosen,
    )
    # Whoever waits for the contract is answered first.
    await chains.keep(wire, chain)


async def answer_borrow(wire: Wire) -> None:
    """Ask whether the share can be borrowed that was wanted first. No decision waits for it: it makes way for all that does.

    One in a look; what makes way is asked again afterwards, and what IBKR does not say in time is an answer too.
    """
    rows = await wire.db(quotes.borrows_wanted_of, wire.connection_pk)
    # An order or a question that comes first wakes the lane once it can leave. If the lane woke itself here, it would look
    # without a pause beside a question that rests because IBKR could not answer it.
    if not rows or await comes_first(wire, agenda.comes_before_borrowing):
        return
    asking = asyncio.create_task(_borrow(wire, rows[0]))
    if await makes_way(wire, asking, agenda.comes_before_borrowing):
        await wire.db(quotes.answer_borrow, rows[0], asking.result(), wire.clock())
    # The next one, or this one again.
    wire.wake.set()


async def answer_prices(wire: Wire) -> bool:
    """Quotes and rates that decisions wait for, and the day's trading hours, all at once; True, since it never breaks off.

    What IBKR does not show is an answer too.
    """
    await asyncio.gather(
        *(_answer_quote(wire, lookup) for lookup in await wire.db(quotes.wanted_of, wire.connection_pk)),
        *(_answer_rate(wire, row) for row in await wire.db(rates.wanted_of, wire.connection_pk)),
        *(_answer_hours(wire, lookup) for lookup in await wire.db(trading_hours.wanted_of, wire.connection_pk)),
    )
    return True


async def _answer_quote(wire: Wire, lookup: ContractLookup) -> None:
    quote = await _or_none(wire.broker.quote(lookup.value()))
    await wire.db(quotes.answer, lookup, quote, wire.clock())


async def _borrow(wire: Wire, lookup: ContractLookup) -> Borrow | None:
    """IBKR's word; None where it gives none, for any reason: that its session is gone, others find out."""
    with contextlib.suppress(BrokerError, TimeoutError):
        async with asyncio.timeout(BORROW_SECONDS):
            return await wire.broker.borrow(lookup.value())
    return None


async def _answer_rate(wire: Wire, row: ExchangeRate) -> None:
    rate = await _or_none(wire.broker.rate(row.source, row.target))
    await wire.db(rates.answer, row, rate, wire.clock())


async def _answer_hours(wire: Wire, lookup: ContractLookup) -> None:
    hours = await _hours(wire, lookup.value())
    await wire.db(trading_hours.answer, lookup, hours, wire.clock())


async def _hours(wire: Wire, contract: Contract) -> TradingHours | None:
    """The day's hours, which nobody waits for: whatever goes wrong with this read stops nothing else."""
    with contextlib.suppress(BrokerError):
        return await wire.broker.hours(contract)
    return None


async def _or_none(answer: Awaitable[T]) -> T | None:
    """An answer that is good to have; decisions go on without it, and say what is missing."""
    with contextlib.suppress(BrokerUnavailable, OrderRefused):
        return await answer
    return None
