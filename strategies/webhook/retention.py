"""Deletes bodies, headers and addresses when their time is over. Readings and decisions stay.

It works in batches, each a short transaction of its own, so that no delivery waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    Expression,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce

from accounts.newest import order, within
from strategies.models import Refusal, Repeat, Signal, Strategy, WebhookEndpoint, WebhookMinute

BATCH = 500
# Enough for the limits, the last hour and every viewer's yesterday.
METER = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows were blanked (signals) or deleted (the others)."""

    signals: int = 0
    refusals: int = 0
    repeats: int = 0
    minutes: int = 0


def forget(now: datetime, *, batch: int = BATCH) -> Forgotten:
    """Delete all that is older than its strategy keeps it, `batch` rows at a time.

    A statement for each kind finds what is due by the oldest row of each strategy or webhook; those of which nothing is
    due cost no statement of their own, however many there are.
    """
    signals = refusals = minutes = 0
    repeats = _delete(_old_repeats(now), batch)
    for strategy, before in _with_old_signals(now):
        old = Q(received_at__lt=before)
        signals += _blank(Signal.objects.filter(old, strategy=strategy, forgotten_at=None), now, batch)
    for endpoint, before in _with_old_refusals(now):
        refusals += _delete_oldest(endpoint, before, batch)
    spent = _spent_minutes(now)
    for endpoint in _keys(WebhookEndpoint.objects.filter(Exists(spent.filter(endpoint=OuterRef("pk"))))):
        minutes += _delete(spent.filter(endpoint=endpoint), batch)
    return Forgotten(signals, refusals, repeats, minutes)


def _before(now: datetime, way: str = "") -> Expression:
    """Until when a strategy's deliveries are forgotten; `way` leads to the strategy."""
    days = Coalesce(F(f"{way}keep_days"), settings.KEEP_DELIVERIES_DAYS)
    kept = ExpressionWrapper(days * Value(timedelta(days=1), DurationField()), DurationField())
    return ExpressionWrapper(Value(now, DateTimeField()) - kept, DateTimeField())


def _with_old_signals(now: datetime) -> list[tuple[int, datetime]]:
    """Strategies with signals to blank, each with the moment before which they came."""
    old = Signal.objects.filter(
        strategy=OuterRef("pk"), forgotten_at=None, dispatched_at__isnull=False, received_at__lt=OuterRef("before")
    )
    due = Strategy.objects.annotate(before=_before(now)).filter(Exists(old))
    return list(due.order_by("pk").values_list("pk", "before"))


def _with_old_refusals(now: datetime) -> list[tuple[int, datetime]]:
    """Webhooks whose oldest refusal is to be deleted, each with the moment before which those came."""
    theirs = within(Refusal.objects.all(), OuterRef("pk"), "endpoint").order_by(
        *order(Refusal, "endpoint", oldest=True)
    )
    oldest = Subquery(theirs.values("received_at")[:1])
    due = WebhookEndpoint.objects.annotate(oldest=oldest, before=_before(now, "strategy__"))
    return list(due.filter(oldest__lt=F("before")).order_by("pk").values_list("pk", "before"))


def _keys(endpoints: QuerySet[WebhookEndpoint]) -> list[int]:
    return list(endpoints.order_by("pk").values_list("pk", flat=True))


def _blank(rows: QuerySet[Signal], now: datetime, batch: int) -> int:
    """Blank signals that were handed out; one that still waits is still needed.

    The oldest first, by the index of those that were not blanked yet; what somebody else has locked is left for later.
    """
    due = rows.filter(dispatched_at__isnull=False).order_by("received_at", "pk")
    done = 0
    while True:
        with transaction.atomic():
            locked = due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
            keys = list(locked[:batch])
            done += Signal.objects.filter(pk__in=keys).update(body="", headers={}, address=None, forgotten_at=now)
        if len(keys) < batch:
            return done


def _delete_oldest(endpoint: int, before: datetime, batch: int) -> int:
    """Delete the refusals of before that moment. Only the oldest are looked at: those behind a newer one are newer.

    What somebody else has locked is left for later.
    """
    done = 0
    oldest = within(Refusal.objects.all(), endpoint, "endpoint").order_by(*order(Refusal, "endpoint", oldest=True))
    while (first := oldest.values_list("received_at", flat=True).first()) is not None and first < before:
        with transaction.atomic():
            locked = oldest.select_for_update(skip_locked=True, of=("self",)).values_list("pk", "received_at")[:batch]
            keys = [pk for pk, at in locked if at < before]
            done += Refusal.objects.filter(pk__in=keys).delete()[0]
        if not keys:
            break
    return done


def _delete(rows: QuerySet[Repeat] | QuerySet[WebhookMinute], batch: int) -> int:
    done = 0
    for keys in _batches(rows, batch):
        with transaction.atomic():
            done += rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return done


def _batches(rows: QuerySet[Repeat] | QuerySet[WebhookMinute], batch: int) -> Iterator[list[int]]:
    last = 0
    while keys := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:batch]):
        yield keys
        last = keys[-1]


def _old_repeats(now: datetime) -> QuerySet[Repeat]:
    """Of all strategies at once: those that are old are few, and lead to their signals; strategies have many signals."""
    return Repeat.objects.filter(received_at__lt=_before(now, "signal__strategy__"))


def _spent_minutes(now: datetime) -> QuerySet[WebhookMinute]:
    """Minutes that no limit and no page needs any more.

    Kept are each webhook's last one, its last one under an old server key (or nobody could tell whether that key may be
    dropped), and all of a revoked webhook's for as long as its deliveries, since they prove what it has refused.
    """
    later = WebhookMinute.objects.filter(endpoint=OuterRef("endpoint"), minute__gt=OuterRef("minute"))
    return WebhookMinute.objects.filter(
        Exists(later),
        Q(old_key=0) | Exists(later.filter(old_key__gt=0)),
        Q(endpoint__enabled=True) | Q(minute__lt=_before(now, "endpoint__strategy__")),
        minute__lt=now - METER,
    )
