"""Writes down what happens to a person's account: sign-ins, refusals, second factors, passwords, addresses, proofs.

It stands in the person's own chain. What changes who can get in stands also, without address and browser, in the chain
of each team that the person is in at that moment.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from accounts.audit import writing
from accounts.entrance import devices
from accounts.models import Team, User

FACTORS = {
    "totp": "authenticator app",
    "webauthn": "security key or passkey",
    "recovery_codes": "recovery code",
    "password_reset": "link in a mail",
    "code": "code in a mail",
}


def sessions_ended(user: User, *, count: int, actor: User | None) -> None:
    """Write down that somebody ended sessions of this person, if there were any."""
    if count:
        _note(user, "sessions.ended", actor=actor, after={"sessions": count})


def shown(user: User, what: str) -> None:
    """Write down that a secret of this person was shown to them."""
    _note(user, f"{what}.shown")


@receiver(account.user_signed_up)
def signed_up(sender: Any, user: User, **kwargs: Any) -> None:
    _note(user, "signed_up")


@receiver(account.user_logged_in)
def signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    by = [_factor(record) for record in get_authentication_records(request, user)] or ["sign-up"]
    seen = {"by": by, "new_browser": devices.device_of(request, user) is None}
    _note(user, "signed_in", after={**seen, "browser": _browser(request)}, shared=seen)


@receiver(user_logged_out)
def signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if isinstance(user, User):
        _note(user, "signed_out")


@receiver(user_login_failed)
def refused(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """A wrong password. One for an account that does not exist takes as long, and its text is kept nowhere."""
    if request is None:
        return
    email = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(email__iexact=email).first()
    after = {"by": "password", "browser": _browser(request)}
    if user is None:
        writing.record_installation(
            actor=None, action="sign_in.refused", subject="nobody of this address", after=after, now=timezone.now()
        )
    elif request.user == user:
        _note(user, "proof.refused", after=after)
    else:
        _note(user, "sign_in.refused", actor=None, after=after)


@receiver(mfa.authentication_failed)
def factor_refused(sender: Any, request: HttpRequest, user: User, authenticator: Any, **kwargs: Any) -> None:
    by = FACTORS.get(str(getattr(authenticator, "type", "")), "second factor")
    proof = request.user == user
    _note(
        user,
        "proof.refused" if proof else "sign_in.refused",
        actor=user if proof else None,
        after={"by": by, "browser": _browser(request)},
    )


@receiver(account.authentication_step_completed)
def proved(sender: Any, user: User, **kwargs: Any) -> None:
    """A fresh proof of who sits there. Steps of signing in stand in its own entry."""
    if kwargs.get("reauthenticated"):
        _note(user, "proof.accepted", after={"by": _factor(kwargs)})


@receiver(mfa.authenticator_added)
def factor_added(sender: Any, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _factor_changed(user, "added", authenticator)


@receiver(mfa.authenticator_removed)
def factor_removed(sender: Any, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _factor_changed(user, "removed", authenticator)


@receiver(mfa.authenticator_reset)
def factor_renewed(sender: Any, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _factor_changed(user, "renewed", authenticator)


@receiver(account.password_changed)
def password_changed(sender: Any, user: User, **kwargs: Any) -> None:
    _password(user, "with the old one")


@receiver(account.password_set)
def password_set(sender: Any, user: User, **kwargs: Any) -> None:
    _password(user, "for the first time")


@receiver(account.password_reset)
def password_reset(sender: Any, user: User, **kwargs: Any) -> None:
    _password(user, "by a link in a mail")


@receiver(account.email_changed)
def address_changed(
    sender: Any, user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **kwargs: Any
) -> None:
    before = {"address": from_email_address.email if from_email_address else None}
    after = {"address": to_email_address.email}
    _note(user, "address.changed", before=before, after=after, shared=after)


@receiver(account.email_added)
def address_added(sender: Any, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    _note(user, "address.added", subject=email_address.email)


@receiver(account.email_removed)
def address_removed(sender: Any, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    _note(user, "address.removed", subject=email_address.email)


@receiver(account.email_confirmed)
def address_confirmed(sender: Any, email_address: EmailAddress, **kwargs: Any) -> None:
    _note(email_address.user, "address.confirmed", subject=email_address.email)


def _note(user: User, action: str, *, subject: str = "", shared: Any = None, **deed: Any) -> None:
    teams = Team.objects.filter(memberships__user=user) if shared is not None else ()
    deed.setdefault("actor", user)
    subject = (subject or user.email)[:120]
    writing.record_person(
        person=user, action=action, subject=subject, now=timezone.now(), teams=teams, shared=shared, **deed
    )


def _factor_changed(user: User, what: str, authenticator: Authenticator) -> None:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        _note(user, f"recovery_codes.{what}")
        return
    after = {"factor": FACTORS.get(authenticator.type, authenticator.type)}
    _note(user, f"second_factor.{what}", after=after, shared=after)


def _password(user: User, how: str) -> None:
    _note(user, "password.changed", after={"how": how}, shared={"how": how})


def _factor(record: dict[str, Any]) -> str:
    """By what somebody proved who they are, in our words."""
    kind = str(record.get("type") if record.get("method") == "mfa" else record.get("method"))
    return FACTORS.get(kind, kind)


def _browser(request: HttpRequest) -> str:
    return request.headers.get("user-agent", "")[:200]
