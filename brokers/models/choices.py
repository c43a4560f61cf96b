"""Which contract a team means by a symbol that several share."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Team
from brokers.domain.orders import AssetClass
from brokers.models.columns import word


class ContractChoice(models.Model):
    """A team's word on which contract a symbol means; without a row, a symbol that several share is refused.

    `simulated` apart, since the simulator numbers contracts in its own way. Name, exchange and currency are as they were
    chosen by.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="contract_choices")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    simulated = models.BooleanField()
    asset_class = word(AssetClass)
    ticker = models.CharField(max_length=40)
    conid = models.BigIntegerField()
    name = models.CharField(max_length=120, blank=True)
    exchange = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    chosen_at = models.DateTimeField()
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = "contract chosen for a symbol"
        verbose_name_plural = "contracts chosen for symbols"
        constraints = [
            models.UniqueConstraint(
                fields=["team", "simulated", "asset_class", "ticker"], name="one_choice_per_team_and_symbol"
            ),
            models.CheckConstraint(condition=Q(conid__gt=0), name="chosen_contract_has_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.ticker} = {self.conid}"
