"""The forms of the sign-in library with our labels and sentences; what they do is the library's."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.validators import EmailValidator
from django.http import HttpRequest, HttpResponse

from accounts.entrance import passwords
from accounts.models import User

NOT_AN_ADDRESS = "This is not an e-mail address. It looks like name@example.com."
# Label, and what is said of an empty field.
FIELDS = {
    "login": ("E-mail", "Type your e-mail address."),
    "email": ("E-mail", "Type an e-mail address."),
    "password": ("Password", "Type your password."),
    "password1": ("Password", "Choose a password."),
    "password2": ("The new password again", "Type the new password a second time."),
    "oldpassword": ("Present password", "Type the password you have now."),
    "code": ("Code", "Type the code."),
    "name": ("Name of the key", "Give the key a name."),
}


class Plain(forms.Form):
    """Labels above the fields, no placeholders that vanish while typing, and a sentence for every empty field."""

    labels: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            label, empty = FIELDS.get(name, (str(field.label or ""), ""))
            field.label = self.labels.get(name, label)
            field.widget.attrs.pop("placeholder", None)
            if empty:
                field.error_messages["required"] = empty
            if isinstance(field, forms.EmailField):
                field.error_messages["invalid"] = NOT_AN_ADDRESS
                field.validators = [validator for validator in field.validators if not _checks_address(validator)]
                field.validators.append(EmailValidator(NOT_AN_ADDRESS))
            if field.widget.attrs.get("autocomplete") == "new-password":
                field.help_text = passwords.HELP if name == "password1" else ""
            if field.widget.attrs.get("autocomplete") == "one-time-code":
                field.widget.attrs.update({"autocapitalize": "none", "spellcheck": "false", "autofocus": True})

    def clean(self) -> dict[str, Any]:
        """Two passwords that differ are said in our words."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "password1" in cleaned and "password2" in self.errors and "password2" in self.data:
            typed = self.data.get("password2")
            if typed and typed != cleaned["password1"]:
                self.errors["password2"] = self.error_class(["The two new passwords differ. Type the same one twice."])
        return cleaned


def _checks_address(validator: object) -> bool:
    return isinstance(validator, EmailValidator)


class LoginForm(Plain, account.LoginForm):
    """Address and password."""


class SignupForm(Plain, account.SignupForm):
    """Address and password of somebody new: the only form that signs up, wherever it stands."""

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Sign up; for an address that is signed up already, take as long and answer alike, and mail its owner."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        answer: tuple[User | None, HttpResponse | None] = super().try_save(request)
        return answer


class AddEmailForm(Plain, account.AddEmailForm):
    labels = {"email": "New address"}


class ChangePasswordForm(Plain, account.ChangePasswordForm):
    labels = {"password1": "New password"}


class SetPasswordForm(Plain, account.SetPasswordForm):
    labels = {"password1": "New password"}


class ResetPasswordForm(Plain, account.ResetPasswordForm):
    """The address that a link to choose a new password goes to."""


class ResetPasswordKeyForm(Plain, account.ResetPasswordKeyForm):
    labels = {"password1": "New password"}


class ReauthenticateForm(Plain, account.ReauthenticateForm):
    """The password once more."""


class RequestLoginCodeForm(Plain, account.RequestLoginCodeForm):
    """The address that a code to sign in with goes to."""


class ConfirmLoginCodeForm(Plain, account.ConfirmLoginCodeForm):
    labels = {"code": "Code from the e-mail"}


class ConfirmEmailCodeForm(Plain, account.ConfirmEmailVerificationCodeForm):
    labels = {"code": "Code from the e-mail"}


class ConfirmResetCodeForm(Plain, account.ConfirmPasswordResetCodeForm):
    labels = {"code": "Code from the e-mail"}


class ChangeEmailForm(Plain, account.ChangeEmailForm):
    labels = {"email": "Another address"}


class AuthenticateForm(Plain, mfa.AuthenticateForm):
    labels = {"code": "Code of the app, or a recovery code"}


class ReauthenticateCodeForm(Plain, mfa.ReauthenticateForm):
    labels = {"code": "Code of the app, or a recovery code"}


class ActivateAppForm(Plain, totp.ActivateTOTPForm):
    labels = {"code": "Code that the app shows"}


class AddKeyForm(Plain, webauthn.AddWebAuthnForm):
    labels = {"passwordless": "Also sign in with it alone"}


class EditKeyForm(Plain, webauthn.EditWebAuthnForm):
    """Another name for a key."""
