"""Pages around signing in: the sign-in library's page of addresses, and mails that stay on this machine."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.views import EmailView, PasswordChangeView, PasswordSetView
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView, ViewRecoveryCodesView
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.audit import listening
from accounts.entrance import outbox
from accounts.entrance.second_factors import has_second_factor
from accounts.entrance.step_up import require_step_up
from accounts.models import User


class EmailAddresses(EmailView):
    """The library's page, which answers also where the library does nothing."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if user.is_authenticated and not EmailAddress.objects.filter(user=user, primary=True).exists():
            # Made by a command, not by signing up: the address they sign in with is their main one.
            EmailAddress.objects.get_or_create(user=user, email=user.email.lower())
            EmailAddress.objects.filter(user=user, email__iexact=user.email).update(primary=True)
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "action_add" not in request.POST and self._get_email_address(request) is None:
            messages.error(request, "This address is not on your list any more. Choose one of those below.")
        answer: HttpResponse = super().post(request, *args, **kwargs)
        if "action_send" in request.POST and not self._did_send_verification_email and self._waits(request):
            messages.warning(
                request, "A link went there less than three minutes ago. Look into your mail, spam included."
            )
        return answer

    def _waits(self, request: HttpRequest) -> bool:
        address = self._get_email_address(request)
        return address is not None and not address.verified

    def _get_email_address(self, request: HttpRequest) -> Any:
        return super()._get_email_address(request) if request.POST.get("email") else None


email_addresses = EmailAddresses.as_view()


class NewPassword:
    """Asks for a second factor before a password is changed or set, from a person who has one: that changes how they sign in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User) and has_second_factor(request.user):
            require_step_up(request)
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return answer


class ChangedPassword(NewPassword, PasswordChangeView):
    """The library's page that changes a password."""


class FirstPassword(NewPassword, PasswordSetView):
    """The library's page that sets a first password."""


class Shown:
    """Writes down that recovery codes were shown: each of them is a way in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if answer.status_code == HTTPStatus.OK and isinstance(request.user, User):
            listening.shown(request.user, "recovery_codes")
        return answer


class RecoveryCodes(Shown, ViewRecoveryCodesView):
    """The library's page."""


class RecoveryCodesFile(Shown, DownloadRecoveryCodesView):
    """The library's file."""


@login_not_required
@never_cache
@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """Shows what was mailed, to the operator and to this machine; for everybody else there is no such page."""
    if not outbox.may_read(request):
        raise Http404("There is no such page.")
    return render(request, "accounts/mails.html", {"mails": outbox.mails()})
