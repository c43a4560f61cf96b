"""The traffic of a strategy's webhooks: meters, last uses, and the proof that a revoked URL takes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max, Q, Sum
from django.utils import timezone

from accounts.models import Team
from strategies.domain.meter import MINUTE, Gauge, Meter, Minute, meter
from strategies.models import Signal, Strategy, WebhookEndpoint, WebhookMinute

MOST_REVOKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTraffic:
    """The traffic of a live webhook: its meter, and its counts since the viewer's midnight."""

    endpoint: WebhookEndpoint
    meter: Meter
    last_used_at: datetime | None
    today: int
    refused: int
    over: int
    strangers: int
    last_old_key_at: datetime | None
    old_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedEndpoint:
    """A disabled webhook: what it last accepted, and what it has refused since."""

    endpoint: WebhookEndpoint
    last_accepted_at: datetime | None
    accepted_since: int
    refused_since: int
    last_refused_at: datetime | None


def live_traffic(strategy: Strategy, now: datetime) -> list[EndpointTraffic]:
    """The traffic of the strategy's live webhooks, the newest first."""
    endpoints = strategy.endpoints.filter(enabled=True).order_by("-pk")
    return [_traffic_of(endpoint, strategy, now) for endpoint in endpoints]


def team_gauge(team: Team, now: datetime) -> Gauge:
    """What all webhooks of a team took together in the last minute, against its budget, as the door counts it."""
    present = now.replace(second=0, microsecond=0)
    rows = WebhookMinute.objects.filter(endpoint__team=team, minute__gte=present - MINUTE, minute__lte=present)
    sums = dict(rows.values_list("minute").annotate(admitted=Sum(F("taken") - F("over"))))
    left = 1 - (now - present) / MINUTE
    load = sums.get(present, 0) + sums.get(present - MINUTE, 0) * left
    return Gauge(round(load), settings.WEBHOOK_TEAM_PER_MINUTE)


def _traffic_of(endpoint: WebhookEndpoint, strategy: Strategy, now: datetime) -> EndpointTraffic:
    rows = endpoint.minutes.filter(minute__gt=now - timedelta(minutes=62))
    minutes = [Minute(row.minute, row.taken, row.refused, row.over, row.strangers, row.old_key) for row in rows]
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    since = Q(minute__gte=midnight)
    used = endpoint.minutes.aggregate(
        at=Max("last_at", filter=Q(taken__gt=0)), with_old_key_at=Max("last_at", filter=Q(old_key__gt=0))
    )
    today = {f"{name}_today": Sum(name, filter=since) for name in ("taken", "refused", "over", "strangers", "old_key")}
    counts = {name: count or 0 for name, count in endpoint.minutes.aggregate(**today).items()}
    return EndpointTraffic(
        endpoint=endpoint,
        meter=meter(minutes, now, per_minute=strategy.per_minute, per_hour=strategy.per_hour),
        last_used_at=used["at"],
        last_old_key_at=used["with_old_key_at"],
        today=counts["taken_today"],
        refused=counts["refused_today"],
        over=counts["over_today"],
        strangers=counts["strangers_today"],
        old_key=counts["old_key_today"],
    )


def revoked_endpoints(strategy: Strategy) -> list[RevokedEndpoint]:
    """The strategy's disabled webhooks, the latest first; at most 20."""
    rows = strategy.endpoints.filter(enabled=False, disabled_at__isnull=False).order_by("-disabled_at")
    return [_revoked(endpoint) for endpoint in rows[:MOST_REVOKED]]


def _revoked(endpoint: WebhookEndpoint) -> RevokedEndpoint:
    assert endpoint.disabled_at is not None
    accepted = Signal.objects.filter(endpoint=endpoint)
    last = accepted.order_by("-pk").values_list("received_at", flat=True).first()
    # The meter counts every delivery of the whole minutes after it; the log those in the rest of its own minute.
    minute = endpoint.disabled_at.replace(second=0, microsecond=0)
    later = endpoint.minutes.filter(minute__gt=minute).aggregate(sent=Sum("strangers"), last=Max("last_at"))
    same = endpoint.refusals.filter(received_at__gt=endpoint.disabled_at, received_at__lt=minute + timedelta(minutes=1))
    return RevokedEndpoint(
        endpoint=endpoint,
        last_accepted_at=last,
        accepted_since=accepted.filter(stored_at__gt=endpoint.disabled_at).count(),
        refused_since=(later["sent"] or 0) + same.count(),
        last_refused_at=later["last"] or same.aggregate(last=Max("received_at"))["last"],
    )
