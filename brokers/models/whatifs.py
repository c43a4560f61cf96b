"""What-ifs: orders that IBKR was asked to preview, and what it said of each."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.whatif.figures import OrderPreview, WhatIfStatus
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import word


class WhatIf(models.Model):
    """One order of a plan, put before IBKR's preview. The row is the question, and keeps the answer.

    Nothing is placed by it. `key` is the plan's: a decision's code, as of tickets; `position` the order's place in it.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="what_ifs")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="what_ifs", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.UUIDField()
    position = models.PositiveSmallIntegerField(default=0)
    # The order as `whatif.asking` writes it.
    request = models.JSONField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Asked because an entry's terms want it asked first; then `key` is the order's own code.
    by_policy = models.BooleanField(default=False, db_default=False)
    asked_at = models.DateTimeField(default=timezone.now)
    status = word(WhatIfStatus, default=WhatIfStatus.ASKED)
    answered_at = models.DateTimeField(null=True, blank=True)
    # What IBKR said, as `domain.whatif.figures` writes it.
    answer = models.JSONField(null=True, blank=True)
    # Why there is no answer.
    reason = models.CharField(max_length=300, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = "what-if"
        verbose_name_plural = "what-ifs"
        constraints = [
            one_id_per_team("whatif"),
            same_team("account", "whatif"),
            models.UniqueConstraint(
                fields=["key", "position"], condition=Q(status="asked"), name="one_open_what_if_per_order_of_a_plan"
            ),
            models.CheckConstraint(condition=one_of("status", WhatIfStatus), name="what_if_status_is_known"),
            models.CheckConstraint(
                condition=Q(status="asked", answered_at__isnull=True)
                | (~Q(status="asked") & Q(answered_at__isnull=False)),
                name="what_if_that_is_over_has_its_moment",
            ),
            models.CheckConstraint(
                condition=Q(status="answered", answer__isnull=False) | (~Q(status="answered") & Q(answer__isnull=True)),
                name="what_if_has_an_answer_or_has_none",
            ),
        ]
        indexes = [
            models.Index(fields=["account"], condition=Q(status="asked"), name="what_ifs_asked"),
            models.Index(fields=["key", "position", "-id"], name="what_ifs_of_a_plan"),
        ]

    def __str__(self) -> str:
        return f"what-if of {self.request.get('side')} {self.request.get('quantity')} {self.request.get('ticker')}"

    @property
    def preview(self) -> OrderPreview | None:
        return None if self.answer is None else OrderPreview.from_json(self.answer)
