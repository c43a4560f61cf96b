"""The token that signs a connection's requests for a day."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.vault.fields import Sealed, SealedField
from brokers.models.connections import Connection


class LiveSessionToken(models.Model):
    """What the processes of one connection sign with; asked for by one of them, and found here by the others."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="live_session_token")
    token = SealedField(blank=True, default=Sealed)
    made_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # Until then somebody is asking for a new one, and nobody else need.
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "live session token"
        constraints = [
            models.CheckConstraint(
                condition=Q(made_at__isnull=True, expires_at__isnull=True) | Q(expires_at__gt=F("made_at")),
                name="live_session_token_ends_after_it_began",
            )
        ]

    def __str__(self) -> str:
        return f"token of connection {self.connection_id} until {self.expires_at}"
