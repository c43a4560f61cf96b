"""What is done every so often, and when it was begun last."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ScheduledTask(models.Model):
    """One recurring task. Every worker asks for what is due; the row lets one of them begin it."""

    name = models.CharField(primary_key=True, max_length=80)
    period_seconds = models.FloatField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="scheduled_period_is_positive", condition=Q(period_seconds__gt=0))]

    def __str__(self) -> str:
        return self.name
