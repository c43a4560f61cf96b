"""Stops and targets of an entry for an advisor's group: in each account orders of its own, for what the account got.

IBKR would divide a leg by the group's method when it fills, months later and not by what each account then holds. So the
legs wait with the entry, and are written down in the transaction that brings its fills home: no crash comes between. An
account that fills in parts gets legs for each part: for the first of an entry that may rest at its limit as soon as all of it
is told, for the others once the entry is over or a part is ten seconds old. Of several targets each has its part of the stop
beside it.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import DecimalField, F, Q, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.feed.needs import needs_changed
from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.domain.advisors import legs
from brokers.domain.contracts import rungs
from brokers.domain.contracts.from_fill import Fill
from brokers.domain.orders import (
    LIMITED,
    MAY_BE_CAPPED,
    MAY_FILL,
    OVER,
    Contract,
    OrderIntent,
    OrderStatus,
    OrderType,
    Role,
    Side,
)
from brokers.domain.protection.choices import MissingStop
from brokers.domain.sentences import all_of, grouped
from brokers.models import BrokerageAccount, Execution, Order, Position
from brokers.orders import tickets
from brokers.orders.modifications.asking import lookup_of, lot_of_order

log = logging.getLogger(__name__)

# A stop that waits for a night of IBKR's, a weekend or an outage leaves afterwards.
LEAVES_WITHIN = timedelta(days=4)
# So old a part of an entry that fills on gets its legs: most orders are over sooner, and get one pair an account. What is not
# told yet is looked at again after as long. What has a limit may stay filled in part for weeks: its first part waits for
# nothing.
PART_WAITS = timedelta(seconds=10)
# So long after the end of an entry nobody misses its executions, which come within a second mostly. Then owners are told, and
# IBKR is asked for them again and again, for as long as a stop may leave late.
MISSED_AFTER = timedelta(minutes=1)
_ASKED_FOR = LEAVES_WITHIN
_MOST, _AT_ONCE, _LONGEST_SECONDS = 100, 10, 5.0
# They may wait at their limit with a part filled.
_RESTS = LIMITED | MAY_BE_CAPPED
_NAMED = 3
_OVER = [str(status) for status in OVER]
_MAY_FILL = [str(status) for status in MAY_FILL]
_UNITS = DecimalField(max_digits=24, decimal_places=8)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Part:
    """What of an account's fills gets legs now: `units` of each target, and at last of what has none. `stays`: the same without
    what has left by an exit since."""

    account: BrokerageAccount
    units: tuple[Decimal, ...]
    stays: tuple[Decimal, ...]


def legs_of(entry: Order) -> tuple[OrderIntent, ...]:
    """The legs that each account of the entry's group is to have; none of an entry for one account."""
    kept: dict[str, Any] | None = entry.legs_by_account
    return () if kept is None else legs.from_json(kept["legs"], entry.instrument, entry.quantity)


def in_words(entry: Order) -> str:
    """What each account that gets a part of the entry has as well, in a sentence; "" of an entry for one account."""
    wanted = legs_of(entry)
    if entry.legs_by_account is None or not wanted:
        return ""
    what = all_of([legs.in_words(leg) for leg in wanted])
    if entry.legs_by_account["untold"]:
        return (
            f"Each account is to have {what} for what it got. IBKR has not told all fills, so who lacks them is not known: look at "
            "the positions, and protect them there. What it tells within four days gets them still."
        )
    if entry.legs_look_at is not None:
        return f"Each account is to have {what} for what it gets. They leave as soon as its fills are here."
    if not Order.objects.filter(group_entry=entry.pk).exists():
        return f"Each account was to have {what} for what it got. None of it was left to protect."
    return f"Each account has {what}, for what it got.{_too_few(entry.legs_by_account, wanted)}"


def _too_few(kept: dict[str, Any], wanted: Sequence[OrderIntent]) -> str:
    """A sentence on accounts that got too few units for each target; "" where none did."""
    names = [grouped(leg.limit_price or ZERO) for leg in wanted if leg.role is Role.TAKE_PROFIT]
    short = [
        f"{number} none at {all_of(missing)}"
        for number, placed in sorted(kept.get("rungs", {}).items())
        if (missing := [name for name, units in zip(names, placed, strict=False) if not Decimal(units)])
    ]
    more = f" and {len(short) - _NAMED} more accounts" if len(short) > _NAMED else ""
    return f" Too few units for each target: {', '.join(short[:_NAMED])}{more}." if short else ""


