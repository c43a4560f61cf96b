"""Context of every page of a team: the number of plans that wait for an answer, and the halts."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from accounts.models import User
from strategies.control import halt
from strategies.domain.decide.guards import Halt
from strategies.models import Decision, Guard


def page(request: HttpRequest) -> dict[str, Any]:
    """`approvals_waiting` and `halts`, as functions: a template that shows one queries it, once."""
    user, match = getattr(request, "user", None), request.resolver_match
    code = match.kwargs.get("team_code") if match else None
    if not isinstance(user, User) or code is None:
        return {}

    @cache
    def waiting() -> int:
        # Of the viewer's own teams only: a page that refuses a stranger has this context too.
        mine = Decision.objects.filter(team__code=code, team__memberships__user=user)
        return mine.filter(status=Decision.Status.PROPOSED).count()

    @cache
    def halts() -> list[Guard]:
        mine = Guard.objects.filter(team__code=code, team__memberships__user=user)
        return list(halt.widest_first(mine.exclude(halt=str(Halt.NOTHING))))

    return {"approvals_waiting": waiting, "halts": halts}
