"""What IBKR has said of one chain as JSON that is kept, and back; and what a brokerage remembers of chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from brokers.domain.orders import Contract, Instrument
from brokers.ibkr.contracts import ahead, finding
from brokers.ibkr.contracts.chains import Chains, Desk, chain_of
from brokers.ibkr.contracts.options import Listed, Underlying
from brokers.ibkr.months import Get
from brokers.ibkr.months import Listed as Month

# Of one chain the strikes that were asked about last are kept, with what is defined of their options.
_MOST_LISTED, _MOST_DEFINED, _MOST_MONTHS, _MOST_PARTS = 400, 400, 12, 40
# What a contract is described by.
_DEFINED = ("conid", "name", "assetClass", "listingExchange", "currency", "multiplier", "undConid", "incrementRules")


def written(chains: Chains, name: str) -> dict[str, Any]:
    """What is known of a chain, by the name that its underlying is kept under."""
    own = chains.of(name)
    underlying = own.underlyings[name]
    return {
        "day": None if own.day is None else own.day.isoformat(),
        "underlying": _underlying(underlying),
        "strikes": [
            [f"{month:%Y-%m-%d}", right, [str(each) for each in strikes]]
            for (_, month, right), strikes in _last(own.strikes.items(), _MOST_MONTHS)
        ],
        "listed": [
            [f"{month:%Y-%m-%d}", right, str(strike), [_listed(each) for each in listed]]
            for (_, month, right, strike), listed in _last(own.listed.items(), _MOST_LISTED)
        ],
        "definitions": [
            {key: _plain(row[key]) for key in _DEFINED if key in row}
            for _, row in _last(own.definitions.items(), _MOST_DEFINED)
        ],
        "futures": [_month(each) for months in own.futures.values() for each in months],
        "on_futures": [
            [trading_class, last.isoformat(), conid] for (_, trading_class, last), conid in own.on_futures.items()
        ],
        "price": next((str(price) for price in own.prices.values()), None),
    }


def read(name: str, said: Mapping[str, Any]) -> Chains | None:
    """What was written of a chain; None where it was by another release that wrote it otherwise."""
    try:
        return _read(name, said)
    except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError):
        return None


def _read(name: str, said: Mapping[str, Any]) -> Chains:
    of = dict(said["underlying"])
    underlying = Underlying(
        symbol=of["symbol"],
        conid=int(of["conid"]),
        months=tuple(map(date.fromisoformat, of["months"])),
        search=tuple((str(key), str(value)) for key, value in of["search"]),
        sec_type=of["sec_type"],
        exchange=of["exchange"],
        multiplier=None if of["multiplier"] is None else Decimal(of["multiplier"]),
    )
    conid = underlying.conid
    months = tuple(
        Month(
            conid=int(number),
            month=date.fromisoformat(month),
            last=date.fromisoformat(last),
            expires=date.fromisoformat(expires),
            cutoff=None if cutoff is None else date.fromisoformat(cutoff),
        )
        for number, month, last, expires, cutoff in said["futures"]
    )
    return Chains(
        day=None if said["day"] is None else date.fromisoformat(said["day"]),
        underlyings={name: underlying},
        strikes={
            (conid, date.fromisoformat(month), right): [Decimal(each) for each in strikes]
            for month, right, strikes in said["strikes"]
        },
        listed={
            (conid, date.fromisoformat(month), right, Decimal(strike)): [
                _as_listed(each, right, Decimal(strike)) for each in listed
            ]
            for month, right, strike, listed in said["listed"]
        },
        futures={name.removesuffix("!"): months} if months else {},
        on_futures={(conid, own, date.fromisoformat(last)): int(number) for own, last, number in said["on_futures"]},
        definitions={int(row["conid"]): row for row in said["definitions"]},
        prices={} if said["price"] is None else {conid: Decimal(said["price"])},
    )


def _plain(value: Any) -> Any:
    """A value of a definition as JSON has it: numbers were read as decimals. Of a list of bands as many as there may be."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in islice(value.items(), _MOST_PARTS)}
    if isinstance(value, list):
        return [_plain(each) for each in value[:_MOST_PARTS]]
    return str(value)[:200] if isinstance(value, (Decimal, str)) else value if isinstance(value, int) else None


