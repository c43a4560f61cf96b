"""How a team answers the questions that IBKR asks before it takes an order, and which it is told not to ask."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Team
from brokers.models.connections import Connection


class QuestionAnswer(models.Model):
    """A team's own answer to one question of IBKR's; without a row the answer is Halyard's."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="question_answers")
    message_id = models.CharField(max_length=9)
    confirmed = models.BooleanField()
    chosen_at = models.DateTimeField()
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = "answer to a question"
        verbose_name_plural = "answers to questions"
        constraints = [
            models.UniqueConstraint(fields=["team", "message_id"], name="one_answer_per_team_and_question"),
            models.CheckConstraint(condition=Q(message_id__regex=r"^[a-z][0-9]{1,8}$"), name="question_has_an_id"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id}: {'yes' if self.confirmed else 'no'}"


class Suppression(models.Model):
    """Append-only: what IBKR was told not to ask for the rest of a session, written down before it is told.

    The last row of a connection counts; without numbers, everything is asked.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="suppressions")
    message_ids = ArrayField(models.CharField(max_length=9))
    asked_at = models.DateTimeField()
    # None until IBKR has answered. Without a yes of IBKR's nobody knows whether it asks.
    confirmed = models.BooleanField(null=True, blank=True)
    # IBKR's word, or why there is none.
    answer = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "suppression of questions"
        verbose_name_plural = "suppressions of questions"
        constraints = [
            # IBKR takes no more.
            models.CheckConstraint(condition=Q(message_ids__len__lte=51), name="at_most_51_questions_suppressed"),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id}: {', '.join(self.message_ids) or 'none'} at {self.asked_at:%Y-%m-%d %H:%M:%S}"
