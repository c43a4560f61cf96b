"""Contracts by IBKR's word: which one a ticker means. A row is also the question; lanes answer it and wake decisions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, QuerySet, When, Window
from django.db.models.functions import RowNumber

from accounts.feed.needs import needs_changed
from brokers.book import choices, quotes, trading_hours
from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import AmbiguousSymbol
from brokers.domain.contracts.options import named
from brokers.domain.contracts.picking import rule_of
from brokers.domain.contracts.rules import ContractTerms, Denial
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import OPTIONS, AssetClass, Contract, Instrument
from brokers.domain.trading_hours import TradingHours, trading_day
from brokers.models import BrokerageAccount, ContractLookup, Order, Position
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify
from brokers.postgres.written import written_once

# IBKR refuses an order with this code, among other reasons, when the contract has a new number.
NOT_KNOWN_AT_ORDER = "contract-unknown"
ASK_AGAIN_AFTER = timedelta(hours=6)
PICK_AGAIN_AFTER = timedelta(seconds=10)
# A permission asked for in Client Portal is soon there; who lacks one should not have to wait for us.
PERMISSION_AGAIN_AFTER = timedelta(minutes=10)
# IBKR failed each time that it was asked, which may be over soon.
NOT_TOLD, NOT_TOLD_AGAIN_AFTER = "contract-not-told", timedelta(minutes=2)

_NAMES_ITS_MONTH = re.compile(r"[A-Z0-9]+[FGHJKMNQUVXZ]\d{4}")

# A connection, an asset class and a ticker.
Key = tuple[int, str, str]


def key_of(account: BrokerageAccount, instrument: Instrument) -> Key:
    """Where the lookup of an instrument is found."""
    return account.connection_id, str(instrument.asset_class), instrument.ticker


def key_of_row(lookup: ContractLookup) -> Key:
    """Where this lookup is found."""
    return lookup.connection_id, lookup.asset_class, lookup.ticker


def instrument_of(lookup: ContractLookup) -> Instrument:
    return Instrument(ticker=lookup.ticker, asset_class=AssetClass(lookup.asset_class))


def doubt_of(lookup: ContractLookup) -> Denial | None:
    """Why nothing may be opened by the ticker of a contract that was found: a person has to say which one it means."""
    if lookup.candidates is None:
        return None
    return Denial(code=lookup.reason_code, sentence=lookup.reason)


def load(connections: Collection[int], tickers: Collection[str]) -> dict[Key, ContractLookup]:
    """The lookups of these connections for these tickers, answered or not yet."""
    return by_key(of_tickers(connections, tickers))


def by_key(rows: Iterable[ContractLookup]) -> dict[Key, ContractLookup]:
    return {(row.connection_id, row.asset_class, row.ticker): row for row in rows}


@written_once
def of_tickers(connections: Collection[int], tickers: Collection[str]) -> QuerySet[ContractLookup]:
    return ContractLookup.objects.filter(connection__in=connections, ticker__in=tickers)


def ask_for_missing(
    lookups: dict[Key, ContractLookup], pairs: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime
) -> None:
    """Write down the questions that `lookups` lacks, and add their rows to it.

    The connection's lane asks them, and the answer wakes the decision.
    """
    missing: dict[Key, ContractLookup] = {}
    stale: dict[int, ContractLookup] = {}
    for account, instrument in pairs:
        key = key_of(account, instrument)
        lookup = lookups.get(key)
        if lookup is None:
            missing[key] = ContractLookup(
                connection_id=account.connection_id,
                ticker=instrument.ticker,
                asset_class=instrument.asset_class,
                asked_at=now,
            )
        elif now - _said_at(lookup) > _believed_for(lookup, account) or _is_of_another_day(lookup, now):
            # A symbol can be listed later and a permission given; an old "no" is believed for a while only.
            stale[lookup.pk] = lookup
    if stale:
        _ask_anew(stale, now)
    if missing:
        # In one order: whoever writes the same ones at this moment waits for us, or we for them, and never each for the other.
        ContractLookup.objects.bulk_create([missing[key] for key in sorted(missing)], ignore_conflicts=True)
        lookups.update(missing)
        notify(ORDERS_CHANNEL, keys(connection_pk for connection_pk, _, _ in missing))


@transaction.atomic
def _ask_anew(stale: dict[int, ContractLookup], now: datetime) -> None:
    """Ask again for contracts of which nothing is believed any more, each unless it was asked or answered since it was read.

    A row that somebody holds is being asked or answered at this moment: nobody waits for it in the middle of a turn.
    """
    free = ContractLookup.objects.filter(pk__in=stale).select_for_update(of=("self",), skip_locked=True)
    rows = free.order_by("pk").values_list("pk", "asked_at", "answered_at")
    ask = [pk for pk, *moments in rows if moments == [stale[pk].asked_at, stale[pk].answered_at]]
    ContractLookup.objects.filter(pk__in=ask).update(status=ContractLookup.Status.WANTED, asked_at=now)
    for lookup in stale.values():
        # Also of one that somebody else asks for: its answer wakes whoever waits.
        lookup.status = ContractLookup.Status.WANTED
    notify(ORDERS_CHANNEL, keys(lookup.connection_id for lookup in stale.values()))


def _is_of_another_day(lookup: ContractLookup, now: datetime) -> bool:
    """Whether the contract may be another one today: a root that has rolled, a share that was split or listed anew."""
    found = lookup.status == ContractLookup.Status.FOUND
    zone = trading_hours.zone_of(lookup)
    return found and trading_day(lookup.asked_at, zone) < trading_day(now, zone)


def _said_at(lookup: ContractLookup) -> datetime:
    """From when on a lookup is believed: what a rule means counts from IBKR's answer, however long that took."""
    return max(lookup.asked_at, lookup.answered_at or lookup.asked_at) if _is_rule(lookup) else lookup.asked_at


