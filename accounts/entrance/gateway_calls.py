"""How often a person may have gateways called: a few times a minute, by pages and tokens together."""

from __future__ import annotations

from typing import Any

from allauth.core.internal import ratelimit
from django.http import HttpRequest


def may_call(request: HttpRequest, user: Any) -> bool:
    """Count one more call of this person's; False where there were too many (ACCOUNT_RATE_LIMITS, `gateway_call`)."""
    return bool(ratelimit.consume(request, app="allauth.account", action="gateway_call", user=user))
