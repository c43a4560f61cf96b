"""Options on their last day: closed so many minutes before its end, where the terms of a subscription say so."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.refusals import Refusal
from accounts.turns import in_portions, in_turn
from brokers.domain.contracts.combos import beside
from brokers.domain.contracts.options import CLOSE, NEW_YORK, SETTLED_AT_OPEN, OptionName, named
from brokers.domain.orders import OPTIONS, Side
from brokers.models import Closing, ContractLookup, Order, Position
from brokers.models.options import combos
from brokers.models.options.combos import HeldCombo
from brokers.orders import closing
from brokers.orders.closings import own_orders
from brokers.rulebook.calendars import us_options
from brokers.rulebook.products import option_ends
from strategies.models import Adoption, Decision, Subscription


class _Place(NamedTuple):
    """An account's key, the number of an option or of a combo, and how much of it is held, signed."""

    account: int
    conid: int
    quantity: Decimal


log = logging.getLogger(__name__)

# Options that one look takes, one of each team in turn, for so long.
MOST, LONGEST_SECONDS = 2_000, 5.0
# No terms close an option longer before its end than this.
FROM = timedelta(minutes=360)
# No option ends earlier on its last day; those on futures also end on days on which no share is traded.
FIRST, SATURDAY = time(9, 30), 5
# A closing that failed is wished again after so long, so many times in all.
AGAIN_AFTER, MOST_WISHES = timedelta(minutes=1), 5
_REASON = "before the end of its last day, by the terms of"


def close_ending(now: datetime) -> int:
    """Wish the end of what is due; returns how many were wished. What came of each stands on its account's page.

    Each in a transaction of its own, one of each team in turn: one that fails keeps no other from being closed.
    """
    if not _is_time(now):
        return 0
    keys = in_turn(_may_end(now), MOST, order="?")
    return in_portions(keys, lambda one: _close(one[0], now), at_once=1, seconds=LONGEST_SECONDS)


def ends_at(ticker: str, now: datetime) -> datetime | None:
    """When trade in an option ends, where that is today; None on other days. Classes on indices that are settled at an open
    trade a quarter of an hour longer, which nobody should wait for."""
    name = named(ticker)
    return None if name is None else _end_of(name.expiry, now, name)


def _end_of(last: date, now: datetime, name: OptionName | None) -> datetime | None:
    """The end of trade where `last` is today: of an option on a future by its product, and at the open where that is unknown."""
    if last != now.astimezone(NEW_YORK).date():
        return None
    close = us_options().regular_close(last)
    if name is None or not name.future:
        return close
    ends = datetime.combine(last, option_ends.ends_at_or_before(name), NEW_YORK)
    return ends if close is None else min(ends, close)


def _is_time(now: datetime) -> bool:
    """Whether anything can be due: for some hours before the first options of today end, until the last have. All night long
    it asks for nothing."""
    local = now.astimezone(NEW_YORK)
    first, last = (datetime.combine(local.date(), each, NEW_YORK) for each in (FIRST, CLOSE))
    return local.weekday() < SATURDAY and first - FROM <= now < last


def _may_end(now: datetime) -> QuerySet[Position]:
    """Options that end today by their names, of teams in which some terms close them. IBKR lists those that settle at an open
    by the day of that: the next of trade."""
    today = now.astimezone(NEW_YORK).date()
    soon = "|".join(f"{today + timedelta(days=ahead):%y%m%d}" for ahead in range(1, 6))
    ends = Q(ticker__regex=rf" {today:%y%m%d}[CP]")
    ends |= Q(ticker__regex=rf"^({'|'.join(sorted(SETTLED_AT_OPEN))}) ({soon})[CP]")
    closes = Subscription.objects.filter(terms__values__close_ending_minutes__isnull=False)
    closes = closes.exclude(terms__values__close_ending_minutes=None)
    held = Position.objects.filter(ends, asset_class__in=OPTIONS, team__in=closes.values("team"))
    return held.exclude(quantity=0)


@transaction.atomic
def _close(key: int, now: datetime) -> int:
    position = Position.objects.select_related("account__connection", "account__team").filter(pk=key).first()
    if position is None:
        return 0
    here = Order.objects.filter(account=position.account_id, filled_quantity__gt=0)
    orders = _known(here.filter(conid=position.conid))
    within = combos.load([position.account_id], now).get((position.account_id, position.conid), ())
    by_combo = [(each, _known(here.filter(conid=each.number))) for each in within if each.net]
    last = _last_day(position, orders) if orders or by_combo else date.max
    ends = _end_of(last, now, named(position.ticker))
    if ends is None or now >= ends:
        return 0
    in_combos = sum((each.part_of(position.conid) for each in within), Decimal(0))
    alone = abs(beside(position.quantity, in_combos))
    wished = _close_alone(position, orders, alone, ends, now)
    # Both legs of a combo leave as one order before the first of them ends: none is left alone, nor assigned.
    return wished + sum(_close_combo(position, *each, ends, now) for each in by_combo)


def _known(orders: QuerySet[Order]) -> list[Order]:
    return list(orders.only("ticket_id", "ticker", "side", "filled_quantity").order_by("pk"))


