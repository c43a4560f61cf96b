"""How the sign-in library fits this house: a team at sign-up, and sign-up closed where the operator says so."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """The library's behaviour, with our two answers."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        # Someone holding an invitation may always come in.
        return bool(settings.SIGNUP_OPEN or request.session.get("invitation"))