def legs_for_group(carrier: int, group: str, conid: int, accounts: Iterable[int]) -> set[str]:
    """References of the legs that these accounts got of a group's newest entries in this contract, as far as they may fill."""
    entries = Order.objects.filter(account=carrier, conid=conid, fa_group=group, legs_by_account__isnull=False)
    newest = list(entries.order_by("-pk").values_list("pk", flat=True)[:_MOST])
    legs_ = Order.objects.filter(group_entry__in=newest, account__in=accounts, status__in=_MAY_FILL)
    return set(legs_.values_list("reference", flat=True))


def place(orders: Iterable[Order], now: datetime) -> None:
    """Place the legs of those of these entries that are over, or are filled in part and may rest so, in the caller's transaction,
    which holds the entries.

    An error of theirs keeps no news back: it is written to the log, and the sweep tries again.
    """
    for order in orders:
        if order.legs_look_at is not None and (OrderStatus(order.status) in OVER or _is_first_part(order)):
            try:
                with transaction.atomic():
                    _place(order.pk, now)
            except Exception:
                log.exception("Order %s: the legs of its accounts could not be placed", order.reference)


def _is_first_part(entry: Order) -> bool:
    """Whether nothing of it has legs, and what has filled may be all for a long time."""
    kept: dict[str, Any] | None = entry.legs_by_account
    return kept is not None and entry.filled_quantity > 0 and entry.type in _RESTS and not Decimal(kept["units"])


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
    fills, wanted = _fills(entry), legs_of(entry)
    told = sum((fill.quantity for each in fills.values() for fill in each), ZERO) >= entry.filled_quantity
    at_once = over or (told and _is_first_part(entry))
    parts = _parts(entry, fills, wanted, None if at_once else now - PART_WAITS)
    contract = _contract(entry)
    drafts = [_draft(entry, part, wanted, contract, now) for part in parts]
    opened = tickets.open_tickets([draft for draft in drafts if draft.intents], now)
    for part in parts:
        _note(kept, part, wanted)
    missed, waited = kept["untold"], now - entry.changed_at
    kept["untold"] = over and not told and waited > MISSED_AFTER
    entry.legs_look_at = None if over and (told or waited > _ASKED_FOR) else now + PART_WAITS
    Order.objects.filter(pk=key).update(legs_by_account=kept, legs_look_at=entry.legs_look_at)
    if missed != kept["untold"]:
        needs_changed(entry.team_id)
    if parts or missed != kept["untold"] or entry.legs_look_at is None:
        live.order_changed(entry)
    return len(opened)


def are_missed(connection_pk: int) -> bool:
    """Whether fills of a connection's groups are missed."""
    return Order.objects.filter(connection=connection_pk).whose_fills_are_missed().exists()


def who_may_have_them(connection_pk: int) -> set[int]:
    """The keys of the accounts that hold more of a contract than the fills that are told of a group's entry explain."""
    entries = Order.objects.filter(connection=connection_pk).whose_fills_are_missed()
    of_entries = dict(entries.values_list("pk", "conid"))
    fills = Execution.objects.filter(order__in=of_entries).order_by().values_list("account_id", "order__conid")
    told = {(account, conid): units for account, conid, units in fills.annotate(units=Sum("quantity"))}
    held = Position.objects.filter(account__connection=connection_pk, conid__in=set(of_entries.values()))
    return {
        account
        for account, conid, units in held.values_list("account_id", "conid", "quantity")
        if abs(units) > told.get((account, conid), ZERO)
    }


def _note(kept: dict[str, Any], part: _Part, wanted: Sequence[OrderIntent]) -> None:
    """Count a part as done."""
    number, units = part.account.account_id, sum(part.units, ZERO)
    before = _placed(kept, number, wanted)
    kept.setdefault("rungs", {})[number] = [f"{one + more:f}" for one, more in zip(before, part.units, strict=True)]
    kept["placed"][number] = f"{sum(before, ZERO) + units:f}"
    kept["units"] = f"{Decimal(kept['units']) + units:f}"
    # An exit is taken off once, whatever the number of parts that come before it.
    kept.setdefault("left", {})[number] = f"{_left_before(kept, number) + units - sum(part.stays, ZERO):f}"


def _left_before(kept: dict[str, Any], number: str) -> Decimal:
    """What exits have taken off an account's parts so far."""
    return Decimal(kept.get("left", {}).get(number, "0"))


