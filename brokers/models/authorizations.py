"""Users on their way to IBKR's page, where they let the operator's program in."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from accounts.constraints import same_team
from accounts.models import Team, User
from brokers.models.connections import Connection


class Authorization(models.Model):
    """One way to IBKR's page and back, of one person in one browser. It is used once, and ends by the clock."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="authorizations")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The connection that is let in again; none where a new one is made.
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="authorizations", db_constraint=False
    )
    # IBKR's name for it, which comes back with the browser.
    request_token = models.CharField(max_length=200, unique=True)
    # What the browser's own session holds, hashed.
    browser_sha256 = models.CharField(max_length=64)
    # What was filled in for a new connection.
    wishes = models.JSONField(default=dict)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    # Why nothing came of it.
    problem = models.CharField(max_length=300, blank=True, default="")
    problem_code = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        verbose_name = "way to IBKR's page"
        verbose_name_plural = "ways to IBKR's page"
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("asked_at")), name="authorization_ends_after_it_began"),
            same_team("connection", "authorization"),
        ]

    def __str__(self) -> str:
        return f"authorization of user {self.user_id} until {self.expires_at}"
