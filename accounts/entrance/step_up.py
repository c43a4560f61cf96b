"""Step-up: a fresh proof of who sits at the keyboard, before anything that moves money or shows a secret.

Signing in is such a proof, and so is confirming the password or the second factor. It holds for `STEP_UP_SECONDS`.
Whoever has a second factor proves it by that factor: a stolen password confirms nothing. Stopping never asks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from allauth.account.signals import authentication_step_completed
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.entrance.second_factors import has_second_factor
from accounts.models import User

Arguments = ParamSpec("Arguments")
# Session key: when the person last proved who they are, in seconds since 1970.
PROVED_AT = "proved_at"


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person of this session has proved who they are within the last minutes."""
    proved_at = request.session.get(PROVED_AT)
    if not request.user.is_authenticated or not isinstance(proved_at, int | float):
        return False
    return 0 <= timezone.now().timestamp() - proved_at < settings.STEP_UP_SECONDS


def require_step_up(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired unless the proof is fresh: the person is asked, then what they sent is done."""
    if not is_fresh(request):
        raise ReauthenticationRequired


def step_up(
    view: Callable[Concatenate[HttpRequest, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """A view that only a fresh proof opens, whatever the method."""

    @functools.wraps(view)
    def asked(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        require_step_up(request)
        return view(request, *args, **kwargs)

    return asked


@receiver(user_logged_in)
def note_sign_in(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Signing in is complete only after every step of it, so it counts as the strongest proof the person has."""
    request.session[PROVED_AT] = timezone.now().timestamp()


@receiver(authentication_step_completed)
def note_confirmation(sender: Any, request: HttpRequest, user: User, method: str, **kwargs: Any) -> None:
    """A confirmation counts, but not by password where there is a second factor."""
    if kwargs.get("reauthenticated") and (method == "mfa" or not has_second_factor(user)):
        request.session[PROVED_AT] = timezone.now().timestamp()
