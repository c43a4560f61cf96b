"""People, teams, roles, invitations, tokens, and the audit trail."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.constraints import one_of
from accounts.vault.fields import SealedField


class UserManager(BaseUserManager["User"]):
    """Users are made by e-mail address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person. The e-mail address is the login, whatever its letter case."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail", unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    # An account that was deleted stays as a row without a way in: what the person did still names it, as text.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email_in_any_letter_case"),
            models.CheckConstraint(
                condition=models.Q(deleted_at=None) | models.Q(is_active=False, is_staff=False, is_superuser=False),
                name="deleted_person_never_signs_in",
            ),
        ]

    def __str__(self) -> str:
        return self.email


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    TRADER = "trader", "Trader"
    APPROVER = "approver", "Approver"
    VIEWER = "viewer", "Viewer"


# Smallest first: each role may do all that the roles before it may.
RANK: dict[Role, int] = {Role.VIEWER: 0, Role.APPROVER: 1, Role.TRADER: 2, Role.OWNER: 3}


class ApprovalPolicy(models.TextChoices):
    """Whose approval a plan needs where its subscription asks before it sends."""

    ANYBODY = "anybody", "Anybody who may approve"
    ANOTHER = "another", "Somebody who did not set the subscription up"
    TWO = "two", "Two different people"


class Team(models.Model):
    """The tenant. Everything else belongs to exactly one."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")
    # The team of `manage.py demo`, whose sign-in stands on a terminal: it never holds a live connection.
    is_demo = models.BooleanField(default=False, db_default=False, editable=False)
    # The least role that needs a second factor here; empty when none does. And the least role that may stop trading.
    second_factor_from = models.CharField(max_length=10, choices=Role.choices, blank=True, default="", db_default="")
    stops_from = models.CharField(max_length=10, choices=Role.choices, default=Role.TRADER, db_default=Role.TRADER)
    approval_policy = models.CharField(
        max_length=10,
        choices=ApprovalPolicy.choices,
        default=ApprovalPolicy.ANYBODY,
        db_default=ApprovalPolicy.ANYBODY,
    )
    # Closed by an owner, who stays as text; open again when it is empty. Then its rows were removed for good.
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_by = models.CharField(max_length=254, blank=True, default="", db_default="", editable=False)
    emptied_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(emptied_at=None) | models.Q(closed_at__isnull=False), name="emptied_team_is_closed"
            ),
            models.CheckConstraint(
                condition=one_of("second_factor_from", ["", *Role.values]), name="team_second_factor_from_is_known"
            ),
            models.CheckConstraint(
                condition=one_of("stops_from", [Role.TRADER, Role.APPROVER, Role.VIEWER]),
                name="team_stops_from_is_known",
            ),
            models.CheckConstraint(
                condition=one_of("approval_policy", ApprovalPolicy.values), name="team_approval_policy_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kept_days(self) -> int:
        """How long the history of a closed team is kept."""
        days: int = settings.KEEP_CLOSED_TEAMS_DAYS
        return days

    @property
    def removed_at(self) -> datetime | None:
        """When the rows of a closed team are removed."""
        return self.closed_at + timedelta(days=self.kept_days) if self.closed_at else None


class Membership(models.Model):
    """One person's role in one team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)
    # Whether an e-mail tells this member of plans that wait; when the last one went, and the newest plan it named.
    mail_approvals = models.BooleanField(default=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    mailed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team_and_user"),
            models.CheckConstraint(condition=one_of("role", Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id} as {self.role}"

    def may(self, role: Role) -> bool:
        """True when this member may do what `role` may do."""
        return RANK[Role(self.role)] >= RANK[role]

    @property
    def may_stop(self) -> bool:
        """True when the team lets this member stop trading."""
        return self.may(Role(self.team.stops_from))

    @property
    def needs_second_factor(self) -> bool:
        """True when the team asks this member's role for a second factor."""
        return bool(self.team.second_factor_from) and self.may(Role(self.team.second_factor_from))


class Invitation(models.Model):
    """A link that lets its holder join a team once, until it expires."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=10, choices=Role.choices)
    note = models.CharField(max_length=120, blank=True)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=one_of("role", Role.values), name="invitation_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.team_id}"


class Leaving(models.TextChoices):
    """How somebody departed."""

    REMOVED = "removed", "was taken out of the team"
    LEFT = "left", "has left the team"
    DEMOTED = "demoted", "has another role now"
    SWITCHED_OFF = "switched-off", "was switched off by the operator"


class Departure(models.Model):
    """Somebody who could trade in a team left it, lost rank in it or was switched off; owners may rotate what they knew."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="departures")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The person may be gone for good one day; their address stays as text.
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    email = models.EmailField()
    how = models.CharField(max_length=12, choices=Leaving.choices)
    role_before = models.CharField(max_length=10, choices=Role.choices)
    role_after = models.CharField(max_length=10, choices=Role.choices, blank=True, default="")
    at = models.DateTimeField()
    # When an owner rotated what the person knew, or said that nothing needs it.
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=one_of("how", Leaving.values), name="departure_how_is_known"),
            models.CheckConstraint(condition=one_of("role_before", Role.values), name="departure_role_before_is_known"),
            models.CheckConstraint(
                condition=one_of("role_after", ["", *Role.values]), name="departure_role_after_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} {self.get_how_display()}"


class Scope(models.TextChoices):
    """What a token may do beyond its member's role; both have to allow it. Every token may read."""

    READ = "read", "Read"
    APPROVE = "approve", "Answer plans that wait for approval"
    TRADE = "trade", "Stop and resume trading, enable and disable subscriptions"


def hashed(token: str) -> str:
    """The digest that is stored of a token. Tokens are long and random, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiToken(models.Model):
    """A key to the REST API of one team. Only its digest is kept; `prefix` lets people tell tokens apart."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=8)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # The owner's membership, set by whoever has let the token in.
    membership: Membership

    class Meta:
        verbose_name = "API token"
        verbose_name_plural = "API tokens"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"

    @staticmethod
    def new_secret() -> str:
        return f"hy_{secrets.token_urlsafe(32)}"


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
