"""The team's answers to IBKR's questions, over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Moment
from accounts.api.refusals import Refused
from accounts.api.views import TeamRows
from accounts.models import Role, Scope
from brokers.connections.consents import reach_of
from brokers.models import QuestionAnswer
from brokers.orders import questions
from brokers.orders.questions import AnswerRefused, Choice

PATH = "<str:message_id>"


class QuestionSerializer(serializers.Serializer[Any]):
    """One question of IBKR's. `answer`: the team's choice; `confirmed`: what IBKR is told, with Halyard's own answer where
    the team chose none. `risk`: what a yes may cost. `asked_at`, `asked_times` and `asked_text` are of the last 90 days."""

    id = serializers.CharField(source="question.message_id")
    about = serializers.CharField(source="question.about")
    risk = serializers.CharField(source="question.risk")
    known = serializers.BooleanField()
    answer = serializers.SerializerMethodField()
    confirmed = serializers.BooleanField()
    asked_times = serializers.IntegerField(source="asked.times", default=0)
    asked_at = Moment(source="asked.at", default=None, allow_null=True)
    asked_text = serializers.CharField(source="asked.text", default="", allow_blank=True)

    def get_answer(self, row: questions.Row) -> str:
        if row.chosen is None:
            return str(Choice.DEFAULT)
        return str(Choice.YES if row.chosen else Choice.NO)


class QuestionsSerializer(serializers.Serializer[Any]):
    """All that are known, that IBKR asked lately, or that the team has an answer to; those asked lately first."""

    results = QuestionSerializer(many=True)


class AnswerSerializer(serializers.Serializer[Any]):
    """`default` goes back to Halyard's own answer."""

    answer = serializers.ChoiceField(choices=[str(each) for each in Choice])


class Questions(TeamRows):
    """How the team answers the questions that IBKR asks before it takes an order."""

    queryset: QuerySet[QuestionAnswer] = QuestionAnswer.objects.all()
    serializer_class = QuestionSerializer
    pagination_class = None

    @extend_schema(responses=QuestionsSerializer)
    def list(self, request: Request) -> Response:
        """Every question, those that IBKR asked lately first."""
        for name in request.GET:
            raise Refused(f"There is no filter {name[:80]!r} here.", "unknown-filter", name[:80])
        rows = questions.rows(self.team, timezone.now())
        return Response({"results": QuestionSerializer(rows, many=True).data})

    @extend_schema(request=AnswerSerializer, responses=QuestionSerializer)
    @action(detail=False, methods=["put"], url_path=PATH, url_name="answer")
    def answer(self, request: Request, message_id: str) -> Response:
        """Answer a question by its number from now on. While real money can move, only people say yes, on the page."""
        self.allow(Scope.TRADE, Role.TRADER)
        choice = self.body(AnswerSerializer)["answer"]
        if choice == Choice.YES and reach_of(self.team):
            raise PermissionDenied(
                "A yes takes a guard of IBKR's away, and a connection of this team moves real money. Give it on the page of "
                "IBKR's questions, where you confirm who you are.",
                "yes-by-people",
            )
        now = timezone.now()
        try:
            questions.choose(team=self.team, message_id=message_id, choice=choice, actor=self.actor, now=now)
        except AnswerRefused as refused:
            raise Refused(str(refused), refused.code, "id") from refused
        return Response(QuestionSerializer(questions.row_of(self.team, message_id, now)).data)
