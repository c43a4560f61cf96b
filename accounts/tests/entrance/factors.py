"""Second factors for tests: a real authenticator app, whose codes are reckoned as a phone reckons them."""

from __future__ import annotations

import time

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value

from accounts.models import User

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def with_app(user: User) -> User:
    """Give the person an authenticator app and a confirmed address."""
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    TOTP.activate(user, SECRET)
    return user


def code_of_the_app(now: float | None = None) -> str:
    """The code that the app shows."""
    return str(format_hotp_value(hotp_value(SECRET, int(now if now is not None else time.time()) // 30)))