def _due(orders: list[Order], ends: datetime, now: datetime) -> list[tuple[Subscription, int]]:
    return [(made, minutes) for made, minutes in _with_setting(orders) if ends - timedelta(minutes=minutes) <= now]


def _reason_of(due: list[tuple[Subscription, int]]) -> str:
    first, minutes = due[0]
    return f"{minutes} minutes {_REASON} {first.strategy.name}"


def _close_alone(position: Position, orders: list[Order], alone: Decimal, ends: datetime, now: datetime) -> int:
    """Wish the end of what is held beside combos, as far as the subscriptions that close before the end hold it."""
    due = _due(orders, ends, now)
    place = _Place(position.account_id, position.conid, position.quantity)
    quantity = min(_still_held(place, orders, [made.pk for made, _ in due], now), alone)
    if not due or quantity <= 0 or not _may_be_wished(place, now):
        return 0
    try:
        closing.close(
            account=position.account,
            conid=position.conid,
            ticker=position.ticker,
            asset_class=position.asset_class,
            quantity=quantity,
            reason=_reason_of(due),
            actor=None,
            now=now,
        )
    except Refusal as refusal:
        log.warning("%s in %s is not closed before it ends: %s", position.ticker, position.account, refusal)
        return 0
    return 1


def _close_combo(position: Position, combo: HeldCombo, orders: list[Order], ends: datetime, now: datetime) -> int:
    """Wish the end of a combo, both legs as one order, as far as the subscriptions that close before the end hold it."""
    due = _due(orders, ends, now)
    place = _Place(position.account_id, combo.number, combo.net)
    quantity = _still_held(place, orders, [made.pk for made, _ in due], now)
    if not due or quantity <= 0 or not _may_be_wished(place, now):
        return 0
    closing.close_combo(account=position.account, combo=combo, quantity=quantity, reason=_reason_of(due), now=now)
    return 1


def _last_day(position: Position, orders: list[Order]) -> date:
    """The last day of trade, which the contract's own name has; other names have the day on which it settles."""
    lookups = ContractLookup.objects.filter(connection=position.account.connection_id, conid=position.conid)
    known = lookups.filter(asset_class__in=OPTIONS).values_list("ticker", flat=True)
    tickers = [position.ticker, *(each.ticker for each in orders), *known]
    return min((name.expiry for each in tickers if (name := named(each)) is not None), default=date.max)


def _owners(orders: Iterable[Order]) -> dict[int, int]:
    """Keys of subscriptions by ticket: of those that were decided here, and of those adopted for one."""
    tickets = {each.ticket_id for each in orders}
    owners: dict[int, int] = {}
    for rows in (Decision.objects.filter(ticket__in=tickets), Adoption.objects.filter(ticket__in=tickets)):
        known = rows.exclude(subscription=None).values_list("ticket_id", "subscription_id")
        owners.update((ticket, subscription) for ticket, subscription in known if ticket and subscription)
    return owners


def _with_setting(orders: Iterable[Order]) -> list[tuple[Subscription, int]]:
    """Each subscription whose orders filled in the option, on or off, that closes before the end; with its minutes."""
    keys = set(_owners(orders).values())
    found: list[tuple[Subscription, int]] = []
    for made in Subscription.objects.filter(pk__in=keys).select_related("strategy", "terms").order_by("pk"):
        try:
            minutes = None if made.terms is None else made.terms.value().close_ending_minutes
        except (TypeError, ValueError, KeyError):
            log.exception("The terms of subscription %s cannot be read, so it closes nothing before its end", made.pk)
            continue
        if minutes is not None:
            found.append((made, minutes))
    return found


def _still_held(place: _Place, orders: list[Order], subscriptions: list[int], now: datetime) -> Decimal:
    """How much of it orders of these subscriptions opened, and have not closed: never what a person holds beside
    it, nor another subscription."""
    owners, net = _owners(orders), defaultdict[int, Decimal](Decimal)
    sign = 1 if place.quantity > 0 else -1
    ours = Decimal(0)
    for each in orders:
        signed = sign * (each.filled_quantity if each.side == Side.BUY else -each.filled_quantity)
        ours += signed
        net[owners.get(each.ticket_id, 0)] += signed
    opened = sum((max(net[pk], Decimal(0)) for pk in subscriptions), Decimal(0))
    for wish in _wishes(place, now):
        opened -= own_orders.sent_for(wish).aggregate(sum=Sum("filled_quantity"))["sum"] or 0
    return min(opened, ours, abs(place.quantity))


def _wishes(place: _Place, now: datetime) -> QuerySet[Closing]:
    """What was wished here for its last day."""
    since = now.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
    wishes = Closing.objects.filter(account=place.account, conid=place.conid, asked_at__gte=since)
    return wishes.filter(reason__contains=_REASON)


def _may_be_wished(place: _Place, now: datetime) -> bool:
    """Whether none is under way, and none has ended a moment ago; a closing that failed is tried a few times."""
    here = Closing.objects.filter(account=place.account, conid=place.conid)
    lately = here.filter(Q(status=Closing.Status.OPEN) | Q(ended_at__gt=now - AGAIN_AFTER))
    return not lately.exists() and _wishes(place, now).count() < MOST_WISHES
