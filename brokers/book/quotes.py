"""Quotes on demand. A contract's row says since when somebody waits for a fresh one; its lane asks, and wakes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import FRESH_FOR, Quote
from brokers.domain.orders import AssetClass
from brokers.domain.session import clocks
from brokers.models import ContractLookup, Position
from brokers.postgres.afterwards import after_commit
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A decision that needs a quote waits this long for it, and then goes on without.
WAITED_FOR = timedelta(seconds=3)


def shown(lookup: ContractLookup) -> Quote | None:
    """The last quote IBKR showed of a contract, however old; or its word that it shows this user none."""
    return lookup.quote()


def with_quotes(positions: list[Position]) -> list[Position]:
    """The positions, each with the last quote of its contract as `quote`: None where IBKR was asked for none."""
    rows = ContractLookup.objects.filter(
        connection__in={position.account.connection_id for position in positions},
        conid__in={position.conid for position in positions},
        status=ContractLookup.Status.FOUND,
    )
    # A contract may be known by several names; the newest quote counts.
    known: dict[tuple[int, int | None], Quote] = {}
    for lookup in rows if positions else ():
        key, quote = (lookup.connection_id, lookup.conid), shown(lookup)
        if quote is not None and (key not in known or known[key].as_of < quote.as_of):
            known[key] = quote
    for position in positions:
        position.quote = known.get((position.account.connection_id, position.conid))
    return positions


def columns(quote: Quote | None) -> dict[str, object]:
    """What a quote changes of a contract's row. Prices that are shown no more stay, with their age and what IBKR says now."""
    if quote is None:
        return {}
    said: dict[str, object] = {"quote_flags": quote.flags}
    if not quote.is_shown:
        return said
    prices = {"bid": quote.bid, "ask": quote.ask, "last": quote.last, "last_flag": quote.last_flag}
    return {**said, **prices, "quote_as_of": quote.as_of}


def is_fresh(lookup: ContractLookup, now: datetime) -> bool:
    """Whether the quote at hand may be traded by: it is live, and still says something."""
    quote = shown(lookup)
    return quote is not None and quote.live(now) is not None


def is_coming(lookup: ContractLookup, now: datetime) -> bool:
    """Whether a fresh one was asked for and may still be worth waiting for."""
    asked_at = lookup.quote_wanted_at
    return asked_at is not None and now - asked_at < WAITED_FOR and not clocks.is_ahead(asked_at, now)


def is_withheld(lookup: ContractLookup, now: datetime) -> bool:
    """Whether IBKR was asked a moment ago and showed no fresh quote."""
    return not is_fresh(lookup, now) and clocks.is_recent(lookup.quote_answered_at, now, FRESH_FOR)


def want(lookups: Iterable[ContractLookup], now: datetime) -> None:
    """Ask for fresh quotes of these contracts where one is missing and nobody has asked: `lookups` carry it at once, and
    the rows behind the transaction that is open.

    Who asked first counts: a lane that does not answer holds nobody up for longer than one wait.
    """
    missing = [
        lookup
        for lookup in lookups
        if lookup.status == ContractLookup.Status.FOUND
        and lookup.quote_wanted_at is None
        and not is_fresh(lookup, now)
        and not is_withheld(lookup, now)
    ]
    if not missing:
        return
    for lookup in missing:
        lookup.quote_wanted_at = now
    ask(missing, "quote_wanted_at", quote_wanted_at=now, quote_needed_at=now)


def ask(lookups: Collection[ContractLookup], column: str, **values: object) -> None:
    """Write these values where `column` is empty, once what is open has committed, and wake the lanes.

    All accounts of a connection share the row of a contract, and its lane writes its answers into it: neither waits for a
    turn that decides for many of them. Whoever wants something looks again, and asks again where nothing was written.
    """
    pks, woken = sorted(lookup.pk for lookup in lookups), keys(lookup.connection_id for lookup in lookups)

    def write() -> None:
        if ContractLookup.objects.filter(pk__in=pks, **{f"{column}__isnull": True}).update(**values):
            notify(ORDERS_CHANNEL, woken)

    after_commit(write)