def _underlying(of: Underlying) -> dict[str, Any]:
    return {
        "symbol": of.symbol,
        "conid": of.conid,
        "months": [each.isoformat() for each in of.months],
        "search": [list(each) for each in of.search],
        "sec_type": of.sec_type,
        "exchange": of.exchange,
        "multiplier": None if of.multiplier is None else str(of.multiplier),
    }


def _listed(each: Listed) -> list[Any]:
    last, multiplier = each.expiry.isoformat(), str(each.multiplier)
    return [each.conid, last, each.trading_class, multiplier, each.currency, each.exchange]


def _as_listed(row: Iterable[Any], right: str, strike: Decimal) -> Listed:
    conid, last, trading_class, multiplier, currency, exchange = row
    return Listed(
        conid=int(conid),
        expiry=date.fromisoformat(last),
        right=right,
        strike=strike,
        trading_class=trading_class,
        multiplier=Decimal(multiplier),
        currency=currency,
        exchange=exchange,
    )


def _month(each: Month) -> list[Any]:
    cutoff = None if each.cutoff is None else each.cutoff.isoformat()
    return [each.conid, each.month.isoformat(), each.last.isoformat(), each.expires.isoformat(), cutoff]


def _last(items: Iterable[tuple[Any, Any]], most: int) -> Iterable[tuple[Any, Any]]:
    """So many of the items, those added last."""
    known = list(items)
    return islice(known, max(0, len(known) - most), None)


def _size(own: Chains) -> tuple[object, ...]:
    """Tells whether more was said of a chain since. That the price has gone on is not kept by itself."""
    months = [len(each.months) for each in own.underlyings.values()]
    parts: tuple[Sized, ...] = (own.strikes, own.listed, own.definitions, own.futures, own.on_futures)
    return (own.day, *months, *map(len, parts))


class Memory:
    """Implements `domain.contracts.memory.ChainMemory` on a desk's chains."""

    def __init__(self, desk: Desk, get: Get, now: Callable[[], datetime]) -> None:
        self._desk, self._get, self._now = desk, get, now
        # By the name of a chain, what was said while it was asked ahead and is not yet.
        self._warming: dict[str, Chains] = {}
        # How much was known of each chain when it was last written or recalled.
        self._known: dict[str, tuple[object, ...]] = {}

    def name_of(self, instrument: Instrument) -> str | None:
        return chain_of(instrument)

    def knows(self, chain: str) -> bool:
        return chain in self._of_today().underlyings

    def recall(self, chain: str, said: Mapping[str, Any], *, of_today: bool) -> None:
        chains, known = self._of_today(), read(chain, said)
        if known is None:
            return
        if of_today and known.day == chains.day:
            chains.add(known)
            self._known[chain] = _size(chains.of(chain))
        else:
            chains.earlier[chain] = known

    def forget(self, chain: str) -> None:
        self._of_today().drop(chain)
        self._warming.pop(chain, None)
        self._known.pop(chain, None)

    def hint(self, chain: str, conid: int) -> None:
        if not self.knows(chain) and chain not in self._desk.chains.earlier:
            share = Underlying(symbol=chain, conid=conid, months=())
            self._desk.chains.earlier[chain] = Chains(underlyings={chain: share})

    def written(self, chain: str) -> dict[str, Any] | None:
        chains = self._of_today()
        if chain not in chains.underlyings:
            return None
        before, now = self._known.get(chain), _size(chains.of(chain))
        self._known[chain] = now
        return None if before == now else written(chains, chain)

    async def warm(self, rules: Sequence[Instrument]) -> None:
        name = next((name for each in rules if (name := chain_of(each)) is not None), None)
        if name is None:
            return
        today = self._of_today().day
        fresh = self._warming.get(name)
        if fresh is None or fresh.day != today:
            fresh = self._warming[name] = ahead.afresh(self._desk.chains, name)
        await ahead.warm(rules, name, self._desk, fresh, self._get, self._pick)
        del self._warming[name]

    async def _pick(self, instrument: Instrument, desk: Desk, get: Get) -> Contract:
        return await finding.find(instrument, get, self._now(), desk=desk)

    def _of_today(self) -> Chains:
        chains = self._desk.chains
        chains.begin(finding.first_day_of_options(self._now()))
        return chains
