"""How a team answers the questions that IBKR asks before it takes an order, which it is told not to ask, and what IBKR
only tells."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.constraints import one_of, same_team
from accounts.models import Team
from brokers.domain.questions import Topic
from brokers.models.columns import word
from brokers.models.connections import Connection
from brokers.models.orders import Order
from brokers.models.records import SubmissionAttempt


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


class OrderPrompt(models.Model):
    """One prompt of IBKR's about an order: a question with options, of which one is said back, once.

    It may come as the answer to an order, by the live stream, or both ways: the row is made by whichever is first.
    """

    class By(models.TextChoices):
        ANSWER = "answer", "As the answer to the order"
        STREAM = "stream", "By the live stream"

    class Verdict(models.TextChoices):
        OPEN = "", "Not looked at yet"
        ANSWERED = "answered", "Answered"
        LEFT = "left", "Left to a person"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="prompts")
    # IBKR's numbers of the order and of the request: both are said back.
    broker_order_id = models.CharField(max_length=32)
    request_id = models.CharField(max_length=64)
    message_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    text = models.CharField(max_length=1000, blank=True, default="", db_default="")
    options = ArrayField(models.CharField(max_length=120), size=10, default=list)
    by = models.CharField(max_length=6, choices=By.choices)
    seen_at = models.DateTimeField()
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True, default="", db_default="")
    # Ours that it is about, once that is known; and what was said, where something was.
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="prompts")
    attempt = models.OneToOneField(SubmissionAttempt, null=True, blank=True, on_delete=models.CASCADE)

    class Meta:
        verbose_name = "prompt about an order"
        verbose_name_plural = "prompts about orders"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "broker_order_id", "request_id"], name="one_row_per_prompt_of_an_order"
            ),
            models.CheckConstraint(condition=Q(verdict__in=["", "answered", "left"]), name="prompt_verdict_is_known"),
            models.CheckConstraint(condition=Q(by__in=["answer", "stream"]), name="prompt_came_by_a_known_way"),
            models.CheckConstraint(
                condition=Q(verdict="") | Q(order__isnull=False), name="judged_prompt_has_its_order"
            ),
            models.CheckConstraint(
                condition=Q(verdict="answered", attempt__isnull=False) | (~Q(verdict="answered") & Q(attempt=None)),
                name="answered_prompt_has_its_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["connection"], condition=Q(verdict=""), name="prompts_to_answer"),
            models.Index(fields=["seen_at"], condition=Q(verdict="left"), name="prompts_left_to_people"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id or 'prompt'} about {self.broker_order_id}: {self.verdict or 'open'}"


class BrokerMessage(models.Model):
    """What IBKR told a user by the live stream and wants no answer to: a notice, or a bulletin to everybody.

    The same message that comes again is one row.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="broker_messages", db_index=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="messages", db_constraint=False)
    topic = word(Topic)
    # IBKR's own number of it, else what its words come to.
    key = models.CharField(max_length=64)
    title = models.CharField(max_length=200, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    # A page of IBKR's own; "" where it named none, or somebody else's.
    url = models.CharField(max_length=300, blank=True)
    first_seen_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = "message of IBKR's"
        verbose_name_plural = "messages of IBKR's"
        constraints = [
            same_team("connection", "brokermessage"),
            models.UniqueConstraint(fields=["connection", "topic", "key"], name="one_row_per_message_of_ibkrs"),
            models.CheckConstraint(condition=one_of("topic", Topic), name="broker_message_topic_is_known"),
            models.CheckConstraint(condition=~Q(title="", text=""), name="broker_message_says_something"),
        ]
        indexes = [models.Index(fields=["team", "-id"], name="messages_newest_first")]

    def __str__(self) -> str:
        return self.title or self.text[:60]
