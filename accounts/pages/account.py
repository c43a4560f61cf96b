"""The person's own account: their export, and its end."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts import people
from accounts.entrance.step_up import require_step_up, step_up
from accounts.models import User
from accounts.pages.forms import DeleteAccountForm


@require_safe
@step_up
def account_export(request: HttpRequest) -> HttpResponse:
    """Everything about the person as one JSON file."""
    user, now = cast(User, request.user), timezone.now()
    response = JsonResponse(people.export_of(user, now), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response.headers["Content-Disposition"] = f'attachment; filename="halyard-{now:%Y-%m-%d}.json"'
    response.headers["Cache-Control"] = "no-store, private"
    return response


@require_http_methods(["GET", "POST"])
def account_delete(request: HttpRequest) -> HttpResponse:
    """Says first what hangs on the account; ends it after a confirmation and the typed address."""
    user, now = cast(User, request.user), timezone.now()
    form = DeleteAccountForm(request.POST or None, email=user.email)
    if request.method == "POST":
        require_step_up(request)
        if form.is_valid():
            address, mail_to = user.email, EmailAddress.objects.get_primary_email(user) or user.email
            try:
                people.delete(user=user, now=now)
            except people.PersonRefused as refused:
                form.add_error(None, f"{refused} ({refused.code})")
            else:
                get_adapter().send_mail("account/email/account_deleted", mail_to, {"deleted_email": address})
                logout(request)
                messages.success(request, "Your account is deleted.")
                return redirect("account_login")
    context = {"form": form, "hanging": people.hanging_on(user, now)}
    return render(request, "accounts/account_delete.html", context, status=422 if form.errors else 200)
