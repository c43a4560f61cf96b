"""Contract months an account still has something in while a continuous name has gone on to another: after a roll."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from brokers.book import contracts
from brokers.domain.orders import MAY_FILL, AssetClass, Instrument
from brokers.models import BrokerageAccount, ContractLookup, Order, Position
from brokers.rulebook.products.futures import chart_root, code_of, read_code

_FUTURE = str(AssetClass.FUTURE)
_NOTHING = ("", Decimal(0))
# An account and a continuous name.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMonth:
    """A month beside the one that a continuous name stands for. `is_past`: the chart has left it."""

    instrument: Instrument
    quantity: Decimal
    works: bool
    is_past: bool


def load(
    pairs: Iterable[tuple[BrokerageAccount, Instrument]], lookups: Mapping[contracts.Key, ContractLookup]
) -> dict[Place, tuple[OtherMonth, ...]]:
    """Where these accounts hold or work other months of the products that are named without a month."""
    continuous = [pair for pair in pairs if _is_continuous(pair[1])]
    if not continuous:
        return {}
    accounts = {account.pk: account for account, _ in continuous}
    held, working = _held(accounts), _working(accounts)
    if not held and not working:
        return {}
    names = _month_names({conid for _, conid in (*held, *working)}, continuous, lookups)
    beside: dict[Place, tuple[OtherMonth, ...]] = {}
    for account, instrument in continuous:
        lookup = lookups.get(contracts.key_of(account, instrument))
        shown = lookup.conid if lookup is not None else None
        conids = {conid for place, conid in (*held, *working) if place == account.pk} - {shown}
        coded = {conid: read_code(names.get(conid) or held.get((account.pk, conid), _NOTHING)[0]) for conid in conids}
        in_front = read_code(names.get(shown, "")) if shown is not None else None
        months = [
            OtherMonth(
                instrument=Instrument(ticker=code_of(*code), asset_class=AssetClass.FUTURE),
                quantity=held.get((account.pk, conid), _NOTHING)[1],
                works=(account.pk, conid) in working,
                is_past=in_front is not None and code[1] < in_front[1],
            )
            for conid, code in coded.items()
            if code is not None and code[0] == _root(instrument.ticker)
        ]
        if months:
            beside[(account.pk, instrument.ticker)] = tuple(sorted(months, key=_month))
    return beside


def _month(other: OtherMonth) -> date:
    code = read_code(other.instrument.ticker)
    assert code is not None, "it names its month"
    return code[1]


def _is_continuous(instrument: Instrument) -> bool:
    return instrument.asset_class is AssetClass.FUTURE and read_code(instrument.ticker) is None


def _root(ticker: str) -> str:
    return chart_root(ticker.removesuffix("1!").removesuffix("2!"))


def _held(accounts: Iterable[int]) -> dict[tuple[int, int], tuple[str, Decimal]]:
    positions = Position.objects.filter(account__in=accounts, asset_class=_FUTURE).exclude(quantity=0)
    rows = positions.values_list("account_id", "conid", "ticker", "quantity")
    return {(account_pk, conid): (ticker, quantity) for account_pk, conid, ticker, quantity in rows}


def _working(accounts: Iterable[int]) -> set[tuple[int, int]]:
    rows = Order.objects.filter(account__in=accounts, asset_class=_FUTURE, status__in=[str(each) for each in MAY_FILL])
    return set(rows.values_list("account_id", "conid").distinct())


def _month_names(
    conids: Iterable[int],
    pairs: Iterable[tuple[BrokerageAccount, Instrument]],
    lookups: Mapping[contracts.Key, ContractLookup],
) -> dict[int, str]:
    """The tickers that name the month of these contracts, and of those the pairs stand for."""
    pairs = list(pairs)
    shown = {lookup.conid for pair in pairs if (lookup := lookups.get(contracts.key_of(*pair))) and lookup.conid}
    connections = {account.connection_id for account, _ in pairs}
    rows = ContractLookup.objects.filter(connection__in=connections, asset_class=_FUTURE, conid__in={*conids, *shown})
    return {
        conid: ticker
        for conid, ticker in rows.values_list("conid", "ticker")
        if conid is not None and read_code(ticker) is not None
    }
