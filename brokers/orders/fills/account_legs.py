"""Stops and targets of an entry for an advisor's group: in each account an order of its own, for what the account got.

IBKR would divide a leg by the group's method when it fills, months later and not by what each account then holds. So the
legs wait with the entry, and are written down in the transaction that brings its fills home: no crash comes between. An
account that fills in parts gets legs for each part, as soon as the entry is over or a part is ten seconds old.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import DecimalField, F, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.domain.advisors import legs
from brokers.domain.contracts.from_fill import Fill
from brokers.domain.orders import MAY_FILL, OVER, OrderIntent, OrderStatus, OrderType, Role, Side
from brokers.domain.protection.choices import MissingStop
from brokers.domain.sentences import all_of
from brokers.models import BrokerageAccount, Execution, Order
from brokers.orders import tickets
from brokers.orders.modifications.asking import lookup_of

log = logging.getLogger(__name__)

# A stop that waits for a night of IBKR's, a weekend or an outage leaves afterwards.
LEAVES_WITHIN = timedelta(days=4)
# So old a part of an entry that fills on gets its legs: most orders are over sooner, and get one pair an account. What is not
# told yet is looked at again after as long.
PART_WAITS = timedelta(seconds=10)
# So long the executions of an entry are waited for; IBKR tells those of a day again and again.
_TOLD_WITHIN = timedelta(days=1)
_MOST, _AT_ONCE, _LONGEST_SECONDS = 100, 10, 5.0
_OVER = [str(status) for status in OVER]
_UNITS = DecimalField(max_digits=24, decimal_places=8)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Part:
    """What of an account's fills gets legs now: `units` of it, of which some may have left by an exit since."""

    account: BrokerageAccount
    units: Decimal
    stays: Decimal


def legs_of(entry: Order) -> tuple[OrderIntent, ...]:
    """The legs that each account of the entry's group is to have; none of an entry for one account."""
    kept: dict[str, Any] | None = entry.legs_by_account
    return () if kept is None else legs.from_json(kept["legs"], entry.instrument, entry.quantity)


def references_of(entry: Order) -> list[str]:
    """The references of the legs that its accounts got."""
    kept: dict[str, Any] | None = entry.legs_by_account
    return [] if kept is None else list(kept["references"])


def in_words(entry: Order) -> str:
    """What each account that gets a part of the entry has as well, in a sentence; "" of an entry for one account."""
    wanted = legs_of(entry)
    if entry.legs_by_account is None or not wanted:
        return ""
    what = all_of([legs.in_words(leg) for leg in wanted])
    if entry.legs_by_account["untold"]:
        return (
            f"Each account was to have {what} for what it got. IBKR has not told all fills within a day, so who lacks them is not "
            "known: look at the positions, and protect them there."
        )
    if entry.legs_look_at is not None:
        return f"Each account is to have {what} for what it gets. They leave as soon as its fills are here."
    if not entry.legs_by_account["references"]:
        return f"Each account was to have {what} for what it got. None of it was left to protect."
    return f"Each account has {what}, for what it got."


def legs_for_group(carrier: int, group: str, conid: int) -> set[str]:
    """References of the legs that the accounts of a group got in this contract, of its newest entries."""
    entries = Order.objects.filter(account=carrier, conid=conid, fa_group=group, legs_by_account__isnull=False)
    return {reference for entry in entries.order_by("-pk")[:_MOST] for reference in references_of(entry)}


def place(orders: Iterable[Order], now: datetime) -> None:
    """Place the legs of those of these entries that are over, in the caller's transaction, which holds the entries.

    An error of theirs keeps no news back: it is written to the log, and the sweep tries again.
    """
    for order in orders:
        if order.legs_look_at is not None and OrderStatus(order.status) in OVER:
            try:
                with transaction.atomic():
                    _place(order.pk, now)
            except Exception:
                log.exception("Order %s: the legs of its accounts could not be placed", order.reference)


def place_what_waits(now: datetime) -> int:
    """Place the legs of parts of entries that fill on, and of entries that ended by another way than a report of IBKR's.

    Team by team in turn; returns how many accounts got legs.
    """
    kept = Cast(KT("legs_by_account__units"), _UNITS)
    waiting = Order.objects.filter(legs_look_at__lte=now).alias(units=kept)
    due = waiting.filter(Q(status__in=_OVER) | Q(filled_quantity__gt=F("units")))
    keys = in_turn(due, _MOST, order="?")
    return in_portions(
        keys, lambda some: sum(_place_one(key, now) for key in some), at_once=_AT_ONCE, seconds=_LONGEST_SECONDS
    )


