"""Options on a share, an index or a future that an account holds or works, and the contracts that rules were found to mean."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Q

from brokers.book import contracts
from brokers.domain.contracts.combos import combo_named
from brokers.domain.contracts.options import CHAIN, OptionName, chain_of, named, root_of
from brokers.domain.contracts.picking import rule_of
from brokers.domain.orders import MAY_FILL, OPTIONS, AssetClass, Instrument, OrderStatus
from brokers.domain.tickers import MONTH_CODES
from brokers.models import BrokerageAccount, ContractLookup, Order, Position

_UNDER_WAY = [str(status) for status in {OrderStatus.CREATED, *MAY_FILL}]
_CLASSES = [str(each) for each in OPTIONS]
# An account and a chain, spelled as `chain_of` does.
Place = tuple[int, str]
Pairs = Sequence[tuple[BrokerageAccount, Instrument]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOption:
    """One option that is held (long above zero), or in which an order of ours works."""

    instrument: Instrument
    quantity: Decimal
    works: bool = False


def is_chain(instrument: Instrument) -> bool:
    """Whether an instrument is the whole chain of a share or a future, of which a signal means some contract: none itself."""
    option = instrument.asset_class in OPTIONS
    one = named(instrument.ticker) or rule_of(instrument.ticker) or combo_named(instrument.ticker)
    return option and one is None


def opened(
    pairs: Pairs,
) -> tuple[list[tuple[BrokerageAccount, Instrument]], dict[Place, tuple[HeldOption, ...]]]:
    """The pairs with what is held of the chains among them, which are no contracts to ask about; and those holdings."""
    if not any(is_chain(instrument) for _, instrument in pairs):
        return list(pairs), {}
    accounts, holdings = {account.pk: account for account, _ in pairs}, held(pairs)
    named_ones = [pair for pair in pairs if not is_chain(pair[1])]
    holds = [(accounts[place[0]], each.instrument) for place, options in holdings.items() for each in options]
    return list(dict.fromkeys([*named_ones, *holds])), holdings


def held(pairs: Pairs) -> dict[Place, tuple[HeldOption, ...]]:
    """What these accounts hold or work of these chains, each under the name that the chain's signals give its share.

    A list of IBKR's has the options on BRK.B under BRKB, and an order of ours under BRK.B.
    """
    chains = [(account, instrument) for account, instrument in pairs if is_chain(instrument)]
    if not chains:
        return {}
    accounts = {account.pk for account, _ in chains}
    futures = (each.ticker for _, each in chains if each.asset_class is AssetClass.FUTURE_OPTION)
    on_futures = {root_of(ticker.removesuffix(CHAIN)) for ticker in futures}
    shares = sorted((each.ticker for _, each in chains if each.asset_class is AssetClass.OPTION), reverse=True)
    spelled = {root_of(ticker): ticker for ticker in shares}
    begins = _on_futures(on_futures)
    for spelling in {*spelled, *spelled.values()}:
        # With those of a class that a split has changed, AAPL1.
        of_share = Q(ticker__startswith=f"{spelling} ") | Q(ticker__regex=rf"^{re.escape(spelling)}[1-9] ")
        begins |= Q(of_share, asset_class=str(AssetClass.OPTION))
    # By account and contract: a holding and an order in it may have two names, and are one option.
    tickers: dict[tuple[int, int], str] = {}
    quantities: dict[tuple[int, int], Decimal] = {}
    positions = Position.objects.filter(begins, account__in=accounts).exclude(quantity=0)
    for account_pk, conid, ticker, quantity in positions.values_list("account_id", "conid", "ticker", "quantity"):
        quantities[account_pk, conid] = quantity
        tickers[account_pk, conid] = _spelled(ticker, spelled)
    orders = Order.objects.filter(begins, account__in=accounts, status__in=_UNDER_WAY)
    works = {
        (pk, conid): ticker for pk, conid, ticker in orders.values_list("account_id", "conid", "ticker").distinct()
    }
    for place, ticker in works.items():
        tickers.setdefault(place, _spelled(ticker, spelled))
    found: dict[Place, list[HeldOption]] = defaultdict(list)
    for (account_pk, conid), ticker in sorted(tickers.items(), key=lambda each: (each[0][0], each[1])):
        if (name := named(ticker)) is not None:
            instrument = Instrument(ticker=ticker, asset_class=_class_of(name))
            found[account_pk, chain_of(name.underlying, instrument.asset_class)].append(
                HeldOption(
                    instrument=instrument,
                    quantity=quantities.get((account_pk, conid), Decimal(0)),
                    works=(account_pk, conid) in works,
                )
            )
    return {place: tuple(each) for place, each in found.items()}


def _on_futures(roots: Iterable[str]) -> Q:
    """Options on any month of these futures."""
    begins = Q()
    for root in roots:
        month = rf"^{root}[{MONTH_CODES}][0-9]{{4}} "
        begins |= Q(asset_class=str(AssetClass.FUTURE_OPTION), ticker__startswith=root, ticker__regex=month)
    return begins


def _class_of(name: OptionName) -> AssetClass:
    return AssetClass.FUTURE_OPTION if name.future else AssetClass.OPTION


def _spelled(ticker: str, by_root: Mapping[str, str]) -> str:
    """The name of an option with its share spelled as a chain spells it."""
    name = named(ticker)
    if name is None or name.future:
        return ticker
    return str(replace(name, underlying=by_root.get(name.root, name.underlying)))


def add(holdings: dict[Place, tuple[HeldOption, ...]], account_pk: int, instruments: Iterable[Instrument]) -> None:
    """Note that an order works in each of these that is an option."""
    for instrument in instruments:
        name = named(instrument.ticker) if instrument.asset_class in OPTIONS else None
        if name is None:
            continue
        place = account_pk, chain_of(name.underlying, instrument.asset_class)
        known = holdings.get(place, ())
        if all(each.instrument != instrument for each in known):
            holdings[place] = (*known, HeldOption(instrument=instrument, quantity=Decimal(0), works=True))


def picked(pairs: Pairs, lookups: Mapping[contracts.Key, ContractLookup]) -> dict[contracts.Key, ContractLookup]:
    """By the key of a rule that was answered: the row under the own name of the contract that it means."""
    by_conid: dict[tuple[int, int | None], list[contracts.Key]] = defaultdict(list)
    for key in {contracts.key_of(account, each) for account, each in pairs if each.asset_class in OPTIONS}:
        lookup = lookups.get(key)
        if rule_of(key[2]) is not None and lookup is not None and lookup.status == ContractLookup.Status.FOUND:
            by_conid[lookup.connection_id, lookup.conid].append(key)
    if not by_conid:
        return {}
    rows = ContractLookup.objects.filter(
        connection__in={connection for connection, _ in by_conid},
        conid__in={conid for _, conid in by_conid},
        asset_class__in=_CLASSES,
        status=ContractLookup.Status.FOUND,
    )
    # Several rules may mean one contract.
    return {
        key: row
        for row in rows
        if named(row.ticker) is not None
        for key in by_conid.get((row.connection_id, row.conid), ())
    }
