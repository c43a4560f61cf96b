"""Positions closed by the clock: when, for each level that has a guard, and what each close came to."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from strategies.domain.clockwork import MOST_MINUTES, Schedule
from strategies.models.subscriptions import Guard

_ALL_DAYS = 7


class FlattenRule(models.Model):
    """When the positions of a guard's level are closed: so many minutes before US shares close, or at a time in a zone."""

    guard = models.OneToOneField(Guard, on_delete=models.CASCADE, related_name="flatten_rule")
    minutes_before_close = models.PositiveSmallIntegerField(null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    # Weekdays as bits, Monday the lowest.
    days = models.PositiveSmallIntegerField()
    set_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # What came due before was nobody's wish.
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(minutes_before_close__gt=0, minutes_before_close__lte=MOST_MINUTES, at=None, zone="")
                | Q(minutes_before_close=None, at__isnull=False) & ~Q(zone=""),
                name="flatten_rule_is_before_the_close_or_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(days__gt=0, days__lt=2**_ALL_DAYS), name="flatten_rule_has_days_of_the_week"
            ),
        ]

    def __str__(self) -> str:
        return f"flatten of {self.guard_id}"

    def schedule(self) -> Schedule:
        return Schedule(
            days=frozenset(day for day in range(_ALL_DAYS) if self.days >> day & 1),
            minutes_before_close=self.minutes_before_close,
            at=self.at,
            zone=self.zone,
        )


class FlattenRun(models.Model):
    """One close of a level by the clock, written before anything is done: it happens once, whoever dies in between."""

    class Status(models.TextChoices):
        BEGUN = "begun", "Begun"
        # Its time was over before Halyard could begin.
        MISSED = "missed", "Missed"

    guard = models.ForeignKey(Guard, on_delete=models.CASCADE, related_name="flatten_runs")
    due_at = models.DateTimeField()
    at = models.DateTimeField()
    status = models.CharField(max_length=6, choices=Status.choices)
    closing = models.PositiveIntegerField(default=0)
    canceled = models.PositiveIntegerField(default=0)
    # Of positions that Halyard has no orders for, why they stay.
    stays = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["guard", "due_at"], name="one_flatten_per_guard_and_moment"),
            models.CheckConstraint(condition=Q(status__in=["begun", "missed"]), name="flatten_status_is_known"),
            models.CheckConstraint(condition=Q(at__gte=F("due_at")), name="flatten_is_no_earlier_than_due"),
            models.CheckConstraint(
                condition=Q(status="begun") | Q(closing=0, canceled=0), name="missed_flatten_has_done_nothing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status}: {self.due_at:%Y-%m-%d %H:%M}"
