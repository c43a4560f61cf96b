"""Orders that bear our reference and are in no row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse

from accounts.feed.needs import Facts, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.elsewhere.whose import REFERENCE_PREFIX
from brokers.domain.sentences import grouped
from brokers.models import ForeignOrder, Order, UnclaimedOrder
from brokers.models.unclaimed import asked
from brokers.needs.lines import IN_ACCOUNT, MOST


def orphan_rows(team: Team, now: datetime) -> QuerySet[ForeignOrder]:
    """Working orders that bear our reference and are in no row, until somebody says what is to become of them."""
    same = {name: OuterRef(name) for name in ("reference", "conid", "side")}
    ours = Q(reference__startswith=f"{REFERENCE_PREFIX}-") & ~Exists(Order.objects.filter(**same))
    open_rows = ForeignOrder.objects.filter(team=team, left_at=None, cancel_asked_at=None)
    asked_about = open_rows.filter(ours | Q(second_of__isnull=False), account__connection__removed_at=None)
    rows = asked_about.order_by("pk")
    columns = {name: F(name) for name in ("code", "side", "first_seen_at", "broker_order_id", "second_of_id")}
    remaining = Cast("remaining", TextField())
    return with_facts(rows, **IN_ACCOUNT, **columns, remaining=remaining)[:MOST]


def orphans(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for row in sorted(facts, key=itemgetter("pk")):
        name = f"{row['side'].capitalize()} {grouped(Decimal(row['remaining']))} {row['ticker']}"
        title = f"{name} works in {row['account']} with Halyard's reference, and no order here knows it"
        text = (
            "The database may be older than the order, or another Halyard placed it. Adopt it, cancel it, or leave it."
        )
        if row["second_of_id"]:
            title = f"{name} works in {row['account']} and looks like a change of an order of Halyard's"
            text = "The answer to that change was lost, so IBKR may have two orders for one. Adopt it, cancel it, or leave it."
        yield Need(
            key=f"orphan-{row['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=title,
            text=text,
            href=reverse("foreign_order", args=[team.code, row["code"]]),
            action="Decide",
            alarm=True,
            since=moment(row, "first_seen_at"),
        )


def unclaimed_rows(team: Team, now: datetime) -> QuerySet[UnclaimedOrder]:
    """Orders that have filled and are in no row, until somebody says whose they are."""
    rows = asked().filter(team=team, account__connection__removed_at=None)
    columns = {name: F(name) for name in ("code", "side", "filled_at", "second_of_id")}
    return with_facts(rows, **IN_ACCOUNT, **columns, filled=Cast("filled", TextField()))[:MOST]


def unclaimed(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for row in sorted(facts, key=itemgetter("pk")):
        name = f"{row['side'].capitalize()} {grouped(Decimal(row['filled']))} {row['ticker']}"
        title = f"{name} filled in {row['account']} with Halyard's reference, and no order here knows it"
        text = "The database may be older than the order, or another Halyard placed it. Adopt it, or leave it."
        if row["second_of_id"]:
            title = f"{name} filled in {row['account']} and looks like a change of an order of Halyard's"
            text = "The answer to that change was lost, so two orders may have traded for one. Adopt it, or leave it."
        yield Need(
            key=f"unclaimed-{row['code']}",
            urgency=Urgency.DOUBT,
            symbol="alert",
            title=title,
            text=f"{text} Until then nothing is opened in {row['ticker']} there.",
            href=reverse("unclaimed_order", args=[team.code, row["code"]]),
            action="Decide",
            alarm=True,
            since=moment(row, "filled_at"),
        )
