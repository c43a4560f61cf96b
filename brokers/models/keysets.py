"""Keys in the making: what a connection will sign with, before IBKR has given it a token."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_of, same_team
from accounts.models import Team, User
from accounts.vault.fields import Sealed, SealedField
from brokers.domain.tokens import KeyStep
from brokers.models.columns import word
from brokers.models.connections import Connection


class KeySet(models.Model):
    """Two RSA keys and a Diffie-Hellman prime that Halyard makes for a team. The row is the queue; it goes once the keys are
    a connection's."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="key_sets")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The connection that is to sign with them; none where they are for a new one.
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="key_sets", db_constraint=False
    )
    # Nine letters that IBKR's page may be given.
    consumer_key = models.CharField(max_length=9)
    keys = SealedField(blank=True, default=Sealed)
    step = word(KeyStep, default=KeyStep.WAITING)
    step_at = models.DateTimeField(default=timezone.now)
    # Set while a process makes them; who died at it is not waited for longer than this.
    in_hand = models.BooleanField(default=False)
    in_hand_until = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "set of keys in the making"
        verbose_name_plural = "sets of keys in the making"
        constraints = [
            # A prime takes a core for a minute.
            models.UniqueConstraint(
                fields=["in_hand"], condition=Q(in_hand=True), name="one_key_set_is_made_at_a_time"
            ),
            models.CheckConstraint(condition=one_of("step", KeyStep), name="key_set_step_is_known"),
            same_team("connection", "key_set"),
        ]

    def __str__(self) -> str:
        return f"keys of team {self.team_id}, {self.step}"