def _placed(kept: dict[str, Any], number: str, wanted: Sequence[OrderIntent]) -> tuple[Decimal, ...]:
    """What an account has been given legs for: of each target, and at last of what has none."""
    if (rows := kept.get("rungs", {}).get(number)) is not None:
        return tuple(map(Decimal, rows))
    # Kept when there was one target at most, which took all.
    placed, many = Decimal(kept["placed"].get(number, "0")), len(legs.shares_of(wanted))
    return (placed, ZERO) if many == 1 else (*[ZERO] * many, placed)


def _fills(entry: Order) -> dict[int, list[Execution]]:
    """The entry's fills in its group's accounts, oldest first, by the account's key."""
    fills = defaultdict(list)
    rows = Execution.objects.filter(order=entry.pk).select_related("account__connection")
    for fill in rows.order_by("executed_at", "pk"):
        fills[fill.account_id].append(fill)
    return fills


def _parts(
    entry: Order, fills: dict[int, list[Execution]], wanted: Sequence[OrderIntent], seen_by: datetime | None
) -> list[_Part]:
    """What each account got and has no legs for; of an entry that fills on, as far as it was seen by then."""
    assert entry.legs_by_account is not None, "it was looked at"
    parts, shares = [], legs.shares_of(wanted)
    lot, exits = Decimal(lot_of_order(entry)), _exits(entry, fills)
    for account_pk, of_account in sorted(fills.items()):
        account = of_account[0].account
        counted = [fill for fill in of_account if seen_by is None or fill.seen_at <= seen_by]
        before = _placed(entry.legs_by_account, account.account_id, wanted)
        since = legs.since([(fill.quantity, fill.seen_at) for fill in counted], sum(before, ZERO))
        # The advisor's own account carries the order and holds nothing.
        if since is not None and account_pk != entry.account_id:
            total = sum((fill.quantity for fill in counted), ZERO)
            units = rungs.beyond(total, shares, lot, before)
            left = sum((_takes(each) for each in exits[account_pk] if each.created_at >= since), ZERO)
            left -= _left_before(entry.legs_by_account, account.account_id)
            parts.append(_Part(account, units, rungs.without(units, max(left, ZERO))))
    return parts


def _exits(entry: Order, fills: Mapping[int, Sequence[Execution]]) -> dict[int, list[Order]]:
    """This group's exits, and a person's, by the account's key, that were ordered after the first of its fills was seen.

    A leg too many is made smaller where it works, or canceled as one that was left behind; one too few nobody would miss. So
    what closes for another subscription, or waits for a price, takes nothing off.
    """
    found = defaultdict[int, list[Order]](list)
    if not fills:
        return found
    exits = Order.objects.filter(
        Q(ticket__decision=None) | Q(ticket__decision__subscription__group__name=entry.fa_group),
        account__in=fills,
        conid=entry.conid,
        role=str(Role.EXIT),
        side=str(Side(entry.side).opposite),
        created_at__gte=min(fill.seen_at for of_account in fills.values() for fill in of_account),
    )
    for each in exits:
        found[each.account_id].append(each)
    return found


def _takes(way_out: Order) -> Decimal:
    leaves = way_out.type == OrderType.MARKET and OrderStatus(way_out.status) in MAY_FILL
    return way_out.quantity if leaves else way_out.filled_quantity


def _contract(entry: Order) -> Contract | None:
    """What is known of its contract, by which distances from the fill become prices; None where that or the fill is not known."""
    lookup = lookup_of(entry) if entry.average_price else None
    return None if lookup is None else lookup.value()


def _draft(
    entry: Order, part: _Part, wanted: Sequence[OrderIntent], contract: Contract | None, now: datetime
) -> tickets.Draft:
    whole = entry.filled_quantity if OrderStatus(entry.status) in OVER else entry.quantity
    fill = Fill(quantity=whole, average=entry.average_price or ZERO)
    return tickets.Draft(
        account=part.account,
        key=uuid.uuid4(),
        conid=entry.conid,
        currency=entry.currency,
        multiplier=entry.multiplier,
        intents=legs.groups_of(wanted, part.stays, fill, contract),
        cancels=(),
        expires_at=now + LEAVES_WITHIN,
        cause=f"for what {part.account.account_id} got of the entry for {entry.fa_group}",
        missing_stop=MissingStop(entry.ticket.missing_stop),
        group_entry=entry.pk,
    )
