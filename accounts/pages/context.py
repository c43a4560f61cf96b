"""Template variables of every page: its team, and the teams its viewer can switch to."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.access import teams_of
from accounts.feed.needs import Needs, needs_of
from accounts.models import Membership, Role, User


def page(request: HttpRequest) -> dict[str, Any]:
    """`memberships` of the viewer, and `membership`, `team`, `needs`, `may_trade`, `may_own` of the page's own team.

    `needs` is a function: a template that shows them reads them, once.
    """
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"signup_open": settings.SIGNUP_OPEN}
    memberships = list(teams_of(user))
    match = request.resolver_match
    code = match.kwargs.get("team_code") if match else None
    current: Membership | None = next((membership for membership in memberships if membership.team.code == code), None)
    team = current.team if current else None
    # A closed team is read and not changed: no page offers what would be refused.
    acts = current if current and current.team.closed_at is None else None

    @cache
    def needs() -> Needs | None:
        return needs_of(team, timezone.now()) if team else None

    return {
        "memberships": memberships,
        "membership": current,
        "team": team,
        "needs": needs,
        "may_trade": bool(acts and acts.may(Role.TRADER)),
        "may_stop": bool(acts and acts.may_stop),
        "may_own": bool(acts and acts.may(Role.OWNER)),
        "public_url": settings.PUBLIC_URL,
        "simulator": settings.SIMULATOR,
    }
