"""What was decided for each account, and what people answered."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, same_team
from accounts.models import Team, User
from brokers.models import Ticket, optional_amount
from strategies.models.signals import Signal
from strategies.models.subscriptions import Subscription, TermsVersion


class Decision(models.Model):
    """What one subscription made of one signal. `inputs` makes it replayable: same values in, same answer out."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PROPOSED = "proposed", "Proposed"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        # A test: what would have been ordered stands in `plan`, and nothing was.
        REHEARSED = "rehearsed", "Dry run"

    class WayOut(models.TextChoices):
        """Whether what waits is to make a position smaller, as its last look had it."""

        NO = "", "No"
        # It waits for IBKR alone: it is looked at before the entries of its team.
        FIRST = "first", "First"
        # It waits for an order, or stands behind an entry in its own instrument.
        LATER = "later", "Later"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="decisions", db_index=False)
    signal = models.ForeignKey(
        Signal, on_delete=models.PROTECT, related_name="decisions", db_constraint=False, db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="decisions", db_constraint=False, db_index=False
    )
    ticket = models.OneToOneField(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="decision", db_constraint=False
    )
    terms = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="decisions")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Above one: taken again, since what the plan before it was to cancel had filled.
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rule = models.CharField(max_length=20, blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    # While pending: what it waits for, so that a stuck decision explains itself.
    waiting_for = models.CharField(max_length=200, blank=True)
    way_out = models.CharField(
        max_length=5, choices=WayOut.choices, default=WayOut.NO, db_default="", blank=True, editable=False
    )
    inputs = models.JSONField(null=True, blank=True)
    plan = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    # While proposed: until when it can be approved. Then: who answered, and when; nobody where it expired.
    expires_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["signal", "subscription", "attempt"], name="one_decision_per_signal_subscription_and_attempt"
            ),
            models.CheckConstraint(
                condition=Q(status="accepted", ticket__isnull=False) | (~Q(status="accepted") & Q(ticket__isnull=True)),
                name="accepted_decision_has_a_ticket_and_no_other_has",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at__isnull=True)
                | (~Q(status="pending") & Q(decided_at__isnull=False)),
                name="decided_decision_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~Q(status="proposed") | Q(expires_at__isnull=False, plan__isnull=False),
                name="proposed_decision_has_a_plan_and_an_end",
            ),
            one_id_per_team("decision"),
            same_team("signal", "decision"),
            same_team("subscription", "decision"),
            same_team("ticket", "decision"),
        ]
        indexes = [
            models.Index(fields=["team", "id"], condition=Q(status="pending"), name="decisions_that_wait"),
            models.Index(
                fields=["team", "id"], condition=Q(status="pending") & ~Q(way_out=""), name="ways_out_that_wait"
            ),
            models.Index(fields=["expires_at"], condition=Q(status="proposed"), name="decisions_proposed"),
            # For filters: an accepted decision, which is what most are, pays for none.
            models.Index(
                fields=["team", "status", "id"], condition=~Q(status="accepted"), name="decisions_not_accepted"
            ),
            # How many entries a day has seen: a subscription's history grows, its day does not.
            models.Index(fields=["subscription", "decided_at"], name="decisions_by_their_moment"),
            # Those that asked somebody, newest first: the lower half of the inbox.
            models.Index(
                fields=["team", "-decided_at"], condition=Q(expires_at__isnull=False), name="decisions_that_asked"
            ),
        ]

    def __str__(self) -> str:
        return f"decision {self.code} ({self.status})"


class Approval(models.Model):
    """One person's approval of a proposed decision: who, when, from where, and of how much."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="approvals")
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="approvals", db_constraint=False)
    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Their address, kept as text: it is still known when they have gone.
    name = models.CharField(max_length=254)
    approved_at = models.DateTimeField()
    # None: the whole plan.
    quantity = optional_amount()
    address = models.GenericIPAddressField(null=True)
    # When the plan became another one: what was approved before it counts no more.
    voided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "approved_by"],
                condition=Q(voided_at__isnull=True),
                name="one_approval_per_decision_and_person",
            ),
            models.CheckConstraint(
                condition=Q(quantity=None) | Q(quantity__gt=0), name="approved_quantity_is_positive"
            ),
            same_team("decision", "approval"),
        ]

    def __str__(self) -> str:
        return f"approval of decision {self.decision_id} by {self.name}"
