"""The limits of sign-in: per address, per account and address, and per account, except for the owner's own browsers."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.entrance import devices
from accounts.entrance.addresses import bucket


class LimitedSignIn(DefaultAccountAdapter):
    """allauth's sign-in with our limits. Every way to sign in with a password comes through `authenticate`."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        email = _account(credentials)
        device = devices.known_device(request, email)
        if device is not None:
            keys = {"login_failed_device": f"{email} in {device}"}
        else:
            # The address first: what is refused there is no attempt, and uses up nothing of the account's limit.
            keys = {"login_failed": f"{email} from {bucket(client_of(request))}", "login_failed_account": email}
        used = ratelimit.RateLimitUsage(usage=[])
        for action, key in keys.items():
            usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
            if usage is None:
                raise self.validation_error("too_many_login_attempts")
            used.usage += usage.usage
        self._login_failed_rl_usage = used

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Forget the failed attempts at an account whose password was just reset by mail."""
        email = _account(credentials)
        ratelimit.clear(request, app="allauth.account", action="login_failed_account", key=email)
        own = f"{email} from {bucket(client_of(request))}"
        ratelimit.clear(request, app="allauth.account", action="login_failed", key=own)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail whose links lead to our public address, whatever host its requester claimed to have reached."""
        public = urlsplit(settings.PUBLIC_URL)
        links = {name: _at(public, value) for name, value in context.items() if name.endswith("_url")}
        site = {"domain": public.netloc, "name": public.netloc}
        super().send_mail(template_prefix, email, {"current_site": site, **context, **links})

    def post_login(self, request: HttpRequest, user: Any, **options: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **options)
        devices.remember(request, response, user)
        return response


def _at(public: SplitResult, link: Any) -> Any:
    """The link with the scheme and host of the public address."""
    return urlsplit(link)._replace(scheme=public.scheme, netloc=public.netloc).geturl() if link else link


def client_of(request: HttpRequest) -> str:
    """The client's address; `accounts.middleware.ClientAddress` has put it in its place."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")


def _account(credentials: dict[str, Any]) -> str:
    # Not the host of the request, which allauth puts in front: its sender chooses that.
    return str(credentials.get("email") or credentials.get("username") or "").strip().casefold()
