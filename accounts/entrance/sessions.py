"""Sessions of the browser: when somebody last did something in one, and when one ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.entrance.sign_in import client_of
from accounts.models import User

Handler = Callable[[HttpRequest], HttpResponse]
# Session key: when the person last did something, in seconds since 1970. Written at most once in NOTE_EVERY seconds.
SEEN_AT = "seen_at"
NOTE_EVERY = 60


@receiver(user_logged_in)
def note_sign_in(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Signing in is the first thing that somebody does in a session."""
    request.session[SEEN_AT] = timezone.now().timestamp()


def is_idle(session: SessionBase, now: float) -> bool:
    """Whether nobody has done anything in this session for longer than the installation allows."""
    seen_at = session.get(SEEN_AT)
    limit: int = settings.IDLE_MINUTES * 60
    return bool(limit) and isinstance(seen_at, int | float) and now - seen_at > limit


def end_sessions(user: User, *, keep: str | None = "") -> int:
    """Sign the person out everywhere, except in the session with the key `keep`; their open pages close after commit."""
    keys = set(UserSession.objects.filter(user=user).values_list("session_key", flat=True)) - {keep}
    ended = Session.objects.filter(session_key__in=keys).delete()[0]
    UserSession.objects.filter(user=user, session_key__in=keys).delete()
    return ended


class IdleSessions:
    """Signs out whoever was away too long, and writes down when each session was last used, and from where."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.session.session_key or not request.user.is_authenticated:
            return self.get_response(request)
        now = timezone.now().timestamp()
        if is_idle(request.session, now):
            logout(request)
            messages.info(request, "You were signed out because nobody used this browser for a while. Sign in again.")
            return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
        if _by_a_person(request) and now - float(request.session.get(SEEN_AT, 0)) > NOTE_EVERY:
            self._note(request, now)
        return self.get_response(request)

    @staticmethod
    def _note(request: HttpRequest, now: float) -> None:
        request.session[SEEN_AT] = now
        seen = {"last_seen_at": timezone.now(), "user_agent": request.headers.get("user-agent", "")[:200]}
        if (address := client_of(request)) != "unknown":
            seen["ip"] = address
        UserSession.objects.filter(session_key=request.session.session_key).update(**seen)


def _by_a_person(request: HttpRequest) -> bool:
    """A page that fetches itself anew, as open pages do all night, is nobody's doing."""
    return request.method != "GET" or request.headers.get("sec-fetch-mode", "navigate") == "navigate"
