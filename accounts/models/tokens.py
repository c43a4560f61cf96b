"""Tokens by which programs act for people."""

from __future__ import annotations

import hashlib
import secrets

from django.db import models
from django.utils import timezone

from accounts.models.teams import Membership, Team
from accounts.models.users import User


class Scope(models.TextChoices):
    """What a token may do beyond its member's role; both have to allow it. Every token may read."""

    READ = "read", "Read"
    APPROVE = "approve", "Answer plans that wait for approval"
    TRADE = "trade", "Stop and resume trading, switch subscriptions, make and mend connections"


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
    # The owner's membership; the authentication of a request sets it.
    membership: Membership

    class Meta:
        verbose_name = "API token"
        verbose_name_plural = "API tokens"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"

    @staticmethod
    def new_secret() -> str:
        return f"hy_{secrets.token_urlsafe(32)}"
