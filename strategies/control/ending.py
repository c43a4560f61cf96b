"""Options on their last day: closed so many minutes before its end, where the terms of a subscription say so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from accounts.refusals import Refusal
from brokers.domain.contracts.options import NEW_YORK, named
from brokers.domain.orders import AssetClass, Role
from brokers.models import Closing, Order, Position
from brokers.orders import closing
from brokers.rulebook.calendars import us_options
from strategies.models import Decision, Subscription

log = logging.getLogger(__name__)


def close_ending(now: datetime) -> int:
    """Wish the end of what is due; returns how many were wished. Once a day each: what came of it stands on its page."""
    wished = 0
    for position, subscription, minutes in list(_due(now)):
        try:
            closing.close(
                account=position.account,
                conid=position.conid,
                ticker=position.ticker,
                asset_class=position.asset_class,
                reason=f"{minutes} minutes before the end of its last day, by the terms of {subscription.strategy.name}",
                actor=None,
                now=now,
            )
            wished += 1
        except Refusal as refusal:
            log.warning("%s in %s is not closed before it ends: %s", position.ticker, position.account, refusal)
    return wished


def ends_at(ticker: str, now: datetime) -> datetime | None:
    """When trade in an option ends, where that is today; None on other days. Classes on indices that are settled at an open
    trade a quarter of an hour longer, which nobody should wait for."""
    name = named(ticker)
    if name is None or name.expiry != now.astimezone(NEW_YORK).date():
        return None
    return us_options().regular_close(name.expiry)


def _due(now: datetime) -> Iterator[tuple[Position, Subscription, int]]:
    """Options that end today, each with the subscription that opened it and its minutes, once these have begun."""
    today = now.astimezone(NEW_YORK)
    held = Position.objects.filter(asset_class=str(AssetClass.OPTION), ticker__regex=rf" {today:%y%m%d}[CP]")
    for position in held.exclude(quantity=0).select_related("account__connection", "account__team").order_by("pk"):
        ends = ends_at(position.ticker, now)
        subscription = _opened_by(position)
        terms = subscription.terms.value() if subscription is not None and subscription.terms is not None else None
        if ends is None or subscription is None or terms is None or terms.close_ending_minutes is None:
            continue
        begins = ends - timedelta(minutes=terms.close_ending_minutes)
        if begins <= now < ends and not _was_wished(position, today.replace(hour=0, minute=0, second=0)):
            yield position, subscription, terms.close_ending_minutes


def _opened_by(position: Position) -> Subscription | None:
    """The subscription whose entry filled last in it, while it is on."""
    entries = Order.objects.filter(
        account=position.account_id, conid=position.conid, role=str(Role.ENTRY), filled_quantity__gt=0
    )
    ticket = entries.order_by("-pk").values_list("ticket_id", flat=True).first()
    if ticket is None:
        return None
    decision = Decision.objects.filter(ticket=ticket).select_related("subscription__strategy", "subscription__terms")
    row = decision.first()
    return row.subscription if row is not None and row.subscription.enabled else None


def _was_wished(position: Position, since: datetime) -> bool:
    return Closing.objects.filter(account=position.account_id, conid=position.conid, asked_at__gte=since).exists()
