"""What ends when the owner of an address shows that it is theirs: whatever was opened before may be somebody else's.

Who signs up with an address that is not theirs waits for its owner: a session, an API token, an address of their own or a
second factor made meanwhile would let them in beside the owner. So they end with the proof.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed, password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, departures
from accounts.audit import listening
from accounts.entrance.sessions import end_sessions
from accounts.models import ApiToken, User


@receiver(password_reset)
def after_reset(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A new password by mail: the old one may have been a stranger's."""
    reclaim(request, user, because="a new password was chosen by a link in a mail")


@receiver(email_changed)
def after_change(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Another main address: whoever reads its mail owns the account from now on."""
    reclaim(request, user, because="the main e-mail address was changed")


@receiver(email_confirmed)
def after_confirmation(sender: Any, request: HttpRequest, email_address: EmailAddress, **kwargs: Any) -> None:
    """The first proof that the account's address is its owner's. A further address of a proved account changes nothing."""
    remaining = EmailAddress.objects.filter(user=email_address.user).exclude(pk=email_address.pk)
    if email_address.primary or not remaining.filter(verified=True).exists():
        _forget_strangers(email_address)
        reclaim(request, email_address.user, because=f"{email_address.email} was confirmed for the first time")


@receiver([password_changed, password_set])
def after_new_password(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A password that was changed with the old one: other browsers are signed out, tokens stay."""
    count = end_sessions(user, keep=_own_session(request, user))
    listening.sessions_ended(user, count=count, actor=user)


@transaction.atomic
def reclaim(request: HttpRequest, user: User, *, because: str) -> None:
    """End every other session and every API token of the person, and write to them if anything ended."""
    now = timezone.now()
    tokens = departures.revoke_all(ApiToken.objects.filter(user=user), actor=user, now=now)
    sessions = end_sessions(user, keep=_own_session(request, user))
    if tokens or sessions:
        after = {"because": because, "tokens": len(tokens), "sessions": sessions}
        audit.record_person(
            person=user, actor=user, action="account.reclaimed", subject=user.email, after=after, now=now
        )
        context = {"because": because, "tokens": [(token.name, token.team.name) for token in tokens], "ended": sessions}
        transaction.on_commit(lambda: get_adapter().send_notification_mail("account/email/reclaimed", user, context))


def _own_session(request: HttpRequest, user: User) -> str:
    """The key of the session that proves it, if the person is signed in by it."""
    return request.session.session_key or "" if request.user == user else ""


def _forget_strangers(proved: EmailAddress) -> None:
    """Drop other addresses and second factors: they were set up before anybody had shown whose account this is."""
    if proved.primary:
        EmailAddress.objects.filter(user=proved.user).exclude(pk=proved.pk).delete()
    Authenticator.objects.filter(user=proved.user).delete()
