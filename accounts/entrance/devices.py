"""Browsers that have signed in before. Strangers who guess at an account must not be able to lock its owner out."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.models import User

LIFE_SECONDS = 180 * 24 * 3600
_SALT = "a browser that has signed in"


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Leave a mark in the browser. It opens nothing; it only has its failed attempts counted apart from strangers'."""
    known = device_of(request, user) or secrets.token_urlsafe(12)
    # A change of password ends every mark: a thief of the old password may hold one.
    mark = signing.dumps([user.pk, user.get_session_auth_hash(), known], salt=_SALT)
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        mark,
        max_age=LIFE_SECONDS,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def device_of(request: HttpRequest, user: User) -> str | None:
    """The name of the browser this request comes from, if this user has signed in there under the present password."""
    mark = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    if not mark:
        return None
    try:
        key, password, device = signing.loads(mark, salt=_SALT, max_age=LIFE_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(device) if (key, password) == (user.pk, user.get_session_auth_hash()) else None


def known_device(request: HttpRequest, email: str) -> str | None:
    """As `device_of`, for the account that somebody is trying to sign in to."""
    if settings.DEVICE_COOKIE_NAME not in request.COOKIES:
        return None
    user = User.objects.filter(email__iexact=email).first()
    return device_of(request, user) if user is not None else None
