"""Which subscription an order was for that a person adopted."""

from __future__ import annotations

from django.db import models

from accounts.constraints import same_team
from accounts.models import Team, User
from brokers.models import Ticket
from strategies.models.subscriptions import Subscription


class Adoption(models.Model):
    """A person's word on whose an adopted order is: its decision was lost with its rows.

    Without one it counts as an order of every subscription of its account, as one that was placed by hand does.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="adoptions")
    ticket = models.OneToOneField(Ticket, on_delete=models.CASCADE, related_name="adoption")
    # None: no subscription of Halyard's asked for it.
    subscription = models.ForeignKey(
        Subscription, null=True, blank=True, on_delete=models.CASCADE, related_name="adoptions", db_constraint=False
    )
    chosen_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    chosen_at = models.DateTimeField()

    class Meta:
        constraints = [
            same_team("ticket", "adoption"),
            same_team("subscription", "adoption"),
        ]

    def __str__(self) -> str:
        return f"{self.ticket_id}: {self.subscription_id or 'none'}"
