"""A team's answers to IBKR's questions: kept, asked for by the lanes, and shown beside what IBKR asked lately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from accounts import audit
from accounts.models import Team, User
from accounts.refusals import Refusal
from brokers.domain.questions import CANCELS_ALL, KNOWN, MESSAGE_ID, Known
from brokers.models import QuestionAnswer, SubmissionAttempt
from brokers.orders.unasked import wishes

# How far back the page looks for questions that IBKR asked, and at how many of them at most.
SHOWN_FOR = timedelta(days=90)
MOST_SHOWN = 500
# IBKR knows about twenty; whoever calls an address by hand fills no table.
MOST_ANSWERS = 200
_NAMED = {each.message_id: each for each in KNOWN}


class Choice(StrEnum):
    YES = "yes"
    NO = "no"
    DEFAULT = "default"


class AnswerRefused(Refusal):
    """An answer is not kept."""


@dataclass
class Asked:
    """How often IBKR asked a question of the team lately, when last, and with which words."""

    times: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A question on the page: what is known of it, what the team chose, and when IBKR asked it."""

    question: Known
    known: bool
    chosen: bool | None
    asked: Asked | None

    @property
    def confirmed(self) -> bool:
        return self.question.confirmed if self.chosen is None else self.chosen


def chosen_by(team_id: int) -> dict[str, bool]:
    """The team's own answers by message id."""
    return dict(QuestionAnswer.objects.filter(team=team_id).values_list("message_id", "confirmed"))


def asked_to_cancel_all(team_id: int) -> set[str]:
    """The message ids under which IBKR has ever asked the team whether to cancel all open orders."""
    replies = SubmissionAttempt.objects.filter(
        order__team=team_id, kind=SubmissionAttempt.Kind.REPLY, request__question__iregex=CANCELS_ALL
    )
    return {str(each) for request in replies.values_list("request", flat=True) for each in request.get("messages", ())}


@transaction.atomic
def choose(*, team: Team, message_id: str, choice: str, actor: User | None, now: datetime) -> Choice:
    """Keep a team's answer, or go back to Halyard's; raises AnswerRefused."""
    if choice not in {str(each) for each in Choice}:
        raise AnswerRefused("Choose an answer: yes, no, or Halyard's own.", "unknown-choice")
    if not MESSAGE_ID.fullmatch(message_id):
        raise AnswerRefused("A question is named by a letter and a number, as in o354.", "unknown-question")
    rows = QuestionAnswer.objects.filter(team=team)
    before = rows.filter(message_id=message_id).values_list("confirmed", flat=True).first()
    if choice == Choice.DEFAULT:
        rows.filter(message_id=message_id).delete()
    elif before is None and rows.count() >= MOST_ANSWERS:
        raise AnswerRefused("The team has answers to too many questions; take one back first.", "too-many-answers")
    else:
        values = {"confirmed": choice == Choice.YES, "chosen_at": now, "chosen_by": actor}
        QuestionAnswer.objects.update_or_create(team=team, message_id=message_id, defaults=values)
    wishes.wish(team.connections.filter(suppresses_questions=True), now)
    audit.record(
        team=team,
        actor=actor,
        action="question.answer",
        subject=message_id,
        before={"confirmed": before},
        after={"confirmed": None if choice == Choice.DEFAULT else choice == Choice.YES},
        now=now,
    )
    return Choice(choice)


def rows(team: Team, now: datetime) -> list[Row]:
    """Every question that is known, was asked lately, or has an answer of the team's; those asked lately first."""
    asked, chosen = _asked(team, now), chosen_by(team.pk)
    unknown = sorted((asked.keys() | chosen.keys()) - _NAMED.keys())
    made = [_row(each, chosen, asked) for each in [*_NAMED, *unknown]]
    return sorted(made, key=lambda row: row.asked is None)


def row_of(team: Team, message_id: str, now: datetime) -> Row:
    """One question, whether or not anything is known of it."""
    return _row(message_id, chosen_by(team.pk), _asked(team, now))


def _row(message_id: str, chosen: Mapping[str, bool], asked: Mapping[str, Asked]) -> Row:
    known = _NAMED.get(message_id)
    question = known or Known(message_id, "Not known to Halyard", "What a yes may cost is not known.")
    return Row(question, known is not None, chosen.get(message_id), asked.get(message_id))


def _asked(team: Team, now: datetime) -> dict[str, Asked]:
    by_id: dict[str, Asked] = {}
    for at, text, message_id in _replies(team, now):
        latest = by_id.setdefault(message_id, Asked(times=0, at=at, text=text))
        latest.times += 1
    return by_id


def _replies(team: Team, now: datetime) -> Iterator[tuple[datetime, str, str]]:
    """Each question of a reply that left, newest first."""
    replies = SubmissionAttempt.objects.filter(
        order__team=team, kind=SubmissionAttempt.Kind.REPLY, sent_at__gte=now - SHOWN_FOR
    ).order_by("-pk")
    for at, request in replies.values_list("sent_at", "request")[:MOST_SHOWN]:
        for message_id in request.get("messages", ()):
            if MESSAGE_ID.fullmatch(str(message_id)):
                yield at, str(request.get("question", "")), str(message_id)
