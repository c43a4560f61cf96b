"""Splits: those of which a person has to say what they were, and those of the last day, to be known of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse

from accounts.feed.needs import Facts, Need, Urgency, moment, with_facts
from accounts.models import Team
from brokers.domain.actions import words
from brokers.domain.actions.reading import Held, Ratio, State, reading_of
from brokers.models import CorporateAction
from brokers.needs.lines import IN_ACCOUNT, MOST, REMEMBERED

_SIZES = ("quantity_before", "quantity", "average_before", "average", "fraction")


def split_rows(team: Team, now: datetime) -> QuerySet[CorporateAction]:
    """Splits that are asked about, and those that were seen within the last day."""
    late = Q(state=str(State.KNOWN), seen_at__gte=now - REMEMBERED)
    rows = CorporateAction.objects.filter(
        Q(state=str(State.ASKED)) | late, team=team, account__connection__removed_at=None
    )
    columns = {name: F(name) for name in ("code", "state", "new", "old", "seen_at", "ticker_before")}
    sizes = {name: Cast(name, TextField()) for name in _SIZES}
    return with_facts(
        rows.order_by("-pk"), **IN_ACCOUNT, **columns, **{f"its_{name}": each for name, each in sizes.items()}
    )[:MOST]


def splits(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    for row in sorted(facts, key=itemgetter("pk")):
        before, after = _held(row, "quantity_before", "average_before"), _held(row, "quantity", "average")
        asks = row["state"] == State.ASKED
        was = row["ticker_before"]
        if asks:
            title = f"Was {was or row['ticker']} split in {row['account']}?"
            text = words.asked(row["ticker"], before, after, reading_of(before.quantity, after.quantity), was)
            text = f"{text} Until you say so, no signal sends an order there."
        else:
            title = f"{row['ticker']} was split in {row['account']}"
            if was:
                title = f"{was} is {row['ticker']} in {row['account']}"
            seen_at = moment(row, "seen_at")
            assert seen_at is not None, "it was seen once"
            text = words.happened(row["ticker"], Ratio(new=row["new"], old=row["old"]), before, after, seen_at, was)
            text += words.in_lieu(Decimal(row["its_fraction"]))
        yield Need(
            key=f"split-{row['code']}",
            urgency=Urgency.DOUBT if asks else Urgency.STOP,
            symbol="alert" if asks else "eye",
            title=title,
            text=text,
            href=reverse("split", args=[team.code, row["code"]]),
            action="Decide" if asks else "See it",
            alarm=asks,
            since=moment(row, "seen_at"),
        )


def _held(row: Facts, quantity: str, average: str) -> Held:
    shown = row[f"its_{average}"]
    return Held(quantity=Decimal(row[f"its_{quantity}"]), average=None if shown is None else Decimal(shown))
