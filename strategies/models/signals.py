"""What senders sent: signals, repeats of them, and what was refused."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, same_team
from accounts.models import Team
from strategies.domain.message.freshness import Freshness
from strategies.models.strategies import Strategy, WebhookEndpoint

# How the keys of signals sent by hand begin.
SENT_BY_HAND = "id:test-"


class Signal(models.Model):
    """One accepted webhook message. The undispatched signal is the queue."""

    # Few indexes: each is paid for by every signal. The unique (team, id) serves the lists, newest first.
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="signals", db_index=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="signals", db_constraint=False, db_index=False
    )
    # Copied from the endpoint: lists and filters ask by strategy.
    strategy = models.ForeignKey(
        Strategy, on_delete=models.PROTECT, related_name="signals", db_constraint=False, db_index=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    log_code = models.UUIDField(default=uuid.uuid4)
    key = models.CharField(max_length=140)
    body = models.TextField()
    reading = models.JSONField()
    warnings = models.JSONField(default=list)
    address = models.GenericIPAddressField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    # Copied from the reading: lists, filters and the order of signals ask for them.
    ticker = models.CharField(max_length=60)
    action = models.CharField(max_length=10)
    signal_time = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(default=timezone.now)
    # `delay`: it is handed out no earlier.
    not_before = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    # While a signal to many accounts is handed out: the subscription decided last. They follow in the order of their keys.
    fanned_out_to = models.BigIntegerField(null=True, blank=True)
    duplicates = models.PositiveIntegerField(default=0)
    # `test`: everything is planned and nothing is sent.
    is_test = models.BooleanField(default=False)
    # Why nothing will happen although it was taken: a code such as `stale-signal`, and its sentence.
    set_aside = models.CharField(max_length=60, blank=True)
    note = models.CharField(max_length=300, blank=True)
    # When body, headers and address were let go.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            one_id_per_team("signal"),
            same_team("endpoint", "signal"),
            same_team("strategy", "signal"),
        ]
        indexes = [
            models.Index(fields=["team", "id"], condition=Q(dispatched_at__isnull=True), name="signals_that_wait"),
            models.Index(fields=["team", "ticker", "-id"], name="signals_of_a_ticker"),
            models.Index(fields=["strategy", "id"], name="signals_of_a_strategy"),
            # For filters: what most signals are not, so that most pay for none of these.
            models.Index(fields=["team", "id"], condition=~Q(note="", set_aside=""), name="signals_set_aside"),
            models.Index(fields=["team", "id"], condition=Q(is_test=True), name="signals_rehearsed"),
            models.Index(fields=["team", "id"], condition=Q(duplicates__gt=0), name="signals_repeated"),
            models.Index(
                fields=["team", "action", "id"],
                condition=~Q(action__in=["buy", "sell"]),
                name="signals_of_an_action",
            ),
            # Whose body is still kept: what is to be forgotten is found without what was.
            models.Index(
                fields=["strategy", "received_at"], condition=Q(forgotten_at__isnull=True), name="signals_remembered"
            ),
            models.Index(
                fields=["strategy", "ticker", "-signal_time"],
                condition=Q(signal_time__isnull=False, set_aside=""),
                name="signals_by_their_own_time",
            ),
        ]

    def __str__(self) -> str:
        return f"signal {self.code}"

    @property
    def due_at(self) -> datetime:
        """The moment a signal's life is counted from: when it came, or when its delay was over."""
        return self.not_before or self.received_at

    def freshness(self) -> Freshness | None:
        """How old the signal may be by its own time; None for one that was sent by hand or delayed on purpose."""
        if (
            (self.signal_time is None and not self.reading.get("unreadable_time"))
            or self.key.startswith(SENT_BY_HAND)
            or self.not_before is not None
        ):
            return None
        return self.strategy.freshness()


class SeenKey(models.Model):
    """Which signal a key belongs to, until the key expires: what makes a repeated delivery a repeat.

    By strategy: while a webhook is being rotated, one signal may come through both URLs.

    A table of its own, since "the same body within 30 seconds" is a rule with an end, which a unique constraint on
    Signal could not have: ON CONFLICT takes an expired row over, and two deliveries at once are decided by its row lock.
    """

    strategy = models.ForeignKey(
        Strategy, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    key = models.CharField(max_length=140)
    signal_code = models.UUIDField()
    log_code = models.UUIDField()
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "key of a delivery"
        verbose_name_plural = "keys of deliveries"
        constraints = [models.UniqueConstraint(fields=["strategy", "key"], name="one_signal_per_strategy_and_key")]

    def __str__(self) -> str:
        return f"{self.key} until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class Repeat(models.Model):
    """A delivery of a signal that we had already: answered with the first one's id, and trading nothing."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="repeats")
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="repeats", db_constraint=False)
    log_code = models.UUIDField(unique=True)
    address = models.GenericIPAddressField(null=True)
    headers = models.JSONField(default=dict)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "repeated delivery"
        verbose_name_plural = "repeated deliveries"
        constraints = [same_team("signal", "repeat")]

    def __str__(self) -> str:
        return f"repeat of {self.signal_id}"


class Refusal(models.Model):
    """A delivery that did not become a signal, and why: the sender sees a code, the owner sees this row."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="refusals", db_index=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="refusals", db_constraint=False, db_index=False
    )
    log_code = models.UUIDField(default=uuid.uuid4, unique=True)
    status = models.PositiveSmallIntegerField()
    message_code = models.CharField(max_length=60)
    sentence = models.CharField(max_length=400)
    field = models.CharField(max_length=60, blank=True)
    # What was sent (of a stranger the first part only); never the password, which is in the URL and not kept.
    body = models.TextField(blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "refused delivery"
        verbose_name_plural = "refused deliveries"
        constraints = [same_team("endpoint", "refusal")]
        indexes = [
            models.Index(fields=["team", "-id"], name="refusals_newest_first"),
            models.Index(fields=["endpoint", "-id"], name="refusals_of_a_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.message_code}"
