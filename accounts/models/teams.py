"""Teams, who belongs to each, who is invited and who has left."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.constraints import one_of
from accounts.models.users import User


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
