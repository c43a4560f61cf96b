"""The record of who did what: entries chained one to the next."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from accounts.constraints import one_of
from accounts.models.teams import Team
from accounts.models.users import User
from accounts.vault.fields import SealedField


class AuditKey(models.Model):
    """A key that entries of the audit are signed with. It is random, and stored under HALYARD_ENCRYPTION_KEYS."""

    secret = SealedField()
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "key of the audit"
        verbose_name_plural = "keys of the audit"

    def __str__(self) -> str:
        return f"audit key {self.pk}"


class ChainKind(models.TextChoices):
    INSTALLATION = "installation", "This installation"
    TEAM = "team", "Team"
    PERSON = "person", "Person"


class AuditChain(models.Model):
    """One chain of audit entries, and where it ends. Appending to a chain locks its row, and no other chain's."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=ChainKind.choices)
    # A team or a person may be gone one day; what they were called stays.
    team = models.OneToOneField(Team, null=True, on_delete=models.SET_NULL, related_name="audit_chain")
    person = models.OneToOneField(User, null=True, on_delete=models.SET_NULL, related_name="audit_chain")
    name = models.CharField(max_length=254)
    # The last entry, and the last of those that were removed lawfully; `seal` covers all four.
    number = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True, default="")
    removed_number = models.PositiveBigIntegerField(default=0)
    removed_head = models.CharField(max_length=64, blank=True, default="")
    key = models.ForeignKey(AuditKey, null=True, on_delete=models.PROTECT, related_name="+")
    seal = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name = "audit chain"
        constraints = [
            models.CheckConstraint(condition=one_of("kind", ChainKind.values), name="audit_chain_kind_is_known"),
            models.CheckConstraint(
                condition=models.Q(removed_number__lte=models.F("number")), name="audit_chain_removes_only_what_was"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class AuditEntry(models.Model):
    """One action, append-only: who did what, from where, by what. Each is signed together with the one before it."""

    chain = models.ForeignKey(AuditChain, on_delete=models.PROTECT, related_name="entries")
    number = models.PositiveBigIntegerField()
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="audit_entries")
    # The account, while there is one; and what it was called then, which stays.
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=254, blank=True, default="")
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=120)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True, default="")
    origin = models.CharField(max_length=120, blank=True, default="")
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, unique=True)
    key = models.ForeignKey(AuditKey, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        constraints = [
            models.UniqueConstraint(fields=["chain", "number"], name="audit_chain_never_forks"),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="audit_newest_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