def _place_one(key: int, now: datetime) -> int:
    try:
        with transaction.atomic():
            return _place(key, now)
    except Exception:
        log.exception("Order %s: the legs of its accounts could not be placed", key)
        # Its turn comes again, after others.
        Order.objects.filter(pk=key, legs_look_at__isnull=False).update(legs_look_at=now + PART_WAITS)
        return 0


def _place(key: int, now: datetime) -> int:
    """Write down the legs that this entry's accounts lack; returns how many accounts got some."""
    rows = Order.objects.select_for_update(of=("self",)).select_related("account", "ticket")
    entry = rows.get(pk=key)
    kept: dict[str, Any] | None = entry.legs_by_account
    if entry.legs_look_at is None or kept is None:
        return 0
    over = OrderStatus(entry.status) in OVER
    fills = _fills(entry)
    parts = _parts(entry, fills, kept["placed"], None if over else now - PART_WAITS)
    opened = tickets.open_tickets([_draft(entry, part, kept, now) for part in parts if part.stays > 0], now)
    for part in parts:
        placed = Decimal(kept["placed"].get(part.account.account_id, "0"))
        kept["placed"][part.account.account_id] = f"{placed + part.units:f}"
        kept["units"] = f"{Decimal(kept['units']) + part.units:f}"
    for ticket in opened:
        kept["references"] += ticket.orders.order_by("pk").values_list("reference", flat=True)
    told = sum((fill.quantity for each in fills.values() for fill in each), ZERO) >= entry.filled_quantity
    kept["untold"] = over and not told and now - entry.changed_at > _TOLD_WITHIN
    entry.legs_look_at = None if over and (told or kept["untold"]) else now + PART_WAITS
    Order.objects.filter(pk=key).update(legs_by_account=kept, legs_look_at=entry.legs_look_at)
    if parts or entry.legs_look_at is None:
        live.order_changed(entry)
    return len(opened)


def _fills(entry: Order) -> dict[int, list[Execution]]:
    """The entry's fills in its group's accounts, oldest first, by the account's key."""
    fills = defaultdict(list)
    rows = Execution.objects.filter(order=entry.pk).select_related("account__connection")
    for fill in rows.order_by("executed_at", "pk"):
        fills[fill.account_id].append(fill)
    return fills


def _parts(
    entry: Order, fills: dict[int, list[Execution]], placed: dict[str, str], seen_by: datetime | None
) -> list[_Part]:
    """What each account got and has no legs for; of an entry that fills on, as far as it was seen by then."""
    parts = []
    for account_pk, of_account in sorted(fills.items()):
        account = of_account[0].account
        counted = [fill for fill in of_account if seen_by is None or fill.seen_at <= seen_by]
        before = Decimal(placed.get(account.account_id, "0"))
        units, since = legs.beyond([(fill.quantity, fill.seen_at) for fill in counted], before)
        # The advisor's own account carries the order and holds nothing.
        if since is not None and account_pk != entry.account_id:
            parts.append(_Part(account, units, units - _left_since(entry, account, since)))
    return parts


def _left_since(entry: Order, account: BrokerageAccount, since: datetime) -> Decimal:
    """What has left or leaves at the market by this group's exits, or by a person's, that were ordered after the fill was seen.

    A leg too many is made smaller where it works, or canceled as one that was left behind; one too few nobody would miss. So
    what closes for another subscription, or waits for a price, takes nothing off.
    """
    exits = Order.objects.filter(
        Q(ticket__decision=None) | Q(ticket__decision__subscription__group__name=entry.fa_group),
        account=account,
        conid=entry.conid,
        role=str(Role.EXIT),
        side=str(Side(entry.side).opposite),
        created_at__gte=since,
    )
    return sum((_takes(each) for each in exits), ZERO)


def _takes(way_out: Order) -> Decimal:
    leaves = way_out.type == OrderType.MARKET and OrderStatus(way_out.status) in MAY_FILL
    return way_out.quantity if leaves else way_out.filled_quantity


def _draft(entry: Order, part: _Part, kept: dict[str, Any], now: datetime) -> tickets.Draft:
    lookup = lookup_of(entry)
    whole = entry.filled_quantity if OrderStatus(entry.status) in OVER else entry.quantity
    fill = Fill(quantity=whole, average=entry.average_price or ZERO)
    contract = None if lookup is None or not entry.average_price else lookup.value()
    return tickets.Draft(
        account=part.account,
        key=uuid.uuid4(),
        conid=entry.conid,
        currency=entry.currency,
        multiplier=entry.multiplier,
        intents=(legs.in_one_group(legs.from_json(kept["legs"], entry.instrument, part.stays), fill, contract),),
        cancels=(),
        expires_at=now + LEAVES_WITHIN,
        cause=f"for what {part.account.account_id} got of the entry for {entry.fa_group}",
        missing_stop=MissingStop(entry.ticket.missing_stop),
    )
