"""Who comes in: passwords, the sign-in library, second factors, and how mails leave."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from config import env
from config.settings.installation import DATA, HTTPS, SELF_CONTAINED, public

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"accounts.entrance.passwords.{name}"}
    for name in ("UnlikeTheAddress", "LongEnough", "NotCommon", "NotOnlyDigits")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
# Where strangers may come, nobody signs in under an address that they have not shown to be theirs.
ACCOUNT_EMAIL_VERIFICATION = env.choice(
    "HALYARD_EMAIL_VERIFICATION",
    ["optional", "mandatory", "none"] if SELF_CONTAINED else ["mandatory"],
    "An installation that is not self-contained has addresses confirmed, so that nobody signs up with somebody else's.",
)
ACCOUNT_LOGOUT_ON_GET = False
# Failed attempts, beside allauth's own limits. One address may guess a little at one account, and a little more at all of
# them; all addresses together may guess at one account no faster than `login_failed_account`. A browser in which its
# owner has signed in before is counted by itself, so that no number of strangers keeps the owner out.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/5m/key",
    "login_failed_account": "50/h/key",
    "login_failed_device": "10/5m/key",
    "api_token_failed": "60/m/ip",
    "csp_report": "20/m/ip",
    "gateway_call": "20/m/user",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {
    name: f"accounts.entrance.forms.{form}"
    for name, form in {
        "login": "LoginForm",
        "signup": "SignupForm",
        "add_email": "AddEmailForm",
        "change_email": "ChangeEmailForm",
        "change_password": "ChangePasswordForm",
        "set_password": "SetPasswordForm",
        "reset_password": "ResetPasswordForm",
        "reset_password_from_key": "ResetPasswordKeyForm",
        "reauthenticate": "ReauthenticateForm",
        "request_login_code": "RequestLoginCodeForm",
        "confirm_login_code": "ConfirmLoginCodeForm",
        "confirm_email_verification_code": "ConfirmEmailCodeForm",
        "confirm_password_reset_code": "ConfirmResetCodeForm",
    }.items()
}
# A mail goes out whenever something about signing in changes.
ACCOUNT_EMAIL_NOTIFICATIONS = True
# How long a proof of who sits there opens what moves money or shows a secret; and after how long without a click or a key
# the session ends (0: never).
STEP_UP_SECONDS = ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_REAUTHENTICATION_REQUIRED = True
IDLE_MINUTES = env.number("HALYARD_IDLE_MINUTES", 7 * 24 * 60, low=0)
# An operator's pages show every tenant, so a password alone never opens them.
STAFF_SECOND_FACTOR = env.flag("HALYARD_STAFF_SECOND_FACTOR", True)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Browsers take passkeys without TLS on this very machine only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
USERSESSIONS_TRACK_ACTIVITY = True
USERSESSIONS_ADAPTER = "accounts.adapter.Browsers"
MFA_ADAPTER = "accounts.adapter.TwoStepAdapter"
MFA_FORMS = {
    "authenticate": "accounts.entrance.forms.AuthenticateForm",
    "reauthenticate": "accounts.entrance.forms.ReauthenticateCodeForm",
    "activate_totp": "accounts.entrance.forms.ActivateAppForm",
    "add_webauthn": "accounts.entrance.forms.AddKeyForm",
    "edit_webauthn": "accounts.entrance.forms.EditKeyForm",
}


# Where mails are kept for the page that shows them: only on somebody's own machine that has no mail server.
MAIL_FOLDER: Path | None = None


def _email(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "console":
        globals()["EMAIL_BACKEND"] = "accounts.entrance.outbox.Backend"
        globals()["MAIL_FOLDER"] = DATA / "mails" if SELF_CONTAINED else None
        return
    if parts.scheme not in {"smtp", "smtps", "smtp+tls"}:
        raise env.SettingError(
            f"EMAIL_URL starts with {parts.scheme!r}. Use console:, smtp://, smtp+tls:// or smtps://."
        )
    globals().update(
        EMAIL_HOST=parts.hostname or "localhost",
        EMAIL_PORT=parts.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[parts.scheme],
        EMAIL_HOST_USER=unquote(parts.username or ""),
        EMAIL_HOST_PASSWORD=unquote(parts.password or ""),
        EMAIL_USE_SSL=parts.scheme == "smtps",
        EMAIL_USE_TLS=parts.scheme == "smtp+tls",
    )


# A mail server that hangs keeps nobody waiting for longer.
EMAIL_TIMEOUT = 20
# Others' installations say where mail goes, and be it the log: a reset that nobody receives is found too late.
_email(env.text("EMAIL_URL", "console:" if SELF_CONTAINED else None))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"Halyard <halyard@{public.hostname}>")