def not_told(lookup: ContractLookup, times: int, error: str) -> str:
    """The sentence of a question that IBKR failed to answer so many times."""
    minutes = NOT_TOLD_AGAIN_AFTER // timedelta(minutes=1)
    return (
        f"IBKR was asked {times} times what {lookup.ticker} is, and failed each time. Send the signal again in {minutes} "
        f"minutes, when Halyard asks anew. {error}"
    )


def _believed_for(lookup: ContractLookup, account: BrokerageAccount) -> timedelta:
    if lookup.reason_code == NOT_TOLD and lookup.status == ContractLookup.Status.UNKNOWN:
        return NOT_TOLD_AGAIN_AFTER
    if _is_rule(lookup):
        # The price goes on, and with it the strike that a rule means.
        return PICK_AGAIN_AFTER
    if lookup.status == ContractLookup.Status.UNKNOWN:
        return ASK_AGAIN_AFTER
    if lookup.increments is None and lookup.status == ContractLookup.Status.FOUND:
        # Found before price bands were kept: a price in another band than the usual one needs them.
        return ASK_AGAIN_AFTER
    lacking = lookup.permitted is not None and account.account_id not in lookup.permitted
    return PERMISSION_AGAIN_AFTER if lacking and lookup.status == ContractLookup.Status.FOUND else timedelta.max


def to_ask_anew(order: Order, now: datetime) -> ContractLookup | None:
    """The lookup behind an order that IBKR refused for want of its contract; None where it was renumbered today already."""
    lookup = ContractLookup.objects.filter(
        connection=order.connection_id, ticker=order.ticker, asset_class=order.asset_class, conid=order.conid
    ).first()
    if lookup is None:
        return None
    zone = trading_hours.zone_of(lookup)
    renumbered_today = lookup.replaced_at is not None and trading_day(lookup.replaced_at, zone) == trading_day(
        now, zone
    )
    return None if renumbered_today else lookup


def wanted_of(connection_pk: int, resting: Collection[int] = ()) -> list[ContractLookup]:
    """The contracts a lane has to ask for, those asked for first before the others. `resting`: rows to leave out.

    One option that was never found, then one of all else: a strategy that tries a thousand names holds up no first signal of
    another ticker.
    Without those of a class that this release does not know: they hold up no other.
    """
    rows = ContractLookup.objects.filter(connection_id=connection_pk, status=ContractLookup.Status.WANTED)
    rows = rows.filter(asset_class__in=list(AssetClass))
    if resting:
        rows = rows.exclude(pk__in=resting)
    new_option = Case(When(asset_class__in=OPTIONS, conid=None, then=1), default=0)
    number = Window(RowNumber(), partition_by=F("new_option"), order_by=["asked_at", "pk"])
    in_turn = rows.annotate(new_option=new_option).annotate(number=number)
    return list(in_turn.select_related("connection").order_by("number", "new_option")[:50])


