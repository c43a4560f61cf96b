"""IBKR's questions before it takes an order, and how the team answers each."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import membership_for, row_for
from accounts.entrance.step_up import require_step_up
from accounts.models import Role, Team
from accounts.pages.requests import actor_of
from brokers.domain.sessions import Environment
from brokers.models import Connection
from brokers.orders import questions as answers
from brokers.orders.questions import AnswerRefused, Choice
from brokers.orders.unasked import suppressions

_DONE = {
    Choice.YES: "Question {id} is answered with yes from now on.",
    Choice.NO: "Question {id} is answered with no from now on, and its order is not placed.",
    Choice.DEFAULT: "Question {id} is answered as Halyard answers it by itself.",
}


@require_http_methods(["GET", "POST"])
def questions(request: HttpRequest, team_code: UUID) -> HttpResponse:
    role = Role.TRADER if request.method == "POST" else Role.VIEWER
    membership = membership_for(request.user, team_code, role)
    if request.method == "POST":
        return _choose(request, membership.team)
    rows = answers.rows(membership.team, timezone.now())
    context = {"rows": rows, "may_trade": membership.may(Role.TRADER)}
    return render(request, "brokers/questions.html", context)


def _choose(request: HttpRequest, team: Team) -> HttpResponse:
    message_id, choice = request.POST.get("message_id", "").strip(), request.POST.get("answer", "")
    if choice == Choice.YES:
        require_step_up(request)
    try:
        kept = answers.choose(
            team=team, message_id=message_id, choice=choice, actor=actor_of(request), now=timezone.now()
        )
    except AnswerRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
    else:
        messages.success(request, _DONE[kept].format(id=message_id))
    return redirect("questions", team.code)


@require_POST
def connection_unasked(request: HttpRequest, team_code: UUID, connection_code: UUID) -> HttpResponse:
    """Whether IBKR is told not to ask what the team always answers with yes."""
    connection = row_for(request.user, team_code, Connection.objects.all(), connection_code, Role.TRADER)
    suppresses = request.POST.get("suppresses_questions") == "yes"
    if suppresses and connection.environment == Environment.LIVE:
        require_step_up(request)
    suppressions.switch(connection=connection, suppresses=suppresses, actor=actor_of(request), now=timezone.now())
    if suppresses:
        messages.success(
            request, "IBKR is told not to ask what the team always answers with yes, in each session anew."
        )
    else:
        messages.success(request, "IBKR is told to ask all of its questions again.")
    return redirect("connection", team_code, connection_code)
