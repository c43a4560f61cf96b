"""How the sign-in library behaves here: a new user gets a team, sign-up can be closed, refusals are our sentences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from allauth.account import app_settings
from allauth.account.internal.flows.password_reset import get_reset_password_url
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts import teams, zones
from accounts.audit import listening
from accounts.entrance import mails
from accounts.entrance.second_factors import has_second_factor
from accounts.entrance.sign_in import LimitedSignIn
from accounts.models import User
from accounts.vault.second_factors import SealedFactors

CONFIRM_DIFFERENTLY = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code of the app, or a recovery code",
    "mfa_reauthenticate:webauthn": "Use a security key",
}


class AccountAdapter(LimitedSignIn):
    """allauth's behaviour, except where a method here says otherwise."""

    error_messages = {
        **LimitedSignIn.error_messages,
        "account_inactive": "This sign-in is switched off. Ask the operator of this installation to switch it on.",
        "cannot_remove_primary_email": "This is your main address. Make another one the main address, then remove it.",
        "duplicate_email": "This address is on your list already.",
        "email_password_mismatch": "The e-mail address or the password is wrong. Type both again, or choose a new password.",
        "email_taken": "Somebody is signed up with this address already. Sign in, or use another address.",
        "enter_current_password": "This is not the password you have now. Type it again, or have a link sent to choose a new one.",
        "incorrect_code": "This code is wrong or too old. Type the newest one.",
        "incorrect_password": "This is not your password. Type it again, or have a link sent to choose a new one.",
        "invalid_login": "Type your e-mail address.",
        "invalid_or_expired_key": "This link opens nothing any more. Have a new one sent.",
        "invalid_password_reset": "This link opens nothing any more. Have a new one sent.",
        "max_email_addresses": "You have %d addresses, the most there can be. Remove one, then add this one.",
        "rate_limited": "Too many tries in a short time. Wait a minute, then try again.",
        "same_as_current": "This is what it is already. Type another one, or leave the page.",
        "too_many_login_attempts": "Too many tries failed. Wait five minutes, or have a link sent to choose a new password.",
        "unknown_email": "Nobody is signed up with this address. Check it, or sign up.",
        "unverified_primary_email": "Confirm this address before you make it the main one: open the link in its mail.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        # Someone holding an invitation may always come in.
        return bool(settings.SIGNUP_OPEN or request.session.get("invitation"))

    def format_email_subject(self, subject: str) -> str:
        return f"Halyard: {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        with timezone.override(self._zone_of(email)):
            super().send_mail(template_prefix, email, {**context, "halyard_url": settings.PUBLIC_URL})

    def render_mail(
        self, template_prefix: str, email: str, context: dict[str, Any], headers: Any = None
    ) -> EmailMessage:
        message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        if isinstance(message, EmailMultiAlternatives):
            mails.add_page(message)
        return message

    def _zone_of(self, email: str) -> tzinfo:
        """The zone of the mail's reader; of the request only where its reader asks, since others read other clocks."""
        addresses = Q(email__iexact=email) | Q(emailaddress__email__iexact=email, emailaddress__verified=True)
        reader = User.objects.filter(addresses).first()
        if reader is not None and reader.time_zone != "UTC":
            return zones.zone_named(reader.time_zone)
        asking = getattr(self.request, "user", None)
        return timezone.get_current_timezone() if reader is not None and asking == reader else zones.zone_named("UTC")

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """Ask the address's reader to confirm it; where it is somebody else's already, tell them instead.

        The page says the same in both cases: only who reads the mail learns who is signed up.
        """
        address = emailconfirmation.email_address
        rivals = User.objects.exclude(pk=address.user_id)
        verified = Q(emailaddress__email__iexact=address.email, emailaddress__verified=True)
        if not rivals.filter(verified | Q(email__iexact=address.email)).exists():
            super().send_confirmation_mail(request, emailconfirmation, signup)
            return
        context = {"password_reset_url": get_reset_password_url(request)}
        self.send_mail("account/email/address_taken", address.email, context)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if has_second_factor(user):
            # What a thief of the password knows confirms nothing.
            methods = [way for way in methods if way["id"] != "reauthenticate"]
        return [{**way, "description": CONFIRM_DIFFERENTLY.get(way["id"], way["description"])} for way in methods]

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Save a new user with a team: the one that invited them, else one of their own.

        Where addresses have to be confirmed, an invitation waits until its holder has shown whose address it is.
        """
        token = request.session.get("invitation")
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit)
            if token and app_settings.EMAIL_VERIFICATION == app_settings.EmailVerificationMethod.MANDATORY:
                return saved
            if commit:
                _seat(saved, token)
        request.session.pop("invitation", None)
        return saved


class TwoStepAdapter(SealedFactors):
    """The second step of signing in, in our words."""

    error_messages = {
        **SealedFactors.error_messages,
        "add_email_blocked": "Two-step sign-in is on. Switch it off, add the address, then switch it on again.",
        "cannot_delete_authenticator": "Two-step sign-in has to stay on for you. Ask an owner of your team.",
        "cannot_generate_recovery_codes": "Recovery codes come with two-step sign-in. Set up the app first.",
        "incorrect_code": "This code is wrong or too old. Type the one that is shown now.",
        "unverified_email": "Confirm your e-mail address first, so that nobody but you can get in with it. Open the link in its mail.",
    }

    def get_totp_issuer(self) -> str:
        return "Halyard"


class Browsers(DefaultUserSessionsAdapter):
    """Sessions that somebody ends from another browser."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        ended = list(sessions)
        super().end_sessions(ended)
        for user in {session.user for session in ended}:
            count = sum(session.user == user for session in ended)
            listening.sessions_ended(user, count=count, actor=user)


def _seat(user: User, token: str | None) -> None:
    now = timezone.now()
    if token and teams.find_invitation(token, now) is not None:
        teams.join(token=token, user=user, now=now)
        return
    teams.found_team(owner=user, name=f"{user.email.partition('@')[0][:70]}'s team", now=now)