@transaction.atomic
def answer(
    lookup: ContractLookup,
    *,
    now: datetime,
    contract: Contract | None = None,
    quote: Quote | None = None,
    terms: ContractTerms | None = None,
    hours: TradingHours | None = None,
    refusal: OrderRefused | None = None,
    chosen: int | None = None,
) -> None:
    """Write the broker's answer about a contract: found, with who may trade it, or the sentence of its refusal.

    `chosen`: by which choice of a person it was asked for. Where they have chosen otherwise meanwhile it is asked anew.
    """
    ContractLookup.objects.select_for_update().filter(pk=lookup.pk).first()
    if choices.chosen_for(lookup) != chosen:
        notify(ORDERS_CHANNEL, str(lookup.connection_id))
        return
    values: dict[str, object] = {"answered_at": now, "reason": "", "reason_code": "", "candidates": None}
    # What was wanted of the contract of before.
    values["borrow_wanted_at"] = None
    if contract is None:
        values.update(_refused(lookup, refusal))
    else:
        values.update(_found(contract, terms or ContractTerms()), **trading_hours.columns(lookup, hours, now))
        values.update(quote_wanted_at=None, quote_answered_at=now, **quotes.columns(quote))
        if lookup.conid not in {None, contract.conid} and not _is_rule(lookup):
            values.update(replaced_at=now, replaced_conid=lookup.conid)
    ContractLookup.objects.filter(pk=lookup.pk).update(**values)
    if contract is not None and contract.multiplier < 1 and contract.conid != lookup.conid:
        # What is held of it was read before its unit was known: its prices count as not shown until it is read again.
        held = Position.objects.filter(account__connection=lookup.connection_id, conid=contract.conid)
        if accounts := list(held.values_list("account_id", flat=True)):
            held.update(average_cost=None, market_price=None)
            BrokerageAccount.objects.filter(pk__in=accounts).update(book_wanted_at=now)
            notify(ORDERS_CHANNEL, str(lookup.connection_id))
    if contract is not None and contract.ticker not in {"", lookup.ticker}:
        _name_the_month(lookup, contract.ticker, now, values)
    if values["candidates"] != lookup.candidates:
        needs_changed(lookup.connection.team_id)
    notify(DECISIONS_CHANNEL, str(lookup.connection_id))


def _found(contract: Contract, terms: ContractTerms) -> dict[str, object]:
    return {
        "status": ContractLookup.Status.FOUND,
        "conid": contract.conid,
        "name": contract.name[:120],
        "exchange": contract.exchange[:40],
        "currency": contract.currency,
        "multiplier": contract.multiplier,
        "tick": contract.tick,
        "increments": [[str(edge), str(tick)] for edge, tick in contract.increments],
        "permitted": None if terms.permitted is None else list(terms.permitted),
        "rules": None if terms.rules is None else terms.rules.as_json(),
    }


def _refused(lookup: ContractLookup, refusal: OrderRefused | None) -> dict[str, object]:
    """What a "no" changes: nothing of a share that was found before, except that a person may have to choose."""
    said: dict[str, object] = {
        "reason": str(refusal or "")[:300],
        "reason_code": (refusal.code if refusal else "")[:40],
    }
    if isinstance(refusal, AmbiguousSymbol):
        said["candidates"] = [each.as_json() for each in refusal.candidates]
    if not _stays(lookup):
        return {**said, "status": ContractLookup.Status.UNKNOWN}
    return {"status": ContractLookup.Status.FOUND, **(said if "candidates" in said else {})}


def _stays(lookup: ContractLookup) -> bool:
    """Whether a contract that was found before is kept although IBKR does not find it by its ticker today.

    A share that was renamed is still held and sold by its number. What a future's root stands for ends with its month, and
    what a rule means with the price.
    """
    is_root = lookup.asset_class == AssetClass.FUTURE and not _NAMES_ITS_MONTH.fullmatch(lookup.ticker)
    return lookup.conid is not None and not is_root and not _is_rule(lookup)


def _is_rule(lookup: ContractLookup) -> bool:
    """Whether it is asked by which option is meant now, which may be another one each time."""
    return lookup.asset_class in OPTIONS and rule_of(lookup.ticker) is not None


def _name_the_month(lookup: ContractLookup, ticker: str, now: datetime, values: dict[str, object]) -> None:
    """Keep what a continuous name or a rule stands for under its own name too: later, that is how it is found."""
    if (option := named(ticker)) is not None:
        # Why the rule took it is no part of its name.
        values = {**values, "name": option.spoken}
    row = ContractLookup(
        connection_id=lookup.connection_id, asset_class=lookup.asset_class, ticker=ticker, asked_at=now, **values
    )
    ContractLookup.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["connection", "asset_class", "ticker"],
        update_fields=["asked_at", *values],
    )
