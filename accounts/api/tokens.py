"""API tokens at the door of the REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.core.internal import ratelimit
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts.audit import origin
from accounts.models import ApiToken, Membership, User, hashed

USED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token hy_...`. The token belongs to one team; `request.auth` is the token."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = request.headers.get("Authorization", "").split()
        if not words or words[0].lower() != self.keyword.lower():
            return None
        try:
            return self._owner(words)
        except AuthenticationFailed:
            # Only what fails is counted: a good token is good from an address where others guess, too.
            if not ratelimit.consume(
                request._request, app="allauth.account", action="api_token_failed", limit_get=True
            ):
                raise Throttled(
                    wait=60, detail="This address has sent too many wrong tokens. Check the token, then try again."
                ) from None
            raise

    def _owner(self, words: list[str]) -> tuple[User, ApiToken]:
        if len(words) != 2:
            raise AuthenticationFailed(
                "The header must read 'Authorization: Token <your token>'.", code="invalid-token"
            )
        token = (
            ApiToken.objects.select_related("user", "team")
            .filter(token_hash=hashed(words[1]), revoked_at__isnull=True, user__is_active=True, team__closed_at=None)
            .first()
        )
        membership = None if token is None else Membership.objects.filter(team=token.team, user=token.user).first()
        if token is None or membership is None:
            raise AuthenticationFailed(
                "This token is unknown or was revoked. Make a new one on the team page.", code="invalid-token"
            )
        # What this member may do now, with the rows at hand: no view asks for them again.
        membership.team, membership.user = token.team, token.user
        token.membership = membership
        origin.by_token(token.name)
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description names our tokens."""

    target_class = "accounts.api.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Token <your token>; made on the team page, good for one team.",
        }
