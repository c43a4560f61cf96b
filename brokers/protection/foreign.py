"""Working orders that somebody else placed in our accounts, by TWS or by hand: kept as IBKR shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.limits import EMPTY_SAYS_NOTHING_AFTER
from brokers.domain.orders import IN_FLIGHT, OVER
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Connection, ContractLookup, ForeignOrder, Order
from brokers.orders.identity import found
from brokers.orders.vanished import REAL, SIMULATED
from brokers.protection import unclaimed

# (the account's key, the contract) of every order that appeared, changed or went.
Touched = set[tuple[int, int]]
_IN_FLIGHT = [str(status) for status in IN_FLIGHT]


@dataclass(frozen=True, slots=True)
class Noted:
    """Whose protection reports may change, and whether it is still open of some of them whose orders they are."""

    touched: Touched
    is_open: bool


@transaction.atomic
def note(accounts: dict[str, BrokerageAccount], facts: Sequence[OrderFacts], now: datetime) -> Noted:
    """Keep what these reports say of orders that are not ours. `accounts`: a connection's, by IBKR's names of them."""
    known = {
        (row.account_id, row.broker_order_id): row
        for row in ForeignOrder.objects.filter(
            account__in=accounts.values(), broker_order_id__in={fact.broker_order_id for fact in facts}
        )
    }
    touched: Touched = set()
    strangers, is_open = _not_ours(accounts, facts)
    several = Counter(fact.broker_order_id for fact in strangers)
    for fact in strangers:
        # What ends is said with the order's number alone.
        account = accounts.get(fact.account_id) or _account_of(accounts, fact, known)
        if account is not None:
            key = (account.pk, fact.broker_order_id)
            touched |= _keep(account, fact, known.get(key), now)
            if several[fact.broker_order_id] > 1:
                # One that appears and ends within a batch of news is gone.
                known.pop(key, None)
                if (row := ForeignOrder.objects.filter(account=account, broker_order_id=key[1]).first()) is not None:
                    known[key] = row
    return Noted(touched, is_open)


def _account_of(
    accounts: dict[str, BrokerageAccount], fact: OrderFacts, known: dict[tuple[int, str], ForeignOrder]
) -> BrokerageAccount | None:
    return next((each for each in accounts.values() if (each.pk, fact.broker_order_id) in known), None)


def _not_ours(accounts: dict[str, BrokerageAccount], facts: Sequence[OrderFacts]) -> tuple[list[OrderFacts], bool]:
    """Reports of orders that are neither ours nor legs of ours; and whether any of the others may be either."""
    numbers = {fact.broker_order_id for fact in facts}
    rows = Order.objects.filter(account__in=accounts.values())
    ours = set(rows.filter(broker_order_id__in=numbers).values_list("broker_order_id", flat=True))
    # An order that was adopted has no legs here: those that it left with are kept as what IBKR shows.
    parents = {fact.parent_broker_order_id for fact in facts if fact.parent_broker_order_id}
    with_legs = rows.filter(parent__broker_order_id__in=parents) if parents else rows.none()
    heads = set(with_legs.values_list("parent__broker_order_id", flat=True))
    references = {fact.reference for fact in facts if fact.reference}
    ours_by_name = rows.filter(reference__in=references) if references else rows.none()
    named = {
        reference: (conid, side) for reference, conid, side in ours_by_name.values_list("reference", "conid", "side")
    }
    strangers = [
        fact
        for fact in facts
        if fact.broker_order_id not in ours
        and not _is_named(fact, named)
        and (fact.parent_broker_order_id or "") not in heads
    ]
    if not any(fact.parent_broker_order_id or not fact.reference for fact in strangers):
        return strangers, False
    # While an order of ours is on its way, a row without a reference may be a leg of it whose number we do not know yet.
    on_their_way = set(rows.filter(status__in=_IN_FLIGHT).values_list("conid", flat=True))
    sure = [fact for fact in strangers if fact.reference or fact.conid not in on_their_way]
    return sure, len(sure) < len(strangers)


def _is_named(fact: OrderFacts, named: dict[str, tuple[int, str]]) -> bool:
    """Whether it bears the reference of an order of ours, and nothing says that it is an order of another kind."""
    if fact.reference is None or fact.reference not in named:
        return False
    conid, side = named[fact.reference]
    return fact.conid in {None, conid} and fact.side in {None, side}


def _keep(account: BrokerageAccount, fact: OrderFacts, row: ForeignOrder | None, now: datetime) -> Touched:
    over = fact.status in OVER or (fact.remaining_quantity is not None and fact.remaining_quantity <= 0)
    if over:
        if row is None:
            return set()
        row.account = account
        unclaimed.carry(row, fact, now)
        row.delete()
        live.account_changed(account)
        return {(account.pk, row.conid)}
    if row is None:
        return _begin(account, fact, now)
    values = {**_shown(fact), "remaining": fact.remaining_quantity or row.remaining}
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    touched = "remaining" in changed
    ForeignOrder.objects.filter(pk=row.pk).update(**changed, seen_at=now, missed=0, missed_at=None)
    if changed:
        live.account_changed(account)
    return {(account.pk, row.conid)} if touched else set()


def _begin(account: BrokerageAccount, fact: OrderFacts, now: datetime) -> Touched:
    remaining = fact.remaining_quantity or fact.quantity
    if fact.conid is None or fact.side is None or not remaining:
        return set()
    values = {"ticker": _ticker(account, fact, fact.conid), **_shown(fact)}
    values |= {"team_id": account.team_id, "conid": fact.conid, "side": str(fact.side), "type": str(fact.type or "")}
    values |= {"remaining": remaining, "seen_at": now, "second_of": found.suspect(account.pk, fact, now)}
    ForeignOrder.objects.update_or_create(
        account=account,
        broker_order_id=fact.broker_order_id,
        defaults=values,
        create_defaults={**values, "first_seen_at": now},
    )
    live.account_changed(account)
    return {(account.pk, fact.conid)}


def _shown(fact: OrderFacts) -> dict[str, Any]:
    """What a report says of an order beside what is left of it; it need not say all."""
    values = {
        "reference": fact.reference,
        "asset_class": fact.asset_class,
        "currency": fact.currency,
        "quantity": fact.quantity,
        "limit_price": fact.limit_price,
        "stop_price": fact.stop_price,
        "time_in_force": fact.time_in_force[:8],
        "described": fact.described,
    }
    return {name: value for name, value in values.items() if value}


def _ticker(account: BrokerageAccount, fact: OrderFacts, conid: int) -> str:
    """Its contract's name with us, else the broker's."""
    lookups = ContractLookup.objects.numbered(account.connection_id, conid)
    known = lookups.values_list("ticker", flat=True).first()
    held = known or account.positions.filter(conid=conid).values_list("ticker", flat=True).first()
    return (held or fact.ticker or str(conid))[:40]


@transaction.atomic
def note_list(connection: Connection, account_id: str, facts: Sequence[OrderFacts], asked_at: datetime) -> Touched:
    """Forget those that an account's complete list misses; once may be a lie of the list, twice is none."""
    patience = SIMULATED if connection.environment == Environment.SIMULATED else REAL
    shown = {fact.broker_order_id for fact in facts}
    touched: Touched = set()
    # What has turned out to be an order of ours, whose number was not known yet, is forgotten at once.
    ours = Order.objects.filter(account=OuterRef("account_id"), broker_order_id=OuterRef("broker_order_id"))
    rows = (
        ForeignOrder.objects.select_for_update(of=("self",))
        .select_related("account")
        .filter(account__connection=connection, account__account_id=account_id)
        .annotate(is_ours=Exists(ours))
    )
    of_others = ~Q(broker_order_id__in=shown) & Q(seen_at__lt=asked_at)
    for row in rows.filter(Q(is_ours=True) | of_others).order_by("pk"):
        if row.is_ours:
            row.delete()
            continue
        if not facts and row.seen_at < asked_at - EMPTY_SAYS_NOTHING_AFTER:
            # After hours the list may be empty although orders work.
            continue
        if row.missed_at is not None and row.missed_at > asked_at - patience.apart:
            continue
        if row.missed + 1 >= patience.misses:
            unclaimed.carry(row, None, asked_at)
            row.delete()
            live.account_changed(row.account)
            touched.add((row.account_id, row.conid))
        else:
            ForeignOrder.objects.filter(pk=row.pk).update(missed=row.missed + 1, missed_at=asked_at)
    return touched
