"""Strategies and the webhooks that senders post to."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.models import word
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.symbols import Kind


class Strategy(models.Model):
    """A named source of signals of one team."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="strategies")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    asset_class = word(Kind, default=Kind.STOCK)
    allowed_tickers = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)
    # Whether its team was closed: here, so that the webhook sees it without another table.
    team_closed = models.BooleanField(default=False, db_default=False, editable=False)
    # The same body without a `time` again within these seconds is a repeated delivery, not a new signal.
    repeat_window_seconds = models.PositiveIntegerField(default=30)
    # How old a signal may be by its own `time` to open a position, or to leave one.
    entry_stale_seconds = models.PositiveIntegerField(default=60)
    exit_stale_seconds = models.PositiveIntegerField(default=600)
    # Who may send: nothing here means anybody who has the URL.
    tradingview_only = models.BooleanField(default=False)
    allowed_addresses = models.JSONField(default=list, blank=True)
    signature_required = models.BooleanField(default=False)
    # Deliveries that each webhook URL takes; exits and cancels have a third of it to themselves.
    per_minute = models.PositiveIntegerField(default=60)
    per_hour = models.PositiveIntegerField(default=500)
    # How long bodies, headers and addresses are kept; None: as long as the installation says.
    keep_days = models.PositiveIntegerField(null=True, blank=True)
    # What a new subscription starts with, as terms; None: what Halyard starts with. Linked ones follow every change.
    defaults = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "strategy"
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_strategy_per_team_and_name"),
            models.CheckConstraint(condition=one_of("asset_class", Kind), name="strategy_asset_class_is_known"),
            models.CheckConstraint(
                condition=Q(per_minute__gt=0, per_hour__gt=0), name="strategy_takes_some_deliveries"
            ),
            one_id_per_team("strategy"),
        ]

    def __str__(self) -> str:
        return self.name

    def freshness(self) -> Freshness:
        """How old a signal may be by its own time, in seconds."""
        return Freshness(entry_seconds=self.entry_stale_seconds, exit_seconds=self.exit_stale_seconds)


class WebhookEndpoint(models.Model):
    """A secret URL of a strategy. Its password is derived from `code` and a server key, and stored nowhere."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="endpoints")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="endpoints", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "webhook URL"
        verbose_name_plural = "webhook URLs"
        constraints = [one_id_per_team("endpoint"), same_team("strategy", "endpoint")]

    def __str__(self) -> str:
        return f"webhook {self.code}"


class WebhookMinute(models.Model):
    """What one webhook URL was sent within one minute: the meter that limits it, and its last use."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="minutes", db_index=False)
    minute = models.DateTimeField()
    taken = models.PositiveIntegerField(default=0)
    exits = models.PositiveIntegerField(default=0)
    # Of those taken: refused for what they said, and refused because of the limit.
    refused = models.PositiveIntegerField(default=0)
    over = models.PositiveIntegerField(default=0)
    # Deliveries with a wrong password count for nothing but this: a stranger must not use up the owner's limit.
    strangers = models.PositiveIntegerField(default=0)
    old_key = models.PositiveIntegerField(default=0)
    # The sums of the minute and of the hour before this minute, written when it begins.
    taken_minute_before = models.PositiveIntegerField(default=0)
    taken_hour_before = models.PositiveIntegerField(default=0)
    exits_minute_before = models.PositiveIntegerField(default=0)
    exits_hour_before = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = "minute of a webhook URL"
        verbose_name_plural = "minutes of webhook URLs"
        constraints = [models.UniqueConstraint(fields=["endpoint", "minute"], name="one_meter_per_endpoint_and_minute")]

    def __str__(self) -> str:
        return f"{self.taken} at {self.minute:%Y-%m-%d %H:%M}"
