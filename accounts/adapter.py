"""How allauth behaves here: a new user gets a team, and the operator can close sign-up."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import teams
from accounts.entrance.sign_in import LimitedSignIn
from accounts.models import User


class AccountAdapter(LimitedSignIn):
    """allauth's behaviour, except where a method here says otherwise."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        # Someone holding an invitation may always come in.
        return bool(settings.SIGNUP_OPEN or request.session.get("invitation"))

    def format_email_subject(self, subject: str) -> str:
        return f"Halyard: {subject}"

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Save a new user with a team: the one that invited them, else one of their own."""
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit)
            if commit:
                _seat(saved, request.session.get("invitation"))
        request.session.pop("invitation", None)
        return saved


def _seat(user: User, token: str | None) -> None:
    now = timezone.now()
    if token and teams.find_invitation(token, now) is not None:
        teams.join(token=token, user=user, now=now)
        return
    teams.found_team(owner=user, name=f"{user.email.partition('@')[0][:70]}'s team", now=now)
