"""Which contract of IBKR an option on a future is: by its name, or the one that a rule means now.

The strikes of one day are counted from the price of the very future that these options become, and only once that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName, day, shown
from brokers.domain.contracts.picking import NothingFits, Rule
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.domain.sentences import all_of, any_of
from brokers.ibkr.contracts import options
from brokers.ibkr.contracts.chains import Chains, Desk, OneMonth
from brokers.ibkr.contracts.future_chains import Asking, Chain, chain_of, futures_of, is_over, named_after
from brokers.ibkr.contracts.options import Listed
from brokers.ibkr.months import Get
from brokers.ibkr.months import Listed as Month

_AT_ONCE, _MOST, _MONTHS, _DAYS_BEHIND = 6, 60, 3, 5


async def find_named(
    instrument: Instrument,
    get: Get,
    now: datetime,
    today: date,
    chosen: int | None = None,
    chains: Chains | None = None,
) -> Contract:
    """IBKR's contract of the name of an option on a future; OrderRefused with a sentence where there is none, AmbiguousSymbol
    where several are. Out of what was said of the chain today, as far as that goes."""
    name = options.meant_by(instrument, today)
    if not name.future:
        raise _unknown(f"{instrument} names no option on a future. Send it like ESZ{today:%Y} {today:%y}1218C6400.")
    asking = Asking(get, now, today, chains or Chains())
    asking.chains.begin(today)
    month = name.expiry.replace(day=1)
    product = await chain_of(name.underlying, asking, wanted=month)
    sides = [OneMonth(asking.chains, product.underlying, each, name.right, get) for each in named_after(product, month)]
    if not sides:
        raise options.no_month(name, product.underlying)
    listed = await _at_strike(name, sides)
    on = await futures_of([each for each in listed if each.expiry == name.expiry], product, asking)
    meant = _by_name(name, listed, on, product, chosen)
    if is_over(meant, on[meant.conid], product, asking):
        raise OrderRefused(_ended_today(name), code="contract-expired")
    return options.contract_of(instrument, meant, name)


async def _at_strike(name: OptionName, sides: Sequence[OneMonth]) -> list[Listed]:
    """The options of these months at the strike of a name; OrderRefused where it is listed in none of them."""
    found: list[Listed] = []
    strikes: set[Decimal] = set()
    for side in sides:
        there = await side.strikes()
        if name.strike not in there:
            # Strikes are listed all day long.
            there = await side.strikes(anew=True)
        strikes |= set(there)
        if name.strike in there:
            found += await side.listed([name.strike])
    if not found:
        raise options.no_strike(name, sorted(strikes))
    return found


async def find(instrument: Instrument, rule: Rule, get: Get, now: datetime, today: date, desk: Desk) -> Contract:
    """The contract that a rule means now; OrderRefused with a sentence where none does, or no price tells.

    `today` is the first day whose options trade.
    """
    asking = Asking(get, now, today, desk.chains)
    desk.chains.begin(today)
    product = await chain_of(rule.underlying, asking)
    near = product.named or product.months[0]
    price = rule.strike if rule.strike is not None else await _price_of(near, product, desk)
    if rule.strike is None:
        desk.chains.prices[product.underlying.conid] = price
    try:
        listed, future, price = await _in_months(rule, price, near, product, asking, desk)
    except NothingFits as nothing:
        raise OrderRefused(str(nothing), code="no-option-fits") from None
    name = OptionName(underlying=product.code(future), expiry=listed.expiry, right=listed.right, strike=listed.strike)
    return replace(options.contract_of(instrument, listed, name, picking.how(rule, price)), ticker=str(name))


async def _price_of(future: Month, product: Chain, desk: Desk) -> Decimal:
    code = product.code(future)
    price = await desk.price(
        Contract(instrument=Instrument(ticker=code, asset_class=AssetClass.FUTURE), conid=future.conid)
    )
    if price is None:
        raise OrderRefused(
            f"IBKR shows no live price of {code}, so no strike is counted from it. Send the contract's own name, or "
            "strikePrice.",
            code="price-required",
        )
    return price


async def _in_months(
    rule: Rule, price: Decimal, near: Month, product: Chain, asking: Asking, desk: Desk
) -> tuple[Listed, Month, Decimal]:
    """The option in the month of its day, else in the next ones where nothing of that month ends late enough; with the future
    that it is on, and what that costs."""
    first = rule.first_day(asking.today)
    if rule.is_dated and first < asking.today:
        raise NothingFits(f"{day(first)} is over. Name a day on which an option on {rule.underlying} ends.")
    known, month = product.underlying.months, first.replace(day=1)
    wanted = named_after(product, month) if rule.is_dated else [each for each in known if each >= month]
    if not wanted:
        last = f" The last month listed is {known[-1]:%b %Y}."
        raise NothingFits(f"IBKR lists no options on {rule.underlying} that end in {first:%b %Y}.{last}")
    nothing = NothingFits("")
    for begin in range(1 if rule.is_dated else min(_MONTHS, len(wanted))):
        together = wanted if rule.is_dated else wanted[begin : begin + 1 + product.ahead]
        sides = [OneMonth(asking.chains, product.underlying, each, rule.right, asking.get) for each in together]
        try:
            one, future, side = await _of_day(rule, price, sides, product, asking)
        except _EndsEarly as early:
            nothing = early
            continue
        there = price if rule.strike is not None or future == near else await _price_of(future, product, desk)
        return await _counted(rule, there, one, side), future, there
    raise nothing


class _EndsEarly(NothingFits):
    """Nothing of these months ends late enough; the next one may."""


async def _of_day(
    rule: Rule, price: Decimal, sides: Sequence[OneMonth], product: Chain, asking: Asking
) -> tuple[Listed, Month, OneMonth]:
    """One option of the day and the class that are meant, the future that these options are on, and where they stand."""
    by_conid: dict[int, tuple[Listed, OneMonth]] = {}
    for side, asked in zip(sides, await _asked_about(rule, price, sides), strict=True):
        by_conid |= {each.conid: (each, side) for each in await side.listed(asked)}
    listed = [each for each, _ in by_conid.values()]
    days = {each.expiry for each in listed}
    while True:
        try:
            last = picking.day_of(rule, list(days), asking.today)
        except NothingFits as nothing:
            raise nothing if rule.is_dated else _EndsEarly(str(nothing)) from None
        of_day = [each for each in listed if each.expiry == last]
        on = await futures_of(of_day, product, asking)
        meant = [each for each in of_day if each.conid in on and not is_over(each, on[each.conid], product, asking)]
        if product.named is not None:
            meant = [each for each in meant if on[each.conid] == product.named]
        if meant:
            several = len({each.trading_class for each in meant}) > 1
            plain = await _next_plain(listed, last, product, asking) if several else None
            one = _one_class(rule, last, meant, on, product, plain)
            return one, on[one.conid], by_conid[one.conid][1]
        if rule.is_dated:
            raise NothingFits(_none_on(rule, last, of_day, on, product))
        days.remove(last)


async def _asked_about(rule: Rule, price: Decimal, sides: Sequence[OneMonth]) -> list[list[Decimal]]:
    """By month the strikes that tell on which days its options end: the one that is asked for, or those next to the money."""
    listed = [await side.strikes() for side in sides]
    together = sorted({strike for strikes in listed for strike in strikes})
    if not together:
        raise _EndsEarly(f"IBKR lists no options on {rule.underlying} that end in {sides[0].month:%b %Y}.")
    if rule.strike is not None:
        picking.strike_of(rule, together, price)
        return [[rule.strike] if rule.strike in strikes else [] for strikes in listed]
    return [sorted(strikes, key=lambda each: abs(each - price))[:_AT_ONCE] for strikes in listed]


async def _counted(rule: Rule, price: Decimal, one: Listed, chain: OneMonth) -> Listed:
    """The option of the same day and class whose strike is meant, counted from the price of its own future."""
    strikes = await chain.strikes()
    if rule.strike is not None:
        return one
    if rule.away:
        in_turn = picking.strikes_between(rule, strikes, price)
    else:
        in_turn = sorted(strikes, key=lambda each: abs(each - price))
    known: dict[Decimal, Listed] = {}
    for begin in range(0, min(len(in_turn), _MOST), _AT_ONCE):
        # Only what was asked about from the money on is counted: what lies beyond a gap would be another strike.
        for each in await chain.listed(in_turn[begin : begin + _AT_ONCE]):
            if (each.expiry, each.trading_class) == (one.expiry, one.trading_class):
                known[each.strike] = each
        try:
            return known[picking.strike_of(rule, list(known), price)]
        except NothingFits:
            continue
    raise NothingFits(
        f"IBKR lists no {picking.ordinal(rule.away)} strike of {rule.underlying} {rule.side.words} at {shown(price)} on the day "
        "that is asked for."
    )


def _by_name(
    name: OptionName, listed: Sequence[Listed], on: dict[int, Month], product: Chain, chosen: int | None
) -> Listed:
    """The option of a name among those of its strike: of its day, and on its future."""
    of_day = [each for each in listed if each.expiry == name.expiry]
    if not of_day:
        raise _unknown(options.no_day(name, sorted({each.expiry for each in listed})))
    meant = [each for each in of_day if on.get(each.conid) == product.named]
    if not meant:
        others = sorted({product.code(on[each.conid]) for each in of_day if each.conid in on})
        if not others:
            raise OrderRefused(
                f"IBKR does not say on which future the options on {product.root} are that end on {day(name.expiry)}. Send the "
                "signal again.",
                code="chain-incomplete",
            )
        ways = any_of(str(replace(name, underlying=each)) for each in others)
        raise _unknown(
            f"The options that end on {day(name.expiry)} are on {all_of(others)}, and none is on {name.future}. Send {ways}."
        )
    if len(meant) == 1 and chosen is None:
        return meant[0]
    return options.one_of(name, meant, chosen)


async def _next_plain(listed: Sequence[Listed], after: date, product: Chain, asking: Asking) -> date | None:
    """The next day behind one on which options of a single class end: on the future that is named, where one is."""
    for later in sorted({each.expiry for each in listed if each.expiry > after})[:_DAYS_BEHIND]:
        of_day = [each for each in listed if each.expiry == later]
        if product.named is not None:
            on = await futures_of(of_day, product, asking)
            of_day = [each for each in of_day if on.get(each.conid) == product.named]
        if len({each.trading_class for each in of_day}) == 1:
            return later
    return None


def _one_class(
    rule: Rule, last: date, meant: Sequence[Listed], on: dict[int, Month], product: Chain, plain: date | None
) -> Listed:
    """One of the options of a day, where all of them are of one class on one future: of several none is guessed."""
    classes = {each.trading_class: each for each in meant}
    if len(classes) == 1:
        return meant[0]
    codes = sorted({product.code(on[each.conid]) for each in meant})
    told = all_of(f"{name} on {product.code(on[each.conid])}" for name, each in sorted(classes.items()))
    ways = [f"Name the future: {any_of(codes)}" if len(codes) > 1 else "Send the contract's own name"]
    if plain is not None:
        ways.append(f"send the expiration {plain}")
    way = f"{', or '.join(ways)}."
    raise OrderRefused(
        f"Options on {rule.underlying} of several classes end on {day(last)}: {told}. {way}",
        code="several-options-listed",
    )


def _none_on(rule: Rule, last: date, of_day: Iterable[Listed], on: dict[int, Month], product: Chain) -> str:
    others = sorted({product.code(on[each.conid]) for each in of_day if each.conid in on})
    if product.named is None or not others:
        return f"The options on {rule.underlying} that end on {day(last)} do not trade any more. Send another day."
    return (
        f"The options that end on {day(last)} are on {all_of(others)}, and none is on {product.code(product.named)}. Send "
        f"{any_of(others)}, or another day."
    )


def _ended_today(name: OptionName) -> str:
    return f"{name.spoken} has ended today. Name a contract that trades now."


def _unknown(sentence: str) -> OrderRefused:
    return OrderRefused(sentence, code="unknown-symbol")