def borrow_shown(lookup: ContractLookup) -> Borrow | None:
    """What IBKR said last of borrowing the share; None where it was not asked, or does not say."""
    return None if lookup.borrow is None else Borrow.from_json(lookup.borrow)


def want_borrows(lookups: Iterable[ContractLookup], now: datetime) -> None:
    """Ask whether these shares can be borrowed where nobody does, and no word is at hand. No decision waits for it."""
    missing = [each for each in lookups if each.status == ContractLookup.Status.FOUND and _lacks_borrow(each, now)]
    if not missing:
        return
    for lookup in missing:
        lookup.borrow_wanted_at = now
    ask(missing, "borrow_wanted_at", borrow_wanted_at=now)


def _lacks_borrow(lookup: ContractLookup, now: datetime) -> bool:
    """Whether IBKR's word is missing or old, nobody has asked for it, and none was asked for a moment ago."""
    borrow = borrow_shown(lookup)
    if lookup.borrow_wanted_at is not None or (borrow is not None and borrow.is_of(now)):
        return False
    return not clocks.is_recent(lookup.borrow_answered_at, now, FRESH_FOR)


def borrows_wanted_of(connection_pk: int) -> list[ContractLookup]:
    """The shares of which a lane has to ask whether they can be borrowed."""
    rows = ContractLookup.objects.filter(connection=connection_pk, borrow_wanted_at__isnull=False)
    rows = rows.filter(asset_class=AssetClass.STOCK, status=ContractLookup.Status.FOUND)
    return list(rows.order_by("borrow_wanted_at", "pk")[:50])


def answer_borrow(lookup: ContractLookup, borrow: Borrow | None, now: datetime) -> None:
    """Write IBKR's word on borrowing down. None: it does not say; the old word stays, with its age."""
    values: dict[str, object] = {"borrow_wanted_at": None, "borrow_answered_at": now}
    if borrow is not None:
        values["borrow"] = borrow.to_json()
    ContractLookup.objects.filter(pk=lookup.pk).update(**values)


def wanted_of(connection_pk: int) -> list[ContractLookup]:
    """The contracts whose quotes a lane has to ask for."""
    rows = ContractLookup.objects.filter(connection=connection_pk, status="found", quote_wanted_at__isnull=False)
    rows = rows.filter(asset_class__in=list(AssetClass))
    return list(rows.order_by("quote_wanted_at", "pk")[:50])


# A contract that a decision wanted a quote of is watched for so long.
WATCHED_FOR = timedelta(minutes=30)


def watched(connection_pks: Collection[int], now: datetime) -> dict[int, set[int]]:
    """By connection, the contracts whose quotes decisions wanted lately."""
    rows = ContractLookup.objects.filter(
        connection__in=connection_pks,
        status=ContractLookup.Status.FOUND,
        quote_needed_at__gt=now - WATCHED_FOR,
        # A combo has no topic of its own: it is asked for when it is needed.
        conid__gt=0,
    )
    found: dict[int, set[int]] = {}
    for connection_pk, conid in rows.values_list("connection", "conid"):
        if conid is not None:
            found.setdefault(connection_pk, set()).add(conid)
    return found


@transaction.atomic
def hear(connection_pk: int, told: Mapping[int, Quote]) -> None:
    """Write the quotes that the stream of a connection told, where they are newer than what is known."""
    for conid, quote in sorted(told.items()):
        rows = ContractLookup.objects.filter(connection=connection_pk, conid=conid, status=ContractLookup.Status.FOUND)
        rows.filter(Q(quote_as_of__isnull=True) | Q(quote_as_of__lt=quote.as_of)).update(**columns(quote))


@transaction.atomic
def answer(lookup: ContractLookup, quote: Quote | None, now: datetime) -> None:
    """Write IBKR's quote down and wake the decisions. None: it shows none; the old one stays, with its age."""
    values = {"quote_wanted_at": None, "quote_answered_at": now, **columns(quote)}
    ContractLookup.objects.filter(pk=lookup.pk).update(**values)
    notify(DECISIONS_CHANNEL, str(lookup.connection_id))
