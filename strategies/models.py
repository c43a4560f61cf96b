"""What we are told, and what we make of it: strategies, webhooks, signals, subscriptions, decisions."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team, User
from brokers.domain.orders import AssetClass
from brokers.models import BrokerageAccount, Ticket, word
from strategies.domain.plan import Terms


class Strategy(models.Model):
    """A named source of signals of one team."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="strategies")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    asset_class = word(AssetClass, default=AssetClass.STOCK)
    allowed_tickers = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)
    # The same body again within this time is a repeated delivery, not a new signal.
    repeat_window_seconds = models.PositiveIntegerField(default=30)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_strategy_per_team_and_name"),
            models.CheckConstraint(condition=one_of("asset_class", AssetClass), name="strategy_asset_class_is_known"),
            one_id_per_team("strategy"),
        ]

    def __str__(self) -> str:
        return self.name


class WebhookEndpoint(models.Model):
    """A secret URL of a strategy. Its password is derived from `code` and a server key, and stored nowhere."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="endpoints")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="endpoints", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [one_id_per_team("endpoint"), same_team("strategy", "endpoint")]

    def __str__(self) -> str:
        return f"webhook {self.code}"


class Subscription(models.Model):
    """A strategy followed by one brokerage account, on terms."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="subscriptions")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="subscriptions", db_constraint=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="subscriptions", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enabled = models.BooleanField(default=False)
    auto_submit = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    terms = models.ForeignKey("TermsVersion", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["strategy", "account"], name="one_subscription_per_strategy_and_account"),
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(terms__isnull=False), name="enabled_subscription_has_terms"
            ),
            one_id_per_team("subscription"),
            same_team("strategy", "subscription"),
            same_team("account", "subscription"),
        ]

    def __str__(self) -> str:
        return f"subscription {self.code}"


class TermsVersion(models.Model):
    """Immutable: the terms of a subscription from the moment they were set."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="terms_versions")
    number = models.PositiveIntegerField()
    values = models.JSONField()
    set_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "number"], name="one_terms_version_per_number")]

    def __str__(self) -> str:
        return f"terms {self.number} of subscription {self.subscription_id}"

    def value(self) -> Terms:
        return Terms.from_json(self.values)


class Signal(models.Model):
    """One accepted webhook message. The undispatched signal is the queue."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="signals")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="signals", db_constraint=False)
    # Copied from the endpoint: lists and filters ask by strategy.
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="signals", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    log_code = models.UUIDField(default=uuid.uuid4)
    key = models.CharField(max_length=140)
    body = models.TextField()
    reading = models.JSONField()
    warnings = models.JSONField(default=list)
    address = models.GenericIPAddressField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    duplicates = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            one_id_per_team("signal"),
            same_team("endpoint", "signal"),
            same_team("strategy", "signal"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(dispatched_at__isnull=True), name="signals_waiting"),
            models.Index(fields=["team", "-id"], name="signals_newest_first"),
        ]

    def __str__(self) -> str:
        return f"signal {self.code}"


class SeenKey(models.Model):
    """Which signal a key belongs to, until the key expires: what makes a repeated delivery a repeat.

    A table of its own, since "the same body within 30 seconds" is a rule with an end, which a unique constraint on
    Signal could not have: ON CONFLICT takes an expired row over, and two deliveries at once are decided by its row lock.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    key = models.CharField(max_length=140)
    signal_code = models.UUIDField()
    log_code = models.UUIDField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "key"], name="one_signal_per_endpoint_and_key")]

    def __str__(self) -> str:
        return f"{self.key} until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class Refusal(models.Model):
    """A delivery that did not become a signal, and why: the sender sees a code, the owner sees this row."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="refusals")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="refusals", db_constraint=False
    )
    log_code = models.UUIDField(default=uuid.uuid4, unique=True)
    status = models.PositiveSmallIntegerField()
    message_code = models.CharField(max_length=60)
    sentence = models.CharField(max_length=400)
    field = models.CharField(max_length=60, blank=True)
    # The first part of what was sent; never the password, which is in the URL and not kept.
    body = models.TextField(blank=True)
    address = models.GenericIPAddressField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [same_team("endpoint", "refusal")]
        indexes = [models.Index(fields=["team", "-id"], name="refusals_newest_first")]

    def __str__(self) -> str:
        return f"{self.status} {self.message_code}"


class Decision(models.Model):
    """What one subscription made of one signal. `inputs` makes it replayable: same values in, same answer out."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PROPOSED = "proposed", "Proposed"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="decisions")
    signal = models.ForeignKey(Signal, on_delete=models.PROTECT, related_name="decisions", db_constraint=False)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="decisions", db_constraint=False
    )
    ticket = models.OneToOneField(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="decision", db_constraint=False
    )
    terms = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="decisions")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rule = models.CharField(max_length=20, blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    # While pending: what it waits for, so that a stuck decision explains itself.
    waiting_for = models.CharField(max_length=200, blank=True)
    inputs = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["signal", "subscription"], name="one_decision_per_signal_and_subscription"),
            models.CheckConstraint(
                condition=Q(status="accepted", ticket__isnull=False) | (~Q(status="accepted") & Q(ticket__isnull=True)),
                name="accepted_decision_has_a_ticket_and_no_other_has",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at__isnull=True)
                | (~Q(status="pending") & Q(decided_at__isnull=False)),
                name="decided_decision_has_its_moment",
            ),
            one_id_per_team("decision"),
            same_team("signal", "decision"),
            same_team("subscription", "decision"),
            same_team("ticket", "decision"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="pending"), name="decisions_pending"),
            models.Index(fields=["team", "-id"], name="decisions_newest_first"),
        ]

    def __str__(self) -> str:
        return f"decision {self.code} ({self.status})"
