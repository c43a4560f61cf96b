"""How a team answers the questions that IBKR asks before it takes an order."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Team


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
